//! Some files, each by one pass, in one transaction.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::context::Context;
use super::hold::{HeldFile, take};
use super::pass::{PassInput, Passed, run_pass};
use super::target::archive_name;
use crate::error::Error;
use crate::failpoint;
use crate::manifest::{self, Entry, Original, Place, Progress, State, ToldBy, Whereabouts};
use crate::observability::{self, BrokenRules};
use crate::sink::{AggregateSink, QuarantineSink, RawSink, Sink};
use crate::store::{LoadTransaction, Totals, keep_columns_statement, keep_statement, rejection_statements};
use iotpipe_core::contract::{Contract, DeviceRule};
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::reading::Tally;

/// What became of a file.
pub(super) enum Outcome {
    /// Committed.
    Reached {
        /// Its rows.
        tally: Tally,
        /// The rules that they broke, for those who follow files.
        broken: BrokenRules,
        /// Where it lies.
        lies: Whereabouts,
    },
    /// Its content was loaded before, under this name.
    Duplicate(Original),
}

pub(super) type Outcomes<'f> = Vec<(&'f Entry, Result<Outcome, Error>)>;

/// Brings `files` to `target` in one commit, and says what became of each. A file that fails takes nobody with it.
///
/// # Errors
/// When the transaction as a whole can't be done; nothing is committed then.
pub(super) fn bring_together<'f>(
    context: &Context<'_>,
    files: &'f [Entry],
    target: State,
) -> Result<Outcomes<'f>, Error> {
    context.learn_columns()?;
    let loaded = loaded_contents(context, files)?;
    let mut group = Group { context, target, loaded, unnamed_columns: BTreeMap::new(), outcomes: Vec::new() };
    match target {
        State::Loaded => group.load(files)?,
        _ => group.prepare(files)?,
    }
    Ok(group.outcomes)
}

struct Group<'s, 'f> {
    context: &'s Context<'s>,
    target: State,
    /// Loaded contents and their names.
    loaded: manifest::LoadedContents,
    /// Columns that the contract does not name, each with the entry of a file that has it.
    unnamed_columns: BTreeMap<String, i64>,
    outcomes: Outcomes<'f>,
}

fn loaded_contents(context: &Context<'_>, files: &[Entry]) -> Result<manifest::LoadedContents, Error> {
    // Where the device comes from the name, equal contents under two names are two devices' readings.
    let told_by = match context.config.contract.device {
        DeviceRule::FromName(_) => ToldBy::Name,
        DeviceRule::FromPath(_) => ToldBy::Path,
        DeviceRule::Column(_) | DeviceRule::Value(_) => ToldBy::Content,
    };
    Ok(manifest::loaded_contents(context.store, files, told_by)?)
}

impl<'s, 'f> Group<'s, 'f> {
    /// Rows go in while the file is read; a file that fails is rolled back to its own savepoint.
    fn load(&mut self, files: &'f [Entry]) -> Result<(), Error> {
        let mut transaction = self.begin()?;
        for file in files {
            let outcome = match self.loaded.original_of(file) {
                Some(original) => Ok(Outcome::Duplicate(original)),
                None => self.load_one(transaction.as_mut(), file),
            };
            match &outcome {
                Ok(Outcome::Reached { .. }) => self.loaded.add(file),
                Ok(Outcome::Duplicate(_)) => {}
                Err(error) if error.is_of_one_file() => transaction.drop_file()?,
                Err(_) => return outcome.map(|_| ()),
            }
            self.outcomes.push((file, outcome));
        }
        self.commit(transaction)
    }

    fn begin(&self) -> Result<Box<dyn LoadTransaction + 's>, Error> {
        let context = self.context;
        Ok(context.observer.follow(context.store.begin(&context.config.contract)?))
    }

    fn load_one(&mut self, transaction: &mut dyn LoadTransaction, file: &Entry) -> Result<Outcome, Error> {
        let held = take(self.context, file)?;
        let mut quarantine = QuarantineSink::new(self.context.own_quarantine_names(file)).while_held(&held.path);
        let mut aggregates = self.context.aggregates(&self.context.config.contract);
        transaction.open_file(file.id)?;
        let mut raw = RawSink { transaction };
        let passed = self.pass_over(file, &held, &mut [&mut raw, &mut aggregates, &mut quarantine])?;
        self.remove_superseded_rows(file)?;
        failpoint::reach("pass-finished");
        write_aggregates(transaction, aggregates, &passed.devices)?;
        failpoint::reach("aggregates-written");
        self.close(transaction, file, &passed, held.lies)
    }

    /// The first version gave the rows that `validate` found other names: each line stands in one place.
    fn remove_superseded_rows(&self, file: &Entry) -> Result<(), Error> {
        let (own, earlier) = (self.context.own_quarantine_names(file), self.context.quarantine_names(file));
        if file.validated_at.is_some() && own.stem != earlier.stem { earlier.remove_rows() } else { Ok(()) }
    }

    /// The passes come first, so that nobody waits for a transaction that is open while files are read: these steps
    /// store no rows, so nothing has to be judged by the table's key on the way.
    fn prepare(&mut self, files: &'f [Entry]) -> Result<(), Error> {
        let passed: Vec<_> = files.iter().map(|file| (file, self.prepare_one(file))).collect();
        let mut transaction = self.begin()?;
        for (file, passed) in passed {
            let outcome = match passed {
                Ok(Prepared::Passed { passed, aggregates, held }) => {
                    self.write_prepared(transaction.as_mut(), file, &passed, aggregates, held)
                }
                Ok(Prepared::Duplicate(original)) => Ok(Outcome::Duplicate(original)),
                Err(error) => Err(error),
            };
            match &outcome {
                Err(error) if !error.is_of_one_file() => return outcome.map(|_| ()),
                Err(_) => transaction.drop_file()?,
                Ok(_) => {}
            }
            self.outcomes.push((file, outcome));
        }
        self.commit(transaction)
    }

    fn prepare_one(&self, file: &Entry) -> Result<Prepared, Error> {
        if let Some(original) = self.loaded.original_of(file) {
            return Ok(Prepared::Duplicate(original));
        }
        let held = take(self.context, file)?;
        if self.target == State::Validated {
            let mut quarantine = QuarantineSink::new(self.context.own_quarantine_names(file)).while_held(&held.path);
            let passed = Box::new(self.pass_over(file, &held, &mut [&mut quarantine])?);
            return Ok(Prepared::Passed { passed, aggregates: None, held });
        }
        let mut aggregates = self.context.aggregates(&self.context.config.contract);
        let passed = Box::new(self.pass_over(file, &held, &mut [&mut aggregates])?);
        Ok(Prepared::Passed { passed, aggregates: Some(Box::new(aggregates)), held })
    }

    fn write_prepared(
        &mut self,
        transaction: &mut dyn LoadTransaction,
        file: &Entry,
        passed: &Passed,
        aggregates: Option<Box<AggregateSink>>,
        held: HeldFile,
    ) -> Result<Outcome, Error> {
        transaction.open_file(file.id)?;
        if let Some(aggregates) = aggregates {
            write_aggregates(transaction, *aggregates, &passed.devices)?;
        }
        self.close(transaction, file, passed, held.lies)
    }

    fn close(
        &mut self,
        transaction: &mut dyn LoadTransaction,
        file: &Entry,
        passed: &Passed,
        lies: Whereabouts,
    ) -> Result<Outcome, Error> {
        for name in &passed.unnamed_columns {
            self.unnamed_columns.entry(name.clone()).or_insert(file.id);
        }
        let (tally, dialect) = (passed.tally, self.context.store.dialect());
        for statement in rejection_statements(file.id, &passed.offences, file.rows_total.is_some(), dialect) {
            transaction.execute(&statement)?;
        }
        let names = self.context.own_quarantine_names(file);
        let archive_name = archive_name(file, Place::Processed, &lies);
        let progress = Progress {
            claim: file.claim(),
            state: self.target,
            tally,
            contract_hash: &self.context.config.contract.hash,
            lies: &lies,
            archive_name: archive_name.as_deref(),
            quarantine_name: Some(&names.stem).filter(|_| tally.total > tally.loaded).map(String::as_str),
        };
        let statement = progress.statement(dialect);
        let totals = if self.target == State::Loaded { Totals::Added } else { Totals::Unchanged };
        transaction.close_file(&statement, totals)?;
        failpoint::reach("marked");
        let broken = self.context.observer.broken_rules(&passed.offences);
        Ok(Outcome::Reached { tally, broken, lies })
    }

    fn commit(&self, mut transaction: Box<dyn LoadTransaction + '_>) -> Result<(), Error> {
        // An embedded database's one writer could not renew its lease meanwhile.
        if self.context.store.is_embedded() {
            transaction.execute(&self.context.worker.renewal(self.context.store.dialect()))?;
        }
        let kept = self.context.contract_kept.load(Ordering::Relaxed);
        if !kept {
            // Last, since others who keep the same wait for this commit.
            let contract = &self.context.config.contract;
            transaction.execute(&keep_statement(contract, self.context.store.dialect()))?;
        }
        let new_columns = self.context.new_columns(&self.unnamed_columns);
        if !new_columns.is_empty() {
            transaction.execute(&keep_columns_statement(&new_columns, self.context.store.dialect()))?;
        }
        transaction.commit()?;
        self.context.contract_kept.store(true, Ordering::Relaxed);
        let source_of = |id| self.outcomes.iter().find(|(file, _)| file.id == id).map(|(file, _)| file.source.clone());
        self.context.notice_columns(&new_columns, &source_of);
        Ok(())
    }

    fn pass_over(&self, file: &Entry, held: &HeldFile, sinks: &mut [&mut dyn Sink]) -> Result<Passed, Error> {
        let ratio = self.context.max_rejected_ratio(file);
        pass_over(self.context, &self.context.config.contract, file, &held.file, ratio, sinks)
    }
}

/// One pass over an `open` file, under `contract`.
///
/// # Errors
/// Those of the pass; [`Error::Stopped`].
pub(super) fn pass_over(
    context: &Context<'_>,
    contract: &Contract,
    file: &Entry,
    open: &File,
    max_rejected_ratio: f64,
    sinks: &mut [&mut dyn Sink],
) -> Result<Passed, Error> {
    if context.stop.load(Ordering::Relaxed) {
        return Err(Error::Stopped);
    }
    failpoint::reach("opened");
    let bar = context.printer.progress(&file.source, file.size as u64);
    let input = PassInput {
        reader: Box::new(bar.wrap_read(open)),
        path: file.judged_path(),
        format: context.config.format_of(&file.source),
        discovered_at: file.discovered_at.timestamp_micros(),
        expected_sha256: file.sha256.as_deref().unwrap_or_default(),
        max_rejected_ratio,
        memory: &context.batch_memory,
        stop: context.stop,
    };
    let began = Instant::now();
    let passed = context.observer.measure(file, "pass", || run_pass(input, contract, sinks));
    observability::passed(began.elapsed());
    bar.finish_and_clear();
    passed
}

/// Replaces the open file's aggregates.
pub(super) fn write_aggregates(
    transaction: &mut dyn LoadTransaction,
    aggregates: AggregateSink,
    devices: &DeviceNames,
) -> Result<(), Error> {
    let mut is_first = true;
    aggregates.each_part(&mut |part| {
        Ok(transaction.write_aggregates(part, std::mem::replace(&mut is_first, false), devices)?)
    })
}

/// What the pass of a file gave, for the transaction that follows.
enum Prepared {
    Passed { passed: Box<Passed>, aggregates: Option<Box<AggregateSink>>, held: HeldFile },
    Duplicate(Original),
}
