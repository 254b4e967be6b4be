//! Archived files to which a writer went on appending: named, and taken up again where that is asked for.

use std::path::Path;

use serde::Serialize;

use super::context::Context;
use crate::config::Paths;
use crate::error::Error;
use crate::manifest::{self, Entry};
use crate::source::{GrownFile, stamp_of};
use crate::store::Store;

/// How long a file that was archived is looked at.
const WATCHED: chrono::TimeDelta = chrono::TimeDelta::days(1);
/// Files that are looked at, the latest first.
const LOOKED_AT: u64 = 1000;

/// An archived file that is no longer what was loaded.
#[derive(Debug, Serialize)]
pub struct ChangedArchive {
    /// Path below `data/`.
    pub source: String,
    /// Bytes that were loaded.
    pub loaded_bytes: i64,
    /// Bytes that it has now.
    pub bytes: i64,
}

impl std::fmt::Display for ChangedArchive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ChangedArchive { source, loaded_bytes, bytes } = self;
        write!(
            f,
            "{source:?} changed after it was loaded ({loaded_bytes} bytes then, {bytes} now): `iotpipe retry {source}` takes \
             up what was appended"
        )
    }
}

/// Files of `origin`, archived within a day, that changed since.
///
/// # Errors
/// When the database can't be asked.
pub fn changed_archives(paths: &Paths, store: &Store, origin: &str) -> Result<Vec<ChangedArchive>, Error> {
    let since = store.now()? - WATCHED;
    let archived = manifest::archived_since(store, origin, since, LOOKED_AT)?;
    Ok(archived.iter().filter_map(|entry| changed(paths, entry)).collect())
}

/// Whether the file is another than it was when it was archived, or one that was killed left the longer file where it is to
/// be given back from; one that is gone is the business of `verify`.
fn changed(paths: &Paths, entry: &Entry) -> Option<ChangedArchive> {
    let archive = paths.processed.join(entry.place_name.as_deref()?);
    let delivered = paths.data.join(&entry.source);
    let waiting = grown_file(entry, &archive, &delivered).waiting();
    let stamp = stamp_of(&archive).ok()?;
    let archived_at = entry.archived_at?.timestamp_micros();
    let is_changed =
        stamp.size != entry.size || stamp.modified_at > entry.modified_at.timestamp_micros().max(archived_at);
    let bytes = waiting.map_or(stamp.size, |waiting| waiting.size.max(stamp.size));
    (is_changed || waiting.is_some()).then(|| ChangedArchive {
        source: entry.source.clone(),
        loaded_bytes: entry.size,
        bytes,
    })
}

fn grown_file<'a>(entry: &'a Entry, archive: &'a Path, delivered: &'a Path) -> GrownFile<'a> {
    GrownFile {
        id: entry.id,
        claim_no: entry.claim_no,
        archive,
        delivered,
        stamp: entry.stamp(),
        sha256: entry.sha256.as_deref().unwrap_or_default(),
    }
}

/// The changed files that are named `source`.
///
/// # Errors
/// When the database can't be asked.
pub fn grown_archive(context: &Context<'_>, source: &str) -> Result<Option<Entry>, Error> {
    let loaded = manifest::loaded_files(context.store, &context.origin, Some(source))?;
    let grown =
        |entry: &Entry| changed(&context.config.paths, entry).is_some_and(|file| file.bytes > file.loaded_bytes);
    Ok(loaded.into_iter().rev().find(grown))
}

/// Gives the longer file back to `data/`, where the next scan takes it for one of its own; what was loaded of it stays
/// archived.
///
/// # Errors
/// As [`GrownFile::split`].
pub fn give_back_grown(context: &Context<'_>, entry: &Entry) -> Result<(), Error> {
    let paths = &context.config.paths;
    let archive = paths.processed.join(entry.place_name.as_deref().unwrap_or(&entry.source));
    let delivered = paths.data.join(&entry.source);
    // Another process may be asked for the same at the same time: neither writes into what the other one puts in place.
    let living = manifest::living_workers(context.store)?;
    grown_file(entry, &archive, &delivered).split(context.worker.id, &living)
}
