//! `iotpipe run`: `scan` and `load`, once.

use super::{load, scan};
use crate::error::Error;
use crate::printer::Summary;
use crate::step::Workshop;

pub fn run(shop: &Workshop<'_>) -> Result<Summary, Error> {
    let found = scan::run(shop)?;
    let loaded = load::run(shop)?;
    let mut summary = Summary { retry: found.retry, failed: found.failed, ..Summary::of("run") };
    summary.add(&loaded);
    Ok(summary)
}
