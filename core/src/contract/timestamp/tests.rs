use jiff::tz::TimeZone;

use super::super::number::Decimal;
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
    let format = |ambiguous| {
        TimestampFormat::pattern("%d/%m/%Y %H.%M.%S", TimeZone::get("Europe/Rome").unwrap(), ambiguous).unwrap()
    };
    let parse = |text: &str, ambiguous| format(ambiguous).parse(text.as_bytes(), Decimal::Comma);
    assert_eq!(parse("10/03/2004 18.00.00", Ambiguous::Reject), Ok(1_078_938_000_000_000));
    assert!(parse("28/03/2004 02.30.00", Ambiguous::Earliest).unwrap_err().contains("does not exist"));
    assert!(parse("31/10/2004 02.30.00", Ambiguous::Reject).unwrap_err().contains("exists twice"));
    let (first, second) =
        (parse("31/10/2004 02.30.00", Ambiguous::Earliest), parse("31/10/2004 02.30.00", Ambiguous::Latest));
    assert_eq!(second.unwrap() - first.unwrap(), 3_600_000_000);
}

#[test]
fn what_a_pattern_must_name() {
    let format =
        |pattern: &str| TimestampFormat::pattern(pattern, TimeZone::get("Europe/Rome").unwrap(), Ambiguous::Reject);
    for (pattern, text, second) in [
        ("%s", "1594598424", 1_594_598_424),
        ("%F %T %z", "2020-07-13 00:00:24 +0000", 1_594_598_424),
        ("%F %I:%M %p", "2020-07-13 12:05 AM", 1_594_591_500),
        ("%F %I:%M %p", "2020-07-13 12:05a", 1_594_591_500),
        ("%F %T %Z", "2020-07-13 00:00:24 GMT", 1_594_598_424),
        ("%FT%T%z", "2020-07-13T00:00:24z", 1_594_598_424),
        ("%F hh:mm", "2020-07-12 24:00", 1_594_591_200),
        ("%F %H", "2020-07-13 02", 1_594_598_400),
        ("%F", "2020-07-13", 1_594_591_200),
    ] {
        let read = format(pattern).unwrap().parse(text.as_bytes(), Decimal::Point);
        assert_eq!(read, Ok(second * 1_000_000), "{pattern}");
    }
    for pattern in ["%H:%M", "%Y-%m", "%F %M", "%F %S", "%F %H %S", "%F %I:%M", "%F %T %Q", "%s%.f", "%"] {
        assert!(format(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn months_that_are_written_otherwise() {
    for (pattern, text, hint) in [
        ("%d %b %Y", "1 January 2024", "%B reads whole names"),
        ("%d %B %Y", "1 Jan 2024", "%b reads names"),
        ("%d %b %Y", "1 janv. 2024", "in English"),
        ("%d. %B %Y", "1. Mai 2024", "in English"),
    ] {
        let format = TimestampFormat::pattern(pattern, TimeZone::UTC, Ambiguous::Reject).unwrap();
        let said = format.parse(text.as_bytes(), Decimal::Point).unwrap_err();
        assert!(said.contains(hint), "{text}: {said}");
    }
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
    fn no_text_panics(field in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = TimestampFormat::UnixSeconds.parse(&field, Decimal::Point);
        let _ = TimestampFormat::Rfc3339.parse(&field, Decimal::Point);
    }
}

#[test]
fn digits_that_nothing_keeps_apart_are_all_there() {
    let read = |pattern: &str, text: &str| {
        let format = TimestampFormat::pattern(pattern, TimeZone::UTC, Ambiguous::Reject).unwrap();
        format.parse(text.as_bytes(), Decimal::Point).map(|micros| micros / 1_000)
    };
    let day = 1_704_067_200_000; // 2024-01-01
    for (pattern, text, expected) in [
        ("%Y-%m-%d %H%M", "2024-01-01 0130", Some(5_400_000)),
        ("%Y-%m-%d %H%M", "2024-01-01 130", None),
        ("%Y-%m-%d hhmm", "2024-01-01 130", Some(5_400_000)),
        ("%Y-%m-%d hhmm", "2024-01-01 5", Some(300_000)),
        ("%Y-%m-%d hhmm", "2024-01-01 2400", Some(86_400_000)),
        ("%Y-%m-%d hhmm", "2024-01-01 2401", None),
        ("%Y-%m-%d hhmm", "2024-01-01 00130", None),
        ("hhmm %j/%Y", "30 1/2024", Some(1_800_000)),
        ("%Y%m%d%H%M%S", "20240101000001", Some(1_000)),
        ("%Y%m%d%H%M%S", "2024010100001", None),
        ("%Y%m%d%H%M%S%3f", "20240101000001250", Some(1_250)),
        ("%d/%m/%Y %H:%M", "1/1/2024 1:5", Some(3_900_000)),
        ("%d/%m/%Y %H:%M", "1/1/24 1:05", None),
        ("%d/%m/%Y %H:%M", "1/1/202 1:05", None),
        ("%F %T%z", "2024-01-01 01:00:00+01:00", Some(0)),
        ("%F %T%z", "2024-01-01 01:00:00+0100", Some(0)),
        ("%F %T%z", "2024-01-01 01:00:00+01", Some(0)),
        ("%F %T%:z", "2024-01-01 00:00:00Z", Some(0)),
        ("%F %T%z", "2024-01-01 00:00:00", None),
        ("%a %b %d %H:%M:%S %z %Y", "Mon Jan 01 02:00:00 +0200 2024", Some(0)),
    ] {
        assert_eq!(read(pattern, text).ok(), expected.map(|millis: i64| day + millis), "{text} by {pattern}");
    }
}

#[test]
fn a_leap_second_is_the_first_instant_of_the_next_minute() {
    let pattern = TimestampFormat::pattern("%F %T", TimeZone::UTC, Ambiguous::Reject).unwrap();
    let compact = TimestampFormat::pattern("%Y%m%d%H%M%S", TimeZone::UTC, Ambiguous::Reject).unwrap();
    let next_year = Some(1_483_228_800_000_000);
    for (format, text, expected) in [
        (&TimestampFormat::Rfc3339, "2016-12-31T23:59:60Z", next_year),
        (&TimestampFormat::Rfc3339, "2016-12-31T23:59:60.5Z", next_year),
        (&TimestampFormat::Rfc3339, "2017-01-01T00:59:60+01:00", next_year),
        (&TimestampFormat::Rfc3339, "2016-12-31T23:58:60Z", None),
        (&TimestampFormat::Rfc3339, "2016-12-31T23:59:59Z", Some(1_483_228_799_000_000)),
        (&pattern, "2016-12-31 23:59:60", next_year),
        (&pattern, "2016-12-31 12:00:60", None),
        (&pattern, "2016-12-31 12:60:59", None),
        (&compact, "20161231235960", next_year),
        (&compact, "20161231120060", None),
        (&compact, "20161231126059", None),
    ] {
        assert_eq!(format.parse(text.as_bytes(), Decimal::Point).ok(), expected, "{text}");
    }
}

#[test]
fn what_a_spreadsheet_makes_of_times() {
    for (text, expected) in [
        ("1.70001E+09", None),
        ("1.7E+09", None),
        ("1.700012345E+09", Some(1_700_012_345)),
        ("1.5945E9", Some(1_594_500_000)),
        ("1700010000", Some(1_700_010_000)),
    ] {
        assert_eq!(seconds(text).map(|micros| micros / 1_000_000), expected, "{text}");
    }
    let millis = TimestampFormat::UnixMillis.parse(b"1.70001E+12", Decimal::Point);
    assert!(millis.unwrap_err().contains("spreadsheet"));
    let days = TimestampFormat::excel_days(TimeZone::UTC, Ambiguous::Reject);
    for (text, expected) in [
        ("45292", Some(1_704_067_200_000)),
        ("45292.5208333333", Some(1_704_112_200_000)),
        ("25569", Some(0)),
        ("61", Some(-2_203_891_200_000)),
        ("60", None),
        ("59", Some(-2_203_977_600_000)),
        ("1", Some(-2_208_988_800_000)),
        ("-1", None),
        ("2024-01-01", None),
    ] {
        let read = days.parse(text.as_bytes(), Decimal::Point).ok();
        assert_eq!(read, expected.map(|millis: i64| millis * 1_000), "{text}");
    }
}
