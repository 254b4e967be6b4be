//! [`Snapshot`] on SQLite: a transaction that only reads sees one moment of the write-ahead log.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, Row};

use super::connection;
use super::raw_table::{RawTable, ids_of_sensors};
use crate::store::duplicate::Earlier;
use crate::store::error::StoreError;
use crate::store::snapshot::{self, DeviceIds, FileRows, SampledRow, Snapshot, StoredAggregate};
use iotpipe_core::aggregate::Stats;
use iotpipe_core::contract::Contract;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::reading::Batch;

pub(in crate::store) struct SqliteSnapshot {
    connection: Connection,
    place: String,
    /// For the contract, by its hash, that was asked for last.
    table: Option<(String, RawTable)>,
    ids: DeviceIds,
    sensors: HashMap<String, i64>,
}

impl SqliteSnapshot {
    pub(in crate::store) fn begin(path: &Path) -> Result<Self, StoreError> {
        let place = path.display().to_string();
        let opened = connection::begin_snapshot(path).and_then(|connection| {
            let mut ids = DeviceIds::default();
            let add = |row: &Row<'_>| {
                ids.add(row.get_ref(0)?.as_str()?, row.get(1)?);
                Ok(())
            };
            all(&connection, "SELECT name, id FROM device", None, add)?;
            let sensors = ids_of_sensors(&connection)?;
            Ok((connection, ids, sensors))
        });
        let (connection, ids, sensors) = opened.map_err(|e| StoreError::classify(&place, e))?;
        Ok(Self { connection, place, table: None, ids, sensors })
    }

    fn all<T>(
        &self,
        sql: &str,
        file_id: Option<i64>,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        all(&self.connection, sql, file_id, row).map_err(|e| StoreError::classify(&self.place, e))
    }
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    file_id: Option<i64>,
    row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare(sql)?.query_map(rusqlite::params_from_iter(file_id), row)?.collect()
}

impl Snapshot for SqliteSnapshot {
    fn find(
        &mut self,
        contract: &Contract,
        batch: &Batch,
        devices: &DeviceNames,
    ) -> Result<Vec<(usize, Earlier)>, StoreError> {
        let table = match self.table.take().filter(|(hash, _)| *hash == contract.hash) {
            Some((_, table)) => table,
            None => RawTable::with(contract, &self.sensors).map_err(StoreError::Schema)?,
        };
        let mut found = Vec::new();
        for (index, reading) in batch.readings.iter().enumerate() {
            let Some(id) = devices.get(reading.device).and_then(|name| self.ids.get(name)) else { continue };
            // No file has this identity: every row is given with the name of its file.
            let earlier = table.find(&self.connection, 0, id, reading, batch);
            found.extend(earlier.map_err(|e| StoreError::classify(&self.place, e))?.map(|earlier| (index, earlier)));
        }
        self.table = Some((contract.hash.clone(), table));
        Ok(found)
    }

    fn entries(&mut self) -> Result<HashMap<i64, (String, i64)>, StoreError> {
        let entries = self.all(snapshot::ENTRIES, None, |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
        Ok(entries.into_iter().collect())
    }

    fn set_aside_of(&mut self, file_id: i64) -> Result<Vec<(i64, i64, Option<bool>)>, StoreError> {
        self.all(snapshot::SET_ASIDE_OF, Some(file_id), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    }

    fn orphans(&mut self) -> Result<Vec<String>, StoreError> {
        let mut orphans = self.all(snapshot::ORPHANS, None, |row| row.get(0))?;
        let kept = self.all(snapshot::CONTRACTS, None, |row| Ok((row.get(0)?, row.get(1)?)))?;
        orphans.extend(snapshot::false_contracts(kept));
        Ok(orphans)
    }

    fn rows_by_file(&mut self) -> Result<Vec<FileRows>, StoreError> {
        self.all(snapshot::ROWS_BY_FILE, None, |row| {
            Ok(FileRows { file_id: row.get(0)?, state: row.get(1)?, rows: row.get(2)? })
        })
    }

    fn rows_of(&mut self, file_id: i64) -> Result<Vec<(i64, String)>, StoreError> {
        self.all(&snapshot::rows_of(str::to_owned), Some(file_id), |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn count_aggregates(&mut self, file_id: i64) -> Result<i64, StoreError> {
        let counted = self.all(snapshot::COUNT_AGGREGATES, Some(file_id), |row| row.get(0))?;
        Ok(counted.first().copied().unwrap_or(0))
    }

    fn device_id(&self, name: &str) -> Option<i64> {
        self.ids.get(name)
    }

    fn aggregates_of(&mut self, file_id: i64, take: &mut dyn FnMut(StoredAggregate)) -> Result<(), StoreError> {
        let row = |row: &Row<'_>| {
            take(StoredAggregate {
                device_id: row.get(0)?,
                device: row.get(1)?,
                sensor: row.get(2)?,
                window_start: row.get(3)?,
                stats: Stats::stored(row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?),
            });
            Ok(())
        };
        self.all(&snapshot::aggregates_of("file_aggregates.window_start"), Some(file_id), row).map(drop)
    }

    fn rejections_of(&mut self, file_id: i64) -> Result<Vec<(String, String, i64)>, StoreError> {
        self.all(snapshot::REJECTIONS_OF, Some(file_id), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    }

    fn sample_of(&mut self, file_id: i64) -> Result<Vec<SampledRow>, StoreError> {
        self.all(snapshot::SAMPLE_OF, Some(file_id), |row| {
            Ok(SampledRow { line: row.get(0)?, rule: row.get(1)?, column: row.get(2)?, value: row.get(3)? })
        })
    }

    fn drifted_totals(&mut self) -> Result<Vec<String>, StoreError> {
        self.all(&snapshot::drifted_totals(), None, |row| row.get(0))
    }
}
