//! `iotpipe replay`: sends corrected rows through again, linked to the file they came from.

use std::path::Path;
use std::time::{Duration, Instant};

use chrono::Utc;

use super::exit::Exit;
use super::loaded::NotLoaded;
use crate::error::Error;
use crate::ingest::{Context, bring_claimed_to};
use crate::manifest::{self, Registration, SourceFile, State};
use crate::source::{Candidate, Stamp, copy_into, sha256_of};
use crate::terminal::Summary;

/// Between two looks at a file that another process has in hand.
const LOOK: Duration = Duration::from_millis(100);

pub fn run(context: &Context<'_>, path: &Path) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let parent = manifest::parent_of(context.store, &name).map_err(Error::from)?.ok_or_else(|| {
        NotLoaded(format!(
            "{path:?} does not tell whose rows it corrects: its name must still be <name>.<hash>.rejected.csv"
        ))
    })?;
    let sha256 = sha256_of(path).map_err(Error::source(path))?;
    let corrections = manifest::corrections_of(context.store, parent).map_err(Error::from)?;
    let mut summary = Summary::of("replay");
    if corrections.iter().any(|file| file.sha256.as_deref() == Some(&sha256)) {
        context.printer.say(&format!("{name:?} was replayed before, as it is now: nothing to do"));
    } else {
        let file = enter(context, path, &name, sha256, parent)?;
        load_alone(context, file, &mut summary)?;
    }
    summary.pending = manifest::open_files(context.store).map_err(Error::from)?;
    Ok(super::exit::conclude(summary, started, false, context.printer))
}

/// Puts a copy into `data/`, and into the manifest.
fn enter(context: &Context<'_>, path: &Path, name: &str, sha256: String, parent: i64) -> Result<SourceFile, Error> {
    let target = context.config.paths.data.join(name);
    copy_into(path, &target, &sha256)?;
    let metadata = std::fs::symlink_metadata(&target).map_err(Error::source(&target))?;
    let candidate = Candidate { source: name.to_owned(), path: target, stamp: Stamp::of(&metadata) };
    let known =
        manifest::in_place(context.store, &[name])?.remove(name).filter(|e| e.current().is_open()).map(|e| e.id);
    let registration = Registration { candidate, sha256: Some(sha256.clone()), known, parent: Some(parent) };
    manifest::register(context.store, vec![registration], context.now())?;
    if let Some(entry) = manifest::in_place(context.store, &[name])?.remove(name) {
        return Ok(entry);
    }
    // A loop saw the copy first, and is done with it.
    let mut corrections = manifest::corrections_of(context.store, parent)?;
    corrections.retain(|file| file.sha256.as_deref() == Some(&sha256));
    corrections.pop().ok_or(Error::Vanished)
}

/// Loads this file and no other. Where another process was faster, waits for what it makes of it.
fn load_alone(context: &Context<'_>, file: SourceFile, summary: &mut Summary) -> Result<(), Error> {
    loop {
        let claimed = manifest::claim(context.store, &context.worker, State::Loaded, Some(file.id), Utc::now())?;
        if bring_claimed_to(context, claimed, State::Loaded, summary)? {
            return Ok(());
        }
        match manifest::entry(context.store, file.id)? {
            Some(entry) if entry.current().is_open() => std::thread::sleep(LOOK),
            entry => {
                let entry = entry.unwrap_or(file);
                summary.files += 1;
                summary.rows += entry.rows_total.unwrap_or(0);
                summary.loaded += entry.rows_loaded.unwrap_or(0);
                summary.rejected += entry.rows_rejected.unwrap_or(0);
                summary.duplicates += entry.rows_duplicate.unwrap_or(0);
                return Ok(());
            }
        }
    }
}
