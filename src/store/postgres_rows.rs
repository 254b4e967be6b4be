//! Stored rows, found by their keys on PostgreSQL.

use std::collections::HashMap;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row, ValueRef};

use super::binary_copy::encode_cell;
use super::duplicate::Earlier;
use crate::contract::Contract;
use crate::reading::Batch;

/// A row of the table, its values in PostgreSQL's binary form.
pub(super) struct StoredRow {
    pub file_id: i64,
    /// `None` when it is the file in hand.
    pub file: Option<String>,
    pub line: i64,
    pub values: Vec<Option<Vec<u8>>>,
}

impl StoredRow {
    /// How a later row with `values` compares.
    pub(super) fn against(&self, values: &[Option<Vec<u8>>]) -> Earlier {
        let differing = (0..values.len()).filter(|&i| values[i] != self.values[i]).collect();
        Earlier { file_id: self.file_id, file: self.file.clone(), line: self.line, differing }
    }
}

/// The stored rows that have the keys of the readings `keys` (index in the batch, id of the device), by index. Rows of
/// the file `own` are given without its name.
pub(super) async fn stored_rows(
    connection: &mut PgConnection,
    contract: &Contract,
    batch: &Batch,
    keys: &[(usize, i32)],
    own: i64,
) -> Result<HashMap<usize, StoredRow>, sqlx::Error> {
    let columns: String = contract.sensors.iter().map(|s| format!(", r.\"{}\"", s.name)).collect();
    // LATERAL with a limit: one look into the key's index for each row, whatever the planner thinks of the table.
    let query = format!(
        "SELECT k.n, r.file_id, r.line_number, m.source{columns}
         FROM unnest($1::bigint[], $2::int[], $3::timestamptz[]) AS k (n, device_id, ts)
         CROSS JOIN LATERAL (SELECT * FROM iot_raw_data i
                             WHERE i.device_id = k.device_id AND i.ts = k.ts LIMIT 1) r
         LEFT JOIN manifest m ON m.id = r.file_id"
    );
    let numbers: Vec<i64> = keys.iter().map(|&(i, _)| i as i64).collect();
    let ids: Vec<i32> = keys.iter().map(|&(_, id)| id).collect();
    let times: Vec<_> = keys.iter().map(|&(i, _)| time(batch.readings[i].ts)).collect();
    let rows = sqlx::query(AssertSqlSafe(query)).bind(numbers).bind(ids).bind(times).fetch_all(connection).await?;
    let mut stored = HashMap::with_capacity(rows.len());
    for row in rows {
        let file_id = row.try_get::<i64, _>(1)?;
        let file = match file_id == own {
            true => None,
            false => Some(row.try_get::<Option<String>, _>(3)?.unwrap_or_else(|| "an unknown file".into())),
        };
        let value = |i| {
            let raw = row.try_get_raw(4 + i)?;
            let bytes = if raw.is_null() { None } else { raw.as_bytes().ok().map(<[u8]>::to_vec) };
            Ok(bytes)
        };
        let values = (0..contract.sensors.len()).map(value).collect::<Result<Vec<_>, sqlx::Error>>()?;
        let index = row.try_get::<i64, _>(0)? as usize;
        stored.insert(index, StoredRow { file_id, file, line: row.try_get(2)?, values });
    }
    Ok(stored)
}

/// The values of a reading in PostgreSQL's binary form.
pub(super) fn values_of(batch: &Batch, index: usize, contract: &Contract) -> Vec<Option<Vec<u8>>> {
    let cells = batch.cells_of(&batch.readings[index], contract.sensors.len());
    cells.iter().map(|cell| encode_cell(*cell, batch)).collect()
}

/// A time as PostgreSQL takes it, from microseconds since 1970-01-01 UTC.
pub(super) fn time(micros: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default()
}
