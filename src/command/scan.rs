//! `iotpipe scan`: fixes which bytes are to be loaded. Every other step works on the manifest.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use crate::error::Error;
use crate::failpoint;
use crate::ingest::{Context, changed_archives, recover, take_in_strays};
use crate::manifest::{self, Entry, Place, Registration, State};
use crate::observability::ScannedFile;
use crate::source::{Arrivals, Candidate, StrayFile, discover, sha256_unless_stopped, stamp_of};
use crate::terminal::Summary;

/// Files of so many bytes take long enough to hash that others should not wait for them.
const LARGE: i64 = 64 << 20;
/// Pending files that are named: an orchestrator makes a task of each, and Airflow's `max_map_length` is 1024.
const LISTED: u64 = 1000;
/// Files that are ready within this time are entered together.
const TOGETHER: Duration = Duration::from_millis(250);

pub fn run(context: &Context<'_>) -> Result<Summary, Error> {
    let (mut summary, _) = discover_files(context, &mut || Ok(()))?;
    summary.pending_files = Some(manifest::open_names(context.store, &context.origin, LISTED)?);
    Ok(summary)
}

/// One look at the folder; says too when the next is due for files that have not settled. While large files are still
/// being hashed, `meanwhile` is called behind each of the others that were entered.
pub fn discover_files(
    context: &Context<'_>,
    meanwhile: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<(Summary, Option<Duration>), Error> {
    let (mut summary, began) = (Summary::of("scan"), SystemTime::now());
    recover(context)?;
    let data = &context.config.paths.data;
    let found = discover(data, &context.config.patterns).map_err(Error::source(data))?;
    failpoint::reach("listed");
    for file in changed_archives(&context.config.paths, context.store, &context.origin)? {
        context.report_once(&file.to_string());
    }
    take_in_strays(context, &found.strays)?;
    found.remarks.iter().for_each(|remark| context.report_once(remark));
    for problem in &found.problems {
        context.report_once(problem);
        (summary.failed, summary.retry) = (summary.failed + 1, true);
    }
    let sources: Vec<&str> = found.candidates.iter().map(|c| c.source.as_str()).collect();
    let known = manifest::in_inbox(context.store, &context.origin, &sources)?;
    note_gone(context, &sources, &found.strays)?;
    let open = candidates_to_take(found.candidates, &known);
    let now = context.store.now()?;
    let waits: Vec<Duration> = match &context.arrivals {
        Some(arrivals) => {
            open.iter().map(|c| wait_left(c, known.get(&c.source), arrivals, context.config.settle, now)).collect()
        }
        None => wait_until_still(&open, context.config.settle),
    };
    // What a writer creates first and fills later is no empty file yet.
    let empty_for = |(c, wait): (&Candidate, Duration)| wait.max(empty_wait(c, context.config.empty_after));
    let waits: Vec<Duration> = open.iter().zip(waits).map(empty_for).collect();
    let next_look = waits.iter().copied().filter(|wait| !wait.is_zero()).min();
    let waits_on = |(c, wait): &(Candidate, Duration)| {
        !wait.is_zero() && known.get(&c.source).is_some_and(|entry| entry.stamp() == c.stamp)
    };
    let due = open.into_iter().zip(waits).filter(|candidate| !waits_on(candidate)).collect();
    let mut enter = |fixed: Vec<Fixed>, goes_on: bool| {
        enter(context, fixed, &known, began, &mut summary)?;
        if goes_on { meanwhile() } else { Ok(()) }
    };
    fix_all(due, context.workers, context.stop, &mut enter)?;
    summary.pending = manifest::open_files(context.store, &context.origin)?;
    Ok((summary, next_look))
}

/// Enters what was fixed, and says what could not be.
fn enter(
    context: &Context<'_>,
    fixed: Vec<Fixed>,
    known: &HashMap<String, Entry>,
    began: SystemTime,
    summary: &mut Summary,
) -> Result<(), Error> {
    let mut registrations = Vec::new();
    for fixed in fixed {
        match fixed {
            Ok(Some((candidate, sha256))) => {
                let entry = known.get(&candidate.source);
                summary.files += u64::from(sha256.is_some());
                let known = entry.map(|e| (e.id, e.claim_no));
                let descent =
                    manifest::descent_of(context.store, candidate.file_name(), sha256.as_deref().unwrap_or_default())?;
                context.arrivals.iter().for_each(|arrivals| arrivals.forget(Path::new(&candidate.source)));
                registrations.push(Registration { candidate, sha256, known, descent });
            }
            Ok(None) => {}
            Err(Error::Stopped) => {}
            Err(error) => {
                context.report_once(&error.to_string());
                (summary.failed, summary.retry) = (summary.failed + 1, true);
            }
        }
    }
    failpoint::reach("hashed");
    manifest::register(context.store, &context.origin, &registrations, context.store.now()?)?;
    failpoint::reach("registered");
    for Registration { candidate, sha256, .. } in &registrations {
        if let Some(sha256) = sha256 {
            let file = ScannedFile { source: &candidate.source, sha256, modified_at: candidate.stamp.modified_at };
            context.observer.scanned(&context.origin, file, began);
        }
    }
    Ok(())
}

/// Notes that a file is gone which was still arriving, or was given up. A pending one is claimed, and found gone then.
fn note_gone(context: &Context<'_>, listed: &[&str], strays: &[StrayFile]) -> Result<(), Error> {
    let listed: HashSet<&str> = listed.iter().copied().collect();
    for entry in manifest::in_states(context.store, &context.origin, &[State::Arriving, State::Failed])? {
        let is_listed = listed.contains(entry.source.as_str()) || strays.iter().any(|stray| stray.id == entry.id);
        let may_be_gone = entry.worker_id.is_none() && entry.lies() == Place::Inbox && !is_listed;
        if may_be_gone && context.placed(&entry, None).at_place.symlink_metadata().is_err() {
            manifest::seen_gone(context.store, &entry, "taken away before it was read")?;
        }
    }
    Ok(())
}

/// Those that the manifest does not know as they lie there now. One that somebody has in hand is his: its name is taken
/// until the file has left it.
fn candidates_to_take(candidates: Vec<Candidate>, known: &HashMap<String, Entry>) -> Vec<Candidate> {
    let is_new = |candidate: &Candidate| {
        known.get(&candidate.source).is_none_or(|entry| {
            let may_change = matches!(entry.current(), State::Arriving | State::Pending | State::Failed);
            let differs = entry.sha256.is_none() || entry.stamp() != candidate.stamp;
            entry.worker_id.is_none() && may_change && differs
        })
    };
    candidates.into_iter().filter(is_new).collect()
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
    let left = |(c, wait): (&Candidate, Duration)| match wait.is_zero() || stamp_of(&c.path).ok() == Some(c.stamp) {
        true => Duration::ZERO,
        false => settle,
    };
    candidates.iter().zip(waits).map(left).collect()
}

/// What a candidate still lacks of `settle`, told without waiting: nothing where file events saw it come whole, else by its
/// age, or by how long it has been known as it is.
fn wait_left(
    c: &Candidate,
    known: Option<&Entry>,
    arrivals: &Arrivals,
    settle: Duration,
    now: chrono::DateTime<chrono::Utc>,
) -> Duration {
    if arrivals.are_complete(&c.source) {
        return Duration::ZERO;
    }
    let known_for = known.filter(|e| e.stamp() == c.stamp).and_then(|e| (now - e.discovered_at).to_std().ok());
    let still_for = age(c).into_iter().chain(known_for).max().unwrap_or_default();
    settle.saturating_sub(still_for)
}

/// How much longer a file of no bytes is waited for.
fn empty_wait(c: &Candidate, empty_after: Duration) -> Duration {
    match c.stamp.size {
        0 => age(c).map_or(empty_after, |age| empty_after.saturating_sub(age)),
        _ => Duration::ZERO,
    }
}

fn age(c: &Candidate) -> Option<Duration> {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + micros(c.stamp.modified_at)).ok()
}

fn micros(value: i64) -> Duration {
    Duration::from_micros(value.max(0) as u64)
}

type Fixed = Result<Option<(Candidate, Option<String>)>, Error>;

/// Fixes candidates, each with the wait that it still lacks, several at a time, and hands them to `enter` as they are
/// ready, in their order; but large ones come last, the smallest first, so that none keeps others waiting. `enter` is
/// told whether only large ones are to come.
fn fix_all(
    mut candidates: Vec<(Candidate, Duration)>,
    workers: usize,
    stop: &AtomicBool,
    enter: &mut dyn FnMut(Vec<Fixed>, bool) -> Result<(), Error>,
) -> Result<(), Error> {
    let all = candidates.len();
    let is_large = |candidate: &Candidate| candidate.stamp.size >= LARGE;
    candidates.sort_by_key(|(candidate, _)| if is_large(candidate) { candidate.stamp.size } else { 0 });
    let small = candidates.partition_point(|(candidate, _)| !is_large(candidate));
    let next = Mutex::new(candidates.into_iter().enumerate());
    let (sender, ready) = channel();
    let work = |sender: Sender<(usize, Fixed)>| {
        while let Some((n, (candidate, wait))) = next.lock().ok().and_then(|mut next| next.next()) {
            // Nobody listens any more when what was fixed can't be entered.
            if sender.send((n, fix(candidate, wait.is_zero(), stop))).is_err() {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..workers.min(all) {
            let sender = sender.clone();
            scope.spawn(|| work(sender));
        }
        drop(sender);
        let (mut waiting, mut entered) = (BTreeMap::new(), 0);
        while entered < all
            && let Ok((n, fixed)) = ready.recv()
        {
            waiting.insert(n, fixed);
            // What is ready in the same moment goes in together.
            let until = Instant::now() + TOGETHER;
            while entered + waiting.len() < all
                && let Ok((n, fixed)) = ready.recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                waiting.insert(n, fixed);
            }
            let in_order = (entered..).map_while(|n| waiting.remove(&n)).collect::<Vec<_>>();
            entered += in_order.len();
            if !in_order.is_empty() {
                enter(in_order, (small..all).contains(&entered))?;
            }
        }
        Ok(())
    })
}

/// Fixes a candidate by its hash: `None` when it is gone, no hash when it is still arriving.
fn fix(mut candidate: Candidate, still: bool, stop: &AtomicBool) -> Fixed {
    let sha256 = match still.then(|| sha256_unless_stopped(&candidate.path, stop)) {
        None => None,
        Some(Ok(sha256)) => Some(sha256),
        Some(Err(e)) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Some(Err(_)) if stop.load(Ordering::Relaxed) => return Err(Error::Stopped),
        Some(Err(e)) => return Err(Error::source(&candidate.path)(e)),
    };
    // Looked at again behind the hash: bytes that came meanwhile belong to the next scan.
    match stamp_of(&candidate.path) {
        Err(_) => Ok(None),
        Ok(stamp) if stamp == candidate.stamp => Ok(Some((candidate, sha256))),
        Ok(stamp) => {
            candidate.stamp = stamp;
            Ok(Some((candidate, None)))
        }
    }
}
