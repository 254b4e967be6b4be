//! `iotpipe retry`: takes up failed files again, and what was appended to archived ones.

use std::path::PathBuf;

use super::exit::Exit;
use super::loaded::{NotLoaded, below_data};
use crate::error::Error;
use crate::ingest::{Context, give_back_grown, grown_archive, recover};
use crate::manifest::{self, State};

pub fn run(context: &Context<'_>, names: &[PathBuf]) -> anyhow::Result<Exit> {
    // Those that ended without a word fail first.
    recover(context)?;
    let failed = manifest::in_states(context.store, &context.origin, &[State::Failed]).map_err(Error::from)?;
    let asked: Vec<String> = names.iter().map(|name| below_data(context, name)).collect();
    let mut retried = 0;
    for name in asked.iter().filter(|name| !failed.iter().any(|entry| entry.source == **name)) {
        let Some(entry) = grown_archive(context, name)? else {
            let message = format!("{name:?} is not the name of a failed file; `iotpipe status` names them");
            return Err(NotLoaded(message).into());
        };
        give_back_grown(context, &entry).map_err(|error| not_given_back(name, error))?;
        retried += 1;
    }
    for entry in failed.iter().filter(|entry| asked.is_empty() || asked.contains(&entry.source)) {
        retried += u64::from(manifest::retry(context.store, entry).map_err(Error::from)?);
    }
    let files = if retried == 1 { "1 file is".to_owned() } else { format!("{retried} files are") };
    context.printer.say(&format!("retry: {files} pending again; `iotpipe run` takes them"));
    context.printer.result(&serde_json::json!({ "step": "retry", "files": retried }));
    Ok(Exit::Done)
}

/// What to do where the longer file can't be given back. Nothing is lost: it lies where it lay.
fn not_given_back(name: &str, error: Error) -> anyhow::Error {
    let later = match &error {
        Error::Changed => {
            let message = format!(
                "{name:?} no longer begins with what was loaded of it: copy it into data/ under another name, and \
                 `iotpipe run` loads what is new"
            );
            return NotLoaded(message).into();
        }
        Error::BeingWritten => format!("{name:?} is not given back: ask again once its writer has closed it"),
        Error::Storage { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists => format!(
            "{name:?} is not given back: another file has its name in data/; ask again once `iotpipe run` has taken that one"
        ),
        _ => format!("{name:?} is not given back"),
    };
    anyhow::Error::from(error).context(later)
}
