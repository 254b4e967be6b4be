//! Statistics computed anew from the stored rows, for windows of another length.
//!
//! The new length is pinned first, in a short transaction that waits for the loads under way, empties the totals and
//! lists the loaded files. From then on a load with the old length is refused before its commit, and one with the new
//! length adds to the totals as ever. Then the rows are read once, sorted by the database into files, devices, windows and
//! lines, so that each file's statistics are to the bit what its load would have found, and a window that is complete can
//! be written. Some files at a time are written and added to the totals in a transaction of their own, which takes them
//! off the list; one of very many windows goes alone, part by part. After a crash the list says what is left.

use std::sync::atomic::AtomicBool;

use iotpipe_core::aggregate::Aggregates;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait};

use super::columns::{ValuesIn, aggregated_sensors};
use super::connection::{Backend, Store};
use super::entity::sensor_aggregates;
use super::error::{Cause, StoreError};
use super::window::{LEFT, number, pinned};
use super::{postgres, sqlite};

/// Values that wait for their transaction, at most; a file with more is written part by part.
const VALUES_AT_ONCE: usize = 100_000;
/// Files that share a transaction, at most.
const FILES_AT_ONCE: usize = 1000;

impl Store {
    /// Pins windows of `micros` microseconds and marks the files whose statistics are of another length; gives the number
    /// of those. Where the length is pinned already, those that an earlier call left.
    ///
    /// # Errors
    /// When the database is away or busy.
    pub fn begin_reaggregation(&self, micros: i64) -> Result<u64, StoreError> {
        self.write(async |transaction| {
            // A load that has looked at it ends first; the next statement sees what it committed.
            transaction.execute_unprepared("UPDATE setting SET value = value WHERE name = 'window_micros'").await?;
            let sql = super::window::PINNED;
            if number(transaction, sql).await? != Some(micros) {
                let statements = [
                    &format!("UPDATE setting SET value = {micros} WHERE name = 'window_micros'"),
                    "DELETE FROM to_reaggregate",
                    "INSERT INTO to_reaggregate (file_id) SELECT id FROM manifest WHERE state = 'loaded'",
                ];
                sensor_aggregates::Entity::delete_many().exec(transaction).await?;
                for statement in statements {
                    transaction.execute_unprepared(statement).await?;
                }
            }
            Ok::<_, DbErr>(number(transaction, LEFT).await?.unwrap_or(0).unsigned_abs())
        })
    }

    /// Computes the statistics of the files that are left, and calls `done` with the number of files behind each commit.
    /// Ends early, between two commits, when `stop` is set.
    ///
    /// # Errors
    /// When the database is away, full or busy, or another process has pinned another length meanwhile.
    pub fn reaggregate(&self, micros: i64, stop: &AtomicBool, done: &mut dyn FnMut(u64)) -> Result<(), StoreError> {
        let sensors = self.inspect(async |session| Ok(aggregated_sensors(session, self.is_embedded()).await?))?;
        let work = Work { micros, sensors, stop };
        match &self.backend {
            Backend::Postgres(_) => postgres::reaggregate(self, &work, done),
            Backend::Sqlite(path) => sqlite::reaggregate(path, &work, done),
        }
    }

    /// # Errors
    /// [`StoreError::Reaggregating`] while statistics of another window are left; [`StoreError::Schema`] when windows
    /// of another length than `micros` are pinned.
    pub(super) fn expect_settled_statistics(&self, micros: i64) -> Result<(), StoreError> {
        let left = self.inspect(async |session| {
            super::window::compare(pinned(session).await?.unwrap_or(micros), micros, super::WindowPin::OfContract)?;
            Ok::<_, Cause>(number(session, LEFT).await?.unwrap_or(0))
        })?;
        if left > 0 { Err(self.reaggregating(left)) } else { Ok(()) }
    }

    pub(super) fn reaggregating(&self, left: i64) -> StoreError {
        StoreError::Reaggregating { place: self.place.clone(), left }
    }
}

/// What is to be computed.
pub(super) struct Work<'a> {
    /// Length of a window.
    pub(super) micros: i64,
    /// Sensors with numbers or truth, of every contract so far, and where their values stand.
    pub(super) sensors: Vec<(String, ValuesIn)>,
    /// Set when the work should end early.
    pub(super) stop: &'a AtomicBool,
}

impl Work<'_> {
    fn of_no_rows(&self) -> Aggregates {
        Aggregates::of_sensors(self.micros, self.sensors.iter().map(|(name, _)| name.clone()))
    }

    /// The sensors as columns of a SELECT from [`Work::table`], which is `r` there, each behind a comma and made a float.
    fn columns(&self, as_float: fn(&str, bool) -> String) -> String {
        let column = |(name, values): &(String, ValuesIn)| match values {
            ValuesIn::Column { is_boolean } => format!(", {}", as_float(name, *is_boolean)),
            ValuesIn::Rows { sensor_id } => format!(", CASE WHEN r.sensor_id = {sensor_id} THEN r.value END"),
        };
        self.sensors.iter().map(column).collect()
    }

    /// The rows of the files that are left, each in the order in which it is to be added; `micros` makes a whole number of
    /// microseconds of a time, and `as_float` a float of a value.
    pub(super) fn rows(&self, micros: fn(&str) -> String, as_float: fn(&str, bool) -> String) -> String {
        let (columns, table, length, ts) = (self.columns(as_float), self.table(), self.micros, micros("r.ts"));
        // What is left over by a division has the sign of the number that was divided.
        let window = format!("{ts} - ({ts} % {length} + {length}) % {length}");
        format!(
            "SELECT r.file_id, r.device_id, r.ts{columns} FROM {table} r
             WHERE r.file_id IN (SELECT file_id FROM to_reaggregate)
             ORDER BY r.file_id, r.device_id, {window}, r.line_number"
        )
    }

    /// Where the rows stand.
    fn table(&self) -> &'static str {
        match self.sensors.first() {
            Some((_, ValuesIn::Rows { .. })) => "iot_raw_values",
            _ => "iot_raw_data",
        }
    }
}

/// A file's statistics while its rows are read. Those of a window come together.
pub(super) struct FileInHand {
    aggregates: Aggregates,
    /// The latest row's device and window.
    latest: Option<(u32, i64)>,
}

impl FileInHand {
    pub(super) fn of_no_rows(work: &Work<'_>) -> Self {
        FileInHand { aggregates: work.of_no_rows(), latest: None }
    }

    /// Whether there is enough to be written before a row of `device` at `ts` is added.
    pub(super) fn is_full_before(&self, device: u32, ts: i64) -> bool {
        self.aggregates.len() >= VALUES_AT_ONCE && self.latest != Some((device, self.aggregates.window_of(ts)))
    }

    /// Gives what there is, and begins anew.
    pub(super) fn take(&mut self) -> Aggregates {
        let emptied = self.aggregates.emptied();
        std::mem::replace(&mut self.aggregates, emptied)
    }

    pub(super) fn add(&mut self, device: u32, ts: i64, values: impl Iterator<Item = Option<f64>>) {
        let window = self.aggregates.window_of(ts);
        self.latest = Some((device, window));
        self.aggregates.add_values(device, window, values);
    }
}

/// Files that wait for their transaction.
#[derive(Default)]
pub(super) struct Group {
    pub(super) files: Vec<(i64, Aggregates)>,
    values: usize,
}

impl Group {
    pub(super) fn push(&mut self, file_id: i64, aggregates: Aggregates) {
        self.values += aggregates.len();
        self.files.push((file_id, aggregates));
    }

    pub(super) fn is_full(&self) -> bool {
        self.values >= VALUES_AT_ONCE || self.files.len() >= FILES_AT_ONCE
    }

    /// Its files, for a list in SQL.
    pub(super) fn ids(&self) -> String {
        self.files.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>().join(", ")
    }
}
