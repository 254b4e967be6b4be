//! The declared shape of a reading, as values that another engine could be given.

use std::time::Duration;

use regex::Regex;

use super::number::Decimal;
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

/// The dialect of the CSV files.
#[derive(Debug, Clone)]
pub struct CsvFormat {
    /// Byte between two fields.
    pub delimiter: u8,
    /// Decimal separator, `.` or `,`.
    pub decimal: Decimal,
    /// Physical lines before the header.
    pub skip_lines: u64,
    /// Texts that mean "no value".
    pub null_values: NullValues,
}

/// Texts that mean "no value", compared without regard to ASCII case.
#[derive(Debug, Clone)]
pub struct NullValues {
    texts: Vec<String>,
    longest: usize,
    /// Whether one of the texts begins with this byte, in either case.
    begins: Box<[bool; 256]>,
}

impl NullValues {
    /// These texts.
    pub fn new(texts: Vec<String>) -> Self {
        let longest = texts.iter().map(String::len).max().unwrap_or(0);
        let mut begins = Box::new([false; 256]);
        for first in texts.iter().filter_map(|text| text.bytes().next()) {
            begins[usize::from(first.to_ascii_lowercase())] = true;
            begins[usize::from(first.to_ascii_uppercase())] = true;
        }
        Self { texts, longest, begins }
    }

    /// Whether `field` (already trimmed) is one of them. Nearly every field is told apart by its length or first byte.
    #[inline]
    pub fn contains(&self, field: &[u8]) -> bool {
        field.len() <= self.longest
            && field.first().is_none_or(|first| self.begins[usize::from(*first)])
            && self.texts.iter().any(|text| text.as_bytes().eq_ignore_ascii_case(field))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn null_values_are_found_as_by_comparing_with_each(
            texts in prop::collection::vec("[aAbB-]{0,2}", 0..4),
            field in "[aAbBc-]{0,3}",
        ) {
            let expected = texts.iter().any(|text| text.eq_ignore_ascii_case(&field));
            prop_assert_eq!(NullValues::new(texts).contains(field.as_bytes()), expected);
        }
    }
}
