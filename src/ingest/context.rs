//! What every step works with.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};

use super::pass::BatchMemory;
use crate::config::Config;
use crate::manifest::SourceFile;
use crate::sink::QuarantineNames;
use crate::source::Arrivals;
use crate::store::Store;
use crate::terminal::Printer;

/// What a step works with.
pub struct Context<'a> {
    /// The checked configuration.
    pub config: &'a Config,
    /// The target database.
    pub store: &'a Store,
    /// The terminal.
    pub printer: Printer,
    /// This process's name in the manifest.
    pub worker: String,
    /// Files in hand at once.
    pub workers: usize,
    /// What their rows may take.
    pub batch_memory: BatchMemory,
    /// What file events told, in a `loop`.
    pub arrivals: Option<Arc<Arrivals>>,
    /// Set when the program should end.
    pub stop: &'a AtomicBool,
    /// What was reported about the folder, so that a loop does not repeat itself.
    pub reported: Mutex<HashSet<String>>,
}

impl Context<'_> {
    /// Says `line` unless it was said before.
    pub fn report_once(&self, line: &str) {
        if self.reported.lock().is_ok_and(|mut reported| reported.insert(line.to_owned())) {
            self.printer.say(line);
        }
    }

    /// Where a source file lies.
    pub fn path_of(&self, file: &SourceFile) -> PathBuf {
        self.config.paths.data.join(Path::new(&file.source))
    }

    /// The file's names in the quarantine.
    pub fn quarantine_names(&self, file: &SourceFile) -> QuarantineNames {
        let sha256 = file.sha256.as_deref().unwrap_or_default();
        QuarantineNames::new(&self.config.paths.quarantine, file.file_name(), sha256, file.id)
    }

    /// Share of bad rows above which the file is refused: never, where it holds the corrected rows of another.
    pub fn max_rejected_ratio(&self, file: &SourceFile) -> f64 {
        if file.parent_id.is_some() { 1.0 } else { self.config.contract.max_rejected_ratio }
    }

    /// The time, for the manifest.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap_or_default()
    }
}
