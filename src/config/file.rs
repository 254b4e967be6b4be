//! `iotpipe.toml` as it is typed. Unknown keys are errors; nothing is checked here beyond its type.

use iotpipe_core::contract::declaration::{AggregateTable, ContractTable, CsvTable, OneOrMany};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(super) struct ConfigFile {
    pub paths: PathsFile,
    pub source: SourceFile,
    pub database: DatabaseFile,
    pub csv: CsvTable,
    pub contract: ContractTable,
    pub aggregate: AggregateTable,
    pub monitoring: MonitoringFile,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(super) struct SourceFile {
    pub pattern: Option<OneOrMany<String>>,
    pub format: Option<FormatName>,
    pub settle: String,
    pub trust_close: bool,
    pub empty_after: String,
}

impl Default for SourceFile {
    fn default() -> Self {
        Self { pattern: None, format: None, settle: "2s".into(), trust_close: false, empty_after: "1h".into() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(super) struct MonitoringFile {
    pub http: String,
    pub lineage: String,
}

/// What all files are written in, whatever their names.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum FormatName {
    Csv,
    Jsonl,
    LineProtocol,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
