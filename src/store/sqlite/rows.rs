//! Stored rows, found by their keys on SQLite.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql, params};
use sea_orm::sea_query;

use crate::store::duplicate::Earlier;
use iotpipe_core::contract::Contract;
use iotpipe_core::reading::{Batch, Cell};

/// How rows of one contract are looked up.
pub(super) struct StoredRows {
    select: String,
}

impl StoredRows {
    pub(super) fn of(contract: &Contract) -> Self {
        let names: String = contract.sensors.iter().map(|s| format!(", r.\"{}\"", s.name)).collect();
        let select = format!(
            "SELECT r.file_id, r.line_number, m.source, m.state = 'loaded'{names} FROM iot_raw_data r
             LEFT JOIN manifest m ON m.id = r.file_id WHERE r.device_id = ? AND r.ts = ?"
        );
        Self { select }
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
        select
            .query_row(params![device_id, ts], |row| {
                let file_id = row.get::<_, i64>(0)?;
                let source: Option<String> = row.get(2)?;
                let mut differing = Vec::new();
                for (i, cell) in cells.iter().enumerate() {
                    if row.get_ref(4 + i)? != value_ref(*cell, batch) {
                        differing.push(i);
                    }
                }
                let file = if file_id == own { None } else { Some(source.unwrap_or_else(|| "an unknown file".into())) };
                let is_loaded = row.get::<_, Option<bool>>(3)?.unwrap_or(false);
                Ok(Earlier { file_id, file, line: row.get(1)?, differing, is_loaded })
            })
            .optional()
    }
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
