//! Behind the commit: files leave `data/`, failures get what their policy says.

use std::path::PathBuf;

use chrono::Utc;

use super::context::Context;
use super::group::{Outcome, Outcomes};
use crate::error::{Error, Policy};
use crate::failpoint;
use crate::manifest::{self, SourceFile, State};
use crate::sink::write_file_reason;
use crate::source::{Stamp, archive, sync_folders_of};
use crate::terminal::Summary;
use iotpipe_core::reading::Tally;

/// Finishes what was committed, and does about each failure what its policy says.
pub(super) fn finish(
    context: &Context<'_>,
    outcomes: Outcomes<'_>,
    target: State,
    summary: &mut Summary,
) -> Result<(), Error> {
    failpoint::reach("committed");
    let reached = |(file, outcome): &(&SourceFile, Result<Outcome, Error>)| match outcome {
        Ok(Outcome::Reached(tally)) => {
            tracing::info!(file = file.source, state = target.as_str(), ?tally, "committed");
            count(summary, tally, target);
            Some((*file).clone())
        }
        _ => None,
    };
    let committed: Vec<SourceFile> = outcomes.iter().filter_map(reached).collect();
    if target == State::Loaded {
        move_away(context, &committed, State::Loaded)?;
    }
    for (file, outcome) in outcomes {
        match outcome {
            Ok(Outcome::Reached(_)) => {}
            Ok(Outcome::Duplicate(original)) => {
                set_aside_duplicate(context, file, &original)?;
                summary.files += 1;
            }
            Err(error) => finish_failure(context, file, error, summary)?,
        }
    }
    Ok(())
}

fn count(summary: &mut Summary, tally: &Tally, target: State) {
    summary.files += 1;
    summary.rows += tally.total;
    // Which rows stay is known when they meet the table's key.
    summary.loaded += if target == State::Loaded { tally.loaded } else { 0 };
    summary.rejected += tally.rejected;
    summary.duplicates += tally.duplicate;
    summary.imperfect |= tally.rejected + tally.differing > 0;
}

fn finish_failure(context: &Context<'_>, file: &SourceFile, error: Error, summary: &mut Summary) -> Result<(), Error> {
    let (why, policy) = (error.to_string(), error.policy());
    if policy != Policy::Release {
        tracing::debug!(file = file.source, ?policy, "{why}");
        context.printer.say(&match policy {
            Policy::Refuse => format!("{:?} is refused and moved to the quarantine: {why}", file.source),
            _ => format!("{:?}: {why}", file.source),
        });
    }
    match (policy, error) {
        (Policy::Refuse, Error::Refused(refusal)) => {
            write_file_reason(&context.quarantine_names(file), &refusal)?;
            manifest::mark_aside(context.store, file, &context.worker, State::Rejected, &why)?;
            failpoint::reach("aside-marked");
            move_away(context, std::slice::from_ref(file), State::Rejected)?;
            summary.failed += 1;
            summary.imperfect = true;
        }
        (Policy::Rediscover, _) => manifest::send_back(context.store, file.id, &why)?,
        (Policy::GiveUp, _) => {
            manifest::give_up(context.store, file.id, &why, Some(Utc::now()))?;
            (summary.failed, summary.retry) = (summary.failed + 1, true);
        }
        (Policy::RetryNow | Policy::RetryFile, _) => {
            manifest::retry_later(context.store, file, &why, Utc::now())?;
            (summary.failed, summary.retry) = (summary.failed + 1, true);
        }
        (Policy::Release, Error::Stopped) => {
            manifest::release(context.store, std::slice::from_ref(file), &context.worker)?;
        }
        (Policy::Release, _) => {}
        (Policy::Stop | Policy::Refuse, error) => return Err(error),
    }
    Ok(())
}

fn set_aside_duplicate(context: &Context<'_>, file: &SourceFile, original: &str) -> Result<(), Error> {
    // An earlier pass may have written its rows, before the other was loaded. One of the same name shares them.
    if !original.ends_with(file.file_name()) {
        context.quarantine_names(file).remove_rows()?;
    }
    manifest::mark_aside(
        context.store,
        file,
        &context.worker,
        State::Duplicate,
        &format!("same content as {original}"),
    )?;
    failpoint::reach("aside-marked");
    move_away(context, std::slice::from_ref(file), State::Duplicate)
}

/// Moves files whose state `state` is committed out of `data/`. Behind the commit, so that a crash in between leaves
/// them to the next `scan`, which finishes the move.
///
/// # Errors
/// When a folder or the manifest can't be written.
pub fn move_away(context: &Context<'_>, files: &[SourceFile], state: State) -> Result<(), Error> {
    let mut moved = Vec::new();
    for file in files {
        moved.extend(move_one(context, file, state)?);
    }
    sync_folders_of(&moved)?;
    failpoint::reach("moved");
    manifest::archived(context.store, files, Utc::now())?;
    failpoint::reach("archived");
    Ok(())
}

/// Gives the new name, or `None` where there was nothing to move.
fn move_one(context: &Context<'_>, file: &SourceFile, state: State) -> Result<Option<PathBuf>, Error> {
    let path = context.path_of(file);
    match std::fs::symlink_metadata(&path) {
        // Another process moved it, and was stopped before it could say so.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::source(&path)(e)),
        // What lies there now is another file of the same name: the next scan takes it.
        Ok(metadata) if Stamp::of(&metadata) != file.stamp() => Ok(None),
        Ok(_) => {
            let target = match state {
                State::Rejected => context.quarantine_names(file).refused,
                _ => context.config.paths.processed.join(&file.source),
            };
            archive(&path, &target, file.sha256.as_deref().unwrap_or_default()).map(Some)
        }
    }
}
