//! The same question to either database gives the same text.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use rusqlite::types::ValueRef;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Column, Connection, PgConnection, Row, TypeInfo, ValueRef as _};

type Rows = Vec<Vec<Option<String>>>;

/// Every row of `sql` in the SQLite file `path`.
pub fn sqlite(path: &Path, sql: &str) -> Rows {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    let mut statement = connection.prepare(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut all = Vec::new();
    while let Some(row) = rows.next().unwrap_or_else(|e| panic!("{sql}: {e}")) {
        all.push((0..columns).map(|i| sqlite_text(row.get_ref(i).unwrap())).collect());
    }
    all
}

/// Runs the statements `sql` in the SQLite file `path`.
pub fn execute_sqlite(path: &Path, sql: &str) -> Result<(), String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    connection.execute_batch(sql).map_err(|e| e.to_string())
}

fn sqlite_text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(v) => Some(v.to_string()),
        ValueRef::Real(v) => Some(v.to_string()),
        ValueRef::Text(bytes) => {
            let text = std::str::from_utf8(bytes).unwrap();
            Some(text.parse::<jiff::Timestamp>().map_or_else(|_| text.to_owned(), |instant| instant.to_string()))
        }
        ValueRef::Blob(bytes) => Some(bytes.iter().map(|b| format!("{b:02x}")).collect()),
    }
}

/// Every row of `sql` in the PostgreSQL database `url`.
pub fn postgres(url: &str, sql: &str) -> Rows {
    let rows: Result<Vec<PgRow>, sqlx::Error> = runtime().block_on(async {
        let mut connection = PgConnection::connect(url).await?;
        // The simple protocol: every value comes as PostgreSQL's own text.
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok(rows)
    });
    rows.unwrap_or_else(|e| panic!("{sql}: {e}")).iter().map(postgres_row).collect()
}

/// Runs the statements `sql` in the PostgreSQL database `url`.
pub fn execute_postgres(url: &str, sql: &str) -> Result<(), String> {
    let done = runtime().block_on(async {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
        connection.close().await
    });
    done.map_err(|e| e.to_string())
}

fn postgres_row(row: &PgRow) -> Vec<Option<String>> {
    row.columns()
        .iter()
        .map(|column| {
            let value = row.try_get_raw(column.ordinal()).unwrap();
            if value.is_null() {
                return None;
            }
            let text = value.as_str().unwrap();
            Some(match column.type_info().name() {
                "BOOL" => if text == "t" { "1" } else { "0" }.to_owned(),
                "FLOAT4" | "FLOAT8" => text.parse::<f64>().unwrap().to_string(),
                "TIMESTAMPTZ" => text.parse::<jiff::Timestamp>().unwrap().to_string(),
                _ => text.to_owned(),
            })
        })
        .collect()
}

/// One small runtime for every question to a PostgreSQL server.
pub fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
}

/// A transaction that is left open; dropped, it is rolled back.
pub struct Held(Option<PgConnection>);

impl Held {
    /// Ends it with `statement`.
    pub fn end(mut self, statement: &str) {
        let connection = self.0.as_mut().unwrap();
        runtime().block_on(sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection)).unwrap();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            runtime().block_on(connection.close()).unwrap();
        }
    }
}

/// Runs `sql` in a transaction of the PostgreSQL database `url`, and leaves it open.
pub fn hold(url: &str, sql: &str) -> Held {
    let held = runtime().block_on(async {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql(AssertSqlSafe(format!("SET statement_timeout = 0; BEGIN; {sql}")))
            .execute(&mut connection)
            .await?;
        Ok::<_, sqlx::Error>(connection)
    });
    Held(Some(held.unwrap()))
}
