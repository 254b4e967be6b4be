//! PostgreSQL as it is reached: URL, pool, how a transaction begins.

use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Postgres, Transaction};

use super::nodelay;
use crate::store::error::{Answer, StoreError};

/// How long a connection may take before the database counts as away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection that was in use is trusted to live.
const TRUSTED: Duration = Duration::from_secs(1);

/// How every transaction begins: isolation and the patience with a silent host do not depend on the server's defaults,
/// all else does. A host that falls silent loses its transaction within a minute, since others wait for the keys that it
/// holds. A commit is on the disk before its file moves. Set for the transaction alone: a pooler may give the next one to
/// another session of the server. Keepalives mean something over TCP only, and are ignored elsewhere.
pub(in crate::store) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL idle_in_transaction_session_timeout = '60s'; SET LOCAL tcp_keepalives_idle = 30;
    SET LOCAL tcp_keepalives_interval = 10; SET LOCAL tcp_keepalives_count = 3;
    SET LOCAL array_nulls = on; SET LOCAL extra_float_digits = 1;
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'";
/// The same for one that only reads, and sees one moment for as long as it takes to look at everything.
pub(in crate::store) const BEGIN_SNAPSHOT: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0";
/// What goes ahead of a statement that reads and is its own transaction: statements in one message are one, and it has
/// ended when the answer is there. Text holds every digit of a number.
pub(in crate::store) const READ: &str =
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL extra_float_digits = 1;";
/// The same ahead of one that writes.
pub(in crate::store) const CHANGE: &str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL array_nulls = on;
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';";

/// What the server's list of sessions calls this program.
const APPLICATION: &str = "iotpipe";

/// A name for the sessions of one process, by which others find them on the server.
pub(in crate::store) fn session_name() -> String {
    format!("{APPLICATION} {:016x}", rand::random::<u64>())
}

/// Reads a `postgres://` URL; gives what may be shown of it, too.
pub(in crate::store) fn parse(url: &str) -> Result<(PgConnectOptions, String), StoreError> {
    // An unescaped `/`, `?` or `#` in a password ends the part with the host too early: what follows is no name of a
    // database, and must not be shown as one.
    let (_, rest) = url.split_once("://").ok_or(StoreError::Url)?;
    let authority = rest.find(['/', '?', '#']).map_or(rest, |end| &rest[..end]);
    if rest[authority.len()..].contains(['@', '#']) {
        return Err(StoreError::Url);
    }
    let options = PgConnectOptions::from_str(url).map_err(|_| StoreError::Url)?;
    let host = options.get_host().trim_start_matches('[').trim_end_matches(']').to_owned();
    // A pooler passes on the parameters that it knows; this one is none of them, and PostgreSQL's default is exact too.
    let options =
        options.host(&host).application_name(APPLICATION).extra_float_digits(None).statement_cache_capacity(0);
    // To ask whether a statement is to be logged keeps the next line of this program from being logged on its thread.
    let options = options.disable_statement_logging();
    let shown_host = if host.contains(':') { format!("[{host}]") } else { host };
    let place = format!("{shown_host}:{}/{}", options.get_port(), options.get_database().unwrap_or("postgres"));
    Ok((options, place))
}

/// Opens a pool for so many transactions at once.
pub(in crate::store) async fn connect(options: PgConnectOptions, place: &str, most: u32) -> Result<PgPool, StoreError> {
    let pool = PgPoolOptions::new()
        .max_connections(most)
        .min_connections(1)
        .acquire_timeout(CONNECT_TIMEOUT)
        .after_connect(|_, _| {
            Box::pin(async {
                nodelay::set_on_all_sockets();
                Ok(())
            })
        })
        .connect_with(options.clone())
        .await;
    match pool {
        Ok(pool) => Ok(pool),
        Err(e) => Err(StoreError::Unreachable(Answer::without_code(place, reason(&options, &e).await))),
    }
}

/// Why nobody answered. A pool only knows that its time ran out; one more try by hand hears the answer itself.
async fn reason(options: &PgConnectOptions, pool: &sqlx::Error) -> String {
    match tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options)).await {
        Ok(Err(sqlx::Error::Io(e))) => e.to_string(),
        Ok(Err(e)) => e.to_string(),
        _ => pool.to_string(),
    }
}

/// The connection of the last short transaction, at hand for the next one. A pool asks the server whether a connection
/// lives when it gets it back and when it hands it out, and opens another where the next transaction begins before the
/// answer is there: that took longer than what short transactions do.
#[derive(Default)]
pub(in crate::store) struct LastUsed(Mutex<Option<(PoolConnection<Postgres>, Instant)>>);

impl LastUsed {
    /// Gives it, or another one where somebody else has it, or it has been idle for long enough to have ended.
    pub(in crate::store) async fn take(&self, pool: &PgPool) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        let at_hand = self.lock().take();
        match at_hand {
            Some((connection, since)) if since.elapsed() < TRUSTED => Ok(connection),
            // The pool looks whether it lives.
            _ => pool.acquire().await,
        }
    }

    /// Keeps one whose transaction ended well.
    pub(in crate::store) fn keep(&self, connection: PoolConnection<Postgres>) {
        *self.lock() = Some((connection, Instant::now()));
    }

    /// Gives it back to its pool. Asks for the runtime.
    pub(in crate::store) fn give_back(&self) {
        drop(self.lock().take());
    }

    fn lock(&self) -> MutexGuard<'_, Option<(PoolConnection<Postgres>, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins a transaction that may write.
pub(in crate::store) async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    pool.begin_with(BEGIN).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Option<String> {
        parse(url).ok().map(|(_, place)| place)
    }

    #[test]
    fn what_is_shown_of_a_url() {
        assert_eq!(place("postgres://u:p@h:1/d").as_deref(), Some("h:1/d"));
        assert_eq!(place("postgres://u:p%2F%40@h/d?sslmode=disable").as_deref(), Some("h:5432/d"));
        assert_eq!(place("postgres://u@[::1]:55911/d").as_deref(), Some("[::1]:55911/d"));
    }

    #[test]
    fn a_password_that_ends_the_host_early_is_not_shown() {
        for url in
            ["postgres://u:12/s3cret@host/db", "postgres://u:12#s3cret@host/db", "postgres://u:12?s3cret@host/db"]
        {
            assert_eq!(place(url), None, "{url}");
        }
    }
}
