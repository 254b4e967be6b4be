//! Some files, each by one pass, in one transaction.

use std::fs::File;
use std::sync::atomic::Ordering;

use chrono::{SecondsFormat, Utc};

use super::Workshop;
use crate::contract::DeviceRule;
use crate::error::Error;
use crate::failpoint;
use crate::manifest::{self, SourceFile, State};
use crate::pass::{self, PassInput, Tally};
use crate::sink::{AggregateSink, QuarantineSink, RawSink, Sink};
use crate::source::{Compression, Stamp};
use crate::store::{LoadTransaction, Mark};

/// What became of a file.
pub(super) enum Outcome {
    /// Committed.
    Reached(Tally),
    /// Its content was loaded under this name.
    Twin(String),
}

pub(super) type Outcomes<'f> = Vec<(&'f SourceFile, Result<Outcome, Error>)>;

/// Brings `files` to `target` in one commit, and says what became of each. A file that fails takes nobody with it.
///
/// # Errors
/// When the transaction as a whole can't be done; nothing is committed then.
pub(super) fn bring_together<'f>(
    shop: &Workshop<'_>,
    files: &'f [SourceFile],
    target: State,
) -> Result<Outcomes<'f>, Error> {
    let mut group = Group { shop, target, twins: twins(shop, files)?, outcomes: Vec::new() };
    match target {
        State::Loaded => group.load(files)?,
        _ => group.prepare(files)?,
    }
    Ok(group.outcomes)
}

struct Group<'s, 'f> {
    shop: &'s Workshop<'s>,
    target: State,
    /// Loaded contents and their names.
    twins: manifest::Twins,
    outcomes: Outcomes<'f>,
}

fn twins(shop: &Workshop<'_>, files: &[SourceFile]) -> Result<manifest::Twins, Error> {
    // Where the device comes from the name, equal contents under two names are two devices' readings.
    let by_name = matches!(shop.config.contract.device, DeviceRule::FromName(_));
    Ok(manifest::twins_of(shop.store, files, by_name)?)
}

impl<'f> Group<'_, 'f> {
    /// Rows go in while the file is read; a file that fails is rolled back to its own savepoint.
    fn load(&mut self, files: &'f [SourceFile]) -> Result<(), Error> {
        let mut transaction = self.shop.store.begin(&self.shop.config.contract)?;
        for file in files {
            let outcome = match self.twins.of(file) {
                Some(twin) => Ok(Outcome::Twin(twin)),
                None => self.load_one(transaction.as_mut(), file).map(Outcome::Reached),
            };
            match &outcome {
                Ok(Outcome::Reached(_)) => self.twins.add(file),
                Ok(Outcome::Twin(_)) => {}
                Err(error) if error.is_of_one_file() => transaction.drop_file()?,
                Err(_) => return outcome.map(|_| ()),
            }
            self.outcomes.push((file, outcome));
        }
        Ok(transaction.commit()?)
    }

    fn load_one(&self, transaction: &mut dyn LoadTransaction, file: &SourceFile) -> Result<Tally, Error> {
        let mut quarantine = QuarantineSink::new(self.shop.quarantine_names(file));
        let mut aggregates = AggregateSink::new(&self.shop.config.contract);
        transaction.open_file(file.id)?;
        let mut raw = RawSink { transaction };
        let tally = self.pass_over(file, &mut [&mut raw, &mut aggregates, &mut quarantine])?;
        failpoint::reach("pass-finished");
        transaction.put_aggregates(&aggregates.aggregates, &aggregates.devices)?;
        failpoint::reach("aggregates-put");
        self.mark(transaction, tally)?;
        Ok(tally)
    }

    /// The passes come first, so that nobody waits for a transaction that is open while files are read.
    fn prepare(&mut self, files: &'f [SourceFile]) -> Result<(), Error> {
        let passed: Vec<_> = files.iter().map(|file| (file, self.prepare_one(file))).collect();
        let mut transaction = self.shop.store.begin(&self.shop.config.contract)?;
        for (file, passed) in passed {
            let outcome = match passed {
                Ok(Some((tally, aggregates))) => {
                    self.write_prepared(transaction.as_mut(), file, tally, aggregates).map(Outcome::Reached)
                }
                Ok(None) => Ok(Outcome::Twin(self.twins.of(file).unwrap_or_default())),
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
        if self.twins.of(file).is_some() {
            return Ok(None);
        }
        if self.target == State::Validated {
            let mut quarantine = QuarantineSink::new(self.shop.quarantine_names(file));
            return Ok(Some((self.pass_over(file, &mut [&mut quarantine])?, None)));
        }
        let mut aggregates = AggregateSink::new(&self.shop.config.contract);
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
            transaction.put_aggregates(&aggregates, &devices)?;
        }
        self.mark(transaction, tally)?;
        Ok(tally)
    }

    fn mark(&self, transaction: &mut dyn LoadTransaction, tally: Tally) -> Result<(), Error> {
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, false);
        let contract_hash = &self.shop.config.contract.hash;
        let mark = Mark { state: self.target, tally, contract_hash, worker: &self.shop.worker, now: &now };
        transaction.close_file(&mark)?;
        failpoint::reach("marked");
        Ok(())
    }

    fn pass_over(&self, file: &SourceFile, sinks: &mut [&mut dyn Sink]) -> Result<Tally, Error> {
        if self.shop.stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        let path = self.shop.path_of(file);
        let open = File::open(&path).map_err(Error::source(&path))?;
        if Stamp::of(&open.metadata().map_err(Error::source(&path))?) != file.stamp() {
            return Err(Error::Changed);
        }
        failpoint::reach("opened");
        let bar = self.shop.printer.progress(&file.source, file.size as u64);
        let input = PassInput {
            reader: Box::new(bar.wrap_read(open)),
            compression: Compression::of(&file.source),
            file_name: file.file_name(),
            discovered_at: file.discovered_at.timestamp_micros(),
            expected_sha256: file.sha256.as_deref().unwrap_or_default(),
            max_rejected_ratio: self.shop.max_rejected_ratio(file),
            memory: &self.shop.batch_memory,
            stop: self.shop.stop,
        };
        let tally = pass::run(input, &self.shop.config.contract, sinks);
        bar.finish_and_clear();
        tally
    }
}
