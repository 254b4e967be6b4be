//! What a worker knows, and what it does next.

use iotpipe::ingest::Step;
use iotpipe::manifest::{Place, State};

use super::files::Bytes;

/// Why the file is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// Before its pass.
    Take,
    /// Before it is set aside as a duplicate, unread.
    Aside,
    /// Before it is refused.
    Refuse,
    /// To bring it where it belongs.
    Settle,
}

/// What a worker does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    Idle,
    /// A scan has listed the delivered file and asked the manifest for its entry.
    Listed {
        bytes: Bytes,
        known: Option<(u8, u8)>,
    },
    /// It has its hash, or found it changed.
    Hashed {
        bytes: Bytes,
        hashed: bool,
        known: Option<(u8, u8)>,
    },
    /// A scan found the entry of a name that it did not list.
    Missed {
        id: u8,
        no: u8,
    },
    /// A scan found a private name that is nobody's.
    Stray {
        id: u8,
        no: u8,
    },
    /// It could not be given back: the delivered name is taken.
    StrayKept {
        id: u8,
        no: u8,
    },
    /// It has an entry of its own.
    StrayEntered {
        id: u8,
        no: u8,
        new: u8,
    },
    /// About to ask which contents are loaded.
    Claimed,
    /// About to look where the file is.
    Look(Why),
    /// The same name by name: about to look for this one.
    LookFor {
        why: Why,
        no: u8,
        found: Option<u8>,
    },
    /// The rest of such a look.
    LookOn(Why, Option<u8>),
    /// About to make a step.
    Act(Why, Step),
    Read,
    Commit,
    Reject,
    SetAside,
    Vanish,
    /// An attempt failed.
    Fail,
    Release,
    Expire,
    /// The file changed: about to give it back.
    Back,
    /// The name is nobody's.
    BackFree,
    BackDone,
    BackTaken,
    Kept {
        bytes: Bytes,
    },
    /// The claim is lost: about to give back what is under its name.
    BackLost,
    /// The first part of a copy is written.
    Copying {
        verified: bool,
    },
    /// Renamed to its target, not looked at again: a mutant's alone.
    Moved,
    /// Compared, about to be unlinked.
    Unlink,
    /// To be given back, and its name is nobody's.
    GrownFree,
    /// To be given back, and its name is taken.
    GrownTaken,
    GrownEntered {
        new: u8,
    },
    /// What was entered has its name, or is gone: about to let go of it, and to go on settling where that was under way.
    EnteredDone {
        new: u8,
        settles: bool,
    },
    EnteredGone {
        new: u8,
        settles: bool,
    },
    Note(Place),
    Lose,
    MoveFail,
}

/// The entry as the worker read it with its claim, and as it changed it since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Held {
    pub id: u8,
    pub no: u8,
    pub state: State,
    pub place: Place,
    pub archive: Option<u8>,
    /// Names for the target that were taken up.
    pub names: u8,
    /// Whether it gave what is longer at the target its own private name.
    pub took_grown: bool,
    pub fixed: Bytes,
    pub attempts: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Worker {
    pub at: At,
    pub held: Held,
}

impl Worker {
    pub const IDLE: Worker = Worker {
        at: At::Idle,
        held: Held {
            id: 0,
            no: 0,
            state: State::Vanished,
            place: Place::Nowhere,
            archive: None,
            names: 0,
            took_grown: false,
            fixed: Bytes::Part,
            attempts: 0,
        },
    };

    /// Whether it has a claim, and is not at a scan.
    pub fn has_claim(&self) -> bool {
        self.held.state != State::Vanished
    }

    /// Whether it knows the entry by its identity.
    pub fn refers_to(&self, id: u8) -> bool {
        let at = match self.at {
            At::Listed { known: Some((known, _)), .. } | At::Hashed { known: Some((known, _)), .. } => known == id,
            At::Missed { id: other, .. } | At::Stray { id: other, .. } | At::StrayKept { id: other, .. } => other == id,
            At::StrayEntered { id: other, new, .. } => other == id || new == id,
            At::GrownEntered { new } => new == id,
            At::EnteredDone { new, .. } | At::EnteredGone { new, .. } => new == id,
            _ => false,
        };
        at || (self.has_claim() && self.held.id == id)
    }

    /// Shows every claim number to `visit`.
    pub fn numbers(&mut self, visit: &mut impl FnMut(u8, &mut u8)) {
        match &mut self.at {
            At::Listed { known: Some((id, no)), .. } | At::Hashed { known: Some((id, no)), .. } => visit(*id, no),
            At::Missed { id, no } | At::Stray { id, no } | At::StrayKept { id, no } => visit(*id, no),
            At::StrayEntered { id, no, .. } => visit(*id, no),
            At::LookFor { no, found, .. } => {
                visit(self.held.id, no);
                found.iter_mut().for_each(|found| visit(self.held.id, found));
            }
            At::LookOn(_, Some(no)) => visit(self.held.id, no),
            At::Act(_, Step::TakeOver(no)) => {
                let mut small = *no as u8;
                visit(self.held.id, &mut small);
                *no = i64::from(small);
            }
            _ => {}
        }
        if self.has_claim() {
            visit(self.held.id, &mut self.held.no);
        }
    }
}
