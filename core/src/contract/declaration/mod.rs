//! A contract as it is written down: the tables `[csv]`, `[contract]` and `[aggregate]` of `iotpipe.toml`. Unknown keys
//! are errors; nothing is checked here beyond its type.
//!
//! What is written here is also what the contract's hash is taken of: a key whose value is what the first version did is
//! left out, so a new key changes no old hash.

mod columns;
mod contract;
mod csv;
mod sensor;

use serde::{Deserialize, Serialize};

pub use columns::{ColumnNames, DeviceTable, FromName, FromPath, Match, OneOrMany, TimestampColumn, Value};
pub use contract::{AmbiguousName, ContractTable, ExtraColumnsName, LayoutName, TimestampTable, UnknownMetricsName};
pub use csv::{CsvTable, FinalNewlineName};
pub use sensor::{SensorTable, SensorTypeName};

/// The three tables that decide a verdict.
#[derive(Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Declaration {
    /// How files are cut into fields.
    pub csv: CsvTable,
    /// What a reading must look like.
    pub contract: ContractTable,
    /// How readings are summed up.
    pub aggregate: AggregateTable,
}

/// `[aggregate]`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
