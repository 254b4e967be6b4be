//! `contract.timestamp` and `contract.min_timestamp`.

use jiff::tz::{Offset, TimeZone};

use super::super::declaration::{AmbiguousName, ContractTable, TimestampTable};
use super::super::model::TimestampRule;
use super::super::timestamp::{Ambiguous, TimestampFormat};
use super::columns::timestamp_column;

pub(super) fn rule(contract: &ContractTable) -> Result<TimestampRule, String> {
    let table = &contract.timestamp;
    let columns = table.column.as_slice().iter().map(timestamp_column).collect::<Result<Vec<_>, _>>()?;
    if columns.is_empty() {
        return Err("contract.timestamp.column: names no column".into());
    }
    let names = zone_names(table)?;
    let formats =
        table.format.as_slice().iter().map(|text| format(table, &names, text)).collect::<Result<Vec<_>, _>>()?;
    if formats.is_empty() {
        return Err("contract.timestamp.format: names no format".into());
    }
    if table.zone.is_some()
        && !formats.iter().any(|f| matches!(f, TimestampFormat::Pattern(_) | TimestampFormat::ExcelDays(_)))
    {
        return Err(format!("contract.timestamp.zone: {} carries its own zone", table.format.as_slice().join(", ")));
    }
    let earliest_text = contract.min_timestamp.clone();
    Ok(TimestampRule { columns, formats, earliest: earliest(&earliest_text)?, earliest_text })
}

fn format(table: &TimestampTable, names: &[(String, Offset)], text: &str) -> Result<TimestampFormat, String> {
    let key = || format!("contract.timestamp.format = \"{text}\"");
    let ambiguous = match table.ambiguous {
        AmbiguousName::Reject => Ambiguous::Reject,
        AmbiguousName::Earliest => Ambiguous::Earliest,
        AmbiguousName::Latest => Ambiguous::Latest,
    };
    match text {
        "unix_seconds" => Ok(TimestampFormat::UnixSeconds),
        "unix_millis" => Ok(TimestampFormat::UnixMillis),
        "unix_micros" => Ok(TimestampFormat::UnixMicros),
        "unix_nanos" => Ok(TimestampFormat::UnixNanos),
        "rfc3339" => Ok(TimestampFormat::Rfc3339),
        "excel_days" => Ok(TimestampFormat::excel_days(zone(table)?, ambiguous)),
        pattern if pattern.contains('%') => {
            TimestampFormat::pattern_with_zones(pattern, zone(table)?, ambiguous, names)
                .map_err(|e| format!("{}: {e}", key()))
        }
        _ => Err(format!(
            "{}: must be unix_seconds, unix_millis, unix_micros, unix_nanos, rfc3339, excel_days or a pattern such as \
             %Y-%m-%d %H:%M:%S",
            key()
        )),
    }
}

/// What the names of zones mean that a pattern may have.
fn zone_names(table: &TimestampTable) -> Result<Vec<(String, Offset)>, String> {
    let used = table.format.as_slice().iter().any(|format| format.contains("%Z"));
    if !used && !table.zone_names.is_empty() {
        return Err("contract.timestamp.zone_names: no format has %Z, which reads them".into());
    }
    let named = |(name, offset): (&String, &String)| {
        let key = format!("contract.timestamp.zone_names.{name} = \"{offset}\"");
        if name.is_empty() || name.contains('%') {
            return Err(format!("{key}: no name of a zone"));
        }
        let offset = fixed_offset(offset).ok_or_else(|| format!("{key}: must be an offset such as -05:00"))?;
        Ok((name.clone(), offset.to_offset(jiff::Timestamp::UNIX_EPOCH)))
    };
    table.zone_names.iter().map(named).collect()
}

/// A zone by its name, or a fixed offset: `+01:00`, `GMT+02:00`, `UTC-3`.
fn zone(table: &TimestampTable) -> Result<TimeZone, String> {
    let name = table.zone.as_deref().unwrap_or("UTC");
    if let Some(zone) = fixed_offset(name) {
        return Ok(zone);
    }
    TimeZone::get(name).map_err(|e| {
        let instead = zone_of_city(name).unwrap_or_else(|| "Europe/Rome".to_owned());
        format!(
            "contract.timestamp.zone = \"{name}\": {e}; write a name such as {instead}, or an offset such as +01:00"
        )
    })
}

/// The full name of a zone by its city alone.
fn zone_of_city(city: &str) -> Option<String> {
    let city = city.trim().replace(' ', "_");
    let is_its = |name: &str| name.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(&city));
    jiff::tz::db().available().map(|name| name.to_string()).find(|name| name.contains('/') && is_its(name))
}

/// Hours that a zone may lie from UTC.
const FARTHEST: u8 = 14;

fn fixed_offset(text: &str) -> Option<TimeZone> {
    let bare = ["GMT", "UTC"].into_iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text).trim();
    let (sign, digits) = match bare.as_bytes() {
        [b'+', ..] => (1, &bare[1..]),
        [b'-', ..] => (-1, &bare[1..]),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 && digits.is_ascii() => digits.split_at(2),
        None => (digits, "0"),
    };
    let number = |text: &str| text.parse::<u8>().ok().filter(|_| text.len() <= 2);
    let (hours, minutes) = (number(hours).filter(|h| *h <= FARTHEST)?, number(minutes).filter(|m| *m < 60)?);
    let seconds = i32::from(hours) * 3600 + i32::from(minutes) * 60;
    Offset::from_seconds(sign * seconds).ok().map(TimeZone::fixed)
}

fn earliest(text: &str) -> Result<i64, String> {
    let date = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() <= 10);
    let instant = match date {
        Some(date) => TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)),
        None => text.parse::<jiff::Timestamp>(),
    };
    instant.map(|time| time.as_microsecond()).map_err(|_| {
        format!(
            "contract.min_timestamp = \"{text}\": must be a date such as 1990-01-01, or a time with its offset; \
             0001-01-01 turns it off"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_offsets() {
        for (text, expected) in [
            ("+01:00", Some(3_600)),
            ("GMT+02:00", Some(7_200)),
            ("UTC-3", Some(-10_800)),
            ("-0330", Some(-12_600)),
            ("Europe/Rome", None),
            ("Etc/GMT+2", None),
            ("+1:60", None),
            ("GMT+25:00", None),
            ("+", None),
        ] {
            let offset = fixed_offset(text).map(|zone| zone.to_offset(jiff::Timestamp::UNIX_EPOCH).seconds());
            assert_eq!(offset, expected, "{text}");
        }
    }

    #[test]
    fn the_earliest_time() {
        assert_eq!(earliest("1970-01-02"), Ok(86_400_000_000));
        assert_eq!(earliest("1970-01-01T01:00:00+01:00"), Ok(0));
        assert!(earliest("last year").unwrap_err().contains("0001-01-01"));
    }
}
