//! The load transaction on SQLite: prepared statements on a connection of its own.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, params, params_from_iter};
use sea_orm::Statement;

use super::connection;
use super::raw_table::{RawTable, ids_of_sensors};
use super::rows::bound;
use crate::store::duplicate::{BecauseOf, set_aside};
use crate::store::error::StoreError;
use crate::store::layout;
use crate::store::rollup::{add_up_anew, roll_up};
use crate::store::transaction::{LoadTransaction, Totals};
use crate::store::window;
use iotpipe_core::aggregate::Aggregates;
use iotpipe_core::contract::Contract;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::reading::Batch;

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
    table: RawTable,
}

impl<'a> SqliteLoad<'a> {
    /// Takes the writer's lock at once: a transaction that reads first and writes later could only fail when another
    /// has written meanwhile.
    pub(in crate::store) fn begin(path: &Path, contract: &'a Contract) -> Result<Self, StoreError> {
        let place = path.display().to_string();
        let connection = connection::begin_load(path).map_err(|e| StoreError::classify(&place, e))?;
        let ids = match contract.long {
            None => HashMap::new(),
            Some(_) => ids_of_sensors(&connection).map_err(|e| StoreError::classify(&place, e))?,
        };
        let table = RawTable::with(contract, &ids).map_err(StoreError::Schema)?;
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
            table,
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
}

impl SqliteLoad<'_> {
    fn expect_pins(&self) -> Result<(), StoreError> {
        let pins = self.pins().map_err(|e| StoreError::classify(&self.place, e))?;
        layout::expect_pins(&pins, self.contract).map_err(StoreError::Schema)
    }

    /// They stay as they are until the transaction ends: the writer's lock is held.
    fn pins(&self) -> rusqlite::Result<Vec<i64>> {
        self.connection.prepare(layout::PINS)?.query_map([], |row| row.get(0))?.collect()
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
            .and_then(|()| self.table.insert(&self.connection, batch, &self.device_ids, self.file_id))
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
            self.expect_pins()?;
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
