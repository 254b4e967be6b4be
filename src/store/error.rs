//! What a database can answer, sorted by what can be done about it.

/// A database that did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Not a URL of a database that iotpipe knows. The URL is not shown: it may hold a password.
    #[error(
        "the database URL is not understood; write sqlite://path/to/file.db or postgres://user@host:5432/database \
         (special characters in a password are written as %XX)"
    )]
    Url,
    /// Nobody answers, or not with us.
    #[error("the database at {place} can't be reached: {reason}; check that it runs and that the URL is right")]
    Unreachable {
        /// Host, port and database, or the path.
        place: String,
        /// What was said.
        reason: String,
    },
    /// Another transaction was in the way.
    #[error("the database at {place} is busy: {reason}; the file is tried again")]
    Contention {
        /// Host, port and database, or the path.
        place: String,
        /// What was said.
        reason: String,
    },
    /// A value that the database does not take.
    #[error("the database at {place} does not take the data: {reason}")]
    Data {
        /// Host, port and database, or the path.
        place: String,
        /// What was said.
        reason: String,
    },
    /// The schema does not fit the contract.
    #[error("{0}")]
    Schema(String),
    /// Statistics are being computed anew, for windows of another length.
    #[error(
        "the statistics at {place} are being computed anew, {left} files are left: wait for `iotpipe reaggregate`, or \
         run it again if it was interrupted"
    )]
    Reaggregating {
        /// Host, port and database, or the path.
        place: String,
        /// Files whose statistics are still of another window.
        left: i64,
    },
    /// An answer that nobody foresaw: a file may be at fault, or not.
    #[error("the database at {place} failed: {reason}; nothing of the file in hand was committed")]
    Unknown {
        /// Host, port and database, or the path.
        place: String,
        /// What was said.
        reason: String,
    },
    /// It can't work for anybody: full disk, missing rights, a server that shuts down.
    #[error("the database at {place} failed: {reason}; nothing of the file in hand was committed")]
    Other {
        /// Host, port and database, or the path.
        place: String,
        /// What was said.
        reason: String,
    },
    /// The manifest's row is no longer this worker's.
    #[error("another worker took the file over; nothing of it was written here")]
    ClaimLost,
}

/// Errors of the three libraries beneath.
pub(crate) enum Cause {
    Orm(sea_orm::DbErr),
    Sqlx(sqlx::Error),
    Rusqlite(rusqlite::Error),
    Schema(String),
}

impl From<sea_orm::DbErr> for Cause {
    fn from(e: sea_orm::DbErr) -> Self {
        Cause::Orm(e)
    }
}

impl From<sqlx::Error> for Cause {
    fn from(e: sqlx::Error) -> Self {
        Cause::Sqlx(e)
    }
}

impl From<rusqlite::Error> for Cause {
    fn from(e: rusqlite::Error) -> Self {
        Cause::Rusqlite(e)
    }
}

impl StoreError {
    /// Whether another transaction was in the way.
    pub fn is_contention(&self) -> bool {
        matches!(self, StoreError::Contention { .. })
    }

    /// One of few names, for those who count errors or group them.
    pub fn kind(&self) -> &'static str {
        match self {
            StoreError::Url => "url",
            StoreError::Unreachable { .. } => "unreachable",
            StoreError::Contention { .. } => "contention",
            StoreError::Data { .. } => "data",
            StoreError::Schema(_) => "schema",
            StoreError::Reaggregating { .. } => "reaggregating",
            StoreError::Unknown { .. } => "unknown",
            StoreError::Other { .. } => "other",
            StoreError::ClaimLost => "claim_lost",
        }
    }

    pub(crate) fn other(place: &str, reason: impl std::fmt::Display) -> Self {
        StoreError::Other { place: place.to_owned(), reason: reason.to_string() }
    }

    /// Sorts by SQLSTATE (PostgreSQL's manual, appendix A) or by SQLite's result code.
    pub(crate) fn classify(place: &str, cause: impl Into<Cause>) -> Self {
        let place = place.to_owned();
        let (reason, code) = match cause.into() {
            Cause::Schema(message) => return StoreError::Schema(message),
            Cause::Orm(e) => match e {
                sea_orm::DbErr::Exec(sea_orm::RuntimeErr::SqlxError(e))
                | sea_orm::DbErr::Query(sea_orm::RuntimeErr::SqlxError(e)) => (e.to_string(), sqlx_code(&e)),
                sea_orm::DbErr::Conn(_) | sea_orm::DbErr::ConnectionAcquire(_) => (plain(&e), "08000".to_owned()),
                e => (plain(&e), String::new()),
            },
            Cause::Sqlx(e) => (e.to_string(), sqlx_code(&e)),
            Cause::Rusqlite(e) => {
                use rusqlite::ErrorCode::{
                    CannotOpen, ConstraintViolation, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull,
                    NotADatabase, PermissionDenied, ReadOnly, SystemIoFailure, TooBig,
                };
                let code = match e.sqlite_error_code() {
                    Some(DatabaseBusy | DatabaseLocked) => "40001",
                    Some(ConstraintViolation | TooBig) => "23000",
                    Some(DiskFull) => "53100",
                    Some(SystemIoFailure) => "10",
                    Some(ReadOnly | PermissionDenied | CannotOpen | NotADatabase | DatabaseCorrupt) => "58000",
                    _ => "",
                };
                (e.to_string(), code.to_owned())
            }
        };
        match code.as_str() {
            "40001" | "40P01" | "55P03" | "5" | "517" => StoreError::Contention { place, reason },
            "25006" => {
                let reason = format!("{reason} (a standby? the URL must lead to the primary)");
                StoreError::Other { place, reason }
            }
            // SQLite's I/O errors (10 and its extended codes, of four digits at most) hide a full disk among them.
            code if code.len() <= 4 && code.parse::<u32>().is_ok_and(|code| code & 0xff == 10) => {
                let reason = format!("{reason} (is the disk full, or failing?)");
                StoreError::Other { place, reason }
            }
            "53300" => StoreError::Unreachable { place, reason },
            code if code.starts_with("08") || code.starts_with("57P") => StoreError::Unreachable { place, reason },
            // A value out of range, a constraint, a row or an index entry too large.
            code if code.len() == 5 && ["22", "23", "54"].iter().any(|class| code.starts_with(class)) => {
                StoreError::Data { place, reason }
            }
            // Insufficient resources, an operator, the system, missing rights and objects; SQLite's full disk, its file
            // that can't be opened or is none.
            code if code.len() == 5
                && ["53", "55", "57", "58", "42", "3D", "28", "XX"].iter().any(|c| code.starts_with(c)) =>
            {
                StoreError::Other { place, reason }
            }
            "8" | "11" | "13" | "14" | "23" | "26" => StoreError::Other { place, reason },
            _ => StoreError::Unknown { place, reason },
        }
    }
}

fn sqlx_code(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(e) => e.code().map(|c| c.into_owned()).unwrap_or_default(),
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => "08000".to_owned(),
        _ => String::new(),
    }
}

/// The error's text without the layers' own prefixes.
pub(crate) fn plain(error: &sea_orm::DbErr) -> String {
    let text = error.to_string();
    ["Connection Error: ", "Execution Error: ", "Query Error: "]
        .iter()
        .fold(text, |text, prefix| text.replacen(prefix, "", 1))
}
