//! `iotpipe status`

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::exit::Exit;
use crate::config::Config;
use crate::ingest::{ChangedArchive, changed_archives, look_at_markers};
use crate::manifest::{self, State};
use crate::store::{Store, UnnamedColumn};
use crate::terminal::Printer;

/// A device is quiet when it lags this far behind the latest reading of all.
const QUIET_AFTER: chrono::TimeDelta = chrono::TimeDelta::hours(1);
/// Files with errors, and quiet devices, that are shown.
const SHOWN: u64 = 10;

#[derive(Debug, Serialize)]
struct Status {
    step: &'static str,
    files: std::collections::BTreeMap<&'static str, i64>,
    rows: manifest::RowTotals,
    holders: Vec<manifest::Holder>,
    empty_files: Vec<String>,
    last_errors: Vec<manifest::LastError>,
    quiet_devices: Vec<manifest::QuietDevice>,
    unnamed_columns: Vec<UnnamedColumn>,
    changed_archives: Vec<ChangedArchive>,
}

pub fn run(config: &Config, store: &Store, printer: Printer) -> anyhow::Result<Exit> {
    // Only read: where the folder can't be seen, the files of all folders are shown.
    let origin = look_at_markers(&config.paths)?;
    let origin = origin.as_deref();
    let counts = manifest::count_by_state(store, origin)?;
    let status = Status {
        step: "status",
        files: counts.iter().map(|(state, n)| (state.as_str(), *n)).collect(),
        rows: manifest::row_totals(store, origin)?,
        holders: manifest::holders(store, origin, None)?,
        empty_files: manifest::empty_arrivals(store, origin, SHOWN)?,
        last_errors: manifest::last_errors(store, origin, SHOWN)?,
        quiet_devices: manifest::quiet_devices(store, QUIET_AFTER, SHOWN)?,
        unnamed_columns: unnamed_columns(config, store)?,
        changed_archives: match origin {
            Some(origin) => changed_archives(&config.paths, store, origin)?,
            None => Vec::new(),
        },
    };
    printer.show(&text(&status, store.place()));
    printer.result(&status);
    Ok(Exit::Done)
}

/// Those that the present contract still does not name.
fn unnamed_columns(config: &Config, store: &Store) -> anyhow::Result<Vec<UnnamedColumn>> {
    let mut columns = store.unnamed_columns()?;
    columns.retain(|column| !config.contract.names_column(&column.name));
    columns.truncate(SHOWN as usize);
    Ok(columns)
}

fn text(status: &Status, place: &str) -> String {
    let mut lines = vec![format!("database    {place}")];
    let files: Vec<String> =
        State::ALL.iter().filter_map(|s| status.files.get(s.as_str()).map(|n| format!("{n} {}", s.as_str()))).collect();
    lines.push(format!("files       {}", if files.is_empty() { "none yet".to_owned() } else { files.join(", ") }));
    let rows = &status.rows;
    lines.push(format!("rows        {} loaded, {} rejected, {} duplicate", rows.loaded, rows.rejected, rows.duplicate));
    lines.extend(status.holders.iter().map(|holder| format!("in hand     {holder}")));
    for file in &status.empty_files {
        lines.push(format!("arriving    {file:?}: no bytes yet; refused as empty after source.empty_after"));
    }
    for error in &status.last_errors {
        lines.push(format!("{:<11} {:?}: {}", error.state, error.source, error.error));
    }
    for quiet in &status.quiet_devices {
        lines.push(format!("quiet       {} since {}", quiet.device, shown(quiet.last_seen)));
    }
    for column in &status.unnamed_columns {
        let UnnamedColumn { name, source } = column;
        lines.push(format!("column      \"{name}\" of {source:?} is not in the contract: its values are not loaded"));
    }
    lines.extend(status.changed_archives.iter().map(|file| format!("archive     {file}")));
    lines.join("\n")
}

fn shown(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
