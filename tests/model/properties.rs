//! What must hold in every state, and what rest is.

use iotpipe::manifest::{Place, State};

use super::entries::{Entry, Holder};
use super::files::{Bytes, File, Name};
use super::worker::At;
use super::world::{Rules, World};

/// Properties of a state, each by its name.
pub type Property = (&'static str, fn(&World, &Rules) -> bool);

pub const PROPERTIES: &[Property] = &[
    ("no content is lost", no_content_is_lost),
    ("rows exist exactly while their file is loaded", rows_exist_exactly_while_loaded),
    ("a content is committed once", a_content_is_committed_once),
    ("a loaded file has its archive", a_loaded_file_has_its_archive),
    ("the manifest says where a file lies", the_place_is_true),
    ("only an own file with a copy elsewhere is unlinked", |world, _| !world.unlinked_wrongly),
    ("no statement meets the unique index", |world, _| !world.met_the_index),
    ("the model has room", |world, _| !world.is_full),
];

/// What holds of every way through the states.
pub const REST: &str = "rest stays reachable";

/// All of them by name.
pub fn names() -> Vec<&'static str> {
    PROPERTIES.iter().map(|(name, _)| *name).chain([REST]).collect()
}

/// Whole files, under whatever name.
fn whole(world: &World) -> impl Iterator<Item = &File> {
    world.files.iter().filter(|file| !matches!(file.name, Name::Copy(..)))
}

/// What was delivered is somewhere, unless its writer took it back.
fn no_content_is_lost(world: &World, rules: &Rules) -> bool {
    let kept = |bytes: Bytes| whole(world).any(|file| rules.begins_with(file.bytes, bytes));
    [Bytes::A, Bytes::Longer, Bytes::B]
        .into_iter()
        .filter(|bytes| world.delivered & bytes.bit() != 0 && world.taken_back & bytes.bit() == 0)
        .all(kept)
}

fn rows_exist_exactly_while_loaded(world: &World, rules: &Rules) -> bool {
    let loaded = world.entries.iter().filter(|(_, entry)| entry.state == State::Loaded);
    loaded.fold(0, |bits, (_, entry)| bits | rules.hash(entry.fixed).bit()) == world.rows
}

fn a_content_is_committed_once(world: &World, rules: &Rules) -> bool {
    if !rules.commits_once {
        return true;
    }
    let mut loaded: Vec<Bytes> = world
        .entries
        .iter()
        .filter(|(_, entry)| entry.state == State::Loaded)
        .map(|(_, entry)| rules.hash(entry.fixed))
        .collect();
    let all = loaded.len();
    loaded.sort_unstable();
    loaded.dedup();
    loaded.len() == all
}

/// Under its place, a private name, or the name that was written ahead.
fn a_loaded_file_has_its_archive(world: &World, rules: &Rules) -> bool {
    let mut loaded = world.entries.iter().filter(|(_, entry)| entry.state == State::Loaded);
    loaded.all(|(id, entry)| lies_somewhere_known(world, rules, id, entry))
}

fn lies_somewhere_known(world: &World, rules: &Rules, id: u8, entry: &Entry) -> bool {
    let target = entry.archive.and_then(|choice| rules.target(entry.state, id, entry.fixed, choice));
    whole(world).any(|file| {
        let is_known = match file.name {
            Name::Private(other, _) => other == id,
            Name::Delivered => entry.place == Place::Inbox,
            name => Some(name) == target,
        };
        is_known && rules.begins_with(file.bytes, entry.fixed)
    })
}

/// While nobody has the entry in hand.
fn the_place_is_true(world: &World, rules: &Rules) -> bool {
    world.entries.iter().filter(|(_, entry)| entry.holder == Holder::Nobody).all(|(id, entry)| match entry.place {
        Place::Processed | Place::Quarantine => lies_somewhere_known(world, rules, id, entry),
        Place::Held if entry.state == State::Loaded => lies_somewhere_known(world, rules, id, entry),
        Place::Held if entry.state.is_open() => {
            let is_own = |file: &File| matches!(file.name, Name::Private(other, _) if other == id);
            // Where a crash between its entry and its name and a lost database meet, a claim has yet to find it gone.
            whole(world).any(is_own) || rules.faults > 0
        }
        _ => true,
    })
}

/// Nothing is left to do: nobody is at work, no file is in hand, each entry is where it belongs, and what lies in the
/// inbox is a file that was given up. Another that was given up stays in hand, and waits for that name.
pub fn is_at_rest(world: &World) -> bool {
    let idle = world.workers.iter().all(|worker| worker.at == At::Idle);
    let is_taken = world.files.has(Name::Delivered);
    let waits = |entry: &Entry| entry.state == State::Failed && entry.place == Place::Held && is_taken;
    let in_hand = world.files.iter().any(|file| match file.name {
        Name::Private(id, _) => !world.entries.get(id).is_some_and(waits),
        _ => false,
    });
    let settled = world.entries.iter().all(|(_, entry)| {
        entry.holder == Holder::Nobody && !entry.state.is_open() && (!entry.is_unplaced() || waits(entry))
    });
    let given_up = |bytes: Bytes| {
        world
            .entries
            .iter()
            .any(|(_, entry)| entry.state == State::Failed && entry.place == Place::Inbox && entry.fixed == bytes)
    };
    let inbox_done = world.files.get(Name::Delivered).is_none_or(|file| given_up(file.bytes));
    idle && !in_hand && settled && inbox_done
}
