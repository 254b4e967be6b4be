//! Behind the commit: files go to their places, failures get what their policy says.

use super::context::Context;
use super::group::{Outcome, Outcomes};
use super::hold::{HeldFile, hand_back_changed, hand_back_lost, settle_places, take, whereabouts};
use super::target::closed_as;
use crate::error::{Error, Fault, Policy};
use crate::failpoint;
use crate::manifest::{self, Aside, Entry, Original, State};
use crate::observability::{self, Ended};
use crate::sink::write_file_reason;
use crate::source::{Stamp, sha256_of};
use crate::store::StoreError;
use crate::terminal::Summary;
use iotpipe_core::printable::printable;
use iotpipe_core::reading::Tally;
use iotpipe_core::validate::FileRejection;

/// Finishes what was committed, and does about each failure what its policy says.
pub(super) fn finish(
    context: &Context<'_>,
    outcomes: Outcomes<'_>,
    target: State,
    summary: &mut Summary,
) -> Result<(), Error> {
    failpoint::reach("committed");
    let mut closed = Vec::new();
    let mut stopped = Ok(());
    for (entry, outcome) in outcomes {
        let done = match outcome {
            Ok(Outcome::Reached { tally, broken, lies }) => {
                tracing::info!(file = entry.source, state = target.as_str(), ?tally, "committed");
                let quarantine = &context.own_quarantine_names(entry).rejected;
                let end = Ended::Reached { tally: &tally, broken: &broken, quarantine };
                context.observer.ended(entry, target, &end);
                count(summary, &tally, target);
                context
                    .forget_earlier_rows(entry)
                    .map(|()| (target == State::Loaded).then(|| closed_as(entry, State::Loaded, &lies)))
            }
            Ok(Outcome::Duplicate(original)) => {
                context.observer.ended(entry, target, &Ended::Duplicate);
                set_aside_duplicate(context, entry, &original, summary)
            }
            Err(error) => {
                let (why, policy) = (error.to_string(), error.policy());
                let done = finish_failure(context, entry, error, summary);
                let is_last = policy == Policy::Vanish || matches!(done, Ok(Some(_)));
                context.observer.ended(entry, target, &how(policy, &why, is_last));
                done
            }
        };
        let done = match done {
            // What can't be taken in hand or written now is a failure as any other's.
            Err(error) if error.is_of_one_file() || error.fault() == Fault::Unknown => {
                finish_failure(context, entry, error, summary)
            }
            done => done,
        };
        match done {
            Ok(entry) => closed.extend(entry),
            Err(Error::Store(StoreError::ClaimLost)) => hand_back_lost(context, entry),
            // What is committed still goes to its place.
            Err(error) => stopped = stopped.and(Err(error)),
        }
    }
    settle_places(context, &closed)?;
    stopped
}

/// What those who follow files are told of a failure.
pub(super) fn how(policy: Policy, why: &str, is_last: bool) -> Ended<'_> {
    match policy {
        Policy::Refuse => Ended::Refused(why),
        Policy::HandBack | Policy::Release | Policy::Leave => Ended::LetGo(why),
        Policy::Vanish | Policy::RetryLater | Policy::RetryAlone | Policy::RetryNow | Policy::Stop => {
            Ended::Failed { why, is_last }
        }
    }
}

fn count(summary: &mut Summary, tally: &Tally, target: State) {
    summary.files += 1;
    summary.rows += tally.total;
    // Which rows stay is known when they meet the table's key.
    summary.loaded += if target == State::Loaded { tally.loaded } else { 0 };
    summary.rejected += tally.rejected;
    summary.duplicates += tally.duplicate;
    summary.imperfect |= tally.faulty() > 0;
}

/// Does what the error's policy says; gives the entry where it is closed now and its file has a way to go.
fn finish_failure(
    context: &Context<'_>,
    entry: &Entry,
    error: Error,
    summary: &mut Summary,
) -> Result<Option<Entry>, Error> {
    let (why, policy) = (printable(&error.to_string()), error.policy());
    tracing::debug!(file = entry.source, ?policy, "{why}");
    observability::database_failed(&error);
    match (policy, error) {
        (Policy::Refuse, Error::Refused(refusal)) => {
            let refused = refuse(context, entry, &refusal, &why)?;
            context.printer.say(&format!("{:?} is refused and goes to the quarantine: {why}", entry.source));
            summary.failed += 1;
            summary.imperfect = true;
            Ok(Some(refused))
        }
        (Policy::HandBack, _) => {
            context.report_once(&format!("{:?}: {why}", entry.source));
            // First, while it is held: the content that it has next gives its rows another name, and a kill in between
            // would leave these behind. Where it is not held, only who still has the claim may.
            let is_held = context.placed(entry, None).private().symlink_metadata().is_ok();
            if is_held {
                remove_rows(context, entry, true)?;
            }
            hand_back_changed(context, entry, &why)?;
            if !is_held {
                remove_rows(context, entry, true)?;
            }
            Ok(None)
        }
        (Policy::Vanish, _) => {
            manifest::vanished(context.store, entry.claim(), &why)?;
            remove_rows(context, entry, true)?;
            context.printer.say(&format!("{:?}: {why}", entry.source));
            (summary.failed, summary.retry) = (summary.failed + 1, true);
            Ok(None)
        }
        // Where nobody knows what it was, the file was alone in its transaction: it is blamed, and others go on.
        (Policy::RetryNow | Policy::RetryLater | Policy::RetryAlone, _) => {
            let lies = whereabouts(context, entry);
            let given_up = manifest::attempt_failed(context.store, entry, &why, &lies)?;
            if given_up {
                remove_rows(context, entry, true)?;
            }
            context.printer.say(&format!("{:?}: {why}", entry.source));
            (summary.failed, summary.retry) = (summary.failed + 1, true);
            Ok(given_up.then(|| closed_as(entry, State::Failed, &lies)))
        }
        (Policy::Release, _) => {
            manifest::release(context.store, entry.claim(), &whereabouts(context, entry))?;
            Ok(None)
        }
        (Policy::Leave | Policy::Stop | Policy::Refuse, error) => Err(error),
    }
}

/// Takes away the rejected rows that passes over a file wrote which is not loaded, nor will be as it is: those of an
/// attempt that did not commit, and with `recorded` those of an earlier step.
fn remove_rows(context: &Context<'_>, entry: &Entry, recorded: bool) -> Result<(), Error> {
    context.own_quarantine_names(entry).remove_rows()?;
    match recorded && (entry.quarantine_name.is_some() || entry.validated_at.is_some()) {
        true => context.quarantine_names(entry).remove_rows(),
        false => Ok(()),
    }
}

/// What is not read to its end is set aside only as what was discovered: another file may have taken its name since.
fn expect_as_discovered(entry: &Entry, held: &HeldFile) -> Result<(), Error> {
    let now = held.file.metadata().map_err(Error::source(&held.path))?;
    let is_same = Stamp::of(&now) == entry.stamp()
        || Some(sha256_of(&held.path).map_err(Error::source(&held.path))?) == entry.sha256;
    if is_same { Ok(()) } else { Err(Error::Changed) }
}

fn refuse(context: &Context<'_>, entry: &Entry, refusal: &FileRejection, why: &str) -> Result<Entry, Error> {
    // The names are the entry's: a worker that lost it may not write there.
    let held = take(context, entry)?;
    expect_as_discovered(entry, &held)?;
    let (names, lies) = (context.own_quarantine_names(entry), held.lies);
    write_file_reason(&names, refusal, &held.path)?;
    let refused = closed_as(entry, State::Rejected, &lies);
    let mut offences = refusal.offences.as_ref().clone();
    offences.add_of_file(refusal.rule);
    let aside = Aside::Rejected { quarantine_name: &names.stem, offences: &offences };
    let archive_name = refused.archive_name.as_deref().unwrap_or_default();
    manifest::set_aside(context.store, entry.claim(), &aside, why, &lies, archive_name)?;
    failpoint::reach("aside-marked");
    Ok(refused)
}

fn set_aside_duplicate(
    context: &Context<'_>,
    entry: &Entry,
    original: &Original,
    summary: &mut Summary,
) -> Result<Option<Entry>, Error> {
    let held = take(context, entry)?;
    expect_as_discovered(entry, &held)?;
    let lies = held.lies;
    let duplicate = closed_as(entry, State::Duplicate, &lies);
    let why = format!("same content as {}", original.source);
    let aside = Aside::DuplicateOf(original.id);
    let archive_name = duplicate.archive_name.as_deref().unwrap_or_default();
    if !manifest::set_aside(context.store, entry.claim(), &aside, &why, &lies, archive_name)? {
        // The other was taken out meanwhile: the next claim finds that this one's rows are wanted.
        manifest::release(context.store, entry.claim(), &lies)?;
        return Ok(None);
    }
    failpoint::reach("aside-marked");
    // An earlier pass may have written its rows, before the other was loaded. In the first version two files of one name
    // and content had one name there.
    let is_shared = entry.quarantine_name.is_none() && original.file_name() == entry.file_name();
    remove_rows(context, entry, !is_shared)?;
    summary.files += 1;
    Ok(Some(duplicate))
}
