//! The table of the readings, in the contract's layout: a row per reading, or a row per measurement.

use std::collections::HashMap;

use iotpipe_core::contract::Contract;
use iotpipe_core::reading::Batch;
use sqlx::postgres::PgConnection;

use super::binary_copy::{HEADER, TRAILER, encode_measurement, encode_row, measurement_bytes, row_bytes};
use super::key_order::by_key;
use super::rows::{self, find_measurements, find_rows};
use crate::store::duplicate::Earlier;
use crate::store::error::Cause;
use crate::store::measurement::{Measured, sensor_ids};

/// Asked once for each batch; what is done for each row is the layout's own.
pub(super) enum RawTable {
    /// `iot_raw_data`.
    Wide,
    /// `iot_raw_values`, with the number of each sensor of the contract.
    Long(Vec<i32>),
}

impl RawTable {
    pub(super) async fn of(connection: &mut PgConnection, contract: &Contract) -> Result<Self, Cause> {
        let ids = if contract.long.is_some() { ids_of_sensors(connection).await? } else { HashMap::new() };
        Self::with(contract, &ids).map_err(Cause::Schema)
    }

    /// With the ids of all sensors.
    pub(super) fn with(contract: &Contract, ids: &HashMap<String, i32>) -> Result<Self, String> {
        match contract.long {
            None => Ok(RawTable::Wide),
            Some(_) => Ok(RawTable::Long(sensor_ids(contract, ids)?)),
        }
    }

    /// The COPY that takes what [`RawTable::encode`] gives.
    pub(super) fn copy_statement(&self, contract: &Contract) -> String {
        let (table, columns) = match self {
            RawTable::Wide => {
                let sensors: String = contract.sensors.iter().map(|s| format!(", \"{}\"", s.name)).collect();
                ("iot_raw_data", format!("device_id, ts, file_id, line_number{sensors}"))
            }
            RawTable::Long(_) => {
                ("iot_raw_values", "device_id, sensor_id, ts, file_id, line_number, value, whole, text".to_owned())
            }
        };
        format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)")
    }

    /// Readings in the order of the table's key, and those that repeat a key within the batch with the one that came
    /// first. `devices` are the ids of the pass's devices, as in all that follows.
    pub(super) fn by_key(&self, batch: &Batch, devices: &[i32]) -> (Vec<usize>, Vec<(usize, usize)>) {
        match self {
            RawTable::Wide => by_key(batch, |reading| (devices[reading.device as usize], reading.ts)),
            RawTable::Long(sensors) => by_key(batch, |reading| {
                let (sensor, _) = batch.measurement(reading);
                (devices[reading.device as usize], sensors[sensor as usize], reading.ts)
            }),
        }
    }

    /// Writes the readings at the indices `order` into `data`, as the COPY takes them.
    pub(super) fn encode(
        &self,
        data: &mut Vec<u8>,
        batch: &Batch,
        order: &[usize],
        (contract, devices, file_id): (&Contract, &[i32], i64),
    ) {
        let bytes = match self {
            RawTable::Wide => row_bytes(contract),
            RawTable::Long(_) => measurement_bytes(),
        };
        data.reserve_exact(HEADER.len() + order.len() * bytes + TRAILER.len());
        data.extend_from_slice(HEADER);
        let readings = order.iter().map(|&index| &batch.readings[index]);
        match self {
            RawTable::Wide => {
                let width = contract.width();
                for reading in readings {
                    let (cells, device) = (batch.cells_of(reading, width), devices[reading.device as usize]);
                    encode_row(data, batch, reading, cells, device, file_id);
                }
            }
            RawTable::Long(sensors) => {
                for reading in readings {
                    let (sensor, measured) = Measured::of(batch, reading);
                    let ids = (devices[reading.device as usize], sensors[sensor]);
                    encode_measurement(data, reading, ids, measured, file_id);
                }
            }
        }
        data.extend_from_slice(&TRAILER);
    }

    /// Which of the readings `keys` (index in the batch, id of the device) have a key that is stored, by index, and how
    /// they compare with the row that has it. Rows of the file `own` are given without its name.
    pub(super) async fn find_stored(
        &self,
        connection: &mut PgConnection,
        contract: &Contract,
        batch: &Batch,
        keys: &[(usize, i32)],
        own: i64,
    ) -> Result<Vec<(usize, Earlier)>, sqlx::Error> {
        match self {
            RawTable::Wide => find_rows(connection, contract, batch, keys, own).await,
            RawTable::Long(sensors) => find_measurements(connection, sensors, batch, keys, own).await,
        }
    }

    /// The sensors in which two readings of one key differ.
    pub(super) fn differing(&self, batch: &Batch, later: usize, earlier: usize, contract: &Contract) -> Vec<usize> {
        match self {
            RawTable::Wide => {
                let (later, earlier) =
                    (rows::values_of(batch, later, contract), rows::values_of(batch, earlier, contract));
                (0..later.len()).filter(|&i| later[i] != earlier[i]).collect()
            }
            RawTable::Long(_) => {
                let [(sensor, later), (_, earlier)] =
                    [later, earlier].map(|index| Measured::of(batch, &batch.readings[index]));
                if later == earlier { Vec::new() } else { vec![sensor] }
            }
        }
    }
}

/// The number of each sensor by its name.
pub(super) async fn ids_of_sensors(connection: &mut PgConnection) -> Result<HashMap<String, i32>, sqlx::Error> {
    let ids = sqlx::query_as("SELECT name, id FROM sensor").persistent(false).fetch_all(connection).await?;
    Ok(ids.into_iter().collect())
}
