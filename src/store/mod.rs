//! The target database: connection, schema, and the transaction in which a file is loaded.
//!
//! What differs between the two databases stands in `postgres.rs` and `sqlite.rs`, method by method.

mod binary_copy;
mod copy_line;
mod devices;
mod duplicate;
pub mod entity;
mod error;
mod nodelay;
mod postgres;
mod postgres_rows;
mod postgres_snapshot;
mod schema;
mod snapshot;
mod sqlite;
mod sqlite_rows;
mod sqlite_snapshot;
mod transaction;
mod unload;

pub use duplicate::Earlier;
pub(crate) use duplicate::set_aside;
pub use error::StoreError;
pub use snapshot::{FileRows, Snapshot, StoredAggregate};
pub use transaction::{LoadTransaction, Mark};

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::contract::Contract;

/// How long a connection may take before the database counts as away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a writer waits for another writer of an embedded database.
const SQLITE_PATIENCE: Duration = Duration::from_secs(120);

/// An open database. Its methods block; the runtime behind them is its own.
pub struct Store {
    runtime: tokio::runtime::Runtime,
    db: DatabaseConnection,
    backend: Backend,
    place: String,
    reserved_ids: devices::ReservedIds,
}

enum Backend {
    Postgres,
    Sqlite(PathBuf),
}

impl Store {
    /// Connects to `url` (`sqlite://path` or `postgres://…`), for so many workers at once. An embedded database is created when it is missing.
    ///
    /// # Errors
    /// [`StoreError::Url`] when the URL is none of these, [`StoreError::Unreachable`] when nobody answers there.
    pub fn open(url: &str, workers: usize) -> Result<Store, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|e| StoreError::other("this process", e))?;
        let (backend, place, options) = connect_options(url, workers)?;
        let db = runtime.block_on(async {
            match Database::connect(options).await {
                Ok(db) => Ok(db),
                Err(e) => Err(StoreError::Unreachable { place: place.clone(), reason: reason(url, &e).await }),
            }
        })?;
        let store = Store { runtime, db, backend, place, reserved_ids: devices::ReservedIds::default() };
        if let Backend::Sqlite(_) = store.backend {
            store.execute("PRAGMA journal_mode = WAL")?;
        }
        Ok(store)
    }

    /// Whether the database is embedded (SQLite).
    pub fn is_embedded(&self) -> bool {
        matches!(self.backend, Backend::Sqlite(_))
    }

    /// Host, port and database, or the path: what may be shown to people.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Brings the schema up to date with the program and the contract's sensors.
    ///
    /// # Errors
    /// When a sensor's column exists with another type, or the database refuses.
    pub fn migrate(&self, contract: &Contract) -> Result<(), StoreError> {
        self.wait(schema::migrate(&self.db, contract, self.is_embedded()))
    }

    /// Whether the schema is the one that the program and the contract need.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub fn is_migrated(&self, contract: &Contract) -> Result<bool, StoreError> {
        self.wait(schema::is_current(&self.db, contract, self.is_embedded()))
    }

    /// Opens the transaction in which all that a step found out about some files is written.
    ///
    /// # Errors
    /// When the database is away or busy.
    pub fn begin<'a>(&'a self, contract: &'a Contract) -> Result<Box<dyn LoadTransaction + 'a>, StoreError> {
        Ok(match &self.backend {
            Backend::Postgres => Box::new(postgres::PostgresLoad::begin(self, contract)?),
            Backend::Sqlite(path) => Box::new(sqlite::SqliteLoad::begin(path, contract)?),
        })
    }

    /// Opens a view of the database as it stands now.
    ///
    /// # Errors
    /// When the database is away.
    pub fn snapshot<'a>(&'a self, contract: &'a Contract) -> Result<Box<dyn Snapshot + 'a>, StoreError> {
        Ok(match &self.backend {
            Backend::Postgres => Box::new(postgres_snapshot::PostgresSnapshot::begin(self, contract)?),
            Backend::Sqlite(path) => Box::new(sqlite_snapshot::SqliteSnapshot::begin(path, contract)?),
        })
    }

    /// Runs a query of the entities.
    pub(crate) fn query<T>(
        &self,
        query: impl AsyncFnOnce(&DatabaseConnection) -> Result<T, sea_orm::DbErr>,
    ) -> Result<T, StoreError> {
        self.wait(query(&self.db))
    }

    /// The connection, for work in the background.
    pub(crate) fn connection(&self) -> DatabaseConnection {
        self.db.clone()
    }

    /// Runs `task` beside everything else.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
        self.runtime.spawn(task)
    }

    /// Does what must be done in the runtime's context.
    pub(crate) fn in_runtime<T>(&self, work: impl FnOnce() -> T) -> T {
        let _entered = self.runtime.enter();
        work()
    }

    pub(crate) fn execute(&self, statement: &str) -> Result<(), StoreError> {
        use sea_orm::ConnectionTrait;
        self.query(async |db| db.execute_unprepared(statement).await.map(|_| ()))
    }

    fn wait<T, E: Into<error::Cause>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, StoreError> {
        self.runtime.block_on(work).map_err(|e| StoreError::classify(&self.place, e))
    }
}

/// Why nobody answered. A pool only knows that its time ran out; one more try by hand hears the answer itself.
async fn reason(url: &str, pool: &sea_orm::DbErr) -> String {
    let Ok(options) = url.parse::<PgConnectOptions>() else { return error::plain(pool) };
    match tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await {
        Ok(Err(sqlx::Error::Io(e))) => e.to_string(),
        Ok(Err(e)) => e.to_string(),
        _ => error::plain(pool),
    }
}

fn connect_options(url: &str, workers: usize) -> Result<(Backend, String, ConnectOptions), StoreError> {
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false).connect_timeout(CONNECT_TIMEOUT).acquire_timeout(CONNECT_TIMEOUT);
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let parsed: PgConnectOptions = url.parse().map_err(|_| StoreError::Url)?;
        let database = parsed.get_database().unwrap_or("postgres");
        let place = format!("{}:{}/{}", parsed.get_host(), parsed.get_port(), database);
        // Each worker has its transaction, and the manifest is written beside them.
        options.max_connections(workers as u32 + 2).min_connections(1);
        options.map_sqlx_postgres_opts(|o| o.application_name("iotpipe"));
        options.map_sqlx_postgres_pool_opts(|pool| {
            pool.after_connect(|_, _| {
                Box::pin(async {
                    nodelay::set_on_all_sockets();
                    Ok(())
                })
            })
        });
        return Ok((Backend::Postgres, place, options));
    }
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).ok_or(StoreError::Url)?;
    let path = path.split('?').next().unwrap_or(path);
    if path.is_empty() || path == ":memory:" {
        return Err(StoreError::Url);
    }
    let mut options = ConnectOptions::new(format!("sqlite://{path}?mode=rwc"));
    options.sqlx_logging(false).max_connections(1).connect_timeout(CONNECT_TIMEOUT);
    options
        .map_sqlx_sqlite_opts(|o| o.busy_timeout(SQLITE_PATIENCE).synchronous(sqlx::sqlite::SqliteSynchronous::Full));
    Ok((Backend::Sqlite(path.into()), path.to_owned(), options))
}
