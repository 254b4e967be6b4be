//! Timestamps as CSV files write them, to the microsecond.

use jiff::civil;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::number::Decimal;

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
    /// A strptime pattern.
    Pattern {
        /// The pattern.
        pattern: String,
        /// The zone of local times.
        zone: TimeZone,
        /// Which of two instants a repeated local time means.
        ambiguous: Ambiguous,
    },
}

/// What to make of a local time that a clock change repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ambiguous {
    /// It can't be told.
    Reject,
    /// The first of the two instants.
    Earliest,
    /// The second.
    Latest,
}

/// Reads the timestamps of one pass.
pub struct TimestampParser<'a> {
    format: &'a TimestampFormat,
    decimal: Decimal,
}

impl<'a> TimestampParser<'a> {
    /// For one format and one way to write fractions.
    pub fn new(format: &'a TimestampFormat, decimal: Decimal) -> Self {
        Self { format, decimal }
    }

    /// Microseconds since 1970-01-01 UTC, rounded to the nearest.
    ///
    /// # Errors
    /// Says why the text is no timestamp, for people.
    #[inline]
    pub fn parse(&self, field: &[u8]) -> Result<i64, String> {
        self.format.parse(field, self.decimal)
    }
}

impl TimestampFormat {
    /// Microseconds since 1970-01-01 UTC, rounded to the nearest, of a time in the years 1 to 9999.
    ///
    /// # Errors
    /// Says why the text is no timestamp, for people.
    pub fn parse(&self, field: &[u8], decimal: Decimal) -> Result<i64, String> {
        let micros = match self {
            TimestampFormat::UnixSeconds => unix(field, decimal, 6),
            TimestampFormat::UnixMillis => unix(field, decimal, 3),
            TimestampFormat::UnixMicros => unix(field, decimal, 0),
            TimestampFormat::UnixNanos => unix(field, decimal, -3),
            TimestampFormat::Rfc3339 => rfc3339(field),
            TimestampFormat::Pattern { pattern, zone, ambiguous } => local(field, pattern, zone, *ambiguous),
        }?;
        match (YEAR_1..YEAR_10000).contains(&micros) {
            true => Ok(micros),
            false => Err("not in the years 1 to 9999; is the unit right?".to_owned()),
        }
    }

    /// Whether a pattern can be used at all.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let TimestampFormat::Pattern { pattern, .. } = self else { return Ok(()) };
        // In the afternoon and within a second, so that an hour of twelve without AM or PM shows, and so does a fraction.
        let sample = civil::date(2001, 2, 3).at(16, 5, 6, 500_000_000).in_tz("UTC").map_err(|e| e.to_string())?;
        let text = BrokenDownTime::from(&sample).to_string(pattern).map_err(|e| e.to_string())?;
        let read = BrokenDownTime::parse(pattern, &text).map_err(|e| e.to_string())?;
        let has_second = read.second().is_some() || read.subsec_nanosecond().is_some();
        if read.iana_time_zone().is_some() {
            return Err("a zone's name in the row (%Q) is not supported; give the contract's `zone`".to_owned());
        }
        if read.timestamp().is_some() {
            return match read.subsec_nanosecond() {
                Some(_) => Err("%s with a fraction is not supported; the format `unix_seconds` reads it".to_owned()),
                None => Ok(()),
            };
        }
        if read.to_date().is_err() {
            return Err("the pattern names no full date".to_owned());
        }
        if read.hour().is_none() && (read.minute().is_some() || has_second) {
            return Err("the pattern names minutes or seconds but no hour".to_owned());
        }
        if read.hour().is_some() && read.to_time().map_err(|e| e.to_string())?.hour() != sample.hour() {
            return Err("the pattern names an hour of twelve (%I) but not whether AM or PM (%p)".to_owned());
        }
        Ok(())
    }
}

/// 0001-01-01 UTC.
const YEAR_1: i64 = -62_135_596_800_000_000;
/// 10000-01-01 UTC.
const YEAR_10000: i64 = 253_402_300_800_000_000;
/// Digits that are kept: more can't change the nearest microsecond of any year.
const MAX_DIGITS: u32 = 30;

/// A decimal number times 10^`shift`, rounded half away from zero. By its digits, never by way of a float.
fn unix(field: &[u8], decimal: Decimal, shift: i32) -> Result<i64, String> {
    digits(field, decimal, shift).ok_or_else(|| "not a number of time units since 1970".to_owned())
}

fn digits(field: &[u8], decimal: Decimal, shift: i32) -> Option<i64> {
    few_digits(field, decimal, shift).or_else(|| many_digits(field, decimal, shift))
}

/// Digits of which every number fits into 64 bits.
const FEW_DIGITS: u32 = 18;

/// [`many_digits`] for what devices write: no sign, few digits, a one-digit exponent if any. `None` for all else.
fn few_digits(field: &[u8], decimal: Decimal, shift: i32) -> Option<i64> {
    let (mantissa, exponent) = match field {
        [mantissa @ .., b'e' | b'E', digit @ b'0'..=b'9'] => (mantissa, i32::from(digit - b'0')),
        _ => (field, 0),
    };
    let (mut value, mut seen, mut point) = (0u64, 0, None);
    for &byte in mantissa {
        match byte {
            b'0'..=b'9' if seen < FEW_DIGITS => (value, seen) = (value * 10 + u64::from(byte - b'0'), seen + 1),
            b if b == decimal.byte() && point.is_none() => point = Some(seen),
            _ => return None,
        }
    }
    let power = exponent + shift - point.map_or(0, |at| (seen - at) as i32);
    let factor = 10u64.checked_pow(power.unsigned_abs())?;
    let micros = match power {
        _ if seen == 0 => return None,
        0.. => value.checked_mul(factor)?,
        _ => value / factor + u64::from(value % factor >= factor / 2),
    };
    i64::try_from(micros).ok()
}

fn many_digits(field: &[u8], decimal: Decimal, shift: i32) -> Option<i64> {
    let (negative, unsigned) = match field {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mark = unsigned.iter().position(|b| matches!(b, b'e' | b'E'));
    let (mantissa, exponent) = match mark {
        Some(at) => (&unsigned[..at], std::str::from_utf8(&unsigned[at + 1..]).ok()?.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (mut value, mut kept, mut scale, mut seen, mut fraction) = (0u128, 0, 0i32, false, false);
    for &byte in mantissa {
        match byte {
            b'0'..=b'9' => {
                seen = true;
                if kept < MAX_DIGITS {
                    value = value * 10 + u128::from(byte - b'0');
                    kept += u32::from(value > 0);
                    scale -= i32::from(fraction);
                } else {
                    scale = scale.checked_add(i32::from(!fraction))?;
                }
            }
            b if b == decimal.byte() && !fraction => fraction = true,
            _ => return None,
        }
    }
    let power = scale.checked_add(exponent)?.checked_add(shift)?;
    let rounded = match power {
        _ if !seen => return None,
        _ if value == 0 => 0,
        0.. => value.checked_mul(10u128.checked_pow(power as u32)?)?,
        _ => match 10u128.checked_pow(power.unsigned_abs()) {
            Some(divisor) => value / divisor + u128::from(value % divisor >= divisor.div_ceil(2)),
            None => 0,
        },
    };
    let micros = i64::try_from(rounded).ok()?;
    Some(if negative { -micros } else { micros })
}

fn text(field: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(field).map_err(|_| "not valid UTF-8".to_owned())
}

fn rfc3339(field: &[u8]) -> Result<i64, String> {
    let parse = |text: &str| text.parse::<jiff::Timestamp>().map_err(|e| format!("not RFC 3339 with an offset: {e}"));
    let text = text(field)?;
    let timestamp = parse(text)?;
    refuse_leap_second(text, |text| parse(text).ok() == Some(timestamp))?;
    Ok(micros_of(timestamp))
}

/// A second 60 is read as the one before it, which is another reading's time. `is_same` tells whether a text has the same
/// time: where a 60 may be 59 without a difference, it is such a second.
fn refuse_leap_second(text: &str, is_same: impl Fn(&str) -> bool) -> Result<(), String> {
    for (at, _) in text.match_indices("60") {
        if is_same(&format!("{}59{}", &text[..at], &text[at + 2..])) {
            return Err("a leap second (:60) has no time of its own".to_owned());
        }
    }
    Ok(())
}

fn micros_of(timestamp: jiff::Timestamp) -> i64 {
    let nanos = timestamp.as_nanosecond();
    let away = if nanos < 0 { -500 } else { 500 };
    ((nanos + away) / 1000) as i64
}

fn local(field: &[u8], pattern: &str, zone: &TimeZone, ambiguous: Ambiguous) -> Result<i64, String> {
    let text = text(field)?;
    let time = BrokenDownTime::parse(pattern, text).map_err(|e| format!("does not fit {pattern}: {e}"))?;
    if time.second() == Some(59) {
        let second = |text: &str| {
            let time = BrokenDownTime::parse(pattern, text).ok()?;
            Some((
                time.to_date().ok(),
                time.hour(),
                time.minute(),
                time.second(),
                time.subsec_nanosecond(),
                time.offset(),
            ))
        };
        let own = second(text);
        refuse_leap_second(text, |other| second(other) == own)?;
    }
    if time.timestamp().is_some() || time.offset().is_some() {
        return time.to_timestamp().map(micros_of).map_err(|e| e.to_string());
    }
    let date = time.to_date().map_err(|e| e.to_string())?;
    let clock =
        if time.hour().is_none() { civil::Time::midnight() } else { time.to_time().map_err(|e| e.to_string())? };
    let local = zone.to_ambiguous_timestamp(date.to_datetime(clock));
    let name = zone.iana_name().unwrap_or("its zone");
    let chosen = match (local.offset(), ambiguous) {
        (AmbiguousOffset::Gap { .. }, _) => return Err(format!("does not exist in {name}: clocks were put forward")),
        (AmbiguousOffset::Fold { .. }, Ambiguous::Reject) => {
            return Err(format!("exists twice in {name}: clocks were put back; see `ambiguous` in the contract"));
        }
        (AmbiguousOffset::Fold { .. }, Ambiguous::Earliest) => local.earlier(),
        (AmbiguousOffset::Fold { .. }, Ambiguous::Latest) => local.later(),
        (AmbiguousOffset::Unambiguous { .. }, _) => local.compatible(),
    };
    chosen.map(micros_of).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(text: &str) -> Option<i64> {
        TimestampFormat::UnixSeconds.parse(text.as_bytes(), Decimal::Point).ok()
    }

    #[test]
    fn scientific_seconds_are_rounded_by_their_digits() {
        assert_eq!(seconds("1.5945984245023336E9"), Some(1_594_598_424_502_334));
        assert_eq!(seconds("1594598424.5000005"), Some(1_594_598_424_500_001));
        assert_eq!(seconds("-1.0000005"), Some(-1_000_001));
        assert_eq!(seconds("1594598424502"), None, "milliseconds where seconds are declared");
        for text in ["", "-", ".", "e9", "1e", "yesterday", "1.2.3", "1e99999999999", "NaN"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn clock_changes_in_rome() {
        let format = |ambiguous| TimestampFormat::Pattern {
            pattern: "%d/%m/%Y %H.%M.%S".into(),
            zone: TimeZone::get("Europe/Rome").unwrap(),
            ambiguous,
        };
        let parse = |text: &str, ambiguous| format(ambiguous).parse(text.as_bytes(), Decimal::Comma);
        assert!(format(Ambiguous::Reject).check().is_ok());
        assert_eq!(parse("10/03/2004 18.00.00", Ambiguous::Reject), Ok(1_078_938_000_000_000));
        assert!(parse("28/03/2004 02.30.00", Ambiguous::Earliest).unwrap_err().contains("does not exist"));
        assert!(parse("31/10/2004 02.30.00", Ambiguous::Reject).unwrap_err().contains("exists twice"));
        let (first, second) =
            (parse("31/10/2004 02.30.00", Ambiguous::Earliest), parse("31/10/2004 02.30.00", Ambiguous::Latest));
        assert_eq!(second.unwrap() - first.unwrap(), 3_600_000_000);
    }

    #[test]
    fn what_a_pattern_must_name() {
        let format = |pattern: &str| TimestampFormat::Pattern {
            pattern: pattern.into(),
            zone: TimeZone::get("Europe/Rome").unwrap(),
            ambiguous: Ambiguous::Reject,
        };
        for (pattern, text, second) in [
            ("%s", "1594598424", 1_594_598_424),
            ("%F %T %z", "2020-07-13 00:00:24 +0000", 1_594_598_424),
            ("%F %I:%M %p", "2020-07-13 12:05 AM", 1_594_591_500),
            ("%F %H", "2020-07-13 02", 1_594_598_400),
            ("%F", "2020-07-13", 1_594_591_200),
        ] {
            assert_eq!(format(pattern).check(), Ok(()), "{pattern}");
            assert_eq!(format(pattern).parse(text.as_bytes(), Decimal::Point), Ok(second * 1_000_000), "{pattern}");
        }
        for pattern in
            ["%H:%M", "%Y-%m", "%F %M", "%F %S", "%F %H %S", "%F %I:%M", "%F %T %Q", "%F %T %Z", "%s%.f", "%"]
        {
            assert!(format(pattern).check().is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_leap_second_is_no_time() {
        let rfc3339 = |text: &str| TimestampFormat::Rfc3339.parse(text.as_bytes(), Decimal::Point);
        for text in ["2016-12-31T23:59:60Z", "2016-12-31t23:59:60.5z", "2060-12-31T23:59:60+01:00", "20161231T235960Z"]
        {
            assert!(rfc3339(text).unwrap_err().contains("leap second"), "{text}");
        }
        for text in ["2060-06-06T06:06:06.60Z", "1960-01-01T00:00:59.6060Z", "2016-12-31T23:59:59.60Z"] {
            assert!(rfc3339(text).is_ok(), "{text}");
        }
        let local = |pattern: &str, text: &str| {
            let (pattern, zone) = (pattern.to_owned(), TimeZone::UTC);
            let format = TimestampFormat::Pattern { pattern, zone, ambiguous: Ambiguous::Reject };
            format.parse(text.as_bytes(), Decimal::Point)
        };
        assert!(local("%F %T", "2016-12-31 23:59:60").unwrap_err().contains("leap second"));
        assert!(local("%S.%M.%H %d/%m/%Y", "60.59.23 31/12/2016").unwrap_err().contains("leap second"));
        assert!(local("%F %T", "1960-12-31 23:59:59").is_ok());
        assert!(local("%F %T%.f", "2016-12-31 23:59:59.60").is_ok());
    }

    #[test]
    fn rfc3339_needs_an_offset() {
        let parse = |text: &str| TimestampFormat::Rfc3339.parse(text.as_bytes(), Decimal::Point);
        assert_eq!(parse("1970-01-01T01:00:00.0000005+01:00"), Ok(1));
        assert!(parse("1970-01-01T01:00:00").is_err());
    }

    proptest! {
        #[test]
        fn every_microsecond_survives(micros in YEAR_1..YEAR_10000) {
            let sign = if micros < 0 { "-" } else { "" };
            let (whole, part) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
            prop_assert_eq!(seconds(&format!("{sign}{whole}.{part:06}")), Some(micros));
        }

        #[test]
        fn few_digits_are_read_as_many_are(field in "[0-9]{0,12}[.,]?[0-9]{0,9}([eE]-?[0-9]{1,2})?", shift in -3i32..7) {
            for decimal in [Decimal::Point, Decimal::Comma] {
                if let Some(micros) = few_digits(field.as_bytes(), decimal, shift) {
                    prop_assert_eq!(Some(micros), many_digits(field.as_bytes(), decimal, shift));
                }
            }
        }

        #[test]
        fn no_text_panics(field in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = TimestampFormat::UnixSeconds.parse(&field, Decimal::Point);
            let _ = TimestampFormat::Rfc3339.parse(&field, Decimal::Point);
        }
    }
}
