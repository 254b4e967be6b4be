//! The declared shape of a reading, as values that another engine could be given.

use std::time::Duration;

use encoding_rs::Encoding;
use regex::Regex;

use super::metrics::Metrics;
use super::null_values::NullValues;
use super::number::{Decimal, NumberStyle};
use super::timestamp::TimestampFormat;

/// Longest device name, in bytes: what every database can index.
pub const MAX_DEVICE_BYTES: usize = 255;
/// Longest aggregation window: that of a reading in the year 1 begins at a time that every database can store.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(1000 * 366 * 86_400);

/// What a reading must look like, and how the CSV around it is written.
#[derive(Debug, Clone)]
pub struct Contract {
    /// How the bytes of a file are cut into fields.
    pub csv: CsvFormat,
    /// Where the time of a reading stands and how it is written.
    pub timestamp: TimestampRule,
    /// Where the name of the device stands.
    pub device: DeviceRule,
    /// What is measured; at least one, names unique.
    pub sensors: Vec<Sensor>,
    /// How to read rows of one measurement each; `None` where a row has a column per sensor.
    pub long: Option<LongRows>,
    /// What to do with a file that has columns the contract does not name.
    pub extra_columns: ExtraColumns,
    /// Share of rejected rows (0…1) above which the whole file is refused.
    pub max_rejected_ratio: f64,
    /// How far a timestamp may lie after the file's discovery, in microseconds.
    pub max_future_micros: i64,
    /// Length of an aggregation window in microseconds; windows start at multiples of it since 1970-01-01 UTC.
    pub window_micros: i64,
    /// Hash of every setting above (hex), so that a verdict can be traced to the rules that gave it.
    pub hash: String,
    /// The declaration with every default written out, as TOML: what [`Contract::from_toml`] makes this contract of again,
    /// whatever the defaults are then. The windows' length is left at its default, as in the hash.
    pub body: String,
}

/// The long layout: a row has one measurement, a column says of what, another has the value.
#[derive(Debug, Clone)]
pub struct LongRows {
    /// The column that says what was measured.
    pub metric: ColumnName,
    /// The column of the value.
    pub value: ColumnName,
    /// Whether rows whose metric no sensor names are skipped; where not, they are rejected.
    pub skips_unknown: bool,
    /// Which sensor a metric means.
    pub metrics: Metrics,
}

impl Contract {
    /// How many cells a reading has: one per sensor, or the one that its row measured.
    #[inline]
    pub fn width(&self) -> usize {
        match self.long {
            None => self.sensors.len(),
            Some(_) => 1,
        }
    }

    /// All columns that it names.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnName> {
        let device = match &self.device {
            DeviceRule::Column(column) => Some(column),
            _ => None,
        };
        let sensors = self.sensors.iter().filter(|_| self.long.is_none()).map(|sensor| &sensor.column);
        let long = self.long.iter().flat_map(|long| [&long.metric, &long.value]);
        self.timestamp.columns.iter().chain(device).chain(sensors).chain(long)
    }

    /// Whether it names the column of this name.
    pub fn names_column(&self, name: &str) -> bool {
        self.columns().any(|column| column.fits(name))
    }
}

/// The dialect of the CSV files.
#[derive(Debug, Clone)]
pub struct CsvFormat {
    /// What stands between two fields.
    pub delimiter: Delimiter,
    /// How numbers are written.
    pub numbers: NumberStyle,
    /// Physical lines before the header.
    pub skip_lines: u64,
    /// Physical lines behind the header that hold no readings.
    pub skip_lines_after_header: u64,
    /// The names of the columns, where files have no header.
    pub header: Option<Vec<String>>,
    /// What lines begin with that are skipped.
    pub comments: Vec<String>,
    /// The encoding of a file without a byte order mark; `None` for UTF-8.
    pub encoding: Option<&'static Encoding>,
    /// Whether a quoted field may hold line ends. Where not, a line end ends a row, whatever is open.
    pub multiline: bool,
    /// Whether a last line without a line end is set aside.
    pub final_newline_required: bool,
    /// Texts that mean "no value".
    pub null_values: NullValues,
}

impl CsvFormat {
    /// The decimal separator.
    #[inline]
    pub fn decimal(&self) -> Decimal {
        self.numbers.decimal
    }
}

/// What stands between two fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimiter {
    /// One byte.
    Byte(u8),
    /// One or more spaces and tabs; those at both ends of a line separate nothing.
    Whitespace,
}

/// Columns (joined by a space when more than one) and formats of the timestamp.
#[derive(Debug, Clone)]
pub struct TimestampRule {
    /// Columns; at least one.
    pub columns: Vec<ColumnName>,
    /// How the text is read, tried in this order; at least one.
    pub formats: Vec<TimestampFormat>,
    /// The earliest valid time, in microseconds since 1970-01-01 UTC.
    pub earliest: i64,
    /// The same as the contract has it.
    pub earliest_text: String,
}

/// How a column is found in a header.
#[derive(Debug, Clone)]
pub enum ColumnName {
    /// By its name, as different files spell it; at least one.
    Spelled(Vec<String>),
    /// By a pattern that just one name may fit.
    Match(Regex),
}

impl ColumnName {
    /// Whether it means a column of this name (already trimmed).
    pub fn fits(&self, name: &str) -> bool {
        match self {
            ColumnName::Spelled(spellings) => spellings.iter().any(|spelling| spelling.trim() == name),
            ColumnName::Match(pattern) => pattern.is_match(name),
        }
    }

    /// As people know it: its first spelling, or the pattern.
    pub fn shown(&self) -> &str {
        match self {
            ColumnName::Spelled(names) => names.first().map_or("", String::as_str),
            ColumnName::Match(pattern) => pattern.as_str(),
        }
    }
}

/// Where a reading's device name comes from.
#[derive(Debug, Clone)]
pub enum DeviceRule {
    /// A column of the file.
    Column(ColumnName),
    /// The group `device` of a pattern over the file's name (without its folder).
    FromName(Regex),
    /// The group `device` of a pattern over the file's path below the folder of its source.
    FromPath(Regex),
    /// The same name for every reading.
    Value(String),
}

/// One measured quantity.
#[derive(Debug, Clone)]
pub struct Sensor {
    /// Database column: `[a-z_][a-z0-9_]*`.
    pub name: String,
    /// CSV column.
    pub column: ColumnName,
    /// Type of the value.
    pub kind: SensorType,
    /// Unit of the value, as shown to people.
    pub unit: Option<String>,
    /// Smallest valid value, in `unit`.
    pub min: Option<f64>,
    /// Largest valid value, in `unit`.
    pub max: Option<f64>,
    /// Whether a row without a value is rejected.
    pub required: bool,
    /// Texts that mean "no value" here, where they are not just those of all columns.
    pub null_values: Option<NullValues>,
    /// Whether a unit may stand behind the number: `unit` where there is one, else any.
    pub strip_unit: bool,
    /// Texts that mean true and false, looked at before those that always do.
    pub booleans: Option<[Vec<String>; 2]>,
}

/// Types that a sensor's value may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SensorType {
    /// 64-bit IEEE 754.
    Float,
    /// 64-bit signed.
    Integer,
    /// True or false; aggregated as 1 and 0.
    Boolean,
    /// UTF-8 text; stored, not aggregated.
    Text,
}

impl SensorType {
    /// Whether aggregates are kept for this type.
    #[inline]
    pub fn is_aggregated(self) -> bool {
        self != SensorType::Text
    }
}

/// What to do with columns that the contract does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtraColumns {
    /// Leave them unread.
    Ignore,
    /// Refuse the file.
    Reject,
}
