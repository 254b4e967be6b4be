//! `iotpipe load`

use std::path::PathBuf;

use super::named;
use crate::error::Error;
use crate::ingest::{Context, bring_files_to};
use crate::manifest::State;
use crate::terminal::Summary;

pub fn run(context: &Context<'_>, names: &[PathBuf]) -> anyhow::Result<Summary> {
    match names {
        [] => Ok(all(context)?),
        names => named::bring(context, names, State::Loaded, "load"),
    }
}

/// Every file that can be loaded.
pub fn all(context: &Context<'_>) -> Result<Summary, Error> {
    bring_files_to(context, State::Loaded, "load")
}
