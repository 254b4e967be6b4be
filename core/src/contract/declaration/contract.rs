//! `[contract]`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::columns::{ColumnNames, DeviceTable, OneOrMany, TimestampColumn};
use super::sensor::{SensorTable, built_in_sensors};

/// Before every timestamp that can be kept: the value of `min_timestamp` that turns it off.
const NO_MINIMUM: &str = "0001-01-01";

/// `[contract]`: the shape of a reading.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// The earliest valid timestamp: a date (midnight UTC), or a time with its offset.
    #[serde(skip_serializing_if = "is_no_minimum")]
    pub min_timestamp: String,
    /// `wide` or `long`.
    #[serde(skip_serializing_if = "LayoutName::is_wide")]
    pub layout: LayoutName,
    /// The column that says what was measured, in the long layout; default: `metric`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<ColumnNames>,
    /// The column of the measured value, in the long layout; default: `value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<ColumnNames>,
    /// `ignore` or `reject`, in the long layout; default: what `extra_columns` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_metrics: Option<UnknownMetricsName>,
    /// What is measured.
    pub sensor: Vec<SensorTable>,
}

fn is_no_minimum(text: &str) -> bool {
    text == NO_MINIMUM
}

impl Default for ContractTable {
    fn default() -> Self {
        Self {
            timestamp: TimestampTable::default(),
            device: DeviceTable::Column(ColumnNames::Name("device".into())),
            extra_columns: ExtraColumnsName::Ignore,
            max_rejected_ratio: 0.5,
            max_future: "1d".into(),
            min_timestamp: "1990-01-01".into(),
            layout: LayoutName::Wide,
            metric: None,
            value: None,
            unknown_metrics: None,
            sensor: built_in_sensors(),
        }
    }
}

/// `timestamp = { … }`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TimestampTable {
    /// Columns, joined by a space.
    pub column: OneOrMany<TimestampColumn>,
    /// `unix_seconds` and the like, or a pattern; several are tried in their order.
    pub format: OneOrMany<String>,
    /// Time zone of local times: a name, or an offset such as `+01:00`.
    pub zone: Option<String>,
    /// For the hour that clocks repeat.
    #[serde(default)]
    pub ambiguous: AmbiguousName,
    /// Offsets that zones' names mean where a pattern has `%Z`, beside `UTC`, `GMT` and `Z`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub zone_names: BTreeMap<String, String>,
}

impl Default for TimestampTable {
    fn default() -> Self {
        Self {
            column: OneOrMany::One(TimestampColumn::Name("ts".into())),
            format: OneOrMany::One("unix_seconds".into()),
            zone: None,
            ambiguous: AmbiguousName::Reject,
            zone_names: BTreeMap::new(),
        }
    }
}

/// What a local time that exists twice means.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExtraColumnsName {
    /// They are left unread.
    Ignore,
    /// The file is refused.
    Reject,
}

/// How readings stand in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LayoutName {
    /// A row has a column for each sensor.
    Wide,
    /// A row has one measurement: a column says of what, another has the value.
    Long,
}

impl LayoutName {
    fn is_wide(&self) -> bool {
        *self == LayoutName::Wide
    }
}

/// What becomes of rows whose metric no sensor names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UnknownMetricsName {
    /// They are skipped.
    Ignore,
    /// They are rejected.
    Reject,
}
