//! A contract as it is written down: the tables `[csv]`, `[contract]` and `[aggregate]` of `iotpipe.toml`. Unknown keys
//! are errors; nothing is checked here beyond its type.

use serde::{Deserialize, Serialize};

/// The three tables that decide a verdict.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Declaration {
    /// How files are cut into fields.
    pub csv: CsvTable,
    /// What a reading must look like.
    pub contract: ContractTable,
    /// How readings are summed up.
    pub aggregate: AggregateTable,
}

/// `[csv]`: how the bytes of a file are cut into fields.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsvTable {
    /// One byte between two fields.
    pub delimiter: String,
    /// `.` or `,`.
    pub decimal: String,
    /// Physical lines before the header.
    pub skip_lines: u64,
    /// Texts that mean "no value".
    pub null_values: Vec<String>,
}

impl Default for CsvTable {
    fn default() -> Self {
        let null_values = ["", "null", "NaN", "NA"].map(str::to_owned).to_vec();
        Self { delimiter: ",".into(), decimal: ".".into(), skip_lines: 0, null_values }
    }
}

/// `[contract]`: the shape of a reading.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContractTable {
    /// Where the time stands and how it is written.
    pub timestamp: TimestampTable,
    /// Where the device stands.
    pub device: DeviceTable,
    /// `ignore` or `reject`.
    pub extra_columns: ExtraColumnsName,
    /// Share of bad rows, 0 to 1, above which the file is refused.
    pub max_rejected_ratio: f64,
    /// How far behind its discovery a reading may lie.
    pub max_future: String,
    /// What is measured.
    pub sensor: Vec<SensorTable>,
}

impl Default for ContractTable {
    fn default() -> Self {
        Self {
            timestamp: TimestampTable::default(),
            device: DeviceTable::Column("device".into()),
            extra_columns: ExtraColumnsName::Ignore,
            max_rejected_ratio: 0.5,
            max_future: "1d".into(),
            sensor: built_in_sensors(),
        }
    }
}

/// `timestamp = { … }`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimestampTable {
    /// Header names, joined by a space.
    pub column: OneOrMany,
    /// `unix_seconds` and the like, or a pattern.
    pub format: String,
    /// Time zone of a pattern.
    pub zone: Option<String>,
    /// For the hour that clocks repeat.
    #[serde(default)]
    pub ambiguous: AmbiguousName,
}

impl Default for TimestampTable {
    fn default() -> Self {
        Self {
            column: OneOrMany::One("ts".into()),
            format: "unix_seconds".into(),
            zone: None,
            ambiguous: AmbiguousName::Reject,
        }
    }
}

/// One name, or a list.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// What a local time that exists twice means.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmbiguousName {
    /// The row is rejected.
    #[default]
    Reject,
    /// The first of the two.
    Earliest,
    /// The second.
    Latest,
}

/// What becomes of columns that the contract does not name.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtraColumnsName {
    /// They are left unread.
    Ignore,
    /// The file is refused.
    Reject,
}

/// Where the device comes from.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "a column name, { from_name = \"…(?<device>…)…\" } or { value = \"…\" }")]
pub enum DeviceTable {
    /// A column of the file.
    Column(String),
    /// A group of a pattern over the file's name.
    FromName(FromName),
    /// The same for every reading.
    Value(Value),
}

/// `{ from_name = "…" }`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromName {
    /// A regular expression with a group `device`.
    pub from_name: String,
}

/// `{ value = "…" }`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// The name.
    pub value: String,
}

/// One `[[contract.sensor]]`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorTable {
    /// Database column.
    pub name: String,
    /// CSV column; default: the name.
    pub column: Option<String>,
    /// The type.
    #[serde(rename = "type", default)]
    pub kind: SensorTypeName,
    /// As shown to people.
    pub unit: Option<String>,
    /// Smallest valid value.
    pub min: Option<f64>,
    /// Largest valid value.
    pub max: Option<f64>,
    /// Whether a row without a value is rejected.
    #[serde(default = "yes")]
    pub required: bool,
}

fn yes() -> bool {
    true
}

/// The type of a value.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SensorTypeName {
    /// 64-bit IEEE 754.
    #[default]
    Float,
    /// 64-bit, signed.
    Integer,
    /// True or false.
    Boolean,
    /// Stored, not aggregated.
    Text,
}

/// `[aggregate]`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AggregateTable {
    /// Length of a window.
    pub window: String,
}

impl Default for AggregateTable {
    fn default() -> Self {
        Self { window: "1h".into() }
    }
}

/// The sensors of the public "Environmental Sensor Telemetry" data set.
fn built_in_sensors() -> Vec<SensorTable> {
    let sensor = |name: &str, kind, unit: Option<&str>, range: Option<(f64, f64)>| SensorTable {
        name: name.into(),
        column: None,
        kind,
        unit: unit.map(Into::into),
        min: range.map(|r| r.0),
        max: range.map(|r| r.1),
        required: true,
    };
    vec![
        sensor("co", SensorTypeName::Float, Some("ppm"), Some((0.0, 1.0))),
        sensor("humidity", SensorTypeName::Float, Some("%"), Some((0.0, 100.0))),
        sensor("light", SensorTypeName::Boolean, None, None),
        sensor("lpg", SensorTypeName::Float, Some("ppm"), Some((0.0, 1.0))),
        sensor("motion", SensorTypeName::Boolean, None, None),
        sensor("smoke", SensorTypeName::Float, Some("ppm"), Some((0.0, 1.0))),
        sensor("temp", SensorTypeName::Float, Some("°C"), Some((-50.0, 50.0))),
    ]
}
