//! Statistics computed anew on SQLite: one connection reads the rows, sorted, as of one moment; another writes.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::Ordering;

use rusqlite::{Connection, Row};

use super::connection;
use super::load::{delete_aggregates, insert_aggregates, pinned_window};
use crate::store::error::StoreError;
use crate::store::reaggregate::{Group, Work};
use crate::store::rollup::roll_up;
use crate::store::window;

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
        let mut aggregates = work.of_no_rows();
        while let Some(of_file) = row.filter(|row| row.get::<_, i64>(0) == Ok(file_id)) {
            let (device, ts, values) = values_of(of_file, work.sensors.len()).map_err(failed)?;
            aggregates.add_values(device, aggregates.window_of(ts), values);
            row = rows.next().map_err(failed)?;
        }
        group.push(file_id, aggregates);
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
    let columns = work.columns(|sensor, _| format!("CAST(r.\"{sensor}\" AS real)"));
    let table = work.table();
    format!(
        "SELECT r.file_id, r.device_id, r.ts{columns} FROM {table} r
         WHERE r.file_id IN (SELECT file_id FROM to_reaggregate) ORDER BY r.file_id, r.line_number"
    )
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
    let connection = connection::begin_load(path).map_err(failed)?;
    let pinned = pinned_window(&connection).map_err(failed)?;
    if pinned != work.micros {
        return Err(StoreError::Schema(window::other(pinned, work.micros)));
    }
    let taken = commit(&connection, group).map_err(failed)?;
    done(taken);
    Ok(())
}

/// Gives the number of files that were written: another process may have done some of them.
fn commit(connection: &Connection, group: &Group) -> rusqlite::Result<u64> {
    let ids = group.ids();
    let taken: HashSet<i64> = connection
        .prepare(&format!("DELETE FROM to_reaggregate WHERE file_id IN ({ids}) RETURNING file_id"))?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut written = Vec::new();
    for (file_id, aggregates) in group.files.iter().filter(|(file_id, _)| taken.contains(file_id)) {
        delete_aggregates(connection, *file_id)?;
        insert_aggregates(connection, *file_id, aggregates, i64::from)?;
        written.push(*file_id);
    }
    if !written.is_empty() {
        connection.execute_batch(&roll_up(&written, "min", "max"))?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(written.len() as u64)
}
