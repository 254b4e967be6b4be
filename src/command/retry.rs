//! `iotpipe retry`: takes up failed files again.

use std::path::PathBuf;

use super::exit::Exit;
use super::loaded::{NotLoaded, below_data};
use crate::error::Error;
use crate::ingest::{Context, recover};
use crate::manifest::{self, State};

pub fn run(context: &Context<'_>, names: &[PathBuf]) -> anyhow::Result<Exit> {
    // Those that ended without a word fail first.
    recover(context)?;
    let failed = manifest::in_state(context.store, &context.origin, State::Failed).map_err(Error::from)?;
    let asked: Vec<String> = names.iter().map(|name| below_data(context, name)).collect();
    if let Some(unknown) = asked.iter().find(|name| !failed.iter().any(|entry| entry.source == **name)) {
        return Err(
            NotLoaded(format!("{unknown:?} is not the name of a failed file; `iotpipe status` names them")).into()
        );
    }
    let mut retried = 0;
    for entry in failed.iter().filter(|entry| asked.is_empty() || asked.contains(&entry.source)) {
        retried += u64::from(manifest::retry(context.store, entry).map_err(Error::from)?);
    }
    let files = if retried == 1 { "1 file is".to_owned() } else { format!("{retried} files are") };
    context.printer.say(&format!("retry: {files} pending again; `iotpipe run` takes them"));
    context.printer.result(&serde_json::json!({ "step": "retry", "files": retried }));
    Ok(Exit::Done)
}
