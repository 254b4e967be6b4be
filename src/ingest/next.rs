//! What the holder of a claim does next with the entry's file: one pure function of the entry and of what is seen. The
//! program takes its steps from it, and so does the model that searches all that can happen in between.
//!
//! Each step is one change of the file system or of the manifest. Behind each, the file is looked at anew: another
//! process, a writer, or a crash may have been there.

use crate::manifest::{Place, State};
use crate::source::{Content, Seen};

/// What the holder knows of the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// How far it has come.
    pub state: State,
    /// Where the manifest says that its file lies; while it is claimed, perhaps under a private name.
    pub place: Place,
    /// The claim's number.
    pub claim_no: i64,
}

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Rename the file from the private name of an earlier claim to the own one.
    TakeOver(i64),
    /// Rename it from the name under which it lay to the own private one.
    Take,
    /// Its writer appended while it was moved: give it the own private name too, beside the target's.
    TakeGrown,
    /// It is in hand: read it.
    Read,
    /// It lies in `processed/` or `quarantine/` and is read there.
    ReadInPlace,
    /// Copy it beside its target, verified.
    Copy,
    /// Give the copy the target's name.
    Publish,
    /// Rename it to its target.
    Move,
    /// Remove it from its private name: the target has its content.
    Remove,
    /// Give it back under the name under which it lay; where that is taken, it becomes an entry of its own.
    HandBack,
    /// Choose another name for the target.
    RenameTarget,
    /// Note that it is where it belongs.
    Arrive,
    /// Note that its content is nowhere.
    Lose,
    /// Note that it is gone before it was read.
    Vanish,
    /// A newer claim has it: touch nothing.
    Lost,
}

/// The next step.
pub fn next(entry: Position, seen: &Seen) -> Step {
    match seen.held_as {
        Some(no) if no > entry.claim_no => Step::Lost,
        Some(no) if no < entry.claim_no => Step::TakeOver(no),
        Some(_) => in_hand(entry, seen),
        None => out_of_hand(entry, seen),
    }
}

/// The file lies under the own private name.
fn in_hand(entry: Position, seen: &Seen) -> Step {
    if entry.state.is_open() {
        return Step::Read;
    }
    if entry.state.goal() == Some(Place::Inbox) {
        return Step::HandBack;
    }
    match (seen.held, seen.target) {
        (Content::Same, Content::Same) => Step::Remove,
        (Content::Same, Content::Absent) if seen.one_file_system => Step::Move,
        // What was appended, or may be, stays with its writer; what was loaded is archived from it.
        (Content::Same | Content::Grown, Content::Absent) if seen.copied => Step::Publish,
        (Content::Same | Content::Grown, Content::Absent) => Step::Copy,
        (Content::Same | Content::Grown, Content::Grown | Content::Other) => Step::RenameTarget,
        // Another content lies there, or more than was loaded: that was never read, and goes back.
        (Content::Grown | Content::Other, _) => Step::HandBack,
        // It went between two looks.
        (Content::Absent, _) => Step::Lost,
    }
}

/// No private name of the entry exists.
fn out_of_hand(entry: Position, seen: &Seen) -> Step {
    let is_open = entry.state.is_open();
    match entry.place {
        Place::Processed | Place::Quarantine if is_open && seen.at_place => Step::ReadInPlace,
        Place::Inbox if is_open && seen.at_place => Step::Take,
        _ if is_open => Step::Vanish,
        // Given back already, or given up before it was taken.
        _ if entry.state.goal() == Some(Place::Inbox) => {
            if seen.at_place {
                Step::Arrive
            } else {
                Step::Lose
            }
        }
        _ if seen.target == Content::Same => Step::Arrive,
        // The first version noted a load before it moved the file; or it lies where it belonged before.
        Place::Inbox | Place::Processed | Place::Quarantine if seen.at_place => Step::Take,
        // The target keeps its name, which has no number: a worker that lost its claim would empty an archive.
        _ if seen.target == Content::Grown => Step::TakeGrown,
        _ => Step::Lose,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Seen {
        Seen {
            held_as: None,
            at_place: false,
            held: Content::Absent,
            target: Content::Absent,
            copied: false,
            one_file_system: true,
        }
    }

    fn position(state: State, place: Place) -> Position {
        Position { state, place, claim_no: 3 }
    }

    #[test]
    fn a_stale_worker_touches_nothing() {
        for state in State::ALL {
            for place in Place::ALL {
                let seen = Seen { held_as: Some(4), at_place: true, ..seen() };
                assert_eq!(next(position(state, place), &seen), Step::Lost);
            }
        }
    }

    #[test]
    fn what_was_appended_is_never_removed() {
        for target in [Content::Absent, Content::Same, Content::Grown, Content::Other] {
            for (held, copied) in [(Content::Grown, false), (Content::Grown, true), (Content::Other, false)] {
                let seen = Seen { held_as: Some(3), held, target, copied, ..seen() };
                let step = next(position(State::Loaded, Place::Held), &seen);
                assert!(!matches!(step, Step::Remove | Step::Move), "{held:?} {target:?}: {step:?}");
            }
        }
    }

    #[test]
    fn a_file_is_removed_only_where_its_content_is_archived() {
        for state in State::ALL {
            for held in [Content::Absent, Content::Same, Content::Grown, Content::Other] {
                for target in [Content::Absent, Content::Grown, Content::Other] {
                    let seen = Seen { held_as: Some(3), held, target, ..seen() };
                    assert_ne!(next(position(state, Place::Held), &seen), Step::Remove);
                }
            }
        }
    }
}
