//! Statistics computed anew on SQLite: one connection reads the rows, sorted, as of one moment; another writes.

use std::path::Path;
use std::sync::atomic::Ordering;

use rusqlite::{Connection, Row};

use super::connection;
use super::load::{delete_aggregates, insert_aggregates, pinned_window};
use crate::store::error::StoreError;
use crate::store::reaggregate::{FileInHand, Group, Work};
use crate::store::rollup::roll_up;
use crate::store::window;
use iotpipe_core::aggregate::Aggregates;

pub(in crate::store) fn reaggregate(path: &Path, work: &Work<'_>, done: &mut dyn FnMut(u64)) -> Result<(), StoreError> {
    let place = path.display().to_string();
    let failed = |e: rusqlite::Error| StoreError::classify(&place, e);
    let reader = connection::begin_snapshot(path).map_err(failed)?;
    let files = files_left(&reader).map_err(failed)?;
    let mut select = reader.prepare(&rows_in_order(work)).map_err(failed)?;
    let mut rows = select.query([]).map_err(failed)?;
    let mut row = rows.next().map_err(failed)?;
    let mut group = Group::default();
    for file_id in files {
        let (mut file, mut large) = (FileInHand::of_no_rows(work), None);
        while let Some(of_file) = row.filter(|row| row.get::<_, i64>(0) == Ok(file_id)) {
            let (device, ts, values) = values_of(of_file, work.sensors.len()).map_err(failed)?;
            if file.is_full_before(device, ts) {
                if work.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let rewriting = match large.take() {
                    Some(rewriting) => rewriting,
                    None => Rewriting::begin(path, work, &file_id.to_string())?,
                };
                rewriting.add(file_id, &file.take()).map_err(failed)?;
                large = Some(rewriting);
            }
            file.add(device, ts, values);
            row = rows.next().map_err(failed)?;
        }
        if let Some(large) = large {
            done(large.add(file_id, &file.take()).and_then(|()| large.commit()).map_err(failed)?);
            continue;
        }
        group.push(file_id, file.take());
        if group.is_full() {
            if work.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            write(path, work, &std::mem::take(&mut group), done)?;
        }
    }
    write(path, work, &group, done)
}

fn files_left(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare("SELECT file_id FROM to_reaggregate ORDER BY file_id")?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn rows_in_order(work: &Work<'_>) -> String {
    work.rows(str::to_owned, |sensor, _| format!("CAST(r.\"{sensor}\" AS real)"))
}

fn values_of(row: &Row<'_>, sensors: usize) -> rusqlite::Result<(u32, i64, impl Iterator<Item = Option<f64>>)> {
    let values: Vec<Option<f64>> = (0..sensors).map(|i| row.get(3 + i)).collect::<Result<_, _>>()?;
    Ok((row.get(1)?, row.get(2)?, values.into_iter()))
}

fn write(path: &Path, work: &Work<'_>, group: &Group, done: &mut dyn FnMut(u64)) -> Result<(), StoreError> {
    if group.files.is_empty() {
        return Ok(());
    }
    let place = path.display().to_string();
    let failed = |e: rusqlite::Error| StoreError::classify(&place, e);
    let rewriting = Rewriting::begin(path, work, &group.ids())?;
    let added = group.files.iter().try_for_each(|(file_id, aggregates)| rewriting.add(*file_id, aggregates));
    done(added.and_then(|()| rewriting.commit()).map_err(failed)?);
    Ok(())
}

/// A transaction that takes files off the list and writes their statistics.
struct Rewriting {
    connection: Connection,
    /// Another process may have done some of those that were asked for.
    taken: Vec<i64>,
}

impl Rewriting {
    /// Takes the files `ids` off the list, those of them that are on it, and deletes what they had.
    fn begin(path: &Path, work: &Work<'_>, ids: &str) -> Result<Self, StoreError> {
        let place = path.display().to_string();
        let failed = |e: rusqlite::Error| StoreError::classify(&place, e);
        let connection = connection::begin_load(path).map_err(failed)?;
        let pinned = pinned_window(&connection).map_err(failed)?;
        if pinned != work.micros {
            return Err(StoreError::Schema(window::other(pinned, work.micros)));
        }
        let taken = Self::taken(&connection, ids).map_err(failed)?;
        Ok(Self { connection, taken })
    }

    fn taken(connection: &Connection, ids: &str) -> rusqlite::Result<Vec<i64>> {
        let taken: Vec<i64> = connection
            .prepare(&format!("DELETE FROM to_reaggregate WHERE file_id IN ({ids}) RETURNING file_id"))?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        taken.iter().try_for_each(|file_id| delete_aggregates(connection, *file_id).map(drop))?;
        Ok(taken)
    }

    fn add(&self, file_id: i64, aggregates: &Aggregates) -> rusqlite::Result<()> {
        match self.taken.contains(&file_id) {
            true => insert_aggregates(&self.connection, file_id, aggregates, i64::from),
            false => Ok(()),
        }
    }

    /// Adds them to the totals; gives their number.
    fn commit(&self) -> rusqlite::Result<u64> {
        if !self.taken.is_empty() {
            self.connection.execute_batch(&roll_up(&self.taken, "min", "max"))?;
        }
        self.connection.execute_batch("COMMIT")?;
        Ok(self.taken.len() as u64)
    }
}
