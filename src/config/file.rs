//! `iotpipe.toml` as it is typed. Unknown keys are errors; nothing is checked here beyond its type.

use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ConfigFile {
    pub paths: PathsFile,
    pub source: SourceFile,
    pub database: DatabaseFile,
    pub csv: CsvFile,
    pub contract: ContractFile,
    pub aggregate: AggregateFile,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PathsFile {
    pub data: String,
    pub processed: String,
    pub quarantine: String,
    pub logs: String,
}

impl Default for PathsFile {
    fn default() -> Self {
        let path = str::to_owned;
        Self { data: path("data"), processed: path("processed"), quarantine: path("quarantine"), logs: path("logs") }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SourceFile {
    pub pattern: String,
    pub settle: String,
}

impl Default for SourceFile {
    fn default() -> Self {
        Self { pattern: "**/*.csv*".into(), settle: "2s".into() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DatabaseFile {
    pub url: String,
    pub auto_migrate: bool,
}

impl Default for DatabaseFile {
    fn default() -> Self {
        Self { url: "sqlite://iotpipe.db".into(), auto_migrate: true }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CsvFile {
    pub delimiter: String,
    pub decimal: String,
    pub skip_lines: u64,
    pub null_values: Vec<String>,
}

impl Default for CsvFile {
    fn default() -> Self {
        let null_values = ["", "null", "NaN", "NA"].map(str::to_owned).to_vec();
        Self { delimiter: ",".into(), decimal: ".".into(), skip_lines: 0, null_values }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ContractFile {
    pub timestamp: TimestampFile,
    pub device: DeviceFile,
    pub extra_columns: ExtraColumnsFile,
    pub max_rejected_ratio: f64,
    pub max_future: String,
    pub sensor: Vec<SensorFile>,
}

impl Default for ContractFile {
    fn default() -> Self {
        Self {
            timestamp: TimestampFile::default(),
            device: DeviceFile::Column("device".into()),
            extra_columns: ExtraColumnsFile::Ignore,
            max_rejected_ratio: 0.5,
            max_future: "1d".into(),
            sensor: built_in_sensors(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimestampFile {
    pub column: OneOrMany,
    pub format: String,
    pub zone: Option<String>,
    #[serde(default)]
    pub ambiguous: AmbiguousFile,
}

impl Default for TimestampFile {
    fn default() -> Self {
        Self {
            column: OneOrMany::One("ts".into()),
            format: "unix_seconds".into(),
            zone: None,
            ambiguous: AmbiguousFile::Reject,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AmbiguousFile {
    #[default]
    Reject,
    Earliest,
    Latest,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ExtraColumnsFile {
    Ignore,
    Reject,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "a column name, { from_name = \"…(?<device>…)…\" } or { value = \"…\" }")]
pub(super) enum DeviceFile {
    Column(String),
    FromName(FromName),
    Value(Value),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FromName {
    pub from_name: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Value {
    pub value: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SensorFile {
    pub name: String,
    pub column: Option<String>,
    #[serde(rename = "type", default)]
    pub kind: SensorTypeFile,
    pub unit: Option<String>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    #[serde(default = "yes")]
    pub required: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SensorTypeFile {
    #[default]
    Float,
    Integer,
    Boolean,
    Text,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AggregateFile {
    pub window: String,
}

impl Default for AggregateFile {
    fn default() -> Self {
        Self { window: "1h".into() }
    }
}

/// The sensors of the public "Environmental Sensor Telemetry" data set.
fn built_in_sensors() -> Vec<SensorFile> {
    let sensor = |name: &str, kind, unit: Option<&str>, range: Option<(f64, f64)>| SensorFile {
        name: name.into(),
        column: None,
        kind,
        unit: unit.map(Into::into),
        min: range.map(|r| r.0),
        max: range.map(|r| r.1),
        required: true,
    };
    vec![
        sensor("co", SensorTypeFile::Float, Some("ppm"), Some((0.0, 1.0))),
        sensor("humidity", SensorTypeFile::Float, Some("%"), Some((0.0, 100.0))),
        sensor("light", SensorTypeFile::Boolean, None, None),
        sensor("lpg", SensorTypeFile::Float, Some("ppm"), Some((0.0, 1.0))),
        sensor("motion", SensorTypeFile::Boolean, None, None),
        sensor("smoke", SensorTypeFile::Float, Some("ppm"), Some((0.0, 1.0))),
        sensor("temp", SensorTypeFile::Float, Some("°C"), Some((-50.0, 50.0))),
    ]
}
