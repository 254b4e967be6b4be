//! Where something stands in a file: columns by their names or by a pattern, and where the device comes from.

use serde::{Deserialize, Serialize};

/// One, or a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// Several.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// As a list.
    pub fn as_slice(&self) -> &[T] {
        match self {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(many) => many,
        }
    }
}

/// One column: a name, several spellings of it, or a pattern.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a column's name, a list of its spellings, or { match = \"…\" }")]
pub enum ColumnNames {
    /// Its name.
    Name(String),
    /// Its name, as different files spell it.
    Spellings(Vec<String>),
    /// A pattern that just one name of the header fits.
    Match(Match),
}

/// One of the columns that a timestamp is joined of.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a column's name or { match = \"…\" }")]
pub enum TimestampColumn {
    /// Its name.
    Name(String),
    /// A pattern that just one name of the header fits.
    Match(Match),
}

/// `{ match = "…" }`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// A regular expression over a column's name.
    #[serde(rename = "match")]
    pub pattern: String,
}

/// Where the device comes from.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "a column, { from_name = \"…(?<device>…)…\" }, { from_path = \"…(?<device>…)…\" } or { value = \"…\" }"
)]
pub enum DeviceTable {
    /// A column of the file.
    Column(ColumnNames),
    /// A group of a pattern over the file's name.
    FromName(FromName),
    /// A group of a pattern over the file's path below `data/`.
    FromPath(FromPath),
    /// The same for every reading.
    Value(Value),
}

/// `{ from_name = "…" }`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FromName {
    /// A regular expression with a group `device`.
    pub from_name: String,
}

/// `{ from_path = "…" }`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FromPath {
    /// A regular expression with a group `device`; folders are separated by `/`.
    pub from_path: String,
}

/// `{ value = "…" }`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// The name.
    pub value: String,
}
