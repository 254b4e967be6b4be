//! The table of the readings, in the contract's layout: a row per reading, or a row per measurement.

use std::collections::HashMap;

use rusqlite::{CachedStatement, Connection};

use super::rows::{Bound, StoredRows, value_ref};
use crate::store::duplicate::Earlier;
use crate::store::measurement::{Measured, sensor_ids};
use iotpipe_core::contract::Contract;
use iotpipe_core::reading::{Batch, Reading};

/// Its statements, and how rows are bound to them.
pub(super) struct RawTable {
    insert: String,
    rows: StoredRows,
    /// In the long layout, the number of each sensor of the contract.
    sensors: Option<Vec<i64>>,
    width: usize,
}

impl RawTable {
    /// With the ids of all sensors.
    ///
    /// # Errors
    /// That one of the contract's has none.
    pub(super) fn with(contract: &Contract, ids: &HashMap<String, i64>) -> Result<Self, String> {
        let (table, columns) = match contract.long {
            None => {
                let sensors: String = contract.sensors.iter().map(|s| format!(", \"{}\"", s.name)).collect();
                ("iot_raw_data", format!("device_id, ts, file_id, line_number{sensors}"))
            }
            Some(_) => {
                ("iot_raw_values", "device_id, sensor_id, ts, file_id, line_number, value, whole, text".to_owned())
            }
        };
        let marks = vec!["?"; columns.split(", ").count()].join(", ");
        Ok(Self {
            insert: format!("INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING"),
            rows: StoredRows::of(contract),
            sensors: contract.long.is_some().then(|| sensor_ids(contract, ids)).transpose()?,
            width: contract.width(),
        })
    }

    /// Inserts the readings of `batch` in the order of the table's key; gives those whose key existed, but for rows that
    /// are stored from this very line. `devices` are the ids of the pass's devices.
    pub(super) fn insert(
        &self,
        connection: &Connection,
        batch: &Batch,
        devices: &[i64],
        file_id: i64,
    ) -> rusqlite::Result<Vec<(usize, Earlier)>> {
        let device = |reading: &Reading| devices[reading.device as usize];
        let mut order: Vec<usize> = (0..batch.readings.len()).collect();
        match &self.sensors {
            None => order.sort_unstable_by_key(|&i| (device(&batch.readings[i]), batch.readings[i].ts, i)),
            Some(sensors) => order.sort_unstable_by_key(|&i| {
                let (sensor, _) = batch.measurement(&batch.readings[i]);
                (device(&batch.readings[i]), sensors[sensor as usize], batch.readings[i].ts, i)
            }),
        }
        let mut statement = connection.prepare_cached(&self.insert)?;
        let mut duplicates = Vec::new();
        for index in order {
            let reading = &batch.readings[index];
            let inserted = match &self.sensors {
                None => insert_row(&mut statement, device(reading), file_id, reading, self.width, batch)?,
                Some(sensors) => insert_measurement(&mut statement, device(reading), file_id, reading, sensors, batch)?,
            };
            if inserted == 0
                && let Some(earlier) = self.find(connection, file_id, device(reading), reading, batch)?
                && !earlier.is_row(file_id, reading.position.line)
            {
                duplicates.push((index, earlier));
            }
        }
        Ok(duplicates)
    }

    /// The stored row that has the key of `reading`, and how they compare. A row of the file `own` is given without its
    /// name.
    pub(super) fn find(
        &self,
        connection: &Connection,
        own: i64,
        device_id: i64,
        reading: &Reading,
        batch: &Batch,
    ) -> rusqlite::Result<Option<Earlier>> {
        match &self.sensors {
            None => {
                let cells = batch.cells_of(reading, self.width);
                self.rows.find(connection, own, (device_id, reading.ts), cells, batch)
            }
            Some(sensors) => self.rows.find_measurement(connection, own, (device_id, sensors), reading, batch),
        }
    }
}

/// The number of each sensor by its name.
pub(super) fn ids_of_sensors(connection: &Connection) -> rusqlite::Result<HashMap<String, i64>> {
    let mut select = connection.prepare("SELECT name, id FROM sensor")?;
    select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn insert_row(
    statement: &mut CachedStatement<'_>,
    device_id: i64,
    file_id: i64,
    reading: &Reading,
    width: usize,
    batch: &Batch,
) -> rusqlite::Result<usize> {
    for (at, value) in [device_id, reading.ts, file_id, reading.position.line as i64].iter().enumerate() {
        statement.raw_bind_parameter(at + 1, value)?;
    }
    for (at, cell) in batch.cells_of(reading, width).iter().enumerate() {
        statement.raw_bind_parameter(at + 5, Bound(value_ref(*cell, batch)))?;
    }
    statement.raw_execute()
}

fn insert_measurement(
    statement: &mut CachedStatement<'_>,
    device_id: i64,
    file_id: i64,
    reading: &Reading,
    sensors: &[i64],
    batch: &Batch,
) -> rusqlite::Result<usize> {
    let (sensor, Measured { value, whole, text }) = Measured::of(batch, reading);
    let numbers = [device_id, sensors[sensor], reading.ts, file_id, reading.position.line as i64];
    for (at, value) in numbers.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, value)?;
    }
    statement.raw_bind_parameter(6, value)?;
    statement.raw_bind_parameter(7, whole)?;
    statement.raw_bind_parameter(8, text)?;
    statement.raw_execute()
}
