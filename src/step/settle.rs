//! Behind the commit: files leave `data/`, failures get what their policy says.

use std::path::PathBuf;

use chrono::Utc;

use super::Workshop;
use super::group::{Outcome, Outcomes};
use crate::error::{Error, Policy};
use crate::failpoint;
use crate::manifest::{self, SourceFile, State};
use crate::pass::Tally;
use crate::printer::Summary;
use crate::sink::write_file_reason;
use crate::source::{Stamp, archive, sync_folders_of};

/// Finishes what was committed, and does about each failure what its policy says.
pub(super) fn settle(
    shop: &Workshop<'_>,
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
        move_away(shop, &committed, State::Loaded)?;
    }
    for (file, outcome) in outcomes {
        match outcome {
            Ok(Outcome::Reached(_)) => {}
            Ok(Outcome::Twin(twin)) => {
                set_aside_duplicate(shop, file, &twin)?;
                summary.files += 1;
            }
            Err(error) => settle_failure(shop, file, error, summary)?,
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

fn settle_failure(shop: &Workshop<'_>, file: &SourceFile, error: Error, summary: &mut Summary) -> Result<(), Error> {
    let (why, policy) = (error.to_string(), error.policy());
    if policy != Policy::LetGo {
        tracing::debug!(file = file.source, ?policy, "{why}");
        shop.printer.say(&match policy {
            Policy::Refuse => format!("{:?} is refused and moved to the quarantine: {why}", file.source),
            _ => format!("{:?}: {why}", file.source),
        });
    }
    match (policy, error) {
        (Policy::Refuse, Error::Refused(refusal)) => {
            write_file_reason(&shop.quarantine_names(file), &refusal)?;
            manifest::mark_aside(shop.store, file, &shop.worker, State::Rejected, &why)?;
            failpoint::reach("aside-marked");
            move_away(shop, std::slice::from_ref(file), State::Rejected)?;
            summary.failed += 1;
            summary.imperfect = true;
        }
        (Policy::Rediscover, _) => manifest::send_back(shop.store, file.id, &why)?,
        (Policy::GiveUp, _) => {
            manifest::give_up(shop.store, file.id, &why, Some(Utc::now()))?;
            (summary.failed, summary.retry) = (summary.failed + 1, true);
        }
        (Policy::RetryNow | Policy::RetryFile, _) => {
            manifest::retry_later(shop.store, file, &why, Utc::now())?;
            (summary.failed, summary.retry) = (summary.failed + 1, true);
        }
        (Policy::LetGo, Error::Stopped) => {
            manifest::let_go(shop.store, std::slice::from_ref(file), &shop.worker)?;
        }
        (Policy::LetGo, _) => {}
        (Policy::Stop | Policy::Refuse, error) => return Err(error),
    }
    Ok(())
}

fn set_aside_duplicate(shop: &Workshop<'_>, file: &SourceFile, twin: &str) -> Result<(), Error> {
    // An earlier pass may have written its rows, before the twin was loaded. A twin of the same name shares them.
    if !twin.ends_with(file.file_name()) {
        shop.quarantine_names(file).remove_rows()?;
    }
    manifest::mark_aside(shop.store, file, &shop.worker, State::Duplicate, &format!("same content as {twin}"))?;
    failpoint::reach("aside-marked");
    move_away(shop, std::slice::from_ref(file), State::Duplicate)
}

/// Moves files whose state `state` is committed out of `data/`. Behind the commit, so that a crash in between leaves
/// them to the next `scan`, which finishes the move.
///
/// # Errors
/// When a folder or the manifest can't be written.
pub fn move_away(shop: &Workshop<'_>, files: &[SourceFile], state: State) -> Result<(), Error> {
    let mut moved = Vec::new();
    for file in files {
        moved.extend(move_one(shop, file, state)?);
    }
    sync_folders_of(&moved)?;
    failpoint::reach("moved");
    manifest::archived(shop.store, files, Utc::now())?;
    failpoint::reach("archived");
    Ok(())
}

/// Gives the new name, or `None` where there was nothing to move.
fn move_one(shop: &Workshop<'_>, file: &SourceFile, state: State) -> Result<Option<PathBuf>, Error> {
    let path = shop.path_of(file);
    match std::fs::symlink_metadata(&path) {
        // Another process moved it, and was stopped before it could say so.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::source(&path)(e)),
        // What lies there now is another file of the same name: the next scan takes it.
        Ok(metadata) if Stamp::of(&metadata) != file.stamp() => Ok(None),
        Ok(_) => {
            let target = match state {
                State::Rejected => shop.quarantine_names(file).refused,
                _ => shop.config.paths.processed.join(&file.source),
            };
            archive(&path, &target, file.sha256.as_deref().unwrap_or_default()).map(Some)
        }
    }
}
