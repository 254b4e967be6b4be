//! What lies in the three folders and is no entry's: a file that was put there by hand, or whose entry went with a database.

use std::collections::HashSet;
use std::path::Path;

use super::check::refused_as;
use crate::error::Error;
use crate::ingest::Context;
use crate::manifest::{self, Entry, Place, State};
use crate::source::{discover, given_name};

/// Files that no entry knows.
#[derive(Debug, Default)]
pub struct Unaccounted {
    /// In `data/`: the next scan takes them.
    pub waiting: Vec<String>,
    /// In `processed/` and `quarantine/`.
    pub unknown: Vec<String>,
    /// Rows in `quarantine/` that an attempt wrote which was cut off, of a content that its entry no longer has. Their
    /// names alone say so: that proves nothing.
    pub left_over: Vec<String>,
}

/// Looks through the folders. Hidden files are nobody's.
///
/// # Errors
/// When the database can't be asked, or a folder not be listed.
pub fn unaccounted_files(context: &Context<'_>) -> Result<Unaccounted, Error> {
    let mut processed = files_below(&context.config.paths.processed)?;
    let mut quarantine = files_below(&context.config.paths.quarantine)?;
    let waiting = not_taken(context)?;
    let mut taken_once = HashSet::new();
    // Behind the listing: what came since has an entry by now.
    manifest::each_entry(context.store, &context.origin, |entry| {
        if entry.claim_no > 0 {
            taken_once.insert(entry.id);
        }
        for name in names_in(&entry, Place::Processed) {
            processed.remove(&name);
        }
        for name in names_in(&entry, Place::Quarantine) {
            quarantine.remove(&name);
        }
        if entry.current() == State::Rejected {
            quarantine.remove(&refused_as(context, &entry));
        }
        for stem in stems_of(context, &entry) {
            for ending in ["rejected.csv", "rejected.jsonl", "rejected.lp", "reasons.csv"] {
                quarantine.remove(&format!("{stem}.{ending}"));
            }
        }
        Ok::<(), Error>(())
    })?;
    let below = |folder: &Path, names: HashSet<String>| {
        let mut names: Vec<String> = names.into_iter().map(|name| folder.join(name).display().to_string()).collect();
        names.sort();
        names
    };
    let paths = &context.config.paths;
    let (left_over, quarantine) = quarantine.into_iter().partition(|name| is_left_over(name, &taken_once));
    let left_over = below(&paths.quarantine, left_over);
    let unknown = [below(&paths.processed, processed), below(&paths.quarantine, quarantine)].concat();
    // One that was moved on while it was looked for is none.
    let is_there = |path: &String| Path::new(path).symlink_metadata().is_ok();
    Ok(Unaccounted { waiting, unknown: unknown.into_iter().filter(is_there).collect(), left_over })
}

/// By its name alone: the rows of one of the entries that somebody had in hand.
fn is_left_over(name: &str, taken_once: &HashSet<i64>) -> bool {
    let rows = name.strip_suffix(".reasons.csv").map_or_else(|| name.to_owned(), |stem| format!("{stem}.rejected.csv"));
    given_name(&rows).is_some_and(|given| given.is_rejected && given.entry.is_some_and(|id| taken_once.contains(&id)))
}

/// Below the folder of `place`: where it lies, and where it may lie by now.
fn names_in(entry: &Entry, place: Place) -> Vec<String> {
    let mut names = Vec::new();
    if entry.lies() == place {
        names.extend(entry.place_name.clone());
    }
    let goal = entry.current().goal();
    if goal == Some(place) || entry.current().is_open() {
        names.extend(entry.archive_name.clone());
        names.extend(crate::ingest::target::target_names(entry, place));
    }
    names
}

fn stems_of(context: &Context<'_>, entry: &Entry) -> Vec<String> {
    if entry.sha256.is_none() || entry.current() == State::Vanished {
        return Vec::new();
    }
    vec![context.own_quarantine_names(entry).stem, context.quarantine_names(entry).stem]
}

fn files_below(folder: &Path) -> Result<HashSet<String>, Error> {
    let is_hidden = |e: &walkdir::DirEntry| e.depth() > 0 && e.file_name().as_encoded_bytes().starts_with(b".");
    let mut names = HashSet::new();
    for entry in walkdir::WalkDir::new(folder).into_iter().filter_entry(|e| !is_hidden(e)) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(e) if e.io_error().is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound) => continue,
            Err(e) => return Err(Error::source(folder)(e.into())),
        };
        // The folder itself may be a link to one elsewhere.
        if entry.depth() > 0 && !entry.file_type().is_dir() {
            let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            names.insert(below.to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// Files in `data/` that no scan has entered yet.
fn not_taken(context: &Context<'_>) -> Result<Vec<String>, Error> {
    let data = &context.config.paths.data;
    let found = discover(data, &context.config.patterns).map_err(Error::source(data))?;
    let sources: Vec<&str> = found.candidates.iter().map(|c| c.source.as_str()).collect();
    let known = manifest::in_inbox(context.store, &context.origin, &sources)?;
    let new = found.candidates.iter().filter(|c| !known.contains_key(&c.source) && c.path.exists());
    let mut waiting: Vec<String> = new.map(|c| data.join(&c.source).display().to_string()).collect();
    for stray in &found.strays {
        let is_known = manifest::entry(context.store, stray.id)?.is_some_and(|e| e.origin == context.origin);
        if !is_known && stray.path.exists() {
            waiting.push(stray.path.display().to_string());
        }
    }
    Ok(waiting)
}
