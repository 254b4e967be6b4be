//! What both databases call differently in a statement of the manifest.

use std::time::Duration;

use sea_orm::DbBackend;

/// The language of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL's.
    Postgres,
    /// SQLite's.
    Sqlite,
}

impl Dialect {
    /// What sea-orm calls it.
    pub fn backend(self) -> DbBackend {
        match self {
            Dialect::Postgres => DbBackend::Postgres,
            Dialect::Sqlite => DbBackend::Sqlite,
        }
    }

    /// The time, by the database's own clock: those of its clients differ. In PostgreSQL that of the statement, not of
    /// the transaction, which is long past at the end of a long load.
    pub fn now(self) -> &'static str {
        match self {
            Dialect::Postgres => "clock_timestamp()",
            Dialect::Sqlite => "strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')",
        }
    }

    /// The time when `wait` has passed.
    pub fn after(self, wait: Duration) -> String {
        let seconds = wait.as_secs_f64();
        match self {
            Dialect::Postgres => format!("clock_timestamp() + interval '{seconds:.3} seconds'"),
            Dialect::Sqlite => format!("strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now', '+{seconds:.3} seconds')"),
        }
    }

    /// What keeps two claims apart: rows that another is about to take are skipped. SQLite has one writer.
    pub fn skip_locked(self) -> &'static str {
        match self {
            Dialect::Postgres => "FOR UPDATE SKIP LOCKED",
            Dialect::Sqlite => "",
        }
    }

    /// What keeps a row as it is until the transaction ends.
    pub fn for_share(self) -> &'static str {
        match self {
            Dialect::Postgres => "FOR SHARE",
            Dialect::Sqlite => "",
        }
    }

    /// What comes before statements whose loss in a crash of the server harms nobody.
    pub fn without_waiting_for_the_disk(self) -> &'static str {
        match self {
            Dialect::Postgres => "SET LOCAL synchronous_commit = off;",
            Dialect::Sqlite => "",
        }
    }

    /// `text` as a literal.
    pub fn text(self, text: &str) -> String {
        // Backslashes mean nothing in either: standard_conforming_strings is on wherever the program connects.
        format!("'{}'", text.replace('\0', "\u{fffd}").replace('\'', "''"))
    }
}
