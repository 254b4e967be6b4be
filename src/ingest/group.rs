//! Some files, each by one pass, in one transaction.

use std::fs::File;
use std::sync::atomic::Ordering;

use super::context::Context;
use super::pass::{PassInput, run_pass};
use crate::error::Error;
use crate::failpoint;
use crate::manifest::{self, Progress, SourceFile, State};
use crate::sink::{AggregateSink, QuarantineSink, RawSink, Sink};
use crate::source::{Compression, Stamp};
use crate::store::LoadTransaction;
use iotpipe_core::contract::DeviceRule;
use iotpipe_core::reading::Tally;

/// What became of a file.
pub(super) enum Outcome {
    /// Committed.
    Reached(Tally),
    /// Its content was loaded before, under this name.
    Duplicate(String),
}

pub(super) type Outcomes<'f> = Vec<(&'f SourceFile, Result<Outcome, Error>)>;

/// Brings `files` to `target` in one commit, and says what became of each. A file that fails takes nobody with it.
///
/// # Errors
/// When the transaction as a whole can't be done; nothing is committed then.
pub(super) fn bring_together<'f>(
    context: &Context<'_>,
    files: &'f [SourceFile],
    target: State,
) -> Result<Outcomes<'f>, Error> {
    let mut group = Group { context, target, loaded: loaded_contents(context, files)?, outcomes: Vec::new() };
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
    outcomes: Outcomes<'f>,
}

fn loaded_contents(context: &Context<'_>, files: &[SourceFile]) -> Result<manifest::LoadedContents, Error> {
    // Where the device comes from the name, equal contents under two names are two devices' readings.
    let by_name = matches!(context.config.contract.device, DeviceRule::FromName(_));
    Ok(manifest::loaded_contents(context.store, files, by_name)?)
}

impl<'f> Group<'_, 'f> {
    /// Rows go in while the file is read; a file that fails is rolled back to its own savepoint.
    fn load(&mut self, files: &'f [SourceFile]) -> Result<(), Error> {
        let mut transaction = self.context.store.begin(&self.context.config.contract)?;
        for file in files {
            let outcome = match self.loaded.of(file) {
                Some(original) => Ok(Outcome::Duplicate(original)),
                None => self.load_one(transaction.as_mut(), file).map(Outcome::Reached),
            };
            match &outcome {
                Ok(Outcome::Reached(_)) => self.loaded.add(file),
                Ok(Outcome::Duplicate(_)) => {}
                Err(error) if error.is_of_one_file() => transaction.drop_file()?,
                Err(_) => return outcome.map(|_| ()),
            }
            self.outcomes.push((file, outcome));
        }
        Ok(transaction.commit()?)
    }

    fn load_one(&self, transaction: &mut dyn LoadTransaction, file: &SourceFile) -> Result<Tally, Error> {
        let mut quarantine = QuarantineSink::new(self.context.quarantine_names(file));
        let mut aggregates = AggregateSink::new(&self.context.config.contract);
        transaction.open_file(file.id)?;
        let mut raw = RawSink { transaction };
        let tally = self.pass_over(file, &mut [&mut raw, &mut aggregates, &mut quarantine])?;
        failpoint::reach("pass-finished");
        transaction.write_aggregates(&aggregates.aggregates, &aggregates.devices)?;
        failpoint::reach("aggregates-written");
        self.close(transaction, file, tally)?;
        Ok(tally)
    }

    /// The passes come first, so that nobody waits for a transaction that is open while files are read.
    fn prepare(&mut self, files: &'f [SourceFile]) -> Result<(), Error> {
        let passed: Vec<_> = files.iter().map(|file| (file, self.prepare_one(file))).collect();
        let mut transaction = self.context.store.begin(&self.context.config.contract)?;
        for (file, passed) in passed {
            let outcome = match passed {
                Ok(Some((tally, aggregates))) => {
                    self.write_prepared(transaction.as_mut(), file, tally, aggregates).map(Outcome::Reached)
                }
                Ok(None) => Ok(Outcome::Duplicate(self.loaded.of(file).unwrap_or_default())),
                Err(error) => Err(error),
            };
            match &outcome {
                Err(error) if !error.is_of_one_file() => return outcome.map(|_| ()),
                Err(_) => transaction.drop_file()?,
                Ok(_) => {}
            }
            self.outcomes.push((file, outcome));
        }
        Ok(transaction.commit()?)
    }

    fn prepare_one(&self, file: &SourceFile) -> Result<Option<(Tally, Option<AggregateSink>)>, Error> {
        if self.loaded.of(file).is_some() {
            return Ok(None);
        }
        if self.target == State::Validated {
            let mut quarantine = QuarantineSink::new(self.context.quarantine_names(file));
            return Ok(Some((self.pass_over(file, &mut [&mut quarantine])?, None)));
        }
        let mut aggregates = AggregateSink::new(&self.context.config.contract);
        let tally = self.pass_over(file, &mut [&mut aggregates])?;
        Ok(Some((tally, Some(aggregates))))
    }

    fn write_prepared(
        &self,
        transaction: &mut dyn LoadTransaction,
        file: &SourceFile,
        tally: Tally,
        aggregates: Option<AggregateSink>,
    ) -> Result<Tally, Error> {
        transaction.open_file(file.id)?;
        if let Some(AggregateSink { aggregates, devices }) = aggregates {
            transaction.write_aggregates(&aggregates, &devices)?;
        }
        self.close(transaction, file, tally)?;
        Ok(tally)
    }

    fn close(&self, transaction: &mut dyn LoadTransaction, file: &SourceFile, tally: Tally) -> Result<(), Error> {
        let contract_hash = &self.context.config.contract.hash;
        let progress =
            Progress { file_id: file.id, state: self.target, tally, contract_hash, worker: &self.context.worker };
        let statement = progress.statement(self.context.store.is_embedded());
        transaction.close_file(&statement, self.target == State::Loaded)?;
        failpoint::reach("marked");
        Ok(())
    }

    fn pass_over(&self, file: &SourceFile, sinks: &mut [&mut dyn Sink]) -> Result<Tally, Error> {
        if self.context.stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        let path = self.context.path_of(file);
        let open = File::open(&path).map_err(Error::source(&path))?;
        if Stamp::of(&open.metadata().map_err(Error::source(&path))?) != file.stamp() {
            return Err(Error::Changed);
        }
        failpoint::reach("opened");
        let bar = self.context.printer.progress(&file.source, file.size as u64);
        let input = PassInput {
            reader: Box::new(bar.wrap_read(open)),
            compression: Compression::of(&file.source),
            file_name: file.file_name(),
            discovered_at: file.discovered_at.timestamp_micros(),
            expected_sha256: file.sha256.as_deref().unwrap_or_default(),
            max_rejected_ratio: self.context.max_rejected_ratio(file),
            memory: &self.context.batch_memory,
            stop: self.context.stop,
        };
        let tally = run_pass(input, &self.context.config.contract, sinks);
        bar.finish_and_clear();
        tally
    }
}
