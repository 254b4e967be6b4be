//! SQLite as it is reached: URL, pool, how a transaction begins.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::store::error::{Answer, StoreError};

/// How long a writer waits for another writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(120);

/// Longest wait before another try to create it.
const NEXT_TRY: Duration = Duration::from_millis(50);

/// An embedded database's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct DatabaseFile {
    /// Where it lies; created when missing, unless it is only read.
    pub(in crate::store) path: PathBuf,
    /// Whether `mode=ro` was asked for.
    pub(in crate::store) read_only: bool,
}

/// Reads a `sqlite://` URL: a path in which `%XX` stands for a byte, and `mode`, which may be `ro`, `rw` or `rwc`.
pub(in crate::store) fn parse(url: &str) -> Result<DatabaseFile, StoreError> {
    let rest = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).ok_or(StoreError::Url)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = percent_encoding::percent_decode_str(path).decode_utf8().map_err(|_| StoreError::Url)?.into_owned();
    if path.is_empty() || path == ":memory:" || path.contains('\0') {
        return Err(StoreError::Url);
    }
    let read_only = match query {
        "" | "mode=rw" | "mode=rwc" => false,
        "mode=ro" => true,
        _ => return Err(StoreError::Url),
    };
    Ok(DatabaseFile { path: path.into(), read_only })
}

/// Opens a pool. Writers wait for each other in the database, not for a connection of the pool.
pub(in crate::store) async fn connect(file: &DatabaseFile, most: u32) -> Result<SqlitePool, StoreError> {
    let place = file.path.display().to_string();
    if let Some(folder) = file.path.parent().filter(|folder| !folder.as_os_str().is_empty() && !file.read_only) {
        std::fs::create_dir_all(folder)
            .map_err(|e| StoreError::Unreachable(Answer::without_code(&place, format!("its folder: {e}"))))?;
    }
    let mut options = SqliteConnectOptions::new()
        .filename(&file.path)
        .create_if_missing(!file.read_only)
        .read_only(file.read_only)
        .busy_timeout(BUSY_TIMEOUT)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    if !file.read_only {
        options = options.journal_mode(SqliteJournalMode::Wal);
    }
    let pool = SqlitePoolOptions::new().max_connections(most).acquire_timeout(2 * BUSY_TIMEOUT);
    let started = Instant::now();
    loop {
        let error = match pool.clone().connect_with(options.clone()).await {
            Ok(pool) => return Ok(pool),
            Err(e) => StoreError::classify(&place, e),
        };
        match error {
            // Two that create it at once: who turns the log on does not wait for the other by itself.
            error if error.is_contention() && started.elapsed() < BUSY_TIMEOUT => {
                tokio::time::sleep(NEXT_TRY.mul_f64(rand::random())).await;
            }
            StoreError::Other(answer) => return Err(StoreError::Unreachable(answer)),
            other => return Err(other),
        }
    }
}

/// Takes the writer's lock at once: a transaction that reads first and writes later could only fail when another has
/// written meanwhile.
pub(super) fn begin_load(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // FULL: a commit is durable before the file moves. The cache is in KiB, and bounds the memory of a load.
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -16384; BEGIN IMMEDIATE")?;
    Ok(connection)
}

/// A transaction that only reads sees one moment of the write-ahead log.
pub(super) fn begin_snapshot(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .or_else(|_| Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch("BEGIN")?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let path = |url: &str| parse(url).ok().map(|file| (file.path.display().to_string(), file.read_only));
        assert_eq!(path("sqlite://a/b.db"), Some(("a/b.db".into(), false)));
        assert_eq!(path("sqlite:///a.db?mode=ro"), Some(("/a.db".into(), true)));
        assert_eq!(path("sqlite://my%20db.db"), Some(("my db.db".into(), false)));
        assert_eq!(path("sqlite://sp ace.db"), Some(("sp ace.db".into(), false)));
        assert_eq!(path("sqlite://a.db?mode=r0"), None);
        assert_eq!(path("sqlite://"), None);
        assert_eq!(path("mysql://a"), None);
    }
}
