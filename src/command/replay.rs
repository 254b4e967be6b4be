//! `iotpipe replay`: sends corrected rows through again, linked to the file they came from.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::exit::Exit;
use super::loaded::NotLoaded;
use crate::cli::StepArgs;
use crate::error::Error;
use crate::ingest::{Context, bring_claimed_to};
use crate::manifest::{self, Descent, Entry, Registration, State, Work};
use crate::source::{Candidate, Stamp, copy_into, sha256_of, unfinished_name};
use crate::terminal::Summary;

/// Between two looks at a file that another process has in hand.
const LOOK: Duration = Duration::from_millis(100);

pub fn run(context: &Context<'_>, path: &Path) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // What a corrected file is, its name says; its content is what was corrected.
    let descent = manifest::descent_of(context.store, &name, "").map_err(Error::from)?;
    let parent = descent.parent.ok_or_else(|| {
        NotLoaded(format!(
            "{path:?} does not tell whose rows it corrects: its name must still be <name>.<hash>-<id>.rejected.csv"
        ))
    })?;
    let sha256 = sha256_of(path).map_err(Error::source(path))?;
    let earlier = earlier_correction(context, parent, &sha256)?;
    let mut summary = Summary::of("replay");
    if earlier.is_some() {
        context.printer.say(&format!("{name:?} was replayed before, as it is now: nothing to do"));
    } else {
        let file = enter(context, path, &name, sha256, descent)?;
        context.replayed.store(file.id, Ordering::Relaxed);
        load_alone(context, file, &mut summary)?;
    }
    summary.pending = manifest::open_files(context.store, &context.origin).map_err(Error::from)?;
    Ok(super::exit::conclude(summary, started, &StepArgs::default(), false, context.printer, &|_| {
        context.observer.end()
    }))
}

/// Puts a copy into `data/`, and into the manifest.
fn enter(context: &Context<'_>, path: &Path, name: &str, sha256: String, descent: Descent) -> Result<Entry, Error> {
    let (store, origin, parent) = (context.store, context.origin.as_str(), descent.parent);
    let target = context.config.paths.data.join(name);
    let unfinished = target.with_file_name(unfinished_name(context.worker.id, 0, "replay"));
    copy_into(path, &target, &sha256, &unfinished)?;
    let metadata = std::fs::symlink_metadata(&target).map_err(Error::source(&target))?;
    let candidate = Candidate { source: name.to_owned(), path: target, stamp: Stamp::of(&metadata) };
    let known = manifest::in_inbox(store, origin, &[name])?.remove(name).map(|e| (e.id, e.claim_no));
    let registration = Registration { candidate, sha256: Some(sha256.clone()), known, descent };
    manifest::register(store, origin, &[registration], store.now()?)?;
    if let Some(entry) = manifest::in_inbox(store, origin, &[name])?.remove(name) {
        return Ok(entry);
    }
    // A loop saw the copy first, and is done with it.
    earlier_correction(context, parent.unwrap_or_default(), &sha256)?.ok_or(Error::Vanished)
}

/// A loaded correction of `parent` with this content, or one whose content was loaded before.
fn earlier_correction(context: &Context<'_>, parent: i64, sha256: &str) -> Result<Option<Entry>, Error> {
    let is_done = |file: &Entry| matches!(file.current(), State::Loaded | State::Duplicate);
    let corrections = manifest::children_of(context.store, parent)?;
    Ok(corrections.into_iter().find(|file| is_done(file) && file.sha256.as_deref() == Some(sha256)))
}

/// Loads this file and no other. Where another process was faster, waits for what it makes of it.
fn load_alone(context: &Context<'_>, file: Entry, summary: &mut Summary) -> Result<(), Error> {
    loop {
        if context.stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        let claimed = manifest::claim(
            context.store,
            &context.worker,
            &context.origin,
            Work::Reach(State::Loaded),
            Some(file.id),
        )?;
        let is_own = bring_claimed_to(context, claimed, State::Loaded, summary)?;
        match manifest::entry(context.store, file.id)? {
            // Ours was not loaded, for whatever reason: that was said, and exit codes tell it.
            Some(entry) if is_own => {
                summary.retry |= !matches!(entry.current(), State::Loaded | State::Duplicate);
                return Ok(());
            }
            Some(entry) if entry.current().is_open() => std::thread::sleep(LOOK),
            entry => {
                let entry = entry.unwrap_or(file);
                summary.retry |= !matches!(entry.current(), State::Loaded | State::Duplicate);
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
