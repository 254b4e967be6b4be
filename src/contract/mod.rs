//! The contract: the declared shape of a reading, as data.
//!
//! Everything here is plain values, so that another engine can be given the same rules.

mod number;
mod timestamp;

pub use number::{Decimal, parse_float, parse_integer};
pub use timestamp::{Ambiguous, TimestampFormat, TimestampParser};

use regex::Regex;

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
}

/// The dialect of the CSV files.
#[derive(Debug, Clone)]
pub struct CsvFormat {
    /// Byte between two fields.
    pub delimiter: u8,
    /// Decimal separator, `.` or `,`.
    pub decimal: Decimal,
    /// Physical lines before the header.
    pub skip_lines: u64,
    /// Texts that mean "no value", lower case; compared without regard to ASCII case.
    pub null_values: Vec<String>,
}

impl CsvFormat {
    /// Whether `field` (already trimmed) stands for "no value".
    pub fn is_null(&self, field: &[u8]) -> bool {
        field.is_empty() && self.null_values.iter().any(String::is_empty)
            || !field.is_empty() && self.null_values.iter().any(|n| n.as_bytes().eq_ignore_ascii_case(field))
    }
}

/// Columns (joined by a space when more than one) and format of the timestamp.
#[derive(Debug, Clone)]
pub struct TimestampRule {
    /// Header names; at least one.
    pub columns: Vec<String>,
    /// How the text is read.
    pub format: TimestampFormat,
}

/// Where a reading's device name comes from.
#[derive(Debug, Clone)]
pub enum DeviceRule {
    /// A column of the file.
    Column(String),
    /// The group `device` of a pattern over the file's name (without its folder).
    FromName(Regex),
    /// The same name for every reading.
    Value(String),
}

/// One measured quantity.
#[derive(Debug, Clone)]
pub struct Sensor {
    /// Database column: `[a-z_][a-z0-9_]*`.
    pub name: String,
    /// CSV column.
    pub column: String,
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
