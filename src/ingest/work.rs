//! Brings files from state to state: claim, one pass each, commit, finish. Small files share a transaction, each
//! all-or-nothing for itself. What goes wrong is decided in [`Error::policy`].

use std::sync::atomic::{AtomicBool, Ordering};

use super::context::Context;
use super::finish::{finish, how};
use super::group;
use super::hold::{settle_places, whereabouts};
use super::recheck::recheck_files;
use super::retries::with_retries;
use super::target::closed_as;
use crate::error::{Error, Fault};
use crate::failpoint;
use crate::manifest::{self, Entry, State, Work};
use crate::terminal::Summary;

/// Brings every file that can be to `target`, several at a time.
///
/// # Errors
/// When the surroundings fail (database, disk); a file that fails is counted in the summary, and others go on.
pub fn bring_files_to(context: &Context<'_>, target: State, step: &'static str) -> Result<Summary, Error> {
    recover(context)?;
    // An embedded database has one writer: a second load could only wait for the first.
    let workers = if context.store.is_embedded() && target == State::Loaded { 1 } else { context.workers };
    let files = usize::try_from(manifest::open_files(context.store, &context.origin)?).unwrap_or(usize::MAX);
    context.batch_memory.share_among(workers.min(files));
    let abandon = AtomicBool::new(false);
    let mut summary = Summary::of(step);
    std::thread::scope(|scope| {
        let work = || work(context, target, &abandon);
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let own = work();
        let joined = others.into_iter().map(|w| w.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        for result in std::iter::once(own).chain(joined) {
            summary.add(&result?);
        }
        Ok::<(), Error>(())
    })?;
    if target == State::Loaded {
        recheck_files(context, None)?;
    }
    summary.pending = manifest::open_files(context.store, &context.origin)?;
    Ok(summary)
}

/// One worker: group after group, until there is none left or one of the workers must stop.
fn work(context: &Context<'_>, target: State, abandon: &AtomicBool) -> Result<Summary, Error> {
    let mut summary = Summary::default();
    while !context.stop.load(Ordering::Relaxed) && !abandon.load(Ordering::Relaxed) {
        let done = with_retries(|| {
            Ok(manifest::claim(context.store, &context.worker, &context.origin, Work::Reach(target), None)?)
        })
        .and_then(|files| bring_claimed_to(context, files, target, &mut summary));
        match done {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                abandon.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
    }
    Ok(summary)
}

/// Brings files that this process has claimed to `target`; says whether there were any.
///
/// # Errors
/// As [`bring_files_to`].
pub fn bring_claimed_to(
    context: &Context<'_>,
    files: Vec<Entry>,
    target: State,
    summary: &mut Summary,
) -> Result<bool, Error> {
    if files.is_empty() {
        return Ok(false);
    }
    failpoint::reach("claimed");
    context.observer.began(&files, target);
    match with_retries(|| group::bring_together(context, &files, target)) {
        Ok(outcomes) => finish_or_release(context, outcomes, target, summary)?,
        // One of them may be at fault, and nobody knows which: each is tried by itself.
        Err(error) if error.fault() == Fault::Unknown => {
            for file in &files {
                let alone = with_retries(|| group::bring_together(context, std::slice::from_ref(file), target));
                let outcomes = alone.unwrap_or_else(|error| vec![(file, Err(error))]);
                finish_or_release(context, outcomes, target, summary)?;
            }
        }
        // Again and again in each other's way: each file counts it as a failed attempt, and others go first.
        Err(Error::Store(error)) if error.is_contention() => {
            let outcomes = files.iter().map(|file| (file, Err(Error::Store(error.clone())))).collect();
            finish_or_release(context, outcomes, target, summary)?;
        }
        Err(error) => {
            release(context, &files);
            let why = error.to_string();
            files.iter().for_each(|file| context.observer.ended(file, target, &how(error.policy(), &why, false)));
            return Err(error);
        }
    }
    Ok(true)
}

fn finish_or_release(
    context: &Context<'_>,
    outcomes: group::Outcomes<'_>,
    target: State,
    summary: &mut Summary,
) -> Result<(), Error> {
    let files: Vec<Entry> = outcomes.iter().map(|(file, _)| (*file).clone()).collect();
    finish(context, outcomes, target, summary).inspect_err(|_| release(context, &files))
}

/// Lets go of what is still open of `files`. Best effort: where the database is away, the next step of this process does
/// it, or the lease lapses.
fn release(context: &Context<'_>, files: &[Entry]) {
    for file in files {
        if manifest::release(context.store, file.claim(), &whereabouts(context, file)).is_err() {
            return;
        }
    }
}

/// Takes up what a crash, a lost database or a failed move left: ordinary work, by ordinary claims.
///
/// # Errors
/// When the database is away or a disk is full.
pub fn recover(context: &Context<'_>) -> Result<(), Error> {
    let (store, worker, origin) = (context.store, &context.worker, context.origin.as_str());
    if !manifest::is_anything_left(store, worker)? {
        return Ok(());
    }
    worker.clear_dead(store)?;
    manifest::release_all(store, worker)?;
    loop {
        let expired = manifest::claim(store, worker, origin, Work::Expired, None)?;
        if expired.is_empty() {
            break;
        }
        for entry in &expired {
            let lies = whereabouts(context, entry);
            manifest::expired(store, entry, &lies)?;
            settle_places(context, &[closed_as(entry, State::Failed, &lies)])?;
        }
    }
    while !context.stop.load(Ordering::Relaxed) {
        let unplaced = manifest::claim(store, worker, origin, Work::Place, None)?;
        if unplaced.is_empty() {
            break;
        }
        settle_places(context, &unplaced)?;
    }
    Ok(())
}
