//! One short transaction of the manifest, on either database, for entities and for plain statements.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sqlx::postgres::{PgQueryResult, PgRow, Postgres};
use sqlx::{AssertSqlSafe, Transaction};
use tokio::sync::Mutex;

/// An open transaction.
pub enum Session<'c> {
    /// Statements travel unnamed: a pooler may have given this transaction a session of the server on which another
    /// client has named its own.
    Postgres(Mutex<Transaction<'c, Postgres>>),
    /// sea-orm's own.
    Sqlite(DatabaseTransaction),
}

impl Session<'_> {
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        match self {
            Session::Postgres(transaction) => transaction.into_inner().commit().await.map_err(exec_error),
            Session::Sqlite(transaction) => transaction.commit().await,
        }
    }

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

fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

async fn fetch(transaction: &Mutex<Transaction<'_, Postgres>>, statement: &Statement) -> Result<Vec<PgRow>, DbErr> {
    let sql = AssertSqlSafe(statement.to_string());
    let mut transaction = transaction.lock().await;
    let rows = sqlx::query(sql).persistent(false).fetch_all(&mut **transaction).await;
    rows.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
}

async fn run(transaction: &Mutex<Transaction<'_, Postgres>>, sql: String) -> Result<PgQueryResult, DbErr> {
    let mut transaction = transaction.lock().await;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **transaction).await.map_err(exec_error)
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
            Session::Postgres(transaction) => Ok(run(transaction, statement.to_string()).await?.into()),
            Session::Sqlite(transaction) => transaction.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Session::Postgres(transaction) => Ok(run(transaction, sql.to_owned()).await?.into()),
            Session::Sqlite(transaction) => transaction.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Session::Postgres(transaction) => Ok(fetch(transaction, &statement).await?.pop().map(Into::into)),
            Session::Sqlite(transaction) => transaction.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Session::Postgres(transaction) => {
                Ok(fetch(transaction, &statement).await?.into_iter().map(Into::into).collect())
            }
            Session::Sqlite(transaction) => transaction.query_all_raw(statement).await,
        }
    }
}
