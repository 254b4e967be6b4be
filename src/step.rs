//! Brings files from state to state: claim, one pass, commit, move. What goes wrong is decided in [`Error::policy`].

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, SecondsFormat, Utc};

use crate::config::Config;
use crate::contract::DeviceRule;
use crate::error::{Error, Policy};
use crate::manifest::{self, SourceFile, State};
use crate::pass::{self, PassInput, Tally};
use crate::printer::{Printer, Summary};
use crate::sink::{AggregateSink, QuarantineNames, QuarantineSink, RawSink, Sink, write_file_reason};
use crate::source::{Compression, Stamp, archive};
use crate::store::{Mark, Store};

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
    /// Set when the program should end.
    pub stop: &'a AtomicBool,
    /// What was said about the folder, so that a loop does not repeat itself.
    pub said: RefCell<HashSet<String>>,
}

/// Brings every file that can be to `target`.
///
/// # Errors
/// When the surroundings fail (database, disk); a file that fails is counted in the summary, and others go on.
pub fn bring_files_to(shop: &Workshop<'_>, target: State, step: &'static str) -> Result<Summary, Error> {
    let mut summary = Summary::of(step);
    manifest::release_dead(shop.store, &shop.worker)?;
    while !shop.stop.load(Ordering::Relaxed) {
        let Some(file) = manifest::claim(shop.store, &shop.worker, target, Utc::now())? else { break };
        match bring_to(shop, &file, target) {
            Ok(Some(tally)) => count(&mut summary, &tally),
            Ok(None) => summary.files += 1,
            Err(error) => settle_failure(shop, &file, error, &mut summary)?,
        }
    }
    summary.pending = manifest::open_files(shop.store)?;
    Ok(summary)
}

fn count(summary: &mut Summary, tally: &Tally) {
    summary.files += 1;
    summary.rows += tally.total;
    summary.loaded += tally.loaded;
    summary.rejected += tally.rejected;
    summary.duplicates += tally.duplicate;
    summary.imperfect |= tally.rejected + tally.differing > 0;
}

/// One file: `None` when its content was loaded before under another name.
fn bring_to(shop: &Workshop<'_>, file: &SourceFile, target: State) -> Result<Option<Tally>, Error> {
    let path = shop.path_of(file);
    let _claim = manifest::keep_claim(shop.store, file, &shop.worker);
    let open = File::open(&path).map_err(Error::source(&path))?;
    if Stamp::of(&open.metadata().map_err(Error::source(&path))?) != file.stamp() {
        return Err(Error::Changed);
    }
    let by_name = matches!(shop.config.contract.device, DeviceRule::FromName(_));
    if let Some(twin) = manifest::twin_of(shop.store, file, by_name)? {
        set_aside_duplicate(shop, file, &twin)?;
        return Ok(None);
    }
    let mut tally = pass_over(shop, file, open, target)?;
    if target == State::Loaded {
        move_away(shop, file, State::Loaded)?;
    } else {
        // Which rows stay is known when they meet the table's key.
        tally.loaded = 0;
    }
    Ok(Some(tally))
}

/// The pass, its sinks and its commit.
fn pass_over(shop: &Workshop<'_>, file: &SourceFile, open: File, target: State) -> Result<Tally, Error> {
    let contract = &shop.config.contract;
    let bar = shop.printer.progress(&file.source, file.size as u64);
    let input = PassInput {
        reader: Box::new(bar.wrap_read(open)),
        compression: Compression::of(&file.source),
        file_name: file.file_name(),
        discovered_at: file.discovered_at.timestamp_micros(),
        expected_sha256: file.sha256.as_deref().unwrap_or_default(),
        stop: shop.stop,
    };
    let mut quarantine = QuarantineSink::new(shop.quarantine_names(file));
    let mut aggregates = AggregateSink::new(contract);
    let (transaction, tally) = match target {
        State::Loaded => {
            let mut transaction = shop.store.begin(file.id, contract)?;
            let mut raw = RawSink { transaction: transaction.as_mut() };
            let tally = pass::run(input, contract, &mut [&mut raw, &mut aggregates, &mut quarantine])?;
            transaction.put_aggregates(&aggregates.aggregates, &aggregates.devices, true)?;
            (transaction, tally)
        }
        State::Aggregated => {
            let tally = pass::run(input, contract, &mut [&mut aggregates])?;
            let mut transaction = shop.store.begin(file.id, contract)?;
            transaction.put_aggregates(&aggregates.aggregates, &aggregates.devices, false)?;
            (transaction, tally)
        }
        _ => {
            let tally = pass::run(input, contract, &mut [&mut quarantine as &mut dyn Sink])?;
            (shop.store.begin(file.id, contract)?, tally)
        }
    };
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, false);
    let mark = Mark { state: target, tally, contract_hash: &contract.hash, worker: &shop.worker, now: &now };
    transaction.commit(&mark)?;
    bar.finish_and_clear();
    tracing::info!(file = file.source, state = target.as_str(), ?tally, "committed");
    Ok(tally)
}

/// What is done about a failure, by its policy.
fn settle_failure(shop: &Workshop<'_>, file: &SourceFile, error: Error, summary: &mut Summary) -> Result<(), Error> {
    let why = error.to_string();
    let policy = error.policy();
    if policy != Policy::LetGo {
        tracing::debug!(file = file.source, ?policy, "{why}");
    }
    match (policy, error) {
        (Policy::Refuse, Error::Refused(refusal)) => {
            write_file_reason(&shop.quarantine_names(file), &refusal)?;
            manifest::mark_aside(shop.store, file, &shop.worker, State::Rejected, &why)?;
            move_away(shop, file, State::Rejected)?;
            shop.printer.say(&format!("{:?} is refused and moved to the quarantine: {why}", file.source));
            summary.failed += 1;
            summary.imperfect = true;
        }
        (Policy::Rediscover, _) => {
            manifest::send_back(shop.store, file.id, &why)?;
            shop.printer.say(&format!("{:?}: {why}", file.source));
        }
        (Policy::GiveUp, _) => {
            manifest::give_up(shop.store, file.id, &why, Some(Utc::now()))?;
            shop.printer.say(&format!("{:?}: {why}", file.source));
            (summary.failed, summary.retry) = (summary.failed + 1, true);
        }
        (Policy::RetryFile, _) => {
            manifest::retry_later(shop.store, file, &why, Utc::now())?;
            shop.printer.say(&format!("{:?}: {why}", file.source));
            (summary.failed, summary.retry) = (summary.failed + 1, true);
        }
        (Policy::LetGo, Error::Stopped) => manifest::let_go(shop.store, file.id, &shop.worker)?,
        (Policy::LetGo, _) => {}
        (Policy::Stop | Policy::Refuse, error) => {
            // Best effort: where the database is away, the claim lapses by itself.
            let _ = manifest::let_go(shop.store, file.id, &shop.worker);
            return Err(error);
        }
    }
    Ok(())
}

fn set_aside_duplicate(shop: &Workshop<'_>, file: &SourceFile, twin: &str) -> Result<(), Error> {
    let names = shop.quarantine_names(file);
    for path in [&names.rejected, &names.reasons] {
        // An earlier `validate` may have written them, before the twin was loaded. A twin of the same name shares them.
        if !twin.ends_with(file.file_name()) {
            let _ = std::fs::remove_file(path);
        }
    }
    manifest::mark_aside(shop.store, file, &shop.worker, State::Duplicate, &format!("same content as {twin}"))?;
    move_away(shop, file, State::Duplicate)
}

/// Moves a file whose work is done out of `data/`. After the commit: a crash in between leaves a loaded file in `data/`,
/// which the next scan moves; the other order could lose sight of a file that was never loaded.
///
/// # Errors
/// When the folder can't be written, or the database.
pub fn move_away(shop: &Workshop<'_>, file: &SourceFile, state: State) -> Result<(), Error> {
    let path = shop.path_of(file);
    match std::fs::symlink_metadata(&path) {
        // Another process moved it, and was stopped before it could say so.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(Error::source(&path)(e)),
        // What lies there now is another file of the same name: the next scan takes it.
        Ok(metadata) if Stamp::of(&metadata) != file.stamp() => {}
        Ok(_) => {
            let target = match state {
                State::Rejected => shop.quarantine_names(file).refused,
                _ => shop.config.paths.processed.join(&file.source),
            };
            archive(&path, &target, file.sha256.as_deref().unwrap_or_default())?;
        }
    }
    Ok(manifest::archived(shop.store, file.id, Utc::now())?)
}

impl Workshop<'_> {
    /// Says `line` unless it was said before.
    pub fn say_once(&self, line: &str) {
        if self.said.borrow_mut().insert(line.to_owned()) {
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
        QuarantineNames::new(&self.config.paths.quarantine, file.file_name(), sha256)
    }

    /// The time, for the manifest.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap_or_default()
    }
}
