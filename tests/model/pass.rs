//! From the claim to the commit: `ingest/group.rs`, `hold::take`, and what `ingest/finish.rs` does about each failure.

use iotpipe::ingest::{Position, Step, next};
use iotpipe::manifest::transition;
use iotpipe::manifest::{Place, State};
use iotpipe::source::{Content, Seen};

use super::entries::Done;
use super::files::{Name, Refusal};
use super::turn::Turn;
use super::worker::{At, Held, Why};
use super::world::{Mutant, Rules, World};

pub fn go_on(turn: &mut Turn<'_>) {
    let rules = *turn.rules;
    match turn.worker().at {
        At::Claimed => turn.act("asks what is loaded", move |world, held| {
            let is_loaded = world.entries.iter().any(|(id, entry)| {
                id != held.id && entry.state == State::Loaded && rules.hash(entry.fixed) == rules.hash(held.fixed)
            });
            match is_loaded {
                true => At::Look(Why::Aside),
                false if rules.is(Mutant::TakeBehindCommit) => At::Read,
                false => At::Look(Why::Take),
            }
        }),
        At::Look(why) if !rules.looks_slowly => {
            turn.act("looks", move |world, held| decide(world, &rules, held, why, highest(world, &rules, held)));
        }
        At::Look(why) if rules.is(Mutant::LooksDownwards) => {
            turn.act("looks", move |_, held| At::LookFor { why, no: held.no + 1, found: None });
        }
        At::Look(why) => turn.act("looks for its own name", move |world, held| {
            match world.files.has(rules.private(held.id, held.no)) {
                true => At::LookOn(why, Some(held.no)),
                false => At::LookFor { why, no: 0, found: None },
            }
        }),
        At::LookFor { why, no, found } => turn.act("looks for a private name", move |world, held| {
            let found = if world.files.has(rules.private(held.id, no)) { Some(no) } else { found };
            match rules.is(Mutant::LooksDownwards) {
                true if no == 0 || found.is_some() => At::LookOn(why, found),
                true => At::LookFor { why, no: no - 1, found },
                false if no > held.no => At::LookOn(why, found),
                false => At::LookFor { why, no: no + 1, found },
            }
        }),
        At::LookOn(why, held_as) => {
            turn.act("looks on", move |world, held| decide(world, &rules, held, why, held_as));
        }
        At::Act(why @ (Why::Take | Why::Aside | Why::Refuse), step) => take(turn, why, step),
        At::Read => read(turn),
        At::Commit => {
            let place = if rules.is(Mutant::TakeBehindCommit) { Place::Inbox } else { Place::Held };
            turn.state(
                "commits",
                &transition::LOAD,
                move |entry, _| (entry.place, entry.archive) = (place, Some(0)),
                move |done, held| closed(done, held, State::Loaded, place),
            );
        }
        At::Reject => close_unread(turn, "refuses it", &transition::REJECT, State::Rejected),
        At::SetAside => close_unread(turn, "sets it aside", &transition::SET_ASIDE, State::Duplicate),
        At::Vanish => turn.state(
            "notes that it vanished",
            &transition::VANISH,
            |entry, _| entry.place = Place::Nowhere,
            |done, _| or_lost(done, At::Idle),
        ),
        At::Fail if turn.worker().held.attempts >= rules.max_attempts => {
            give_up(turn, "gives it up", &transition::GIVE_UP)
        }
        At::Expire => give_up(turn, "notes attempts without end", &transition::EXPIRE),
        At::Fail => {
            let place = whereabouts(turn.world, &rules, &turn.worker().held);
            turn.state(
                "leaves it for later",
                &transition::RETRY_LATER,
                move |entry, _| entry.place = place,
                |done, _| or_lost(done, At::Idle),
            );
        }
        At::Release => {
            let place = whereabouts(turn.world, &rules, &turn.worker().held);
            turn.state("lets go", &transition::RELEASE, move |entry, _| entry.place = place, |_, _| At::Idle);
        }
        at => hand_back(turn, at),
    }
}

/// Where it is after a failure, wherever that was.
fn whereabouts(world: &World, rules: &Rules, held: &Held) -> Place {
    if highest(world, rules, held) == Some(held.no) { Place::Held } else { held.place }
}

/// The highest number under which a private name exists, as a claim looks for it.
fn highest(world: &World, rules: &Rules, held: &Held) -> Option<u8> {
    if rules.is(Mutant::NameWithoutNumber) {
        return world.files.has(rules.private(held.id, held.no)).then_some(held.no);
    }
    let upwards = (0..=held.no + 1).rev();
    // The own one first.
    std::iter::once(held.no).chain(upwards).find(|no| world.files.has(Name::Private(held.id, *no)))
}

/// What is seen, as `PlacedFile::locate` and `inspect` see it, and the program's decision on it.
fn decide(world: &World, rules: &Rules, held: &Held, why: Why, held_as: Option<u8>) -> At {
    let at_place = match held.place {
        Place::Processed | Place::Quarantine => {
            held.archive.and_then(|n| rules.target(held.state, held.id, held.fixed, n))
        }
        Place::Inbox | Place::Held | Place::Nowhere => Some(Name::Delivered),
    };
    let mut seen = Seen {
        held_as: held_as.map(i64::from),
        at_place: at_place.is_some_and(|name| world.files.has(name)),
        held: Content::Absent,
        target: Content::Absent,
        copied: false,
        one_file_system: true,
    };
    if why == Why::Settle {
        let own = rules.private(held.id, held.no);
        if held_as == Some(held.no) {
            seen.held = rules.compare(&world.files, own, held.fixed, true);
        }
        if let Some(target) = target(rules, held) {
            seen.target = rules.compare(&world.files, target, held.fixed, false);
            seen.one_file_system = rules.one_file_system;
            seen.copied = world.files.has(Name::Copy(held.id, held.no));
        }
        if rules.is(Mutant::UnlinkWithoutCompare) && world.files.has(own) && seen.target != Content::Absent {
            return At::Act(why, Step::Remove);
        }
    }
    let position = Position { state: held.state, place: held.place, claim_no: i64::from(held.no) };
    after_look(rules, held, why, next(position, &seen))
}

/// A step that calls neither system nor database is no action of its own.
fn after_look(rules: &Rules, held: &Held, why: Why, step: Step) -> At {
    match (why, step) {
        (Why::Settle, Step::Arrive) => At::Note(held.state.goal().unwrap_or(held.place)),
        (Why::Settle, Step::Lose) => At::Lose,
        (Why::Settle, Step::Read | Step::ReadInPlace | Step::Vanish | Step::Lost) => At::Idle,
        (Why::Settle, _) | (_, Step::Take | Step::TakeOver(_) | Step::Read) => At::Act(why, step),
        (Why::Aside, Step::Vanish) if rules.is(Mutant::AsideWithoutPolicy) => At::Release,
        (_, Step::Vanish) => At::Vanish,
        _ => At::BackLost,
    }
}

/// The name that the file is to have where it belongs.
pub fn target(rules: &Rules, held: &Held) -> Option<Name> {
    rules.target(held.state, held.id, held.fixed, held.archive.unwrap_or(0))
}

fn take(turn: &mut Turn<'_>, why: Why, step: Step) {
    let rules = *turn.rules;
    match step {
        Step::Take | Step::TakeOver(_) => {
            turn.act("takes the file", move |world, held| {
                let _ = world.files.rename(taken_from(&rules, held, step), rules.private(held.id, held.no));
                At::Look(why)
            });
            turn.fault("can't take the file", |_, _| At::Fail);
        }
        Step::Read => turn.act("asks for a writer", move |world, held| {
            let file = world.files.get(rules.private(held.id, held.no));
            match file.is_some_and(|file| file.open && rules.tells_writers) {
                true if why == Why::Aside && rules.is(Mutant::AsideWithoutPolicy) => At::Release,
                true => At::Back,
                false => match why {
                    Why::Aside => At::SetAside,
                    Why::Refuse => At::Reject,
                    Why::Take | Why::Settle => At::Read,
                },
            }
        }),
        _ => {}
    }
}

/// The name from which a step takes a file.
pub fn taken_from(rules: &Rules, held: &Held, step: Step) -> Name {
    match step {
        Step::TakeOver(no) => rules.private(held.id, no as u8),
        _ => Name::Delivered,
    }
}

fn read(turn: &mut Turn<'_>) {
    let rules = *turn.rules;
    turn.act("reads it", move |world, held| {
        let behind = rules.is(Mutant::TakeBehindCommit);
        let name = if behind { Name::Delivered } else { rules.private(held.id, held.no) };
        match world.files.get(name) {
            None => At::Vanish,
            Some(file) if rules.hash(file.bytes) != rules.hash(held.fixed) => At::Back,
            Some(file) if rules.bad == Some(file.bytes) => At::Look(Why::Refuse),
            Some(_) => At::Commit,
        }
    });
    turn.fault("can't read it", |_, _| At::Fail);
}

/// Behind a transition of the holder's on an open entry.
fn or_lost(done: Done, then: At) -> At {
    match done {
        Done::Changed => then,
        Done::NotMine => At::BackLost,
        // An error of the database: the step ends, and lets go of what is open.
        Done::NameTaken => At::Release,
    }
}

fn closed(done: Done, held: &mut Held, state: State, place: Place) -> At {
    if done == Done::Changed {
        (held.state, held.place, held.names) = (state, place, 0);
        held.archive = if state == State::Failed { None } else { Some(0) };
    }
    or_lost(done, At::Look(Why::Settle))
}

fn close_unread(turn: &mut Turn<'_>, what: &'static str, transition: &transition::Transition, state: State) {
    let place = whereabouts(turn.world, turn.rules, &turn.worker().held);
    turn.state(
        what,
        transition,
        move |entry, _| (entry.place, entry.archive) = (place, Some(0)),
        move |done, held| closed(done, held, state, place),
    );
}

fn give_up(turn: &mut Turn<'_>, what: &'static str, transition: &transition::Transition) {
    let place = whereabouts(turn.world, turn.rules, &turn.worker().held);
    turn.state(
        what,
        transition,
        move |entry, _| (entry.place, entry.archive) = (place, None),
        move |done, held| closed(done, held, State::Failed, place),
    );
}

/// Whether the delivered name is another entry's, as the manifest says now.
pub fn is_name_taken(world: &World, held: &Held) -> bool {
    world.entries.in_inbox().is_some_and(|(id, _)| id != held.id)
}

/// `hold::hand_back_changed` and `hold::hand_back_lost`.
fn hand_back(turn: &mut Turn<'_>, at: At) {
    let rules = *turn.rules;
    let own = rules.private(turn.worker().held.id, turn.worker().held.no);
    match at {
        At::Back => turn.act("asks whose the name is", move |world, held| match is_name_taken(world, held) {
            true => At::BackTaken,
            false => At::BackFree,
        }),
        At::BackFree => turn.act("gives it back", move |world, _| match world.files.rename(own, Name::Delivered) {
            Err(Refusal::Exists) => At::BackTaken,
            // It was never taken.
            Err(Refusal::NotFound) | Ok(()) => At::BackDone,
        }),
        At::BackDone => turn.state(
            "notes that it changed",
            &transition::CHANGE,
            |entry, _| (entry.place, entry.hashed) = (Place::Inbox, false),
            |done, _| if done == Done::NameTaken { At::Vanish } else { or_lost(done, At::Idle) },
        ),
        At::BackTaken => turn.act("hashes what it keeps", move |world, _| match world.files.get(own) {
            Some(file) => At::Kept { bytes: file.bytes },
            None => At::Vanish,
        }),
        At::Kept { bytes } => turn.state(
            "notes that it changed and stays held",
            &transition::CHANGE_HELD,
            move |entry, _| (entry.place, entry.fixed, entry.hashed) = (Place::Held, bytes, true),
            |done, _| or_lost(done, At::Idle),
        ),
        At::BackLost => turn.act("gives back what is nobody's", move |world, _| {
            let _ = world.files.rename(own, Name::Delivered);
            At::Idle
        }),
        _ => {}
    }
}
