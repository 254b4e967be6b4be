//! A file's aggregates on their way into `file_aggregates`.

use iotpipe_core::aggregate::{AggregateRow, Aggregates};
use sea_orm::sea_query::Value;
use sea_orm::{DbBackend, Statement};
use sqlx::postgres::Postgres;

use super::rows::time;

/// Aggregates per statement.
const AT_ONCE: usize = 20_000;
/// So few travel as text with the statement behind them: a small file waits for no answer on their account.
const FEW: usize = 500;
const DELETE: &str = "DELETE FROM file_aggregates WHERE file_id = $1";
const INSERT: &str = "INSERT INTO file_aggregates (file_id, device_id, sensor, window_start, count, min, max, mean, m2)
     SELECT $1, * FROM unnest($2::int[], $3::text[], $4::timestamptz[], $5::bigint[], $6::float8[], $7::float8[],
                              $8::float8[], $9::float8[])";

/// The statement that takes out the aggregates of `file_id`.
pub(super) fn delete(file_id: i64) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, DELETE, vec![file_id.into()])
}

/// The statement that adds aggregates of `file_id`, where they are few; `None` for more, or for times that a literal
/// can't say.
pub(super) fn as_statements(
    file_id: i64,
    aggregates: &Aggregates,
    id_of: impl Fn(u32) -> i32,
) -> Option<Vec<Statement>> {
    let mut arrays: [Vec<String>; 8] = Default::default();
    for (n, row) in aggregates.rows().enumerate() {
        let AggregateRow { device, sensor, window_start, stats } = row;
        let start = time(window_start).format("%Y-%m-%dT%H:%M:%S%.6f+00").to_string();
        // Five digits, or a sign: no year as PostgreSQL reads it.
        let is_plain = start.starts_with(|c: char| c.is_ascii_digit()) && start.len() == TIME.len();
        if n == FEW || !is_plain {
            return None;
        }
        // Rust writes the fewest digits that read back to the same float.
        let number = |value: Option<f64>| value.map_or_else(|| "NULL".to_owned(), |value| format!("{value:e}"));
        let cells = [
            id_of(device).to_string(),
            quoted(sensor),
            start,
            stats.count.to_string(),
            number(Some(stats.min)),
            number(Some(stats.max)),
            number(stats.mean()),
            number(stats.m2()),
        ];
        arrays.iter_mut().zip(cells).for_each(|(array, cell)| array.push(cell));
    }
    let statement = |sql, values: Vec<Value>| Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let mut statements = Vec::new();
    if !arrays[0].is_empty() {
        let arrays = arrays.iter().map(|array| Value::from(format!("{{{}}}", array.join(","))));
        statements.push(statement(INSERT, std::iter::once(file_id.into()).chain(arrays).collect()));
    }
    Some(statements)
}

/// The length of a time that PostgreSQL reads as it is.
const TIME: &str = "2024-05-01T00:00:00.000000+00";

/// A text within the literal of an array.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Adds aggregates of `file_id`, however many there are.
pub(super) async fn insert(
    transaction: &mut sqlx::Transaction<'static, Postgres>,
    file_id: i64,
    aggregates: &Aggregates,
    id_of: impl Fn(u32) -> i32,
) -> Result<(), sqlx::Error> {
    let mut rows = aggregates.rows();
    loop {
        // Not all at once: a file may have a million windows.
        let some: Vec<_> = rows.by_ref().take(AT_ONCE).collect();
        if some.is_empty() {
            return Ok(());
        }
        insert_rows(transaction, file_id, &some, &id_of).await?;
    }
}

async fn insert_rows(
    transaction: &mut sqlx::Transaction<'static, Postgres>,
    file_id: i64,
    rows: &[AggregateRow<'_>],
    id_of: &impl Fn(u32) -> i32,
) -> Result<(), sqlx::Error> {
    sqlx::query(INSERT)
        .persistent(false)
        .bind(file_id)
        .bind(rows.iter().map(|r| id_of(r.device)).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| r.sensor.to_owned()).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| time(r.window_start)).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| r.stats.count).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| r.stats.min).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| r.stats.max).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| r.stats.mean()).collect::<Vec<_>>())
        .bind(rows.iter().map(|r| r.stats.m2()).collect::<Vec<_>>())
        .execute(&mut **transaction)
        .await
        .map(|_| ())
}
