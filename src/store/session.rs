//! One short transaction of the manifest, on either database, for entities and for plain statements.

use futures_util::TryStreamExt;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, PgQueryResult, PgRow};
use tokio::sync::Mutex;

/// A transaction, as its statements see it.
pub enum Session<'c> {
    /// A server's.
    Postgres(Mutex<Server<'c>>),
    /// sea-orm's own.
    Sqlite(DatabaseTransaction),
}

/// A connection whose statements travel as text, each in one message that has one answer. None is prepared: a pooler may
/// have given this transaction a session of the server on which another client has named its own, and gives each message
/// outside of one to another session.
pub struct Server<'c> {
    connection: &'c mut PgConnection,
    /// What goes ahead of each statement, in its message and so in its transaction.
    ahead: &'static str,
}

impl<'c> Session<'c> {
    pub(super) fn on_server(connection: &'c mut PgConnection, ahead: &'static str) -> Session<'c> {
        Session::Postgres(Mutex::new(Server { connection, ahead }))
    }
}

impl Session<'_> {
    /// Every row of `sql`, whose values stand in it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn rows(&self, sql: impl Into<String>) -> Result<Vec<QueryResult>, DbErr> {
        self.query_all_raw(Statement::from_string(self.get_database_backend(), sql)).await
    }

    /// Runs `sql`, and says how many rows it changed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn change(&self, sql: &str) -> Result<u64, DbErr> {
        Ok(self.execute_unprepared(sql).await?.rows_affected())
    }
}

impl Server<'_> {
    async fn fetch(&mut self, statement: &Statement) -> Result<Vec<PgRow>, DbErr> {
        let sql = AssertSqlSafe(format!("{}{statement}", self.ahead));
        let rows = sqlx::raw_sql(sql).fetch_all(&mut *self.connection).await;
        rows.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }

    /// Gives what the last statement of `sql` changed: those ahead of it may count rows, too.
    async fn run(&mut self, sql: &str) -> Result<PgQueryResult, DbErr> {
        let sql = AssertSqlSafe(format!("{}{sql}", self.ahead));
        let each = sqlx::raw_sql(sql).execute_many(&mut *self.connection);
        let last = each.try_fold(PgQueryResult::default(), async |_, done| Ok(done)).await;
        last.map_err(|error| DbErr::Exec(RuntimeErr::SqlxError(error.into())))
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Session<'_> {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Session::Postgres(_) => DbBackend::Postgres,
            Session::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Session::Postgres(server) => Ok(server.lock().await.run(&statement.to_string()).await?.into()),
            Session::Sqlite(transaction) => transaction.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Session::Postgres(server) => Ok(server.lock().await.run(sql).await?.into()),
            Session::Sqlite(transaction) => transaction.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Session::Postgres(server) => Ok(server.lock().await.fetch(&statement).await?.pop().map(Into::into)),
            Session::Sqlite(transaction) => transaction.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Session::Postgres(server) => {
                Ok(server.lock().await.fetch(&statement).await?.into_iter().map(Into::into).collect())
            }
            Session::Sqlite(transaction) => transaction.query_all_raw(statement).await,
        }
    }
}
