//! Stored rows, found by their keys on PostgreSQL.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row, ValueRef};

use super::binary_copy::encode_cell;
use crate::store::duplicate::Earlier;
use crate::store::measurement::Measured;
use iotpipe_core::contract::{Contract, SensorType};
use iotpipe_core::reading::Batch;

/// Keys that are looked up at once: what the server answers is in memory as a whole.
const KEYS_AT_ONCE: usize = 16_384;

/// Which of the readings `keys` (index in the batch, id of the device) have a key that is stored, by index, and how they
/// compare with the row that has it. Rows of the file `own` are given without its name.
pub(super) async fn find_rows(
    connection: &mut PgConnection,
    contract: &Contract,
    batch: &Batch,
    keys: &[(usize, i32)],
    own: i64,
) -> Result<Vec<(usize, Earlier)>, sqlx::Error> {
    let columns: String = contract.sensors.iter().map(|s| format!(", r.\"{}\"", s.name)).collect();
    // LATERAL with a limit: one look into the key's index for each row, whatever the planner thinks of the table.
    let query = format!(
        "SELECT k.n, r.file_id, r.line_number, m.source, m.state = 'loaded', m.rows_total + m.rows_skipped{columns}
         FROM unnest($1::bigint[], $2::int[], $3::timestamptz[]) AS k (n, device_id, ts)
         CROSS JOIN LATERAL (SELECT * FROM iot_raw_data i
                             WHERE i.device_id = k.device_id AND i.ts = k.ts LIMIT 1) r
         LEFT JOIN manifest m ON m.id = r.file_id"
    );
    let mut found = Vec::new();
    for keys in keys.chunks(KEYS_AT_ONCE) {
        let numbers: Vec<i64> = keys.iter().map(|&(i, _)| i as i64).collect();
        let ids: Vec<i32> = keys.iter().map(|&(_, id)| id).collect();
        let times: Vec<_> = keys.iter().map(|&(i, _)| time(batch.readings[i].ts)).collect();
        let query = sqlx::query(AssertSqlSafe(query.as_str())).persistent(false).bind(numbers).bind(ids).bind(times);
        for row in query.fetch_all(&mut *connection).await? {
            let index = row.try_get::<i64, _>(0)? as usize;
            let differing = differing(&row, &values_of(batch, index, contract), contract)?;
            found.push((index, earlier(&row, differing, own)?));
        }
    }
    Ok(found)
}

/// The same of measurements; `sensors` are the numbers of the contract's sensors.
pub(super) async fn find_measurements(
    connection: &mut PgConnection,
    sensors: &[i32],
    batch: &Batch,
    keys: &[(usize, i32)],
    own: i64,
) -> Result<Vec<(usize, Earlier)>, sqlx::Error> {
    let query = "SELECT k.n, r.file_id, r.line_number, m.source, m.state = 'loaded', m.rows_total + m.rows_skipped,
                        r.value, r.whole, r.text
         FROM unnest($1::bigint[], $2::int[], $3::int[], $4::timestamptz[]) AS k (n, device_id, sensor_id, ts)
         CROSS JOIN LATERAL (SELECT * FROM iot_raw_values i
                             WHERE i.device_id = k.device_id AND i.sensor_id = k.sensor_id AND i.ts = k.ts LIMIT 1) r
         LEFT JOIN manifest m ON m.id = r.file_id";
    let mut found = Vec::new();
    for keys in keys.chunks(KEYS_AT_ONCE) {
        let readings = || keys.iter().map(|&(i, _)| &batch.readings[i]);
        let query = sqlx::query(query)
            .persistent(false)
            .bind(keys.iter().map(|&(i, _)| i as i64).collect::<Vec<_>>())
            .bind(keys.iter().map(|&(_, id)| id).collect::<Vec<_>>())
            .bind(readings().map(|reading| sensors[batch.measurement(reading).0 as usize]).collect::<Vec<_>>())
            .bind(readings().map(|reading| time(reading.ts)).collect::<Vec<_>>());
        for row in query.fetch_all(&mut *connection).await? {
            let index = row.try_get::<i64, _>(0)? as usize;
            let (sensor, measured) = Measured::of(batch, &batch.readings[index]);
            let stored = Measured { value: row.try_get(6)?, whole: row.try_get(7)?, text: row.try_get(8)? };
            let differing = if stored == measured { Vec::new() } else { vec![sensor] };
            found.push((index, earlier(&row, differing, own)?));
        }
    }
    Ok(found)
}

/// The stored `row` as the one before a reading that differs in some sensors.
fn earlier(row: &PgRow, differing: Vec<usize>, own: i64) -> Result<Earlier, sqlx::Error> {
    let file_id = row.try_get::<i64, _>(1)?;
    let file = match file_id == own {
        true => None,
        false => Some(row.try_get::<Option<String>, _>(3)?.unwrap_or_else(|| "an unknown file".into())),
    };
    let is_loaded = row.try_get::<Option<bool>, _>(4)?.unwrap_or(false);
    Ok(Earlier { file_id, file, line: row.try_get(2)?, lines: row.try_get(5)?, differing, is_loaded })
}

/// In which sensors a stored `row` has other values.
fn differing(row: &PgRow, values: &[Option<Vec<u8>>], contract: &Contract) -> Result<Vec<usize>, sqlx::Error> {
    let mut differing = Vec::new();
    for (i, value) in values.iter().enumerate() {
        let stored = row.try_get_raw(6 + i)?;
        let stored = if stored.is_null() { None } else { stored.as_bytes().ok() };
        if stored != value.as_deref() && !are_zeros(contract.sensors[i].kind, stored, value.as_deref()) {
            differing.push(i);
        }
    }
    Ok(differing)
}

/// Whether both are zero, be it with a sign: what the first version stored.
fn are_zeros(kind: SensorType, one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    let is_zero = |bytes: Option<&[u8]>| {
        bytes.and_then(|bytes| bytes.try_into().ok()).is_some_and(|bytes| f64::from_be_bytes(bytes) == 0.0)
    };
    kind == SensorType::Float && is_zero(one) && is_zero(other)
}

/// The values of a reading in PostgreSQL's binary form.
pub(super) fn values_of(batch: &Batch, index: usize, contract: &Contract) -> Vec<Option<Vec<u8>>> {
    let cells = batch.cells_of(&batch.readings[index], contract.width());
    cells.iter().map(|cell| encode_cell(*cell, batch)).collect()
}

/// A time as PostgreSQL takes it, from microseconds since 1970-01-01 UTC.
pub(super) fn time(micros: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default()
}
