//! `iotpipe.toml` as it is typed. Unknown keys are errors; nothing is checked here beyond its type.

use iotpipe_core::contract::declaration::{AggregateTable, ContractTable, CsvTable, OneOrMany};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
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
#[serde(deny_unknown_fields, default)]
pub(super) struct SourceFile {
    pub pattern: OneOrMany,
    pub settle: String,
    pub trust_close: bool,
}

impl Default for SourceFile {
    fn default() -> Self {
        let pattern = ["**/*.csv", "**/*.csv.gz", "**/*.csv.zst"].map(str::to_owned).to_vec();
        Self { pattern: OneOrMany::Many(pattern), settle: "2s".into(), trust_close: false }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MonitoringFile {
    pub http: String,
}

#[derive(Debug, Deserialize)]
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
