//! How a step on a file ended, for those who follow it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::manifest::{Entry, State};
use iotpipe_core::reading::Tally;

/// Rules that rows broke, with how often.
pub type BrokenRules = BTreeMap<&'static str, u64>;

/// How a step on a file ended.
#[derive(Debug)]
pub enum Ended<'a> {
    /// Committed, with its rows and the rules that they broke.
    Reached {
        /// Its rows.
        tally: &'a Tally,
        /// The rules that they broke.
        broken: &'a BrokenRules,
        /// Where its rejected rows are, if there are any.
        quarantine: &'a Path,
    },
    /// Its content was loaded before.
    Duplicate,
    /// Refused whole, for this reason; no attempt follows.
    Refused(&'a str),
    /// It failed.
    Failed {
        /// For this reason.
        why: &'a str,
        /// No attempt follows: the file is given up, or gone.
        is_last: bool,
    },
    /// It was let go, for this reason: nothing was wrong with it.
    LetGo(&'a str),
}

/// Whether the rows of a loaded file are looked at again.
pub(super) fn is_looked_at_again(file: &Entry) -> bool {
    file.recheck && file.current() == State::Loaded
}

/// The step on a file that leads to a state.
pub(super) fn step(file: &Entry, target: State) -> &'static str {
    match target {
        _ if is_looked_at_again(file) => "recheck",
        State::Validated => "validate",
        State::Aggregated => "aggregate",
        _ => "load",
    }
}
