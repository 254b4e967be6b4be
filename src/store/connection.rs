//! An open database: its pool, its runtime, and the short transactions in which the manifest is read and written.

use std::future::Future;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, SqliteTransactionMode, SqlxPostgresConnector, SqlxSqliteConnector,
    TransactionOptions, TransactionTrait,
};
use sqlx::Connection;

use super::dialect::Dialect;
use super::error::{Answer, Cause, StoreError};
use super::postgres::connection::{self as postgres, LastUsed};
use super::postgres::devices::ReservedIds;
use super::postgres::settings::expect_usable;
use super::session::Session;
use super::sqlite::connection as sqlite;

/// An open database. Its methods block; the runtime behind them is its own.
pub struct Store {
    pub(super) runtime: tokio::runtime::Runtime,
    pub(super) db: DatabaseConnection,
    pub(super) backend: Backend,
    pub(super) place: String,
    /// Ids of devices that this process has reserved on a server.
    pub(super) reserved_ids: ReservedIds,
}

/// Which of the two it is.
pub(super) enum Backend {
    /// As this process sees it.
    Postgres(Server),
    /// With its file.
    Sqlite(PathBuf),
}

impl Store {
    /// Connects to `url` (`sqlite://path` or `postgres://…`), for so many workers at once. An embedded database is
    /// created when it is missing.
    ///
    /// # Errors
    /// [`StoreError::Url`] when the URL is none of these, [`StoreError::Unreachable`] when nobody answers there.
    pub fn open(url: &str, workers: usize) -> Result<Store, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|e| StoreError::other("this process", e))?;
        // Each worker has its transaction, and the manifest is written beside them.
        let most = workers as u32 + 2;
        let (db, backend, place) = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let (options, place) = postgres::parse(url)?;
            // A connection that is kept is given back to its pool within the runtime, also where this ends early.
            let _runtime = runtime.enter();
            let server = Server { session_name: postgres::session_name(), last_used: LastUsed::default() };
            let options = options.application_name(&server.session_name);
            let pool = runtime.block_on(postgres::connect(options, &place, most))?;
            runtime.block_on(expect_usable(&pool, &server.last_used, &place))?;
            (SqlxPostgresConnector::from_sqlx_postgres_pool(pool), Backend::Postgres(server), place)
        } else {
            let file = sqlite::parse(url)?;
            let pool = runtime.block_on(sqlite::connect(&file, most))?;
            let place = file.path.display().to_string();
            (SqlxSqliteConnector::from_sqlx_sqlite_pool(pool), Backend::Sqlite(file.path), place)
        };
        Ok(Store { runtime, db, backend, place, reserved_ids: ReservedIds::default() })
    }

    /// Whether the database at `url` is there and answers. An embedded one is not created.
    ///
    /// # Errors
    /// As [`Store::open`], and [`StoreError::Unreachable`] where an embedded one's file is missing.
    pub fn probe(url: &str) -> Result<(), StoreError> {
        if let Ok(file) = sqlite::parse(url)
            && !file.path.exists()
        {
            let place = file.path.display().to_string();
            return Err(StoreError::Unreachable(Answer::without_code(&place, "there is no such file yet")));
        }
        Store::open(url, 0)?.read(async |session| session.rows("SELECT 1").await.map(drop))
    }

    /// Whether the database is embedded (SQLite).
    pub fn is_embedded(&self) -> bool {
        matches!(self.backend, Backend::Sqlite(_))
    }

    /// The name by which the server lists the sessions of this process; empty where there is no server.
    pub fn session_name(&self) -> &str {
        match &self.backend {
            Backend::Postgres(server) => &server.session_name,
            Backend::Sqlite(_) => "",
        }
    }

    /// The schema in which a server's tables are, where it can be asked.
    pub fn schema_name(&self) -> Option<String> {
        let rows = self.read(async |session| {
            let rows = session.rows("SELECT CAST(current_schema() AS text)").await?;
            rows.first().map_or(Ok(None), |row| row.try_get_by_index(0))
        });
        rows.ok().flatten()
    }

    /// Host, port and database, or the path: what may be shown to people.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Reads, each statement the state of its own moment.
    pub(crate) fn read<T>(&self, work: impl AsyncFnOnce(&Session<'_>) -> Result<T, DbErr>) -> Result<T, StoreError> {
        self.inspect(async |session| Ok(work(session).await?))
    }

    /// As [`Store::read`], where more than the database can be wrong.
    pub(super) fn inspect<T>(&self, work: impl AsyncFnOnce(&Session<'_>) -> Result<T, Cause>) -> Result<T, StoreError> {
        self.wait(async {
            match &self.backend {
                Backend::Postgres(server) => self.on_server(server, postgres::READ, work).await,
                Backend::Sqlite(_) => self.embedded(SqliteTransactionMode::Deferred, work).await,
            }
        })
    }

    /// Reads and writes in one short transaction.
    pub(crate) fn write<T>(&self, work: impl AsyncFnOnce(&Session<'_>) -> Result<T, DbErr>) -> Result<T, StoreError> {
        let work = async |session: &Session<'_>| Ok(work(session).await?);
        self.wait(async {
            match &self.backend {
                Backend::Postgres(server) => {
                    let mut connection = server.last_used.take(self.db.get_postgres_connection_pool()).await?;
                    let mut transaction = connection.begin_with(postgres::BEGIN).await?;
                    let done = work(&Session::on_server(&mut transaction, "")).await?;
                    transaction.commit().await?;
                    server.last_used.keep(connection);
                    Ok(done)
                }
                Backend::Sqlite(_) => self.embedded(SqliteTransactionMode::Immediate, work).await,
            }
        })
    }

    /// Runs one statement that writes, in a transaction of its own; gives the number of rows that it changed.
    pub(crate) fn change(&self, statement: &str) -> Result<u64, StoreError> {
        let work = async |session: &Session<'_>| Ok(session.change(statement).await?);
        self.wait(async {
            match &self.backend {
                Backend::Postgres(server) => self.on_server(server, postgres::CHANGE, work).await,
                Backend::Sqlite(_) => self.embedded(SqliteTransactionMode::Immediate, work).await,
            }
        })
    }

    /// On a server, each statement in a transaction of its own that begins and ends with its message.
    async fn on_server<T>(
        &self,
        server: &Server,
        ahead: &'static str,
        work: impl AsyncFnOnce(&Session<'_>) -> Result<T, Cause>,
    ) -> Result<T, Cause> {
        let mut connection = server.last_used.take(self.db.get_postgres_connection_pool()).await?;
        let done = work(&Session::on_server(&mut connection, ahead)).await?;
        server.last_used.keep(connection);
        Ok(done)
    }

    async fn embedded<T>(
        &self,
        mode: SqliteTransactionMode,
        work: impl AsyncFnOnce(&Session<'_>) -> Result<T, Cause>,
    ) -> Result<T, Cause> {
        let options = TransactionOptions { sqlite_transaction_mode: Some(mode), ..Default::default() };
        let session = Session::Sqlite(self.db.begin_with_options(options).await?);
        let done = work(&session).await?;
        if let Session::Sqlite(transaction) = session {
            transaction.commit().await?;
        }
        Ok(done)
    }

    /// The language of its statements.
    pub fn dialect(&self) -> Dialect {
        if self.is_embedded() { Dialect::Sqlite } else { Dialect::Postgres }
    }

    /// The time by the database's clock, to the microsecond. That of an embedded database is this machine's.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        if self.is_embedded() {
            return Ok(DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap_or_default());
        }
        self.read(async |session| {
            let rows = session.rows("SELECT clock_timestamp()").await?;
            rows.first().map_or(Ok(Utc::now()), |row| row.try_get_by_index(0))
        })
    }

    /// What a task in the background needs to change something.
    pub(crate) fn background(&self) -> Background {
        Background(self.db.clone())
    }

    /// Runs `task` beside everything else.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
        self.runtime.spawn(task)
    }

    pub(super) fn wait<T, E: Into<Cause>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, StoreError> {
        self.runtime.block_on(work).map_err(|e| StoreError::classify(&self.place, e))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Backend::Postgres(server) = &self.backend {
            // It goes back to its pool by a task.
            let _runtime = self.runtime.enter();
            server.last_used.give_back();
        }
    }
}

/// A server, to this process.
pub(super) struct Server {
    session_name: String,
    /// The connection of short transactions.
    last_used: LastUsed,
}

/// The database, for a task in the background.
pub(crate) struct Background(DatabaseConnection);

impl Background {
    /// Runs one statement by itself, unprepared.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn change(&self, statement: &str) -> Result<u64, DbErr> {
        Ok(self.0.execute_unprepared(statement).await?.rows_affected())
    }
}
