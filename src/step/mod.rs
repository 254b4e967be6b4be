//! Brings files from state to state: claim, one pass each, commit, move. Small files share a transaction, each
//! all-or-nothing for itself. What goes wrong is decided in [`Error::policy`].

mod group;
mod settle;

pub use settle::move_away;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::config::Config;
use crate::error::{Error, Policy};
use crate::failpoint;
use crate::manifest::{self, SourceFile, State};
use crate::pass::BatchMemory;
use crate::printer::{Printer, Summary};
use crate::sink::QuarantineNames;
use crate::source::Arrivals;
use crate::store::Store;

/// How often a transaction that another one was in the way of is tried again at once.
const ROUNDS: u32 = 12;
/// Longest wait before the second of these rounds; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(20);
/// Longest wait between two rounds.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What a step works with.
pub struct Workshop<'a> {
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
    /// What was said about the folder, so that a loop does not repeat itself.
    pub said: Mutex<HashSet<String>>,
}

/// Brings every file that can be to `target`, several at a time.
///
/// # Errors
/// When the surroundings fail (database, disk); a file that fails is counted in the summary, and others go on.
pub fn bring_files_to(shop: &Workshop<'_>, target: State, step: &'static str) -> Result<Summary, Error> {
    manifest::release_dead(shop.store, &shop.worker)?;
    // An embedded database has one writer: a second load could only wait for the first.
    let workers = if shop.store.is_embedded() && target == State::Loaded { 1 } else { shop.workers };
    let files = usize::try_from(manifest::open_files(shop.store)?).unwrap_or(usize::MAX);
    shop.batch_memory.share_among(workers.min(files));
    let abandon = AtomicBool::new(false);
    let mut summary = Summary::of(step);
    std::thread::scope(|scope| {
        let work = || work(shop, target, &abandon);
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let own = work();
        let joined = others.into_iter().map(|w| w.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        for result in std::iter::once(own).chain(joined) {
            summary.add(&result?);
        }
        Ok::<(), Error>(())
    })?;
    summary.pending = manifest::open_files(shop.store)?;
    Ok(summary)
}

/// One worker: group after group, until there is none left or one of the workers must stop.
fn work(shop: &Workshop<'_>, target: State, abandon: &AtomicBool) -> Result<Summary, Error> {
    let mut summary = Summary::default();
    while !shop.stop.load(Ordering::Relaxed) && !abandon.load(Ordering::Relaxed) {
        let done = patiently(|| Ok(manifest::claim(shop.store, &shop.worker, target, None, Utc::now())?))
            .and_then(|files| bring_claimed_to(shop, files, target, &mut summary));
        match done {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                abandon.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
    }
    Ok(summary)
}

/// Brings files that this process has claimed to `target`; says whether there were any.
///
/// # Errors
/// As [`bring_files_to`].
pub fn bring_claimed_to(
    shop: &Workshop<'_>,
    files: Vec<SourceFile>,
    target: State,
    summary: &mut Summary,
) -> Result<bool, Error> {
    if files.is_empty() {
        return Ok(false);
    }
    failpoint::reach("claimed");
    let _claim = manifest::keep_claim(shop.store, &files, &shop.worker);
    let outcomes = match patiently(|| group::bring_together(shop, &files, target)) {
        Ok(outcomes) => outcomes,
        // Again and again in each other's way: each file counts it as a failed attempt, and others go first.
        Err(Error::Store(error)) if error.is_contention() => {
            files.iter().map(|file| (file, Err(Error::Store(error.clone())))).collect()
        }
        Err(error) => {
            // Best effort: where the database is away, the claims lapse by themselves.
            let _ = manifest::let_go(shop.store, &files, &shop.worker);
            return Err(error);
        }
    };
    let settled = settle::settle(shop, outcomes, target, summary);
    if settled.is_err() {
        // What is committed has no claim any more; the rest is free for the next attempt.
        let _ = manifest::let_go(shop.store, &files, &shop.worker);
    }
    settled.map(|()| true)
}

/// Does `work` again, after a random wait, for as long as other transactions are in its way.
fn patiently<T>(mut work: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let mut wait = FIRST_WAIT;
    for _ in 1..ROUNDS {
        match work() {
            Err(error) if error.policy() == Policy::RetryNow => tracing::debug!("once more: {error}"),
            other => return other,
        }
        std::thread::sleep(wait.mul_f64(rand::random()));
        wait = (wait * 2).min(LONGEST_WAIT);
    }
    work()
}

impl Workshop<'_> {
    /// Says `line` unless it was said before.
    pub fn say_once(&self, line: &str) {
        if self.said.lock().is_ok_and(|mut said| said.insert(line.to_owned())) {
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
