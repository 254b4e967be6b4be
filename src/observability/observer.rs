//! Follows files through their steps, for those who trace them or draw their lineage. Where nobody does, it costs a look
//! at two empty places.

use std::time::{Instant, SystemTime};

use super::delivery::LAST;
use super::ended::{BrokenRules, Ended};
use super::lineage::Lineage;
use super::traced_transaction::TracedTransaction;
use super::traces::{ScannedFile, Traces};
use crate::config::Config;
use crate::manifest::{Entry, State};
use crate::store::{LoadTransaction, Store};
use iotpipe_core::offences::Offences;

/// Who follows files.
#[derive(Default)]
pub struct Observer {
    traces: Option<Traces>,
    lineage: Option<Lineage>,
}

impl Observer {
    /// As the endpoints of `config` say; what can't be begun is said in the log, and left.
    pub fn start(config: &Config, store: &Store) -> Observer {
        let endpoints = &config.endpoints;
        endpoints.unusable.iter().for_each(|why| tracing::warn!("{why}"));
        let said = |e: std::io::Error| tracing::warn!("no traces or lineage: {e}");
        let traces =
            endpoints.traces.as_ref().and_then(|to| Traces::start(to, store, &config.contract).map_err(said).ok());
        let begin = |to| Lineage::start(to, store, config).map_err(said).ok();
        let lineage = endpoints.lineage.as_ref().and_then(begin);
        Observer { traces, lineage }
    }

    /// A file was entered in the manifest, by a look at the folder that began at `began`.
    pub fn scanned(&self, origin: &str, file: ScannedFile<'_>, began: SystemTime) {
        if let Some(traces) = &self.traces {
            traces.scanned(origin, file, began);
        }
    }

    /// How often rows of a file broke each rule, for [`Ended::Reached`]; counted only where somebody follows files.
    pub fn broken_rules(&self, offences: &Offences) -> BrokenRules {
        let mut broken = BrokenRules::new();
        if self.traces.is_some() || self.lineage.is_some() {
            offences.counts().for_each(|(rule, _, times)| *broken.entry(rule.as_str()).or_default() += times);
        }
        broken
    }

    /// The command is done: waits a little for what was not sent yet.
    pub fn end(&self) {
        let deadline = Instant::now() + LAST;
        self.traces.iter().for_each(|traces| traces.end(deadline));
        self.lineage.iter().for_each(|lineage| lineage.end(deadline));
    }

    /// A step towards `target` begins on `files`.
    pub fn began(&self, files: &[Entry], target: State) {
        for file in files {
            self.traces.iter().for_each(|traces| traces.began(file));
            self.lineage.iter().for_each(|lineage| lineage.began(file, target));
        }
    }

    /// The step towards `target` ended on `file`.
    pub fn ended(&self, file: &Entry, target: State, end: &Ended<'_>) {
        self.traces.iter().for_each(|traces| traces.ended(file, target, end));
        self.lineage.iter().for_each(|lineage| lineage.ended(file, target, end));
    }

    /// Does `work` on `file`, as a part of its step called `name`.
    pub fn measure<T>(&self, file: &Entry, name: &'static str, work: impl FnOnce() -> T) -> T {
        match &self.traces {
            None => work(),
            Some(traces) => traces.measure(file.id, name, work),
        }
    }

    /// `transaction`, of which each statement is a part of the step of the file that it is about.
    pub fn follow<'t>(&'t self, transaction: Box<dyn LoadTransaction + 't>) -> Box<dyn LoadTransaction + 't> {
        match &self.traces {
            None => transaction,
            Some(traces) => Box::new(TracedTransaction::new(transaction, traces)),
        }
    }
}
