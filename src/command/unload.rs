//! `iotpipe unload`: takes a file's rows and its share of the totals out again.

use std::path::Path;
use std::time::Instant;

use super::exit::Exit;
use super::loaded;
use crate::error::Error;
use crate::ingest::Context;
use crate::manifest;
use crate::source::{archived_under, return_to};
use crate::terminal::Summary;

/// The entry stays, aside, and says what happened.
const ASIDE: &str = "state = 'failed', last_error = $1, claimed_by = NULL, lease_until = NULL";
/// The entry is as it was before it was loaded, still claimed: nobody takes it before its file is back.
const AGAIN: &str = "state = 'pending', last_error = $1, archived_at = NULL, attempts = 0, validated_at = NULL,
    aggregated_at = NULL, loaded_at = NULL, rows_loaded = NULL, rows_duplicate = NULL, claimed_by = ";

pub fn run(context: &Context<'_>, path: &Path, again: bool) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let file = loaded::find(context, path)?;
    let sha256 = file.sha256.clone().unwrap_or_default();
    let archived = archived_under(&[context.config.paths.processed.join(&file.source)], &sha256);
    let (mark, why) = match again {
        true => (format!("{AGAIN}'{}'", context.worker.replace('\'', "''")), "unloaded on request, to be loaded again"),
        false => (ASIDE.to_owned(), "unloaded on request; put the file back into data/ to have it loaded"),
    };
    let rows = context.store.unload(file.id, &mark, why).map_err(Error::from)?.unwrap_or(0);
    if again {
        if let Some(archived) = &archived {
            return_to(archived, &context.path_of(&file))?;
        }
        manifest::release(context.store, std::slice::from_ref(&file), &context.worker).map_err(Error::from)?;
    }
    let mut summary = Summary { files: 1, rows: rows as i64, ..Summary::of("unload") };
    summary.pending = manifest::open_files(context.store).map_err(Error::from)?;
    summary.took(started.elapsed());
    context.printer.say(&match (again, archived) {
        (true, Some(_)) => {
            format!("unload: {rows} rows of {:?} taken out; the file is back in data/, pending", file.source)
        }
        (false, Some(place)) => format!(
            "unload: {rows} rows of {:?} taken out; to load it again, move {} back into {}",
            file.source,
            place.display(),
            context.config.paths.data.display()
        ),
        (_, None) => format!("unload: {rows} rows of {:?} taken out; its file is not in processed/", file.source),
    });
    context.printer.result(&summary);
    Ok(Exit::Done)
}
