//! Metrics of a command that ends, for the node exporter's textfile collector.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::exposition::{Observed, render, value_in};
use super::monitor::QUIETEST;
use crate::manifest;
use crate::store::Store;

/// Writes the metrics at `path`: the whole file or nothing of it, as a reader sees it. A run that failed keeps the time of
/// the last success that the file has.
///
/// # Errors
/// When it can't be written.
pub fn write_metrics_file(path: &Path, store: &Store, origin: &str, own: i64, succeeded: bool) -> io::Result<()> {
    let last_success = match succeeded {
        true => SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|time| time.as_millis() as f64 / 1000.0),
        false => std::fs::read_to_string(path)
            .ok()
            .and_then(|text| value_in(&text, "iotpipe_last_success_timestamp_seconds")),
    };
    let figures = manifest::figures(store, Some(origin), own, QUIETEST).ok();
    replace(path, &render(&Observed { figures, last_success }))
}

/// The collector reads `*.prom` alone, so the unfinished file has another ending.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut unfinished = tempfile::Builder::new().prefix(".iotpipe-").suffix(".tmp").tempfile_in(folder)?;
    unfinished.write_all(text.as_bytes())?;
    unfinished.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    unfinished.persist(path).map_err(|e| e.error)?;
    Ok(())
}
