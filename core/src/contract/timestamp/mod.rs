//! Timestamps as CSV files write them, to the microsecond.

mod clock;
mod excel;
mod instant;
mod local;
mod pattern;
#[cfg(test)]
mod tests;
mod unix;

use jiff::tz::{Offset, TimeZone};

use super::number::Decimal;
use instant::{is_second_59, leap_second, micros_of};
pub use local::Ambiguous;
use local::LocalTime;
use pattern::Pattern;

/// How a timestamp is written.
#[derive(Debug, Clone)]
pub enum TimestampFormat {
    /// Seconds since 1970-01-01 UTC, with a fraction or an exponent where there is one.
    UnixSeconds,
    /// Milliseconds since then.
    UnixMillis,
    /// Microseconds since then.
    UnixMicros,
    /// Nanoseconds since then.
    UnixNanos,
    /// RFC 3339, with its offset.
    Rfc3339,
    /// Days of local time as spreadsheets count them, in the system that begins with 1900.
    ExcelDays(LocalTime),
    /// A strptime pattern.
    Pattern(Box<Pattern>),
}

/// Reads the timestamps of one pass.
pub struct TimestampParser<'a> {
    formats: &'a [TimestampFormat],
    decimal: Decimal,
}

impl<'a> TimestampParser<'a> {
    /// For formats that are tried in their order, and one way to write fractions.
    pub fn new(formats: &'a [TimestampFormat], decimal: Decimal) -> Self {
        Self { formats, decimal }
    }

    /// Microseconds since 1970-01-01 UTC, rounded to the nearest.
    ///
    /// # Errors
    /// Says why the text is no timestamp, for people.
    #[inline]
    pub fn parse(&self, field: &[u8]) -> Result<i64, String> {
        match self.formats {
            [only] => only.parse(field, self.decimal),
            several => self.parse_as_one_of(several, field),
        }
    }

    fn parse_as_one_of(&self, formats: &[TimestampFormat], field: &[u8]) -> Result<i64, String> {
        let mut problems = Vec::new();
        for format in formats {
            match format.parse(field, self.decimal) {
                Ok(micros) => return Ok(micros),
                Err(problem) => problems.push(problem),
            }
        }
        Err(problems.join("; "))
    }
}

impl TimestampFormat {
    /// A pattern of local times in `zone`, or of times with their offset.
    ///
    /// # Errors
    /// Says why the pattern can't be used.
    pub fn pattern(pattern: &str, zone: TimeZone, ambiguous: Ambiguous) -> Result<TimestampFormat, String> {
        Self::pattern_with_zones(pattern, zone, ambiguous, &[])
    }

    /// As [`TimestampFormat::pattern`], where `%Z` reads these names beside `UTC`, `GMT` and `Z`.
    ///
    /// # Errors
    /// Says why the pattern can't be used.
    pub fn pattern_with_zones(
        pattern: &str,
        zone: TimeZone,
        ambiguous: Ambiguous,
        names: &[(String, Offset)],
    ) -> Result<TimestampFormat, String> {
        Ok(TimestampFormat::Pattern(Box::new(Pattern::new(pattern, LocalTime { zone, ambiguous }, names)?)))
    }

    /// Spreadsheets' days of local times in `zone`.
    pub fn excel_days(zone: TimeZone, ambiguous: Ambiguous) -> TimestampFormat {
        TimestampFormat::ExcelDays(LocalTime { zone, ambiguous })
    }

    /// Microseconds since 1970-01-01 UTC, rounded to the nearest, of a time in the years 1 to 9999.
    ///
    /// # Errors
    /// Says why the text is no timestamp, for people.
    pub fn parse(&self, field: &[u8], decimal: Decimal) -> Result<i64, String> {
        let micros = match self {
            TimestampFormat::UnixSeconds => unix::unix(field, decimal, 6),
            TimestampFormat::UnixMillis => unix::unix(field, decimal, 3),
            TimestampFormat::UnixMicros => unix::unix(field, decimal, 0),
            TimestampFormat::UnixNanos => unix::unix(field, decimal, -3),
            TimestampFormat::Rfc3339 => rfc3339(field),
            TimestampFormat::ExcelDays(local) => excel::days(field, decimal, local),
            TimestampFormat::Pattern(pattern) => pattern.parse(text(field)?),
        }?;
        match (YEAR_1..YEAR_10000).contains(&micros) {
            true => Ok(micros),
            false => Err("not in the years 1 to 9999; is the unit right?".to_owned()),
        }
    }
}

/// 0001-01-01 UTC.
const YEAR_1: i64 = -62_135_596_800_000_000;
/// 10000-01-01 UTC.
const YEAR_10000: i64 = 253_402_300_800_000_000;
fn text(field: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(field).map_err(|_| "not valid UTF-8".to_owned())
}

fn rfc3339(field: &[u8]) -> Result<i64, String> {
    let text = text(field)?;
    let timestamp: jiff::Timestamp = text.parse().map_err(|e| format!("not RFC 3339 with an offset: {e}"))?;
    let micros = micros_of(timestamp);
    match is_second_59(micros) && names_second_60(text) {
        true => leap_second(micros, text.contains("23:59:60")),
        false => Ok(micros),
    }
}

fn names_second_60(text: &str) -> bool {
    let bytes = text.as_bytes();
    let behind_colon = bytes.windows(3).skip(10).any(|w| w == b":60");
    // `20161231T235960Z`
    let compact = bytes.get(8).is_some_and(u8::is_ascii_alphabetic) && bytes.get(13..15) == Some(b"60");
    behind_colon || compact
}
