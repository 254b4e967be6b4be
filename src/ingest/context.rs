//! What every step works with.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use super::pass::BatchMemory;
use crate::config::Config;
use crate::error::Error;
use crate::manifest::{Entry, Place, Worker};
use crate::observability::Observer;
use crate::sink::{AggregateSink, QuarantineNames};
use crate::source::{Arrivals, MAX_NAME_BYTES, PlacedFile, cut, own_stem, sha256_of, split_name};
use crate::store::Store;
use crate::terminal::Printer;
use iotpipe_core::contract::Contract;

/// What the figures of windows may take in all passes of the process, in bytes: enough for a day of some thousand devices.
const AGGREGATE_MEMORY: usize = 40 << 20;
/// Lines that are remembered so as not to be repeated.
const MOST_REPORTED: usize = 1000;

/// What a step works with.
pub struct Context<'a> {
    /// The checked configuration.
    pub config: &'a Config,
    /// The target database.
    pub store: &'a Store,
    /// The terminal.
    pub printer: Printer,
    /// This process in the manifest.
    pub worker: Worker,
    /// The folder that this process works on: the uuid in its marker.
    pub origin: String,
    /// Files in hand at once.
    pub workers: usize,
    /// What their rows may take.
    pub batch_memory: BatchMemory,
    /// What file events told, in a `loop`.
    pub arrivals: Option<Arc<Arrivals>>,
    /// Who follows files.
    pub observer: Observer,
    /// Set when the program should end.
    pub stop: &'a AtomicBool,
    /// Whether the contract is kept in the database: once per process is enough.
    pub contract_kept: AtomicBool,
    /// Columns without a name in the contract that are known in the database; `None` until it was asked.
    pub unnamed_columns: Mutex<Option<HashSet<String>>>,
    /// The entry that a `replay` sends through, 0 for none: somebody has looked at its rows.
    pub replayed: AtomicI64,
    /// What was reported about the folder, so that a loop does not repeat itself.
    pub reported: Mutex<HashSet<String>>,
}

impl Context<'_> {
    /// Says `line` unless it was said before.
    pub fn report_once(&self, line: &str) {
        let is_new = |reported: &mut HashSet<String>| {
            // Better said twice than remembered for ever.
            if reported.len() >= MOST_REPORTED {
                reported.clear();
            }
            reported.insert(line.to_owned())
        };
        if self.reported.lock().is_ok_and(|mut reported| is_new(&mut reported)) {
            self.printer.say(line);
        }
    }

    /// The folder of a place; that of what is nowhere is the one where it was delivered.
    pub fn folder_of(&self, place: Place) -> &Path {
        match place {
            Place::Processed => &self.config.paths.processed,
            Place::Quarantine => &self.config.paths.quarantine,
            Place::Inbox | Place::Held | Place::Nowhere => &self.config.paths.data,
        }
    }

    /// The entry's file, as its present claim has it, on its way to `target`.
    pub fn placed(&self, entry: &Entry, target: Option<PathBuf>) -> PlacedFile {
        let name = match entry.lies() {
            Place::Processed | Place::Quarantine => entry.place_name.as_deref().unwrap_or(&entry.source),
            Place::Inbox | Place::Held | Place::Nowhere => &entry.source,
        };
        PlacedFile {
            id: entry.id,
            claim_no: entry.claim_no,
            at_place: self.folder_of(entry.lies()).join(name),
            target,
            stamp: entry.stamp(),
            sha256: entry.sha256.clone().unwrap_or_default(),
            crosses: false,
        }
    }

    /// Takes the aggregates of one pass under `contract`. What has no room in memory waits beside the quarantine, where
    /// there must be room for as much as the file has.
    pub fn aggregates(&self, contract: &Contract) -> AggregateSink {
        let bytes = AGGREGATE_MEMORY / self.batch_memory.passes();
        AggregateSink::new(contract, &self.config.paths.quarantine, bytes)
    }

    /// The names in the quarantine that a pass under the entry's present claim writes.
    pub fn own_quarantine_names(&self, entry: &Entry) -> QuarantineNames {
        let sha256 = entry.sha256.as_deref().unwrap_or_default();
        let stem = own_stem(entry.file_name(), sha256, entry.id, LONGEST_ENDING);
        QuarantineNames::new(
            &self.config.paths.quarantine,
            &stem,
            self.config.format_of(&entry.source),
            (entry.id, entry.claim_no),
            earlier(entry),
        )
    }

    /// The names in the quarantine that the manifest records for the entry.
    pub fn quarantine_names(&self, entry: &Entry) -> QuarantineNames {
        let sha256 = entry.sha256.as_deref().unwrap_or_default();
        let stem = entry.quarantine_name.clone().unwrap_or_else(|| first_version_stem(entry.file_name(), sha256));
        QuarantineNames::new(
            &self.config.paths.quarantine,
            &stem,
            self.config.format_of(&entry.source),
            (entry.id, entry.claim_no),
            earlier(entry),
        )
    }

    /// Takes away what passes over the entry's file have left in the quarantine: it is no longer true.
    ///
    /// # Errors
    /// When the quarantine can't be written.
    pub fn forget_rows(&self, entry: &Entry) -> Result<(), Error> {
        self.own_quarantine_names(entry).remove_rows()?;
        self.forget_earlier_rows(entry)
    }

    /// The same for what the manifest recorded of it when it had another content.
    ///
    /// # Errors
    /// When the quarantine can't be written.
    pub fn forget_earlier_rows(&self, entry: &Entry) -> Result<(), Error> {
        let is_of_first_version = entry.validated_at.is_some() && entry.rows_rejected.is_some_and(|rows| rows > 0);
        match &entry.quarantine_name {
            Some(stem) if *stem != self.own_quarantine_names(entry).stem => self.quarantine_names(entry).remove_rows(),
            None if is_of_first_version => self.quarantine_names(entry).remove_rows(),
            _ => Ok(()),
        }
    }

    /// Share of bad rows above which the file is refused: never, where it holds the corrected rows of another and comes
    /// from where those are corrected. Anybody who may write into `data/` can give a file such a name.
    pub fn max_rejected_ratio(&self, file: &Entry) -> f64 {
        let in_quarantine = || sha256_of(&self.config.paths.quarantine.join(file.file_name())).ok();
        let is_replayed = || {
            self.replayed.load(Ordering::Relaxed) == file.id || file.sha256.is_some() && in_quarantine() == file.sha256
        };
        if file.parent_id.is_some() && is_replayed() { 1.0 } else { self.config.contract.max_rejected_ratio }
    }
}

/// Claims before the present one that may have ended without a word. A few more than the attempts that count: some of
/// those were let go of later.
fn earlier(entry: &Entry) -> i64 {
    let attempts = i64::from(entry.attempts);
    if entry.claim_no > 1 && attempts > 0 { attempts + 8 } else { 0 }
}

/// Room for `.rejected.csv` and its like behind an entry's own names.
const LONGEST_ENDING: usize = ".rejected.jsonl".len();

/// What the first version, which did not record it, let the names of an entry's rows begin with.
fn first_version_stem(file_name: &str, sha256: &str) -> String {
    let (stem, _) = split_name(file_name);
    let hash = sha256.get(..12).unwrap_or(sha256);
    let taken = hash.len() + ".rejected.csv".len() + ".".len() * 2 + ".9223372036854775807.tmp".len();
    format!("{}.{hash}", cut(stem, MAX_NAME_BYTES.saturating_sub(taken)))
}
