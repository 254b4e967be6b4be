//! `iotpipe run`: `scan` and `load`, once.

use std::time::Duration;

use super::{load, scan};
use crate::error::Error;
use crate::ingest::Context;
use crate::terminal::Summary;

pub fn run(context: &Context<'_>) -> Result<Summary, Error> {
    round(context).map(|(summary, _)| summary)
}

/// As `run`; says too when another look is due for files that had not settled.
pub fn round(context: &Context<'_>) -> Result<(Summary, Option<Duration>), Error> {
    let mut summary = Summary::of("run");
    let mut load = || load::all(context).map(|loaded| summary.add(&loaded));
    let (found, next_look) = scan::discover_files(context, &mut load)?;
    load()?;
    (summary.failed, summary.retry) = (summary.failed + found.failed, summary.retry || found.retry);
    Ok((summary, next_look))
}
