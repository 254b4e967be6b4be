//! `iotpipe unload`: takes a file's rows and its share of the totals out again.

use std::path::Path;
use std::time::Instant;

use super::exit::Exit;
use super::loaded;
use super::loaded::NotLoaded;
use crate::error::Error;
use crate::ingest::Context;
use crate::manifest::{self, Place};
use crate::source::archived_under;
use crate::terminal::Summary;

pub fn run(context: &Context<'_>, path: &Path, again: bool) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let entry = loaded::find(context, path)?;
    let name = entry.place_name.as_deref().unwrap_or(&entry.source);
    let place = context.folder_of(Place::Processed).join(name);
    // Without its file nothing could load these rows again.
    if archived_under(std::slice::from_ref(&place), entry.sha256.as_deref().unwrap_or_default()).is_none() {
        let missing =
            format!("{:?} stays loaded: its file is not at {}; put it back there first", entry.source, place.display());
        return Err(NotLoaded(missing).into());
    }
    let why = match again {
        true => "unloaded on request, to be loaded again",
        false => "unloaded on request; `iotpipe unload --again` or a copy in data/ has it loaded",
    };
    let statement = manifest::unload_statement(context.store, &entry, again, why);
    let Some(rows) = context.store.unload(entry.id, &statement).map_err(Error::from)? else {
        return Err(NotLoaded(format!("{:?} is in another worker's hands; try again", entry.source)).into());
    };
    let mut summary = Summary { files: 1, rows: rows as i64, ..Summary::of("unload") };
    summary.pending = manifest::open_files(context.store, &context.origin).map_err(Error::from)?;
    summary.took(started.elapsed());
    context.printer.say(&match again {
        true => format!(
            "unload: {rows} rows of {:?} taken out; the file is pending where it lies, {}",
            entry.source,
            place.display()
        ),
        false => format!(
            "unload: {rows} rows of {:?} taken out; to load it again, move {} back into {}",
            entry.source,
            place.display(),
            context.config.paths.data.display()
        ),
    });
    context.printer.result(&summary);
    Ok(Exit::Done)
}
