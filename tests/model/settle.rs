//! Behind the commit: `hold::settle_places`, step by step, each as `PlacedFile` carries it out.

use iotpipe::ingest::Step;
use iotpipe::manifest::Place;
use iotpipe::manifest::transition;
use iotpipe::source::Content;

use super::entries::Done;
use super::files::{Bytes, File, Name, Refusal};
use super::pass::{is_name_taken, taken_from, target};
use super::scan::{enter_held, held_name};
use super::turn::Turn;
use super::worker::{At, Held, Why};
use super::world::{Mutant, Rules, World};

const LOOK: At = At::Look(Why::Settle);

pub fn go_on(turn: &mut Turn<'_>) {
    let (rules, process) = (*turn.rules, turn.process());
    match turn.worker().at {
        At::Act(Why::Settle, step) => {
            act(turn, step);
            if step != Step::RenameTarget {
                turn.fault("can't", |_, _| At::MoveFail);
            }
        }
        At::Copying { verified } => {
            turn.act("ends the copy", move |world, held| end_copy(world, held, verified));
            turn.fault("can't write the copy", |world, held| end_copy(world, held, false));
        }
        At::Moved => turn.act("takes back what did not move as it was", move |world, held| {
            let Some(name) = target(&rules, held) else { return LOOK };
            if rules.compare(&world.files, name, held.fixed, false) != Content::Same {
                let _ = world.files.rename(name, rules.private(held.id, held.no));
            }
            LOOK
        }),
        At::Unlink => turn.act("unlinks it", move |world, held| {
            unlink(world, &rules, held);
            LOOK
        }),
        At::GrownFree => turn.act("gives it back", move |world, held| {
            match world.files.rename(rules.private(held.id, held.no), Name::Delivered) {
                Err(Refusal::Exists) => kept(held),
                Err(Refusal::NotFound) | Ok(()) => LOOK,
            }
        }),
        At::GrownTaken => turn.act("enters it as held", move |world, held| {
            let Some(file) = world.files.get(rules.private(held.id, held.no)) else { return LOOK };
            match enter_held(world, &rules, process, file.bytes) {
                Some(new) => At::GrownEntered { new },
                None => At::MoveFail,
            }
        }),
        At::GrownEntered { new } => turn.act("gives it its private name", move |world, held| {
            match world.files.rename(rules.private(held.id, held.no), held_name(&rules, new)) {
                Ok(()) => At::EnteredDone { new, settles: true },
                Err(_) => At::EnteredGone { new, settles: true },
            }
        }),
        At::Note(place) => turn.state(
            "notes that it is there",
            &transition::ARRIVE,
            move |entry, _| entry.place = place,
            |done, _| if done == Done::NameTaken { At::Lose } else { At::Idle },
        ),
        At::Lose => turn.state(
            "notes that it is nowhere",
            &transition::LOSE,
            |entry, _| entry.place = Place::Nowhere,
            |_, _| At::Idle,
        ),
        At::MoveFail => turn.state("notes that it could not", &transition::MOVE_FAILED, |_, _| {}, |_, _| At::Idle),
        _ => {}
    }
}

fn act(turn: &mut Turn<'_>, step: Step) {
    let rules = *turn.rules;
    let held = turn.worker().held;
    let own = rules.private(held.id, held.no);
    let copy = Name::Copy(held.id, held.no);
    match step {
        Step::Take | Step::TakeOver(_) => turn.act("takes the file", move |world, held| {
            let _ = world.files.rename(taken_from(&rules, held, step), own);
            LOOK
        }),
        Step::Copy => turn.act("begins a copy", move |world, held| {
            let from = world.files.get(own);
            begin_copy(world, &rules, held, from)
        }),
        Step::Publish => turn.act("publishes the copy", move |world, held| {
            let _ = target(&rules, held).map(|name| world.files.rename(copy, name));
            LOOK
        }),
        Step::Move => turn.act("moves it", move |world, held| {
            match target(&rules, held).map(|name| world.files.rename(own, name)) {
                Some(Ok(())) if rules.is(Mutant::MovesBack) => At::Moved,
                _ => LOOK,
            }
        }),
        Step::Remove => turn.act("compares once more", move |world, held| {
            let Some(name) = target(&rules, held) else { return LOOK };
            let same = |name, trusts| rules.compare(&world.files, name, held.fixed, trusts) == Content::Same;
            let is_safe = same(name, false) && same(own, true);
            if !is_safe && !rules.is(Mutant::UnlinkWithoutCompare) {
                return LOOK;
            }
            // A writer that nobody tells of may append behind any last look: no call of the system closes that gap.
            if !rules.tells_writers {
                unlink(world, &rules, held);
                return LOOK;
            }
            At::Unlink
        }),
        // What had the own private name and lost it was another's: then so is the claim.
        Step::TakeGrown if held.took_grown => turn.act("finds its claim lost", |_, _| At::Idle),
        Step::TakeGrown => turn.act("gives it a private name too", move |world, held| {
            held.took_grown = true;
            if let Some(file) = target(&rules, held).and_then(|name| world.files.get(name))
                && !world.files.has(own)
            {
                world.files.put(File { name: own, ..file });
            }
            LOOK
        }),
        Step::HandBack => turn.act("asks whose the name is", move |world, held| match is_name_taken(world, held) {
            true => kept(held),
            false => At::GrownFree,
        }),
        Step::RenameTarget => match rules.target(held.state, held.id, held.fixed, held.names) {
            None => turn.act("has no other name", |_, _| At::MoveFail),
            Some(_) => turn.state(
                "takes another name",
                &transition::RENAME_TARGET,
                |entry, held| entry.archive = Some(held.names),
                |done, held| {
                    held.archive = Some(held.names);
                    held.names += 1;
                    if done == Done::Changed { LOOK } else { At::Idle }
                },
            ),
        },
        // No call of the system: see `after_look`.
        Step::Arrive | Step::Lose | Step::Read | Step::ReadInPlace | Step::Vanish | Step::Lost => {}
    }
}

/// What can't be given back: one that was given up waits for its name, another gets an entry of its own.
fn kept(held: &Held) -> At {
    if held.state.goal() == Some(Place::Inbox) { At::MoveFail } else { At::GrownTaken }
}

/// What earlier claims left is removed; the own copy is created, and nobody else's.
fn begin_copy(world: &mut World, rules: &Rules, held: &Held, from: Option<File>) -> At {
    for no in 0..held.no {
        world.files.remove(Name::Copy(held.id, no));
    }
    let copy = Name::Copy(held.id, held.no);
    match from {
        Some(file) if !world.files.has(copy) => {
            world.files.put(File { name: copy, bytes: Bytes::Part, open: false });
            At::Copying { verified: rules.begins_with(file.bytes, held.fixed) }
        }
        _ => LOOK,
    }
}

/// The copy is written and compared; one that is wrong is removed. A newer claim may have removed its name meanwhile.
fn end_copy(world: &mut World, held: &Held, verified: bool) -> At {
    let copy = Name::Copy(held.id, held.no);
    let is_there = world.files.remove(copy).is_some();
    if is_there && verified {
        world.files.put(File { name: copy, bytes: held.fixed, open: false });
    }
    if verified { LOOK } else { At::MoveFail }
}

fn unlink(world: &mut World, rules: &Rules, held: &Held) {
    world.files.remove(Name::Copy(held.id, held.no));
    let Some(file) = world.files.remove(rules.private(held.id, held.no)) else { return };
    let is_whole = |other: &&File| !matches!(other.name, Name::Copy(..));
    let mut others = world.files.iter().filter(is_whole);
    world.unlinked_wrongly |= !others.any(|other| rules.begins_with(other.bytes, file.bytes));
}
