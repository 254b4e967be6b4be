//! A transaction's connection that may be busy with a COPY while its owner does other work.
//!
//! ```text
//!            prepare: SAVEPOINT batch, COPY begins        write: waits for its end
//!   ┌──────┐ ───────────────────────────────────▶ ┌─────────┐
//!   │ Idle │                                      │ Copying │
//!   └──────┘ ◀─────────────────────────────────── └─────────┘
//!       ▲      rows are in, the savepoint stands
//!       │      or a key existed: rolled back to the savepoint, which stands
//!       │      or anything else: the transaction is lost, and every later call says so
//!       └─ transaction, abandon, commit: as write, whatever became of the COPY
//! ```

use std::sync::Arc;

use sqlx::postgres::{PgConnection, Postgres};
use sqlx::{AssertSqlSafe, Transaction};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Bytes handed to the backend at once: it works on them while the next are on their way.
const COPY_CHUNK: usize = 256 << 10;

/// So few bytes are copied at once: there is nothing to do beside them that would be worth another thread.
const AT_ONCE: usize = 64 << 10;

type OpenTransaction = Box<Transaction<'static, Postgres>>;

/// One COPY at a time, each within a savepoint `batch` that is left standing.
pub(super) struct CopyStream {
    runtime: Handle,
    state: Option<State>,
    /// How the COPY that ended last went, until somebody asks.
    outcome: Option<Result<(), sqlx::Error>>,
    statement: Arc<str>,
    spare: Vec<Vec<u8>>,
}

enum State {
    Idle(OpenTransaction),
    Copying(JoinHandle<(OpenTransaction, Vec<u8>, Result<(), sqlx::Error>)>),
}

impl CopyStream {
    /// On `transaction`; `statement` is the COPY.
    pub(super) fn new(runtime: Handle, transaction: Transaction<'static, Postgres>, statement: String) -> Self {
        let state = Some(State::Idle(Box::new(transaction)));
        Self { runtime, state, outcome: None, statement: statement.into(), spare: Vec::new() }
    }

    /// The transaction, once the COPY under way has ended.
    ///
    /// # Errors
    /// Those of that COPY, unless it met a conflict: then the transaction can be used. Or when an earlier failure took
    /// the connection.
    pub(super) fn transaction(&mut self) -> Result<&mut Transaction<'static, Postgres>, sqlx::Error> {
        self.wait();
        if let Some(Err(failure)) = self.outcome.take_if(|o| o.as_ref().is_err_and(|e| !is_conflict(e))) {
            return Err(failure);
        }
        match &mut self.state {
            Some(State::Idle(transaction)) => Ok(transaction),
            _ => Err(sqlx::Error::WorkerCrashed),
        }
    }

    /// Begins to copy `data`, behind the statements `before` and a savepoint.
    ///
    /// # Errors
    /// As [`CopyStream::transaction`].
    pub(super) fn prepare(&mut self, before: String, data: Vec<u8>) -> Result<(), sqlx::Error> {
        self.transaction()?;
        self.outcome = None;
        if let Some(State::Idle(mut transaction)) = self.state.take() {
            let statement = Arc::clone(&self.statement);
            if data.len() <= AT_ONCE {
                self.outcome = Some(self.runtime.block_on(copy(&mut transaction, before, &statement, &data)));
                self.state = Some(State::Idle(transaction));
                self.spare.push(data);
                return Ok(());
            }
            self.state = Some(State::Copying(self.runtime.spawn(async move {
                let copied = copy(&mut transaction, before, &statement, &data).await;
                (transaction, data, copied)
            })));
        }
        Ok(())
    }

    /// What became of the COPY prepared last. Where a key existed, the savepoint is rolled back to already.
    pub(super) fn write(&mut self) -> Result<(), sqlx::Error> {
        self.wait();
        self.outcome.take().unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// Waits for the COPY under way, whatever becomes of it.
    pub(super) fn abandon(&mut self) {
        self.wait();
        self.outcome = None;
    }

    /// Empty memory for the next COPY.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// Commits.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) fn commit(mut self) -> Result<(), sqlx::Error> {
        self.wait();
        match self.state.take() {
            Some(State::Idle(transaction)) => self.runtime.block_on(transaction.commit()),
            _ => Err(sqlx::Error::WorkerCrashed),
        }
    }

    fn wait(&mut self) {
        if !matches!(self.state, Some(State::Copying(_))) {
            return;
        }
        if let Some(State::Copying(copying)) = self.state.take()
            && let Ok((transaction, data, outcome)) = self.runtime.block_on(copying)
        {
            self.state = Some(State::Idle(transaction));
            self.spare.push(data);
            self.outcome = Some(outcome);
        }
    }
}

impl Drop for CopyStream {
    /// The rollback is under way before anybody claims the same files again.
    fn drop(&mut self) {
        self.wait();
    }
}

async fn copy(connection: &mut PgConnection, before: String, statement: &str, data: &[u8]) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(before + "SAVEPOINT batch")).execute(&mut *connection).await?;
    let copied = send(connection, statement, data).await;
    if copied.as_ref().is_err_and(is_conflict) {
        sqlx::raw_sql("ROLLBACK TO SAVEPOINT batch").execute(connection).await?;
    }
    copied
}

async fn send(connection: &mut PgConnection, statement: &str, data: &[u8]) -> Result<(), sqlx::Error> {
    let mut copy = connection.copy_in_raw(statement).await?;
    for chunk in data.chunks(COPY_CHUNK) {
        copy.send(chunk).await?;
    }
    copy.finish().await.map(|_| ())
}

/// Whether a row's key exists.
pub(super) fn is_conflict(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(e) if e.is_unique_violation())
}
