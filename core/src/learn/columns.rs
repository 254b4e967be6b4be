//! What columns hold: times, devices, measurements.

use std::collections::BTreeSet;

use super::table::Column;
use crate::contract::{Decimal, formats_that_read, parse_float};

/// Values of a column that are looked at for a time.
const LOOKED_AT: usize = 12;
/// Columns that one time is spread over at most.
const MOST_PARTS: usize = 6;
/// Names of columns that say whose a row is, without what is no letter or digit.
const DEVICES: &[&str] = &[
    "device",
    "deviceid",
    "devid",
    "dev",
    "devicename",
    "deviceeui",
    "deveui",
    "station",
    "stationid",
    "stationname",
    "sensorid",
    "sensor",
    "sensorname",
    "node",
    "nodeid",
    "host",
    "hostname",
    "serial",
    "serialnumber",
    "mac",
    "asset",
    "thing",
    "thingname",
    "loggerid",
    "logger",
    "siteno",
    "site",
    "siteid",
    "location",
    "unit",
    "unitid",
    "id",
    "source",
    "tag",
    "name",
    "room",
    "entityid",
    "meter",
    "meterid",
    "gerät",
    "geraet",
    "standort",
];
/// Names of columns that hold a time.
const TIMES: &[&str] = &[
    "time", "date", "ts", "epoch", "stamp", "clock", "created", "recorded", "yy", "datum", "zeit", "fecha", "hora",
    "heure",
];

/// Where the time of a row stands, and how it may be written.
pub(super) struct TimeColumns {
    pub(super) at: Vec<usize>,
    pub(super) formats: Vec<&'static str>,
}

/// What is measured in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing at all.
    Empty,
    Number,
    Boolean,
    Text,
}

/// What the values of a column are, as far as they tell.
pub(super) struct Values {
    pub(super) kind: Kind,
    /// Some rows have none.
    pub(super) has_gaps: bool,
    /// What stands where there is none.
    pub(super) nulls: BTreeSet<String>,
    /// Behind numbers stands a unit.
    pub(super) has_unit: bool,
}

/// The columns of one time: the fewest that give one, those first whose names speak of it.
pub(super) fn time_columns(columns: &[Column], decimal: Decimal) -> Option<TimeColumns> {
    for parts in 1..=MOST_PARTS.min(columns.len()) {
        let mut found: Vec<TimeColumns> = (0..=columns.len() - parts)
            .filter_map(|from| {
                let at: Vec<usize> = (from..from + parts).collect();
                let speaks_of_it = at.iter().any(|at| is_called(&columns[*at].name, TIMES));
                let formats = formats_of(columns, &at, decimal);
                // A number that grows, where nothing says what it is.
                let grows =
                    || parts == 1 && formats.iter().all(|format| format.starts_with("unix_")) && grows(&columns[from]);
                let is_told = speaks_of_it || formats.iter().any(|format| !is_a_number(format)) || grows();
                (!formats.is_empty() && is_told).then_some(TimeColumns { at, formats })
            })
            .collect();
        found.sort_by_key(|time| !time.at.iter().all(|at| is_called(&columns[*at].name, TIMES)));
        let Some(time) = found.into_iter().next() else { continue };
        // A day alone, and its hour and minute in the next columns; a month and a day look like a day of the year and a time.
        let is_day = time.formats.iter().all(|format| !format.contains("%H") && format.contains("%d"));
        if is_day || time.formats == ["%Y %j hhmm"] {
            for more in 1..=2 {
                let at: Vec<usize> = (time.at[0]..time.at[0] + parts + more).filter(|at| *at < columns.len()).collect();
                let formats = formats_of(columns, &at, decimal);
                if at.len() == parts + more && !formats.is_empty() {
                    return Some(TimeColumns { at, formats });
                }
            }
        }
        return Some(time);
    }
    None
}

fn grows(column: &Column) -> bool {
    let numbers: Vec<f64> = column.values.iter().filter_map(|value| value.parse().ok()).collect();
    numbers.len() == column.values.len() && numbers.is_sorted()
}

/// Formats that read what stands in these columns, joined by spaces, in most of the rows.
fn formats_of(columns: &[Column], at: &[usize], decimal: Decimal) -> Vec<&'static str> {
    let rows = columns[at[0]].values.len();
    let joined = |row: usize| at.iter().map(|at| columns[*at].values[row].as_str()).collect::<Vec<_>>().join(" ");
    let texts = (0..rows).step_by((rows / LOOKED_AT).max(1)).map(joined);
    let texts: Vec<String> = texts.filter(|text| text.bytes().filter(u8::is_ascii_digit).count() > 4).collect();
    let read: Vec<Vec<&'static str>> = texts.iter().map(|text| formats_that_read(text, decimal)).collect();
    let mut formats: Vec<&'static str> = read.iter().flatten().copied().collect();
    formats.sort_unstable();
    formats.dedup();
    let often = |format: &&str| read.iter().filter(|of_text| of_text.contains(format)).count();
    let most = formats.iter().map(often).max().unwrap_or_default();
    formats.retain(|format| often(format) == most);
    if 2 * most > texts.len() { formats } else { Vec::new() }
}

fn is_a_number(format: &str) -> bool {
    format.starts_with("unix_") || format == "excel_days" || format == "%Y%m%d%H%M%S"
}

/// The column that says whose a row is.
pub(super) fn device_column(columns: &[Column], taken: &[usize]) -> Option<usize> {
    let is_free = |at: &usize| !taken.contains(at) && columns[*at].values.iter().any(|value| !value.is_empty());
    let free: Vec<usize> = (0..columns.len()).filter(is_free).collect();
    DEVICES.iter().find_map(|name| free.iter().copied().find(|at| bare(&columns[*at].name) == *name))
}

fn bare(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).to_lowercase().replace(|c: char| !c.is_alphanumeric(), "")
}

fn is_called(name: &str, words: &[&str]) -> bool {
    let name = name.to_lowercase();
    words.iter().any(|word| if word.len() > 2 { name.contains(word) } else { bare(&name) == *word })
}

/// The decimal separator of most numbers.
pub(super) fn decimal_of(columns: &[Column]) -> Decimal {
    let numbers = |mark: char| {
        let is_number = |value: &&String| {
            let digits = value.trim_start_matches(['+', '-']).split(mark).collect::<Vec<_>>();
            digits.len() == 2 && digits.iter().all(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
        };
        columns.iter().flat_map(|column| &column.values).filter(is_number).count()
    };
    if numbers(',') > numbers('.') { Decimal::Comma } else { Decimal::Point }
}

/// What a column holds.
pub(super) fn values_of<'v>(values: impl Iterator<Item = &'v String>, decimal: Decimal) -> Values {
    const BOOLEANS: &[&str] = &["true", "false", "on", "off", "yes", "no"];
    const ABSENT: &[&str] = &["", "null", "nan", "na", "n/a", "#n/a", "none"];
    let values: Vec<&String> = values.collect();
    let is_absent = |value: &&&String| ABSENT.contains(&value.to_lowercase().as_str());
    let present: Vec<&&String> = values.iter().filter(|value| !is_absent(value)).collect();
    let has_gaps = present.len() < values.len();
    let is_number = |text: &str| parse_float(text.as_bytes(), decimal).is_some();
    let without_unit = |text: &str| text.trim_end_matches(|c: char| !c.is_ascii_digit()).to_owned();
    let plain = present.iter().filter(|value| is_number(value)).count();
    let with_unit = present.iter().filter(|value| is_number(&without_unit(value))).count();
    let (kind, has_unit) = match present.len() {
        0 => (Kind::Empty, false),
        n if 10 * plain >= 6 * n => (Kind::Number, false),
        n if present.iter().all(|value| BOOLEANS.contains(&value.to_lowercase().as_str())) && n > 0 => {
            (Kind::Boolean, false)
        }
        n if 10 * with_unit >= 9 * n => (Kind::Number, true),
        _ => (Kind::Text, false),
    };
    let is_odd = |text: &str| kind == Kind::Number && !is_number(text) && !(has_unit && is_number(&without_unit(text)));
    let nulls: BTreeSet<String> = present.iter().filter(|value| is_odd(value)).map(|value| value.to_string()).collect();
    Values { kind, has_gaps: has_gaps || !nulls.is_empty(), nulls, has_unit }
}
