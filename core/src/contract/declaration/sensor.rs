//! `[[contract.sensor]]`.

use serde::{Deserialize, Serialize};

use super::columns::ColumnNames;

/// One `[[contract.sensor]]`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SensorTable {
    /// Database column.
    pub name: String,
    /// CSV column; default: the name.
    pub column: Option<ColumnNames>,
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
    /// Texts that mean "no value" in this column, beside those of `csv.null_values`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub null_values: Vec<String>,
    /// Whether a unit may stand behind the number.
    #[serde(default, skip_serializing_if = "is_false")]
    pub strip_unit: bool,
    /// Texts that mean true, beside those that always do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub true_values: Vec<String>,
    /// Texts that mean false, beside those that always do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub false_values: Vec<String>,
}

fn yes() -> bool {
    true
}

fn is_false(on: &bool) -> bool {
    !*on
}

/// The type of a value.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// The sensors of the public "Environmental Sensor Telemetry" data set.
pub(super) fn built_in_sensors() -> Vec<SensorTable> {
    let sensor = |name: &str, kind, unit: Option<&str>, range: Option<(f64, f64)>| SensorTable {
        name: name.into(),
        column: None,
        kind,
        unit: unit.map(Into::into),
        min: range.map(|r| r.0),
        max: range.map(|r| r.1),
        required: true,
        null_values: Vec::new(),
        strip_unit: false,
        true_values: Vec::new(),
        false_values: Vec::new(),
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
