//! `iotpipe validate`

use std::path::PathBuf;

use super::named;
use crate::ingest::{Context, bring_files_to};
use crate::manifest::State;
use crate::terminal::Summary;

pub fn run(context: &Context<'_>, names: &[PathBuf]) -> anyhow::Result<Summary> {
    match names {
        [] => Ok(bring_files_to(context, State::Validated, "validate")?),
        names => named::bring(context, names, State::Validated, "validate"),
    }
}
