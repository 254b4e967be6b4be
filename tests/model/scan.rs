//! A scan: `command/scan.rs`, `manifest::register` and `ingest/stray.rs`, call by call.

use iotpipe::ingest::{Position, belongs_to_a_claim};
use iotpipe::manifest::transition::{self, Transition};
use iotpipe::manifest::{Place, State};

use super::entries::{Entries, Entry, Holder, Of};
use super::files::{Bytes, Name, Refusal};
use super::turn::Turn;
use super::worker::{At, Why};
use super::world::{Mutant, Rules, World};

pub fn begin(turn: &mut Turn<'_>) {
    list(turn);
    list_strays(turn);
}

/// Lists the delivered name, and asks the manifest for its entry.
fn list(turn: &mut Turn<'_>) {
    let known = turn.world.entries.in_inbox().map(|(id, entry)| (id, *entry));
    match (turn.world.files.get(Name::Delivered), known) {
        (Some(file), known) => {
            let is_new = known.is_none_or(|(_, entry)| {
                let may_change = matches!(entry.state, State::Arriving | State::Pending | State::Failed);
                let differs = !entry.hashed || entry.fixed != file.bytes;
                entry.holder == Holder::Nobody && may_change && differs
            });
            if is_new {
                let known = known.map(|(id, entry)| (id, entry.claim_no));
                turn.act("lists the delivered file", |_, _| At::Listed { bytes: file.bytes, known });
            }
        }
        (None, Some((id, entry))) if !turn.rules.is(Mutant::GoneNotNoted) && entry.holder == Holder::Nobody => {
            let is_private = |name: Name| matches!(name, Name::Private(other, _) if other == id);
            // A pending one is claimed, and found gone then.
            let may_change = matches!(entry.state, State::Arriving | State::Failed);
            if may_change && !turn.world.files.iter().any(|file| is_private(file.name)) {
                turn.act("misses a file", |_, _| At::Missed { id, no: entry.claim_no });
            }
        }
        _ => {}
    }
}

/// Lists the private names, and asks the manifest whether a claim knows them.
fn list_strays(turn: &mut Turn<'_>) {
    for file in turn.world.files.iter() {
        let Name::Private(id, no) = file.name else { continue };
        let Some(entry) = turn.world.entries.get(id) else { continue };
        let newest = turn.rules.private(id, entry.claim_no);
        let position = Position { state: entry.state, place: entry.place, claim_no: i64::from(entry.claim_no) };
        let is_known = belongs_to_a_claim(position, i64::from(no), turn.world.files.has(newest));
        let is_kept = match entry.state {
            State::Arriving => turn.rules.is(Mutant::ArrivingKeepsNames),
            state => turn.rules.is(Mutant::LostKeepsNames) && entry.place == Place::Nowhere && state.goal().is_some(),
        };
        if is_known || is_kept {
            continue;
        }
        turn.act("finds a private name that is nobody's", |_, _| At::Stray { id, no });
    }
}

pub fn go_on(turn: &mut Turn<'_>) {
    let (rules, process) = (*turn.rules, turn.process());
    match turn.worker().at {
        At::Listed { bytes, known } => turn.act("hashes it", |world, _| match world.files.get(Name::Delivered) {
            None => At::Idle,
            Some(now) => At::Hashed { bytes: now.bytes, hashed: now.bytes == bytes, known },
        }),
        At::Hashed { bytes, hashed, known: Some((id, no)) } => turn.act("refreshes the entry", |world, _| {
            let transition = if hashed { &transition::REFRESH_PENDING } else { &transition::REFRESH_ARRIVING };
            world.entries.change(transition, Of::Free { id, no }, true, |entry| {
                entry.fixed = bytes;
                entry.hashed = hashed;
            });
            At::Idle
        }),
        At::Hashed { bytes, hashed, known: None } => turn.act("enters it", |world, _| {
            // In one transaction: inserted, looked at, and taken back where it is gone.
            if world.files.has(Name::Delivered) && world.entries.in_inbox().is_none() {
                insert(world, Entry::found(bytes, hashed));
            }
            At::Idle
        }),
        At::Missed { id, no } => turn.act("notes that it is gone", |world, _| {
            if !world.files.has(Name::Delivered) {
                world.entries.change(&transition::SEEN_GONE, Of::Free { id, no }, true, |entry| {
                    entry.place = Place::Nowhere;
                });
            }
            At::Idle
        }),
        At::Stray { id, no } => {
            turn.act("gives it back", |world, _| match world.files.rename(Name::Private(id, no), Name::Delivered) {
                Err(Refusal::Exists) => At::StrayKept { id, no },
                Err(Refusal::NotFound) | Ok(()) => At::Idle,
            })
        }
        At::StrayKept { id, no } => turn.act("enters it as held", |world, _| {
            let Some(file) = world.files.get(Name::Private(id, no)) else { return At::Idle };
            match enter_held(world, &rules, process, file.bytes) {
                Some(new) => At::StrayEntered { id, no, new },
                None => At::Idle,
            }
        }),
        At::StrayEntered { id, no, new } => turn.act("gives it its private name", |world, _| {
            match world.files.rename(Name::Private(id, no), held_name(&rules, new)) {
                Ok(()) => At::EnteredDone { new, settles: false },
                Err(_) => At::EnteredGone { new, settles: false },
            }
        }),
        At::EnteredDone { new, settles } => free_entered(turn, new, settles, &transition::RELEASE, Place::Held),
        At::EnteredGone { new, settles } => free_entered(turn, new, settles, &transition::VANISH, Place::Nowhere),
        _ => {}
    }
}

/// Lets go of what was entered as held.
fn free_entered(turn: &mut Turn<'_>, new: u8, settles: bool, transition: &Transition, place: Place) {
    let (process, unclaimed) = (turn.process(), turn.rules.is(Mutant::EnteredUnclaimed));
    turn.act("lets go of what it entered", |world, _| {
        if !unclaimed {
            let of = Of::Claim { id: new, process, no: 1 };
            world.entries.change(transition, of, true, |entry| entry.place = place);
        }
        if settles { At::Look(Why::Settle) } else { At::Idle }
    });
}

/// A new row; where the model has no room for one, it says so.
pub fn insert(world: &mut World, entry: Entry) -> Option<u8> {
    let entries: &mut Entries = &mut world.entries;
    if entries.is_full() {
        world.is_full = true;
        return None;
    }
    entries.insert(entry)
}

/// Enters a file that stays held, in hand until it has its private name.
pub fn enter_held(world: &mut World, rules: &Rules, process: u8, bytes: Bytes) -> Option<u8> {
    let free = Entry { place: Place::Held, ..Entry::found(bytes, true) };
    insert(
        world,
        match rules.is(Mutant::EnteredUnclaimed) {
            true => free,
            false => Entry { claim_no: 1, attempts: 1, holder: Holder::Process(process), ..free },
        },
    )
}

/// Its private name.
pub fn held_name(rules: &Rules, new: u8) -> Name {
    rules.private(new, if rules.is(Mutant::EnteredUnclaimed) { 0 } else { 1 })
}
