//! `[csv]`.

use serde::{Deserialize, Serialize};

use super::columns::OneOrMany;

/// `[csv]`: how the bytes of a file are cut into fields, and how numbers and nothing are written in them.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CsvTable {
    /// What stands between two fields: one ASCII character, or `whitespace` for runs of spaces and tabs.
    pub delimiter: String,
    /// `.` or `,`.
    pub decimal: String,
    /// Physical lines before the header.
    pub skip_lines: u64,
    /// Texts that mean "no value".
    pub null_values: Vec<String>,
    /// One character that groups the digits of large numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thousands: Option<String>,
    /// Physical lines behind the header that hold no readings: units, dashes.
    #[serde(skip_serializing_if = "is_zero")]
    pub skip_lines_after_header: u64,
    /// The names of the columns, for files that have no header, or none that fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Vec<String>>,
    /// What a line begins with that is to be skipped; one text or several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<OneOrMany<String>>,
    /// The character encoding of files without a byte order mark, by its name on the web; default: UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Whether a quoted field may hold line ends.
    #[serde(skip_serializing_if = "is_true")]
    pub multiline: bool,
    /// Whether the last line must have a line end.
    #[serde(skip_serializing_if = "FinalNewlineName::is_optional")]
    pub final_newline: FinalNewlineName,
}

impl Default for CsvTable {
    fn default() -> Self {
        let null_values = ["", "null", "NaN", "NA", "N/A", "#N/A", "None"].map(str::to_owned).to_vec();
        Self {
            delimiter: ",".into(),
            decimal: ".".into(),
            skip_lines: 0,
            null_values,
            thousands: None,
            skip_lines_after_header: 0,
            header: None,
            comment: None,
            encoding: None,
            multiline: false,
            final_newline: FinalNewlineName::Optional,
        }
    }
}

/// What a last line without a line end is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FinalNewlineName {
    /// A row as any other.
    #[default]
    Optional,
    /// A row that was cut while it was written: it is set aside.
    Required,
}

impl FinalNewlineName {
    fn is_optional(&self) -> bool {
        *self == FinalNewlineName::Optional
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

fn is_true(on: &bool) -> bool {
    *on
}
