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
    let (found, next_look) = scan::discover_files(context)?;
    let loaded = load::run(context)?;
    let mut summary = Summary { retry: found.retry, failed: found.failed, ..Summary::of("run") };
    summary.add(&loaded);
    Ok((summary, next_look))
}
