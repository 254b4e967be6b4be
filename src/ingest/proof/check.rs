//! One entry: where its state says that it lies, and what must be true of it there.

use std::path::{Path, PathBuf};

use super::receipt::{Compared, Receipt};
use super::second_pass::compare_rows;
use crate::error::Error;
use crate::ingest::Context;
use crate::ingest::target::target_names;
use crate::manifest::{self, Entry, Place, State};
use crate::sink::{Findings, file_reason};
use crate::source::{archived_under, sha256_of, split_name};
use crate::store::Snapshot;

/// What can be found out about `entry`, of which the table has `stored_rows`. `None` where there is nothing to be found
/// out: it was taken away before its bytes were fixed, or is another entry's now.
///
/// # Errors
/// When the database can't be asked, or a file not be read; [`Error::Stopped`].
pub fn receipt_of(
    context: &Context<'_>,
    snapshot: &mut dyn Snapshot,
    entry: &Entry,
    stored_rows: i64,
) -> Result<Option<Receipt>, Error> {
    let mut receipt = Receipt::of(entry);
    let state = entry.current();
    if state != State::Loaded && stored_rows > 0 {
        receipt.differences.push(format!("{stored_rows} rows are stored of it, and it is {}", state.as_str()));
    }
    match state {
        State::Loaded => loaded(context, snapshot, entry, stored_rows, &mut receipt)?,
        State::Duplicate => duplicate(context, entry, &mut receipt)?,
        State::Rejected => rejected(context, entry, &mut receipt)?,
        State::Unloaded => unloaded(context, entry, &mut receipt)?,
        State::Failed => receipt.only(Compared::Waiting, "given up: `iotpipe retry` takes it up again"),
        State::Vanished => return vanished(context, entry, receipt),
        State::Arriving | State::Pending | State::Validated | State::Aggregated => open(entry, &mut receipt),
    }
    expect_own_name(entry, &mut receipt);
    Ok(Some(receipt))
}

fn open(entry: &Entry, receipt: &mut Receipt) {
    let why = match entry.current() {
        State::Arriving => "still being written, or handed back".to_owned(),
        _ => "not yet loaded".to_owned(),
    };
    receipt.only(Compared::Waiting, entry.last_error.as_ref().map_or(why.clone(), |e| format!("{why}: {e}")));
}

fn loaded(
    context: &Context<'_>,
    snapshot: &mut dyn Snapshot,
    entry: &Entry,
    stored_rows: i64,
    receipt: &mut Receipt,
) -> Result<(), Error> {
    let mut findings = Findings::default();
    if receipt.rows != receipt.loaded + receipt.rejected + receipt.duplicates {
        findings.add("the counts in the manifest do not add up".to_owned());
    }
    if stored_rows != receipt.loaded {
        findings.add(format!("the manifest says {} rows loaded, the database has {stored_rows}", receipt.loaded));
    }
    receipt.differs(findings);
    match archived_under(&places_of(context, entry), &receipt.sha256) {
        Some(path) => {
            compare_rows(context, snapshot, entry, path, stored_rows, receipt)?;
            if !receipt.differences.is_empty() && is_another_now(context, entry)? {
                receipt.remarks.append(&mut receipt.differences);
                receipt.only(Compared::NotAtAll, CHANGED);
            }
        }
        None if has_moved_on(context, entry)? => receipt.only(Compared::NotAtAll, CHANGED),
        None => missing(context, entry, receipt),
    }
    if entry.lies() == Place::Nowhere && receipt.checksum.is_some() {
        receipt.differences.push("the manifest says that its file is nowhere".to_owned());
    }
    if entry.recheck {
        receipt
            .only(Compared::Waiting, "a file that had some of its rows was taken out: the next run looks at it again");
    }
    if entry.lies() != Place::Processed && entry.lies() != Place::Nowhere {
        receipt.only(Compared::Waiting, "loaded, and not yet archived: the next run brings it to its place");
    }
    Ok(())
}

const CHANGED: &str = "another process has it in hand";

/// Where the source may lie: where the manifest says, or where it is to go, or still in `data/`.
fn places_of(context: &Context<'_>, entry: &Entry) -> Vec<PathBuf> {
    let placed = context.placed(entry, None);
    let archived = entry.archive_name.iter().map(|name| context.folder_of(Place::Processed).join(name));
    [placed.at_place.clone(), placed.private()].into_iter().chain(archived).collect()
}

/// Whether it is another process's just now, or was since the proof began: its file moves then.
fn has_moved_on(context: &Context<'_>, entry: &Entry) -> Result<bool, Error> {
    Ok(entry.worker_id.is_some() || is_another_now(context, entry)?)
}

fn is_another_now(context: &Context<'_>, entry: &Entry) -> Result<bool, Error> {
    let now = manifest::entry(context.store, entry.id)?;
    Ok(now.is_none_or(|now| {
        (&now.state, now.claim_no, &now.place, &now.place_name)
            != (&entry.state, entry.claim_no, &entry.place, &entry.place_name)
    }))
}

fn missing(context: &Context<'_>, entry: &Entry, receipt: &mut Receipt) {
    let folder = match entry.lies() {
        Place::Quarantine => Place::Quarantine,
        _ => Place::Processed,
    };
    receipt.differences.push(format!("no file with its content is in {}", context.folder_of(folder).display()));
}

/// Its file lies where the manifest says, or is on its way there, or came in again under the name that it had there.
fn expect_file(context: &Context<'_>, entry: &Entry, path: &Path, receipt: &mut Receipt) -> Result<(), Error> {
    if archived_under(&[path.to_owned()], &receipt.sha256).is_some() {
        return Ok(());
    }
    if entry.current().goal() != Some(entry.lies()) && entry.lies() != Place::Nowhere {
        receipt.only(Compared::Waiting, "not yet in its place: the next run brings it there");
    } else if has_moved_on(context, entry)? {
        receipt.only(Compared::NotAtAll, CHANGED);
    } else if let Some(again) = came_again(context, entry, path)? {
        receipt.remarks.push(format!("its file came in again as {again:?}"));
    } else if is_in_data(context, path, &receipt.sha256) {
        receipt.only(Compared::Waiting, "its file lies in the data folder again: the next run takes it");
    } else {
        missing(context, entry, receipt);
    }
    Ok(())
}

/// A later entry whose file has the content, and the name that this one's had.
fn came_again(context: &Context<'_>, entry: &Entry, path: &Path) -> Result<Option<String>, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let same = manifest::of_content(context.store, entry.sha256.as_deref().unwrap_or_default())?;
    let later = same
        .into_iter()
        .find(|other| other.id > entry.id && other.file_name() == name && other.current() != State::Vanished);
    Ok(later.map(|later| later.source))
}

fn is_in_data(context: &Context<'_>, path: &Path, sha256: &str) -> bool {
    let name = path.file_name().unwrap_or_default();
    sha256_of(&context.config.paths.data.join(name)).is_ok_and(|found| found == sha256)
}

fn duplicate(context: &Context<'_>, entry: &Entry, receipt: &mut Receipt) -> Result<(), Error> {
    let path = context.placed(entry, None).at_place;
    if archived_under(std::slice::from_ref(&path), &receipt.sha256).is_none() {
        if entry.lies() != Place::Processed && entry.lies() != Place::Nowhere {
            receipt.only(Compared::Waiting, "not yet in its place: the next run brings it there");
        } else if has_moved_on(context, entry)? {
            receipt.only(Compared::NotAtAll, CHANGED);
        } else {
            missing(context, entry, receipt);
        }
    }
    let same = manifest::of_content(context.store, &receipt.sha256)?;
    let original =
        same.iter().filter(|other| entry.duplicate_of.is_none_or(|id| id == other.id) && other.id != entry.id);
    let states: Vec<State> = original.map(Entry::current).collect();
    if states.contains(&State::Loaded) {
        return Ok(());
    }
    match states.iter().any(|state| *state == State::Unloaded || state.is_open()) {
        true => receipt.remarks.push("the file that has its content was taken out".to_owned()),
        false => receipt.differences.push("no loaded file has its content".to_owned()),
    }
    Ok(())
}

fn rejected(context: &Context<'_>, entry: &Entry, receipt: &mut Receipt) -> Result<(), Error> {
    let names = context.quarantine_names(entry);
    let path = match entry.lies() {
        Place::Quarantine => context.folder_of(Place::Quarantine).join(refused_as(context, entry)),
        _ => context.placed(entry, None).at_place,
    };
    expect_file(context, entry, &path, receipt)?;
    if entry.lies() != Place::Quarantine {
        return Ok(());
    }
    match file_reason(&names)? {
        None => receipt.differences.push(format!("{} is gone", names.reasons.display())),
        Some((rule, message)) => {
            let said = format!("{rule}: {}", message.strip_prefix('\'').unwrap_or(&message));
            let plain = format!("{rule}: {message}");
            if entry.last_error.as_ref().is_some_and(|error| *error != said && *error != plain) {
                receipt.differences.push(format!("{} gives another reason", names.reasons.display()));
            }
        }
    }
    Ok(())
}

/// The name of a file refused whole, below `quarantine/`. The first version did not note it.
pub(super) fn refused_as(context: &Context<'_>, entry: &Entry) -> String {
    let (_, extension) = split_name(entry.file_name());
    let of_first_version = || format!("{}{extension}", context.quarantine_names(entry).stem);
    entry.place_name.clone().unwrap_or_else(of_first_version)
}

fn unloaded(context: &Context<'_>, entry: &Entry, receipt: &mut Receipt) -> Result<(), Error> {
    expect_file(context, entry, &context.placed(entry, None).at_place, receipt)?;
    receipt.remarks.push("its rows were taken out on request".to_owned());
    Ok(())
}

/// Its bytes were known, and never read: where nothing else has them, they are nowhere.
fn vanished(context: &Context<'_>, entry: &Entry, mut receipt: Receipt) -> Result<Option<Receipt>, Error> {
    let Some(sha256) = &entry.sha256 else { return Ok(None) };
    let is_anothers = entry.last_error.as_deref().is_some_and(|why| why.contains("another entry's now"));
    let same = manifest::of_content(context.store, sha256)?;
    if is_anothers || same.iter().any(|other| other.current() != State::Vanished) {
        return Ok(None);
    }
    receipt.only(Compared::NotAtAll, "it was taken away before it was read: put it back to have it loaded");
    Ok(Some(receipt))
}

/// Where it is put away it keeps the name with which it came: an entry of another name has another's file, or another's
/// name.
fn expect_own_name(entry: &Entry, receipt: &mut Receipt) {
    let place = entry.lies();
    let is_put_away = matches!(place, Place::Processed | Place::Quarantine) && entry.current().goal() == Some(place);
    let Some(name) = entry.place_name.as_ref().filter(|_| is_put_away && entry.file_name().len() < SHORT) else {
        return;
    };
    let own: Vec<String> = target_names(entry, place).collect();
    let (last, others) = own.split_last().map_or(("", own.as_slice()), |(last, others)| (last.as_str(), others));
    // The last choice has a claim's number in it.
    let begin = last.split(&format!("-{}.", entry.id)).next().unwrap_or_default();
    let is_own = others.contains(name) || begin.len() < last.len() && name.starts_with(begin);
    if !is_own {
        receipt.differences.push(format!("it was put away as {name:?}, which is no name of its own"));
    }
}

/// A longer name is cut to have room for what stands behind it.
const SHORT: usize = 100;
