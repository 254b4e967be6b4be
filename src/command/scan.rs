//! `iotpipe scan`: fixes which bytes are to be loaded. Every other step works on the manifest.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::failpoint;
use crate::ingest::{Context, move_away};
use crate::manifest::{self, Registration, SourceFile, State};
use crate::source::{Arrivals, Candidate, Stamp, discover, sha256_of};
use crate::terminal::Summary;

pub fn run(context: &Context<'_>) -> Result<Summary, Error> {
    discover_files(context).map(|(summary, _)| summary)
}

/// One look at the folder; says too when the next is due for files that have not settled.
pub fn discover_files(context: &Context<'_>) -> Result<(Summary, Option<Duration>), Error> {
    let mut summary = Summary::of("scan");
    finish_interrupted_moves(context)?;
    let data = &context.config.paths.data;
    let found = discover(data, &context.config.pattern).map_err(Error::source(data))?;
    found.remarks.iter().for_each(|remark| context.report_once(remark));
    for problem in &found.problems {
        context.report_once(problem);
        (summary.failed, summary.retry) = (summary.failed + 1, true);
    }
    let sources: Vec<&str> = found.candidates.iter().map(|c| c.source.as_str()).collect();
    let known = manifest::in_place(context.store, &sources)?;
    let open = candidates_to_take(context, found.candidates, &known)?;
    let waits = match &context.arrivals {
        Some(arrivals) => open.iter().map(|c| wait_left(c, known.get(&c.source), arrivals, context)).collect(),
        None => wait_until_still(&open, context.config.settle),
    };
    let next_look = waits.iter().copied().filter(|wait| !wait.is_zero()).min();
    let waits_on = |(c, wait): &(Candidate, Duration)| {
        !wait.is_zero() && known.get(&c.source).is_some_and(|entry| entry.stamp() == c.stamp)
    };
    let due = open.into_iter().zip(waits).filter(|candidate| !waits_on(candidate)).collect();
    let mut registrations = Vec::new();
    for fixed in fix_all(due, context.workers) {
        match fixed {
            Ok(Some((candidate, sha256))) => {
                let entry = known.get(&candidate.source);
                summary.files += u64::from(sha256.is_some());
                let known = entry.filter(|e| e.current().is_open()).map(|e| e.id);
                let parent = manifest::parent_of(context.store, candidate.file_name())?;
                context.arrivals.iter().for_each(|arrivals| arrivals.forget(Path::new(&candidate.source)));
                registrations.push(Registration { candidate, sha256, known, parent });
            }
            Ok(None) => {}
            Err(error) => {
                context.report_once(&error.to_string());
                (summary.failed, summary.retry) = (summary.failed + 1, true);
            }
        }
    }
    failpoint::reach("hashed");
    manifest::register(context.store, registrations, context.now())?;
    failpoint::reach("registered");
    summary.pending = manifest::open_files(context.store)?;
    Ok((summary, next_look))
}

/// After a crash between the commit and the move.
fn finish_interrupted_moves(context: &Context<'_>) -> Result<(), Error> {
    for file in manifest::unmoved(context.store)? {
        if file.claimed_by.is_none() {
            move_away(context, std::slice::from_ref(&file), file.current())?;
        }
    }
    Ok(())
}

/// Those that the manifest does not know as they lie there now.
fn candidates_to_take(
    context: &Context<'_>,
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
                manifest::archived(context.store, std::slice::from_ref(entry), context.now())?;
                take.push(candidate);
            }
            Some(entry) if !entry.current().is_open() => {}
            Some(entry) if entry.sha256.is_none() || entry.stamp() != candidate.stamp => take.push(candidate),
            Some(_) => {}
        }
    }
    Ok(take)
}

/// Waits once, no longer than `settle`; gives what each candidate still lacks, nothing where its size and mtime were
/// still all that time.
fn wait_until_still(candidates: &[Candidate], settle: Duration) -> Vec<Duration> {
    // A time of change in the future tells nothing; such a file is watched for the whole wait.
    let wait = |c: &Candidate| age(c).map_or(settle, |age| settle.saturating_sub(age));
    let waits: Vec<Duration> = candidates.iter().map(wait).collect();
    let longest = waits.iter().max().copied().unwrap_or_default();
    if !longest.is_zero() {
        std::thread::sleep(longest);
    }
    let left = |(c, wait): (&Candidate, Duration)| match wait.is_zero() || stamp_of(&c.path) == Some(c.stamp) {
        true => Duration::ZERO,
        false => settle,
    };
    candidates.iter().zip(waits).map(left).collect()
}

/// What a candidate still lacks of `settle`, told without waiting: nothing where file events saw it closed, else by its
/// age, or by how long it has been known as it is.
fn wait_left(c: &Candidate, known: Option<&SourceFile>, arrivals: &Arrivals, context: &Context<'_>) -> Duration {
    if arrivals.are_complete(&c.source) {
        return Duration::ZERO;
    }
    let known_for =
        known.filter(|e| e.stamp() == c.stamp).and_then(|e| (context.now() - e.discovered_at).to_std().ok());
    let still_for = age(c).into_iter().chain(known_for).max().unwrap_or_default();
    context.config.settle.saturating_sub(still_for)
}

fn age(c: &Candidate) -> Option<Duration> {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + micros(c.stamp.modified_at)).ok()
}

fn micros(value: i64) -> Duration {
    Duration::from_micros(value.max(0) as u64)
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    std::fs::symlink_metadata(path).ok().map(|m| Stamp::of(&m))
}

type Fixed = Result<Option<(Candidate, Option<String>)>, Error>;

/// Fixes candidates, each with the wait that it still lacks, several at a time; in their order.
fn fix_all(candidates: Vec<(Candidate, Duration)>, workers: usize) -> Vec<Fixed> {
    let workers = workers.min(candidates.len());
    let next = Mutex::new(candidates.into_iter().enumerate());
    let work = || {
        let mut fixed = Vec::new();
        while let Some((n, (candidate, wait))) = next.lock().ok().and_then(|mut next| next.next()) {
            fixed.push((n, fix(candidate, wait.is_zero())));
        }
        fixed
    };
    let mut fixed = std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let joined = others.into_iter().flat_map(|w| w.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        work().into_iter().chain(joined).collect::<Vec<_>>()
    });
    fixed.sort_unstable_by_key(|(n, _)| *n);
    fixed.into_iter().map(|(_, fixed)| fixed).collect()
}

/// Fixes a candidate by its hash: `None` when it is gone, no hash when it is still arriving.
fn fix(mut candidate: Candidate, still: bool) -> Fixed {
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
