//! `iotpipe run`: `scan` and `load`, once.

use std::time::Duration;

use super::{load, scan};
use crate::error::Error;
use crate::printer::Summary;
use crate::step::Workshop;

pub fn run(shop: &Workshop<'_>) -> Result<Summary, Error> {
    round(shop).map(|(summary, _)| summary)
}

/// As `run`; says too when another look is due for files that had not settled.
pub fn round(shop: &Workshop<'_>) -> Result<(Summary, Option<Duration>), Error> {
    let (found, next_look) = scan::look(shop)?;
    let loaded = load::run(shop)?;
    let mut summary = Summary { retry: found.retry, failed: found.failed, ..Summary::of("run") };
    summary.add(&loaded);
    Ok((summary, next_look))
}
