//! How a step on a file ended, for those who follow it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::manifest::State;
use iotpipe_core::reading::Tally;

/// How a step on a file ended.
#[derive(Debug)]
pub enum Ended<'a> {
    /// Committed, with its rows and the rules that they broke.
    Reached {
        /// Its rows.
        tally: &'a Tally,
        /// The rules that they broke.
        broken: &'a BTreeMap<&'static str, u64>,
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

/// The step that leads to a state.
pub(super) fn step(target: State) -> &'static str {
    match target {
        State::Validated => "validate",
        State::Aggregated => "aggregate",
        _ => "load",
    }
}
