//! `iotpipe validate`

use crate::error::Error;
use crate::ingest::{Context, bring_files_to};
use crate::manifest::State;
use crate::terminal::Summary;

pub fn run(context: &Context<'_>) -> Result<Summary, Error> {
    bring_files_to(context, State::Validated, "validate")
}
