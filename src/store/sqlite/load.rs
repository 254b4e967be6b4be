//! The load transaction on SQLite: prepared statements on a connection of its own.

use std::path::Path;

use rusqlite::{CachedStatement, Connection, params, params_from_iter};
use sea_orm::Statement;

use super::connection;
use super::rows::{Bound, StoredRows, bound, value_ref};
use crate::store::duplicate::{BecauseOf, Earlier, set_aside};
use crate::store::error::StoreError;
use crate::store::rollup::{add_up_anew, roll_up};
use crate::store::transaction::{LoadTransaction, Totals};
use crate::store::window;
use iotpipe_core::aggregate::Aggregates;
use iotpipe_core::contract::Contract;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::reading::{Batch, Cell};

pub(in crate::store) struct SqliteLoad<'a> {
    connection: Connection,
    contract: &'a Contract,
    place: String,
    file_id: i64,
    file_open: bool,
    device_ids: Vec<i64>,
    loaded: Vec<i64>,
    /// Files whose totals are added up anew.
    anew: Vec<i64>,
    because_of: BecauseOf,
    /// Whether statistics were written, of windows as the contract has them.
    aggregated: bool,
    insert: String,
    rows: StoredRows,
}

impl<'a> SqliteLoad<'a> {
    /// Takes the writer's lock at once: a transaction that reads first and writes later could only fail when another
    /// has written meanwhile.
    pub(in crate::store) fn begin(path: &Path, contract: &'a Contract) -> Result<Self, StoreError> {
        let place = path.display().to_string();
        let connection = connection::begin_load(path).map_err(|e| StoreError::classify(&place, e))?;
        let names: String = contract.sensors.iter().map(|s| format!(", \"{}\"", s.name)).collect();
        let marks: String = (0..contract.sensors.len()).map(|_| ", ?").collect();
        let insert = format!(
            "INSERT INTO iot_raw_data (device_id, ts, file_id, line_number{names}) VALUES (?, ?, ?, ?{marks})
             ON CONFLICT DO NOTHING"
        );
        Ok(Self {
            connection,
            contract,
            place,
            file_id: 0,
            file_open: false,
            device_ids: Vec::new(),
            loaded: Vec::new(),
            anew: Vec::new(),
            because_of: BecauseOf::default(),
            aggregated: false,
            insert,
            rows: StoredRows::of(contract),
        })
    }

    fn register(&mut self, devices: &DeviceNames) -> rusqlite::Result<()> {
        for name in devices.from(self.device_ids.len()) {
            self.connection
                .prepare_cached("INSERT INTO device (name) VALUES (?) ON CONFLICT DO NOTHING")?
                .execute([name])?;
            let id = self
                .connection
                .prepare_cached("SELECT id FROM device WHERE name = ?")?
                .query_row([name], |row| row.get(0))?;
            self.device_ids.push(id);
        }
        Ok(())
    }

    /// Inserts in the order of the table's key; gives the readings whose key existed.
    fn insert(&mut self, batch: &Batch) -> rusqlite::Result<Vec<(usize, Earlier)>> {
        let mut order: Vec<usize> = (0..batch.readings.len()).collect();
        order.sort_unstable_by_key(|&i| (self.device_ids[batch.readings[i].device as usize], batch.readings[i].ts, i));
        let mut statement = self.connection.prepare_cached(&self.insert)?;
        let mut duplicates = Vec::new();
        for index in order {
            let reading = &batch.readings[index];
            let device_id = self.device_ids[reading.device as usize];
            let cells = batch.cells_of(reading, self.contract.sensors.len());
            if insert_row(&mut statement, device_id, reading.ts, self.file_id, reading.position.line, cells, batch)?
                == 0
                && let Some(earlier) =
                    self.rows.find(&self.connection, self.file_id, (device_id, reading.ts), cells, batch)?
                && !earlier.is_row(self.file_id, reading.position.line)
            {
                duplicates.push((index, earlier));
            }
        }
        Ok(duplicates)
    }
}

impl SqliteLoad<'_> {
    fn expect_pinned_window(&self) -> Result<(), StoreError> {
        let pinned = pinned_window(&self.connection).map_err(|e| StoreError::classify(&self.place, e))?;
        match pinned == self.contract.window_micros {
            true => Ok(()),
            false => Err(StoreError::Schema(window::other(pinned, self.contract.window_micros))),
        }
    }

    fn expect_settled_statistics(&self) -> Result<(), StoreError> {
        let left: rusqlite::Result<i64> = self.connection.query_row(window::LEFT, [], |row| row.get(0));
        match left.map_err(|e| StoreError::classify(&self.place, e))? {
            0 => Ok(()),
            left => Err(StoreError::Reaggregating { place: self.place.clone(), left }),
        }
    }

    fn run(&self, statement: &str) -> Result<(), StoreError> {
        self.connection.execute_batch(statement).map_err(|e| StoreError::classify(&self.place, e))
    }
}

impl LoadTransaction for SqliteLoad<'_> {
    fn open_file(&mut self, file_id: i64) -> Result<(), StoreError> {
        (self.file_id, self.file_open) = (file_id, true);
        self.device_ids.clear();
        self.because_of.open_file();
        self.run("SAVEPOINT file")
    }

    fn write(&mut self, batch: &mut Batch, devices: &DeviceNames) -> Result<(), StoreError> {
        let duplicates = self
            .register(devices)
            .and_then(|()| self.insert(batch))
            .map_err(|e| StoreError::classify(&self.place, e))?;
        self.because_of.count(self.file_id, &duplicates);
        set_aside(batch, duplicates, devices, self.contract);
        Ok(())
    }

    fn write_aggregates(&mut self, part: &Aggregates, is_first: bool, devices: &DeviceNames) -> Result<(), StoreError> {
        self.register(devices)
            .and_then(|()| {
                self.aggregated = true;
                if is_first {
                    delete_aggregates(&self.connection, self.file_id)?;
                }
                insert_aggregates(&self.connection, self.file_id, part, |device| self.device_ids[device as usize])
            })
            .map_err(|e| StoreError::classify(&self.place, e))
    }

    fn close_file(&mut self, transition: &Statement, totals: Totals) -> Result<(), StoreError> {
        let because_of = self.because_of.close_file(self.file_id);
        if !because_of.is_empty() {
            self.run(&because_of)?;
        }
        let values = transition.values.iter().flat_map(|values| values.0.iter().map(bound));
        let changed = self
            .connection
            .prepare_cached(&transition.sql)
            .and_then(|mut statement| statement.execute(params_from_iter(values)))
            .map_err(|e| StoreError::classify(&self.place, e))?;
        if changed != 1 {
            return Err(StoreError::ClaimLost);
        }
        match totals {
            Totals::Unchanged => {}
            Totals::Added => self.loaded.push(self.file_id),
            Totals::Anew => {
                self.expect_settled_statistics()?;
                self.anew.push(self.file_id);
            }
        }
        self.file_open = false;
        self.run("RELEASE file")
    }

    fn execute(&mut self, statement: &str) -> Result<(), StoreError> {
        self.run(statement)
    }

    fn drop_file(&mut self) -> Result<(), StoreError> {
        match std::mem::take(&mut self.file_open) {
            true => self.run("ROLLBACK TO file; RELEASE file"),
            false => Ok(()),
        }
    }

    fn commit(self: Box<Self>) -> Result<(), StoreError> {
        if self.aggregated {
            self.expect_pinned_window()?;
        }
        for statement in self.anew.iter().copied().flat_map(add_up_anew) {
            self.run(&statement)?;
        }
        if !self.loaded.is_empty() {
            self.run(&roll_up(&self.loaded, "min", "max"))?;
        }
        self.run("COMMIT")
    }
}

/// The pinned length of a window, in microseconds; the writer's lock keeps it as it is until the transaction ends.
pub(super) fn pinned_window(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row(window::PINNED, [], |row| row.get(0))
}

/// Takes out the aggregates of a file.
pub(super) fn delete_aggregates(connection: &Connection, file_id: i64) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM file_aggregates WHERE file_id = ?", [file_id]).map(|_| ())
}

/// Adds aggregates of a file, whose devices have the ids that `id_of` says.
pub(super) fn insert_aggregates(
    connection: &Connection,
    file_id: i64,
    aggregates: &Aggregates,
    id_of: impl Fn(u32) -> i64,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO file_aggregates (file_id, device_id, sensor, window_start, count, min, max, mean, m2)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    for row in aggregates.rows() {
        let (device_id, s) = (id_of(row.device), row.stats);
        insert.execute(params![
            file_id,
            device_id,
            row.sensor,
            row.window_start,
            s.count,
            s.min,
            s.max,
            s.mean(),
            s.m2()
        ])?;
    }
    Ok(())
}

fn insert_row(
    statement: &mut CachedStatement<'_>,
    device_id: i64,
    ts: i64,
    file_id: i64,
    line: u64,
    cells: &[Cell],
    batch: &Batch,
) -> rusqlite::Result<usize> {
    for (at, value) in [device_id, ts, file_id, line as i64].iter().enumerate() {
        statement.raw_bind_parameter(at + 1, value)?;
    }
    for (at, cell) in cells.iter().enumerate() {
        statement.raw_bind_parameter(at + 5, Bound(value_ref(*cell, batch)))?;
    }
    statement.raw_execute()
}
