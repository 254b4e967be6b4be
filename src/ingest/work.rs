//! Brings files from state to state: claim, one pass each, commit, finish. Small files share a transaction, each
//! all-or-nothing for itself. What goes wrong is decided in [`Error::policy`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::Utc;

use super::context::Context;
use super::finish::finish;
use super::group;
use crate::error::{Error, Policy};
use crate::failpoint;
use crate::manifest::{self, SourceFile, State};
use crate::terminal::Summary;

/// How often a transaction that another one was in the way of is tried again at once.
const ROUNDS: u32 = 12;
/// Longest wait before the second of these rounds; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(20);
/// Longest wait between two rounds.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Brings every file that can be to `target`, several at a time.
///
/// # Errors
/// When the surroundings fail (database, disk); a file that fails is counted in the summary, and others go on.
pub fn bring_files_to(context: &Context<'_>, target: State, step: &'static str) -> Result<Summary, Error> {
    manifest::release_dead(context.store, &context.worker)?;
    // An embedded database has one writer: a second load could only wait for the first.
    let workers = if context.store.is_embedded() && target == State::Loaded { 1 } else { context.workers };
    let files = usize::try_from(manifest::open_files(context.store)?).unwrap_or(usize::MAX);
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
    summary.pending = manifest::open_files(context.store)?;
    Ok(summary)
}

/// One worker: group after group, until there is none left or one of the workers must stop.
fn work(context: &Context<'_>, target: State, abandon: &AtomicBool) -> Result<Summary, Error> {
    let mut summary = Summary::default();
    while !context.stop.load(Ordering::Relaxed) && !abandon.load(Ordering::Relaxed) {
        let done = with_retries(|| Ok(manifest::claim(context.store, &context.worker, target, None, Utc::now())?))
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
    files: Vec<SourceFile>,
    target: State,
    summary: &mut Summary,
) -> Result<bool, Error> {
    if files.is_empty() {
        return Ok(false);
    }
    failpoint::reach("claimed");
    let _claim = manifest::keep_claim(context.store, &files, &context.worker);
    let outcomes = match with_retries(|| group::bring_together(context, &files, target)) {
        Ok(outcomes) => outcomes,
        // Again and again in each other's way: each file counts it as a failed attempt, and others go first.
        Err(Error::Store(error)) if error.is_contention() => {
            files.iter().map(|file| (file, Err(Error::Store(error.clone())))).collect()
        }
        Err(error) => {
            // Best effort: where the database is away, the claims lapse by themselves.
            let _ = manifest::release(context.store, &files, &context.worker);
            return Err(error);
        }
    };
    let finished = finish(context, outcomes, target, summary);
    if finished.is_err() {
        // What is committed has no claim any more; the rest is free for the next attempt.
        let _ = manifest::release(context.store, &files, &context.worker);
    }
    finished.map(|()| true)
}

/// Does `work` again, after a random wait, for as long as other transactions are in its way.
fn with_retries<T>(mut work: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let mut wait = FIRST_WAIT;
    for _ in 1..ROUNDS {
        match work() {
            Err(error) if error.policy() == Policy::RetryNow => tracing::debug!("once more: {error}"),
            other => return other,
        }
        std::thread::sleep(wait.mul_f64(rand::random()));
        wait = (wait * 2).min(LONGEST_WAIT);
    }
    work()
}
