//! `--file NAME`: a step on files that are named, one after the other. Whoever else works meanwhile, the step ends when
//! each of them is where it was asked to be, or says why one is not.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::loaded::{NotLoaded, below_data};
use crate::error::Error;
use crate::ingest::{Context, bring_claimed_to, recover, with_retries};
use crate::manifest::{self, Entry, State, Work};
use crate::terminal::Summary;

/// Between two looks at a file that another process has in hand.
const LOOK: Duration = Duration::from_millis(100);

/// Brings the files called `names` to `target`.
///
/// # Errors
/// [`NotLoaded`] for a name that the manifest does not know, or whose file is given up, gone or taken out; when the
/// surroundings fail.
pub fn bring(context: &Context<'_>, names: &[PathBuf], target: State, step: &'static str) -> anyhow::Result<Summary> {
    let mut asked = Vec::new();
    for name in names {
        let files = find(context, name)?;
        asked.extend(files.into_iter().filter(|file| !asked.contains(file)).collect::<Vec<Entry>>());
    }
    recover(context)?;
    context.batch_memory.share_among(1);
    let mut summary = Summary::of(step);
    for file in &asked {
        bring_one(context, file, target, &mut summary)?;
    }
    for file in &asked {
        let now = manifest::entry(context.store, file.id).map_err(Error::from)?;
        summary.pending += u64::from(now.is_some_and(|entry| entry.current().is_open()));
    }
    Ok(summary)
}

/// What the manifest has under a name: the files there is still work on, else the latest.
fn find(context: &Context<'_>, name: &Path) -> anyhow::Result<Vec<Entry>> {
    let as_typed = name.to_string_lossy().into_owned();
    for source in [as_typed, below_data(context, name)] {
        let mut files = manifest::of_name(context.store, &context.origin, &source).map_err(Error::from)?;
        if files.iter().any(|file| file.current().is_open()) {
            files.retain(|file| file.current().is_open());
            return Ok(files);
        }
        if let Some(latest) = files.pop() {
            return Ok(vec![latest]);
        }
    }
    Err(NotLoaded(format!("{name:?} is not in the manifest: `iotpipe scan` enters what lies in data/")).into())
}

fn bring_one(context: &Context<'_>, file: &Entry, target: State, summary: &mut Summary) -> anyhow::Result<()> {
    while !context.stop.load(Ordering::Relaxed) {
        let claim = || {
            Ok(manifest::claim(context.store, &context.worker, &context.origin, Work::Reach(target), Some(file.id))?)
        };
        let is_own = bring_claimed_to(context, with_retries(claim)?, target, summary)?;
        let entry = manifest::entry(context.store, file.id).map_err(Error::from)?.ok_or(Error::Vanished)?;
        match entry.current() {
            State::Loaded | State::Duplicate | State::Rejected => return Ok(()),
            state if state.is_open() && state >= target => return Ok(()),
            // What became of it in this run was said, and counted.
            State::Failed | State::Vanished | State::Unloaded if is_own => return Ok(()),
            state @ (State::Failed | State::Vanished | State::Unloaded) => return Err(not_to_be_done(&entry, state)),
            _ if is_own => {
                summary.retry = true;
                return Ok(());
            }
            _ => {}
        }
        if let Some(why) = waits_because(&entry, target, context.store.now().map_err(Error::from)?) {
            context.printer.say(&format!("{:?} {why}", entry.source));
            summary.retry = true;
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

fn not_to_be_done(entry: &Entry, state: State) -> anyhow::Error {
    let why = match state {
        State::Failed => "is given up; `iotpipe status` says why, `iotpipe retry` takes it up again",
        State::Vanished => "is gone; put it back, and `iotpipe scan`",
        _ => "was taken out; put it back into data/ to have it loaded again",
    };
    NotLoaded(format!("{:?} {why}", entry.source)).into()
}

/// Why nobody can bring an open file to `target` now; none where another has it in hand.
fn waits_because(entry: &Entry, target: State, now: DateTime<Utc>) -> Option<String> {
    if entry.current() == State::Arriving {
        return Some("is still being written; scan again once it is whole".to_owned());
    }
    if !target.reached_from().contains(&entry.current()) {
        return Some(format!("is {}: an earlier step comes first", entry.state));
    }
    let due = entry.not_before.filter(|due| *due > now && entry.worker_id.is_none())?;
    Some(format!("failed and waits until {}", due.format("%H:%M:%S UTC")))
}
