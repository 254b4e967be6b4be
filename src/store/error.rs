//! What a database can answer, sorted by what can be done about it.

/// What a database answered instead.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Host, port and database, or the path.
    pub place: String,
    /// What was said.
    pub reason: String,
    /// Its own code: PostgreSQL's SQLSTATE, SQLite's extended result code. `None` where it said none.
    pub code: Option<String>,
}

impl Answer {
    pub(crate) fn without_code(place: &str, reason: impl std::fmt::Display) -> Answer {
        Answer { place: place.to_owned(), reason: reason.to_string(), code: None }
    }
}

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
    #[error("the database at {} can't be reached: {}; check that it runs and that the URL is right", .0.place, .0.reason)]
    Unreachable(Answer),
    /// Another transaction was in the way.
    #[error("the database at {} is busy: {}; the file is tried again", .0.place, .0.reason)]
    Contention(Answer),
    /// A value that the database does not take.
    #[error("the database at {} does not take the data: {}", .0.place, .0.reason)]
    Data(Answer),
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
    #[error("the database at {} failed: {}; nothing of the file in hand was committed", .0.place, .0.reason)]
    Unknown(Answer),
    /// It can't work for anybody: full disk, missing rights, a server that shuts down.
    #[error("the database at {} failed: {}; nothing of the file in hand was committed", .0.place, .0.reason)]
    Other(Answer),
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
        matches!(self, StoreError::Contention(_))
    }

    /// One of few names, for those who count errors or group them.
    pub fn kind(&self) -> &'static str {
        match self {
            StoreError::Url => "url",
            StoreError::Unreachable(_) => "unreachable",
            StoreError::Contention(_) => "contention",
            StoreError::Data(_) => "data",
            StoreError::Schema(_) => "schema",
            StoreError::Reaggregating { .. } => "reaggregating",
            StoreError::Unknown(_) => "unknown",
            StoreError::Other(_) => "other",
            StoreError::ClaimLost => "claim_lost",
        }
    }

    /// The database's own code for it, where it said one.
    pub fn code(&self) -> Option<&str> {
        match self {
            StoreError::Unreachable(answer)
            | StoreError::Contention(answer)
            | StoreError::Data(answer)
            | StoreError::Unknown(answer)
            | StoreError::Other(answer) => answer.code.as_deref(),
            StoreError::Url | StoreError::Schema(_) | StoreError::Reaggregating { .. } | StoreError::ClaimLost => None,
        }
    }

    pub(crate) fn other(place: &str, reason: impl std::fmt::Display) -> Self {
        StoreError::Other(Answer::without_code(place, reason))
    }

    /// Sorts by SQLSTATE (PostgreSQL's manual, appendix A) or by SQLite's result code.
    pub(crate) fn classify(place: &str, cause: impl Into<Cause>) -> Self {
        let (reason, code, class) = match cause.into() {
            Cause::Schema(message) => return StoreError::Schema(message),
            Cause::Orm(e) => match e {
                sea_orm::DbErr::Exec(sea_orm::RuntimeErr::SqlxError(e))
                | sea_orm::DbErr::Query(sea_orm::RuntimeErr::SqlxError(e)) => of_sqlx(&e),
                sea_orm::DbErr::Conn(_) | sea_orm::DbErr::ConnectionAcquire(_) => (plain(&e), None, AWAY.to_owned()),
                e => (plain(&e), None, String::new()),
            },
            Cause::Sqlx(e) => of_sqlx(&e),
            Cause::Rusqlite(e) => of_rusqlite(&e),
        };
        sorted(Answer { place: place.to_owned(), reason, code }, &class)
    }
}

/// The class of a server that is not there.
const AWAY: &str = "08000";

/// What was said, the code that came with it, and the code by which it is sorted.
type Coded = (String, Option<String>, String);

fn of_sqlx(error: &sqlx::Error) -> Coded {
    let code = match error {
        sqlx::Error::Database(e) => e.code().map(|code| code.into_owned()),
        _ => None,
    };
    let class = match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => AWAY.to_owned(),
        _ => code.clone().unwrap_or_default(),
    };
    (error.to_string(), code, class)
}

fn of_rusqlite(error: &rusqlite::Error) -> Coded {
    use rusqlite::ErrorCode::{
        CannotOpen, ConstraintViolation, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase,
        PermissionDenied, ReadOnly, SystemIoFailure, TooBig,
    };
    let class = match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked) => "40001",
        Some(ConstraintViolation | TooBig) => "23000",
        Some(DiskFull) => "53100",
        Some(SystemIoFailure) => "10",
        Some(ReadOnly | PermissionDenied | CannotOpen | NotADatabase | DatabaseCorrupt) => "58000",
        _ => "",
    };
    (error.to_string(), error.sqlite_error().map(|e| e.extended_code.to_string()), class.to_owned())
}

fn sorted(mut answer: Answer, class: &str) -> StoreError {
    match class {
        "40001" | "40P01" | "55P03" | "5" | "517" => StoreError::Contention(answer),
        "25006" => {
            answer.reason.push_str(" (a standby? the URL must lead to the primary)");
            StoreError::Other(answer)
        }
        // SQLite's I/O errors (10 and its extended codes, of four digits at most) hide a full disk among them.
        code if code.len() <= 4 && code.parse::<u32>().is_ok_and(|code| code & 0xff == 10) => {
            answer.reason.push_str(" (is the disk full, or failing?)");
            StoreError::Other(answer)
        }
        "53300" => StoreError::Unreachable(answer),
        code if code.starts_with("08") || code.starts_with("57P") => StoreError::Unreachable(answer),
        // A value out of range, a constraint, a row or an index entry too large.
        code if code.len() == 5 && ["22", "23", "54"].iter().any(|class| code.starts_with(class)) => {
            StoreError::Data(answer)
        }
        // Insufficient resources, an operator, the system, missing rights and objects; SQLite's full disk, its file
        // that can't be opened or is none.
        code if code.len() == 5
            && ["53", "55", "57", "58", "42", "3D", "28", "XX"].iter().any(|c| code.starts_with(c)) =>
        {
            StoreError::Other(answer)
        }
        "8" | "11" | "13" | "14" | "23" | "26" => StoreError::Other(answer),
        _ => StoreError::Unknown(answer),
    }
}

/// The error's text without the layers' own prefixes.
pub(crate) fn plain(error: &sea_orm::DbErr) -> String {
    let text = error.to_string();
    ["Connection Error: ", "Execution Error: ", "Query Error: "]
        .iter()
        .fold(text, |text, prefix| text.replacen(prefix, "", 1))
}
