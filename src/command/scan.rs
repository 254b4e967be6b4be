//! `iotpipe scan`: fixes which bytes are to be loaded. Every other step works on the manifest.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::failpoint;
use crate::manifest::{self, Registration, SourceFile, State};
use crate::printer::Summary;
use crate::source::{Candidate, Stamp, discover, sha256_of};
use crate::step::{Workshop, move_away};

pub fn run(shop: &Workshop<'_>) -> Result<Summary, Error> {
    let mut summary = Summary::of("scan");
    finish_interrupted_moves(shop)?;
    let data = &shop.config.paths.data;
    let found = discover(data, &shop.config.pattern).map_err(Error::source(data))?;
    found.remarks.iter().for_each(|remark| shop.say_once(remark));
    for problem in &found.problems {
        shop.say_once(problem);
        (summary.failed, summary.retry) = (summary.failed + 1, true);
    }
    let sources: Vec<&str> = found.candidates.iter().map(|c| c.source.as_str()).collect();
    let known = manifest::in_place(shop.store, &sources)?;
    let open = candidates_to_take(shop, found.candidates, &known)?;
    let settled = wait_until_still(&open, shop.config.settle);
    let mut registrations = Vec::new();
    for (candidate, still) in open.into_iter().zip(settled) {
        match fix(candidate, still) {
            Ok(Some((candidate, sha256))) => {
                summary.files += u64::from(sha256.is_some());
                let known = known.get(&candidate.source).filter(|e| e.current().is_open()).map(|e| e.id);
                let parent = manifest::parent_of(shop.store, candidate.file_name())?;
                registrations.push(Registration { candidate, sha256, known, parent });
            }
            Ok(None) => {}
            Err(error) => {
                shop.say_once(&error.to_string());
                (summary.failed, summary.retry) = (summary.failed + 1, true);
            }
        }
    }
    failpoint::reach("hashed");
    manifest::register(shop.store, registrations, shop.now())?;
    failpoint::reach("registered");
    summary.pending = manifest::open_files(shop.store)?;
    Ok(summary)
}

/// After a crash between the commit and the move.
fn finish_interrupted_moves(shop: &Workshop<'_>) -> Result<(), Error> {
    for file in manifest::unmoved(shop.store)? {
        if file.claimed_by.is_none() {
            move_away(shop, std::slice::from_ref(&file), file.current())?;
        }
    }
    Ok(())
}

/// Those that the manifest does not know as they lie there now.
fn candidates_to_take(
    shop: &Workshop<'_>,
    candidates: Vec<Candidate>,
    known: &HashMap<String, SourceFile>,
) -> Result<Vec<Candidate>, Error> {
    let mut take = Vec::new();
    for candidate in candidates {
        match known.get(&candidate.source) {
            None => take.push(candidate),
            // Somebody is reading it: he will see whether it changed.
            Some(entry) if entry.claimed_by.is_some() => {}
            Some(entry) if entry.current() == State::Failed && entry.stamp() != candidate.stamp => {
                manifest::archived(shop.store, std::slice::from_ref(entry), shop.now())?;
                take.push(candidate);
            }
            Some(entry) if !entry.current().is_open() => {}
            Some(entry) if entry.sha256.is_none() || entry.stamp() != candidate.stamp => take.push(candidate),
            Some(_) => {}
        }
    }
    Ok(take)
}

/// Waits once, no longer than `settle`; says for each candidate whether its size and mtime were still all that time.
fn wait_until_still(candidates: &[Candidate], settle: Duration) -> Vec<bool> {
    let now = SystemTime::now();
    let age = |c: &Candidate| now.duration_since(SystemTime::UNIX_EPOCH + micros(c.stamp.modified_at)).ok();
    // A time of change in the future tells nothing; such a file is watched for the whole wait.
    let wait = |c: &Candidate| age(c).map_or(settle, |age| settle.saturating_sub(age));
    let longest = candidates.iter().map(wait).max().unwrap_or_default();
    if !longest.is_zero() {
        std::thread::sleep(longest);
    }
    candidates.iter().map(|c| wait(c).is_zero() || stamp_of(&c.path) == Some(c.stamp)).collect()
}

fn micros(value: i64) -> Duration {
    Duration::from_micros(value.max(0) as u64)
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    std::fs::symlink_metadata(path).ok().map(|m| Stamp::of(&m))
}

/// Fixes a candidate by its hash: `None` when it is gone, no hash when it is still arriving.
fn fix(mut candidate: Candidate, still: bool) -> Result<Option<(Candidate, Option<String>)>, Error> {
    let sha256 = match still.then(|| sha256_of(&candidate.path)) {
        None => None,
        Some(Ok(sha256)) => Some(sha256),
        Some(Err(e)) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Some(Err(e)) => return Err(Error::source(&candidate.path)(e)),
    };
    // Looked at again behind the hash: bytes that came meanwhile belong to the next scan.
    match stamp_of(&candidate.path) {
        None => Ok(None),
        Some(stamp) if stamp == candidate.stamp => Ok(Some((candidate, sha256))),
        Some(stamp) => {
            candidate.stamp = stamp;
            Ok(Some((candidate, None)))
        }
    }
}
