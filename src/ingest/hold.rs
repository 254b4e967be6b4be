//! Carries out what [`next`] decides: takes a file in hand before its pass, and brings it to its place behind the commit.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::apart::enter_apart;
use super::context::Context;
use super::next::{Position, Step, next};
use super::target::target_names;
use crate::error::Error;
use crate::failpoint;
use crate::manifest::{self, Claim, Entry, Place, State, Whereabouts, Work};
use crate::source::{Fixed, OpenForWriting, PlacedFile, Seen, is_open_for_writing, private_name, sha256_of, stamp_of};
use crate::store::StoreError;

/// Steps after which a file that goes on changing under the program's hands is left for later.
const MOST_STEPS: usize = 24;

/// A file that was taken in hand.
#[derive(Debug)]
pub struct HeldFile {
    /// Where it is read.
    pub path: PathBuf,
    /// Opened.
    pub file: File,
    /// What the manifest is to say about its place from now on.
    pub lies: Whereabouts,
}

/// Takes the file of an open entry in hand: from now on no writer's rename and no other worker can change what the own
/// private name means.
///
/// # Errors
/// [`Error::Vanished`], [`Error::Changed`] where somebody still writes to it, [`StoreError::ClaimLost`].
pub fn take(context: &Context<'_>, entry: &Entry) -> Result<HeldFile, Error> {
    let file = context.placed(entry, None);
    let position = Position { state: entry.current(), place: entry.lies(), claim_no: entry.claim_no };
    // Before the first claim nobody had it in hand: it lies where it was delivered, or the step says that it does not.
    let mut known = (entry.claim_no == 1 && entry.lies() == Place::Inbox).then_some(Seen::DELIVERED);
    for _ in 0..MOST_STEPS {
        let seen = known.take().map_or_else(|| file.locate(), Ok).map_err(Error::source(&file.at_place))?;
        let done = match next(position, &seen) {
            Step::Take => file.take().map(|()| known = Some(Seen::in_hand(entry.claim_no))),
            Step::TakeOver(claim_no) => file.take_over(claim_no).map(|()| known = Some(Seen::in_hand(entry.claim_no))),
            Step::Read => match file.open_private() {
                Ok(Some(opened)) if is_open_for_writing(&opened) == OpenForWriting::Yes => {
                    return Err(Error::BeingWritten);
                }
                Ok(Some(opened)) => {
                    return Ok(HeldFile { path: file.private(), file: opened, lies: held_in_place(entry) });
                }
                Ok(None) => return Err(Error::Changed),
                // Taken over: the next look shows by whom.
                Err(e) if e.kind() == io::ErrorKind::NotFound => Err(e),
                Err(e) => return Err(Error::source(&file.private())(e)),
            },
            Step::ReadInPlace => {
                let lies = Whereabouts { place: entry.lies(), name: entry.place_name.clone() };
                let opened = file.open_in_place().map_err(Error::source(&file.at_place))?.ok_or(Error::Changed)?;
                return Ok(HeldFile { path: file.at_place, file: opened, lies });
            }
            Step::Vanish => return Err(Error::Vanished),
            _ => return Err(Error::Store(StoreError::ClaimLost)),
        };
        seen_again(done).map_err(Error::placing(&file.private()))?;
    }
    Err(Error::Changed)
}

/// Somebody was faster: the next look shows who.
fn seen_again(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => Ok(()),
        other => other,
    }
}

/// Where the manifest is to say that a file lies that is under its private name.
fn held_in_place(entry: &Entry) -> Whereabouts {
    match entry.lies() {
        place @ (Place::Processed | Place::Quarantine) => Whereabouts { place, name: entry.place_name.clone() },
        _ => Whereabouts { place: Place::Held, name: Some(private_source(entry)) },
    }
}

fn private_source(entry: &Entry) -> String {
    let private = private_name(entry.id, entry.claim_no, entry.file_name());
    match entry.source.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{private}"),
        None => private,
    }
}

/// Where the file of an entry in hand lies, after an attempt that went wrong wherever it did.
pub fn whereabouts(context: &Context<'_>, entry: &Entry) -> Whereabouts {
    let file = context.placed(entry, None);
    match file.locate() {
        Ok(seen) if seen.held_as == Some(entry.claim_no) => held_in_place(entry),
        _ => Whereabouts { place: entry.lies(), name: entry.place_name.clone() },
    }
}

/// Gives the file of an open entry back to `data/`, as it is now, and says so in the manifest.
///
/// # Errors
/// [`StoreError::ClaimLost`], and when folder or database can't be written.
pub fn hand_back_changed(context: &Context<'_>, entry: &Entry, why: &str) -> Result<(), Error> {
    let file = context.placed(entry, None);
    if entry.lies() != Place::Inbox && entry.lies() != Place::Held {
        // An archived file that is no longer what was loaded has no name to go back to.
        return Ok(manifest::vanished(context.store, entry.claim(), why)?);
    }
    match hand_back_to_free_name(context, entry, &file) {
        Ok(()) => Ok(manifest::changed(context.store, entry.claim(), why)?),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let now = fixed(&file.private()).map_err(Error::source(&file.private()))?;
            Ok(manifest::changed_and_held(context.store, entry.claim(), why, &now, &held_in_place(entry))?)
        }
        // It was never taken.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(manifest::changed(context.store, entry.claim(), why)?),
        Err(e) => Err(Error::storage(&file.at_place)(e)),
    }
}

/// Gives the file its delivered name again, unless a file or another entry has it.
fn hand_back_to_free_name(context: &Context<'_>, entry: &Entry, file: &PlacedFile) -> io::Result<()> {
    if manifest::is_name_taken(context.store, entry).map_err(io::Error::other)? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    file.hand_back()
}

/// Gives every held file that nobody has in hand back under its delivered name, and lets its entry begin anew: how many
/// were, and how many were not.
///
/// # Errors
/// When the database can't be asked, or the folder not be written.
pub fn hand_back_held(context: &Context<'_>) -> Result<(u64, u64), Error> {
    let (mut released, mut kept) = (0, 0);
    for entry in manifest::held(context.store, &context.origin)? {
        let only = Some(entry.id);
        let work = if entry.current().is_open() { Work::Held } else { Work::Place };
        let claimed = manifest::claim(context.store, &context.worker, &context.origin, work, only)?;
        let Some(entry) = claimed.first() else {
            kept += 1;
            continue;
        };
        if take(context, entry).is_err() || context.placed(entry, None).hand_back().is_err() {
            manifest::release(context.store, entry.claim(), &whereabouts(context, entry))?;
            kept += 1;
            continue;
        }
        context.forget_rows(entry)?;
        manifest::handed_back(context.store, entry.claim())?;
        released += 1;
    }
    Ok((released, kept))
}

/// Gives back what a worker took whose claim is lost: the name has its own number, so it is nobody else's.
pub fn hand_back_lost(context: &Context<'_>, entry: &Entry) {
    let _ = context.placed(entry, None).hand_back();
}

fn fixed(path: &Path) -> io::Result<Fixed> {
    let sha256 = sha256_of(path)?;
    Ok(Fixed { stamp: stamp_of(path)?, sha256 })
}

/// Brings the files of closed entries, all in hand, to where they belong. One whose move fails is noted and tried again
/// later; the others go on.
///
/// # Errors
/// When the database is away or a disk is full: what stands under a private name is found by the next claim.
pub fn settle_places(context: &Context<'_>, entries: &[Entry]) -> Result<(), Error> {
    let mut arrived: Vec<Arrival> = Vec::new();
    for entry in entries {
        match settle_place(context, entry) {
            Ok(Some((place, path))) => arrived.push((place, entry.claim(), path)),
            Ok(None) | Err(Error::Store(StoreError::ClaimLost)) => {}
            Err(error) if error.is_of_surroundings() => return Err(error),
            Err(error) => {
                match manifest::move_failed(context.store, entry, &error.to_string()) {
                    // Another has it in hand now, and that was what went wrong.
                    Err(StoreError::ClaimLost) => continue,
                    other => other?,
                }
                context.report_once(&format!("{:?} is not yet in its place: {error}", entry.source));
            }
        }
    }
    let paths: Vec<PathBuf> = arrived.iter().map(|(_, _, path)| path.clone()).collect();
    crate::source::sync_folders_of(&paths)?;
    failpoint::reach("moved");
    // A name in the inbox may be another entry's by now: each is noted by itself.
    for (entry, (_, claim, _)) in in_inbox(entries, &arrived) {
        if let Err(StoreError::Data(answer)) = manifest::arrived(context.store, &[claim], Place::Inbox) {
            manifest::move_failed(context.store, entry, &format!("its name is taken: {}", answer.reason))?;
        }
    }
    for place in [Place::Processed, Place::Quarantine] {
        let claims: Vec<Claim> = arrived.iter().filter(|(p, _, _)| *p == place).map(|(_, claim, _)| *claim).collect();
        manifest::arrived(context.store, &claims, place)?;
    }
    failpoint::reach("archived");
    Ok(())
}

type Arrival = (Place, Claim, PathBuf);

fn in_inbox<'e>(entries: &'e [Entry], arrived: &[Arrival]) -> Vec<(&'e Entry, Arrival)> {
    let entry_of = |arrival: &Arrival| entries.iter().find(|entry| entry.id == arrival.1.id);
    let in_inbox = arrived.iter().filter(|(place, _, _)| *place == Place::Inbox);
    in_inbox.filter_map(|arrival| Some((entry_of(arrival)?, arrival.clone()))).collect()
}

/// One file; gives its place and path when it is there.
fn settle_place(context: &Context<'_>, entry: &Entry) -> Result<Option<(Place, PathBuf)>, Error> {
    let state = entry.current();
    let Some(goal) = state.goal() else { return Ok(None) };
    let position = Position { state, place: entry.lies(), claim_no: entry.claim_no };
    let mut names = target_names(entry, goal);
    let mut name = entry.archive_name.clone();
    if name.is_none() && goal != Place::Inbox {
        // The first version wrote no name ahead.
        name = names.next();
        manifest::rename_target(context.store, entry.claim(), name.as_deref().unwrap_or_default())?;
    }
    let (mut grown, mut crosses, mut moved) = (false, false, false);
    for _ in 0..MOST_STEPS {
        let target = name.as_ref().map(|name| context.folder_of(goal).join(name));
        let file = PlacedFile { crosses, ..context.placed(entry, target.filter(|_| goal != Place::Inbox)) };
        let blame = file.target.clone().unwrap_or_else(|| file.at_place.clone());
        let seen = if std::mem::take(&mut moved) { file.inspect_moved() } else { file.inspect() };
        let seen = seen.map_err(Error::placing(&blame))?;
        let done = match next(position, &seen) {
            Step::Take => file.take(),
            Step::TakeOver(claim_no) => file.take_over(claim_no),
            // What had the own private name and lost it was another's: then so is the claim.
            Step::TakeGrown if grown => return Err(Error::Store(StoreError::ClaimLost)),
            Step::TakeGrown => {
                grown = true;
                file.take_grown()
            }
            Step::Copy => file.copy_beside_target(),
            Step::Publish => file.publish(),
            Step::Move => match file.move_to_target() {
                Err(e) if e.kind() == io::ErrorKind::CrossesDevices => {
                    crosses = true;
                    Ok(())
                }
                done => done.map(|()| moved = true),
            },
            Step::Remove => file.remove_private(),
            Step::HandBack if goal == Place::Inbox => {
                // Where its name is another's it stays held, for as long as that takes.
                hand_back_to_free_name(context, entry, &file).map_err(Error::placing(&file.at_place))?;
                Ok(())
            }
            Step::HandBack => {
                file.remove_unfinished();
                hand_back_grown(context, entry, &file)
            }
            Step::RenameTarget => {
                name = names.next();
                let Some(next_name) = &name else { return Err(Error::placing(&blame)(all_taken())) };
                manifest::rename_target(context.store, entry.claim(), next_name)?;
                Ok(())
            }
            Step::Arrive => {
                if entry.claim_no > 1 {
                    file.remove_unfinished();
                }
                return Ok(Some((goal, blame)));
            }
            Step::Lose => {
                file.remove_unfinished();
                let why = match state {
                    State::Loaded => "its rows are loaded; its file was overwritten or removed before it was archived",
                    _ => "its file was overwritten or removed before it was archived",
                };
                manifest::lost(context.store, entry.claim(), why)?;
                return Ok(None);
            }
            _ => return Err(Error::Store(StoreError::ClaimLost)),
        };
        seen_again(done).map_err(Error::placing(&blame))?;
    }
    let restless = io::Error::other("it goes on changing while it is moved");
    Err(Error::placing(&file_path(context, entry))(restless))
}

fn file_path(context: &Context<'_>, entry: &Entry) -> PathBuf {
    context.placed(entry, None).at_place
}

fn all_taken() -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, "every name that it may have there is taken by another content")
}

/// What lies under the private name is more than was loaded, or another file: it was never read, and goes back. Where
/// its name is taken it becomes an entry of its own, under that entry's private name.
fn hand_back_grown(context: &Context<'_>, entry: &Entry, file: &PlacedFile) -> io::Result<()> {
    match hand_back_to_free_name(context, entry, file) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let private = file.private();
            let now = fixed(&private)?;
            let bring = |own: &Path| crate::source::rename_without_overwriting(&private, own);
            enter_apart(context, &entry.source, &now, bring).map_err(io::Error::other)
        }
        other => other,
    }
}
