//! What a contract may say so that a time is read.

use jiff::tz::TimeZone;

use super::number::{Decimal, parse_float};
use super::timestamp::{Ambiguous, TimestampFormat};

/// Patterns of which most files have one; of those that read the same text the likelier comes first.
const PATTERNS: [&str; 37] = [
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M:%S%.f%z",
    "%Y-%m-%d %H:%M:%S %z",
    "%Y-%m-%d %H:%M:%S %Z",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%dT%H:%M:%S%z",
    "%Y.%m.%d %H:%M:%S",
    "%Y.%m.%d %H:%M",
    "%d.%m.%Y %H:%M:%S%.f",
    "%d.%m.%Y %H:%M",
    "%d.%m.%y %H:%M:%S",
    "%d.%m.%y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y %H.%M.%S",
    "%d/%m/%Y %I:%M:%S %p",
    "%d/%m/%Y %I:%M %p",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%y %H:%M:%S",
    "%m/%d/%y %H:%M",
    "%m/%d/%y %I:%M:%S %p",
    "%m/%d/%y %I:%M %p",
    "%d-%m-%Y %H:%M:%S",
    "%d-%m-%Y %H:%M",
    "%d-%b-%Y %H:%M:%S%.f",
    "%a %b %d %H:%M:%S %Y",
    "%Y%m%d%H%M%S",
    "%Y %m %d %H %M",
    "%Y %j hhmm",
    "%Y-%m-%d",
];

/// Formats that read `text`, the likeliest first; none where it is no time that is known.
pub fn formats_that_read(text: &str, decimal: Decimal) -> Vec<&'static str> {
    if let Some(number) = parse_float(text.as_bytes(), decimal) {
        let unit = unit_of(number);
        // Fourteen digits may also be a date and a time.
        let compact = pattern_reads("%Y%m%d%H%M%S", text) && text.len() == 14;
        return if compact { vec!["%Y%m%d%H%M%S"] } else { unit.into_iter().collect() };
    }
    if TimestampFormat::Rfc3339.parse(text.as_bytes(), decimal).is_ok() {
        return vec!["rfc3339"];
    }
    PATTERNS.into_iter().filter(|pattern| pattern_reads(pattern, text)).collect()
}

/// By its size: times of this century in each unit.
fn unit_of(number: f64) -> Option<&'static str> {
    match number.abs() {
        20_000.0..80_000.0 => Some("excel_days"),
        5e8..5e9 => Some("unix_seconds"),
        5e11..5e12 => Some("unix_millis"),
        5e14..5e15 => Some("unix_micros"),
        5e17..5e18 => Some("unix_nanos"),
        _ => None,
    }
}

fn pattern_reads(pattern: &str, text: &str) -> bool {
    TimestampFormat::pattern(pattern, TimeZone::UTC, Ambiguous::Earliest)
        .is_ok_and(|format| format.parse(text.as_bytes(), Decimal::Point).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_are_known() {
        for (text, expected) in [
            ("1714521600", vec!["unix_seconds"]),
            ("1.7145216E12", vec!["unix_millis"]),
            ("45413.25", vec!["excel_days"]),
            ("20240501123000", vec!["%Y%m%d%H%M%S"]),
            ("2024-05-01T00:00:00+02:00", vec!["rfc3339"]),
            ("2024-05-01 00:00:00", vec!["%Y-%m-%d %H:%M:%S%.f"]),
            ("31.12.24 23:50", vec!["%d.%m.%y %H:%M"]),
            ("31/12/2024 23:50", vec!["%d/%m/%Y %H:%M"]),
            ("05/01/2024 1:50 PM", vec!["%d/%m/%Y %I:%M %p", "%m/%d/%Y %I:%M %p"]),
            ("2024 122 30", vec!["%Y %j hhmm"]),
            ("yesterday", vec![]),
            ("21.5", vec![]),
        ] {
            assert_eq!(formats_that_read(text, Decimal::Point), expected, "{text}");
        }
    }

    #[test]
    fn every_pattern_can_be_used() {
        for pattern in PATTERNS {
            assert!(TimestampFormat::pattern(pattern, TimeZone::UTC, Ambiguous::Reject).is_ok(), "{pattern}");
        }
    }
}
