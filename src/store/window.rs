//! The length of the aggregation windows, which everyone on a database must agree about: windows of two lengths under
//! one key would be neither.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::error::Cause;

/// What a process needs the pinned length to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowPin {
    /// That of its contract, which is pinned where nothing is.
    OfContract,
    /// Whatever it is: it is about to be changed.
    Any,
}

/// Pinned where the first process that asked for a length wants another one at once.
const OF_NO_KNOWN_LENGTH: i64 = 0;
/// The pinned length, in microseconds.
pub(super) const PINNED: &str = "SELECT value FROM setting WHERE name = 'window_micros'";
/// How many files still have statistics of another length.
pub(super) const LEFT: &str = "SELECT count(*) FROM to_reaggregate";

/// `micros` as people write it.
pub(super) fn length(micros: i64) -> String {
    humantime::format_duration(Duration::from_micros(micros.unsigned_abs())).to_string().replace(' ', "")
}

/// The pinned length, in microseconds; `None` where none is.
pub(super) async fn pinned(db: &impl ConnectionTrait) -> Result<Option<i64>, DbErr> {
    number(db, PINNED).await
}

/// The one number that `sql` gives.
pub(super) async fn number(db: &impl ConnectionTrait, sql: &str) -> Result<Option<i64>, DbErr> {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    row.map(|row| row.try_get_by_index(0)).transpose()
}

/// Pins the length `micros` where none is, and compares it with the one that is.
///
/// A database of before has none, but may have totals: where they don't lie on windows of this length, nothing is pinned.
pub(super) async fn pin(db: &impl ConnectionTrait, micros: i64, pin: WindowPin, embedded: bool) -> Result<(), Cause> {
    let insert = |value| format!("INSERT INTO setting (name, value) VALUES ('window_micros', {value})");
    match (pinned(db).await?, pin) {
        (Some(pinned), _) => compare(pinned, micros, pin),
        (None, WindowPin::Any) => {
            db.execute_unprepared(&insert(OF_NO_KNOWN_LENGTH)).await?;
            Ok(())
        }
        (None, WindowPin::OfContract) => {
            let start = match embedded {
                true => "window_start",
                false => "CAST(extract(epoch FROM window_start) * 1000000 AS bigint)",
            };
            let misfit = format!(
                "SELECT count(*) FROM (SELECT 1 FROM sensor_aggregates WHERE {start} % {micros} <> 0 LIMIT 1) m"
            );
            if number(db, &misfit).await? != Some(0) {
                return Err(Cause::Schema(other(OF_NO_KNOWN_LENGTH, micros)));
            }
            db.execute_unprepared(&insert(micros)).await?;
            Ok(())
        }
    }
}

/// Whether `pinned` is what a process with windows of `micros` needs.
pub(super) fn compare(pinned: i64, micros: i64, pin: WindowPin) -> Result<(), Cause> {
    match pinned == micros || pin == WindowPin::Any {
        true => Ok(()),
        false => Err(Cause::Schema(other(pinned, micros))),
    }
}

/// That the statistics are of the length `pinned`, not of `wanted`.
pub(super) fn other(pinned: i64, wanted: i64) -> String {
    let (stored, wanted) = match pinned {
        OF_NO_KNOWN_LENGTH => ("another length".to_owned(), length(wanted)),
        _ => (length(pinned), length(wanted)),
    };
    format!(
        "the statistics in the database are of windows of {stored}, the contract says aggregate.window = \"{wanted}\"; \
         run `iotpipe reaggregate --window {wanted}` to have them computed anew, or change the contract back"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_they_are_read() {
        for text in ["1h", "1day", "1h30m", "500ms", "7days"] {
            let micros = humantime::parse_duration(text).unwrap().as_micros() as i64;
            assert_eq!(length(micros), text);
        }
    }
}
