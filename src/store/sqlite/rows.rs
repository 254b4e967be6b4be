//! Stored rows, found by their keys on SQLite.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use sea_orm::sea_query;

use crate::store::duplicate::Earlier;
use crate::store::measurement::Measured;
use iotpipe_core::contract::Contract;
use iotpipe_core::reading::{Batch, Cell, Reading};

/// What is known of the file of a row. Apart from the row, which may have as many columns as a result takes.
const FILE: &str = "SELECT source, state = 'loaded', rows_total + rows_skipped FROM manifest WHERE id = ?";

/// How rows of one contract are looked up.
pub(super) struct StoredRows {
    select: String,
}

impl StoredRows {
    pub(super) fn of(contract: &Contract) -> Self {
        if contract.long.is_some() {
            let columns = "r.file_id, r.line_number, r.value, r.whole, r.text";
            let key = "r.device_id = ? AND r.sensor_id = ? AND r.ts = ?";
            return Self { select: format!("SELECT {columns} FROM iot_raw_values r WHERE {key}") };
        }
        let names: String = contract.sensors.iter().map(|s| format!(", r.\"{}\"", s.name)).collect();
        let from = "FROM iot_raw_data r WHERE r.device_id = ? AND r.ts = ?";
        Self { select: format!("SELECT r.file_id, r.line_number{names} {from}") }
    }

    /// The stored row with the key (device, time), and how `cells` compare. A row of the file `own` is given without
    /// its name.
    pub(super) fn find(
        &self,
        connection: &Connection,
        own: i64,
        (device_id, ts): (i64, i64),
        cells: &[Cell],
        batch: &Batch,
    ) -> rusqlite::Result<Option<Earlier>> {
        let mut select = connection.prepare_cached(&self.select)?;
        let compared = |row: &Row<'_>| {
            let mut differing = Vec::new();
            for (i, cell) in cells.iter().enumerate() {
                if row.get_ref(2 + i)? != value_ref(*cell, batch) {
                    differing.push(i);
                }
            }
            Ok((row.get(0)?, row.get(1)?, differing))
        };
        let found = select.query_row(params![device_id, ts], compared).optional()?;
        found.map(|(file_id, line, differing)| earlier(connection, own, file_id, line, differing)).transpose()
    }

    /// The same of a measurement; `sensors` are the numbers of the contract's sensors.
    pub(super) fn find_measurement(
        &self,
        connection: &Connection,
        own: i64,
        (device_id, sensors): (i64, &[i64]),
        reading: &Reading,
        batch: &Batch,
    ) -> rusqlite::Result<Option<Earlier>> {
        let mut select = connection.prepare_cached(&self.select)?;
        let (sensor, measured) = Measured::of(batch, reading);
        let compared = |row: &Row<'_>| {
            let text = row.get_ref(4)?.as_str_or_null()?;
            let is_same = Measured { value: row.get(2)?, whole: row.get(3)?, text } == measured;
            Ok((row.get(0)?, row.get(1)?, if is_same { Vec::new() } else { vec![sensor] }))
        };
        let found = select.query_row(params![device_id, sensors[sensor], reading.ts], compared).optional()?;
        found.map(|(file_id, line, differing)| earlier(connection, own, file_id, line, differing)).transpose()
    }
}

/// The row of `line` of the file `file_id` as the one before a reading that differs in some sensors.
fn earlier(
    connection: &Connection,
    own: i64,
    file_id: i64,
    line: i64,
    differing: Vec<usize>,
) -> rusqlite::Result<Earlier> {
    let of_file = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, Option<bool>>(1)?.unwrap_or(false), row.get(2)?));
    let known = connection.prepare_cached(FILE)?.query_row([file_id], of_file).optional()?;
    let (source, is_loaded, lines): (Option<String>, bool, Option<i64>) = known.unwrap_or_default();
    let file = if file_id == own { None } else { Some(source.unwrap_or_else(|| "an unknown file".into())) };
    Ok(Earlier { file_id, file, line, lines, differing, is_loaded })
}

/// A value on its way into a statement.
pub(super) struct Bound<'b>(pub ValueRef<'b>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}

/// A cell as SQLite stores it.
pub(super) fn value_ref(cell: Cell, batch: &Batch) -> ValueRef<'_> {
    match cell {
        Cell::Null => ValueRef::Null,
        Cell::Float(v) => ValueRef::Real(v),
        Cell::Integer(v) => ValueRef::Integer(v),
        Cell::Boolean(v) => ValueRef::Integer(i64::from(v)),
        Cell::Text(start, len) => ValueRef::Text(batch.text_of(start, len).as_bytes()),
    }
}

/// What sea-query has for a value, as SQLite binds it.
pub(super) fn bound(value: &sea_query::Value) -> rusqlite::types::Value {
    use rusqlite::types::Value;
    match value {
        sea_query::Value::Bool(Some(v)) => Value::Integer(i64::from(*v)),
        sea_query::Value::Int(Some(v)) => Value::Integer(i64::from(*v)),
        sea_query::Value::BigInt(Some(v)) => Value::Integer(*v),
        sea_query::Value::BigUnsigned(Some(v)) => Value::Integer(i64::try_from(*v).unwrap_or(i64::MAX)),
        sea_query::Value::String(Some(v)) => Value::Text(v.to_string()),
        other => {
            debug_assert!(other.clone() == other.as_null(), "no statement of the manifest has {other:?}");
            Value::Null
        }
    }
}
