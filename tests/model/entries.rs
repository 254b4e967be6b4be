//! The manifest of the model. Its guards are the program's: states and places come from the table of transitions.

use iotpipe::manifest::transition::{By, Transition};
use iotpipe::manifest::{Place, State};

use super::files::Bytes;

/// Who has an entry in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    Nobody,
    /// A process that lives.
    Process(u8),
    /// One that crashed: its row names it until the next claim.
    Dead,
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    pub state: State,
    pub place: Place,
    /// Which of the target's names is written ahead; where the file lies, once it is there.
    pub archive: Option<u8>,
    pub claim_no: u8,
    pub holder: Holder,
    /// The bytes that were discovered.
    pub fixed: Bytes,
    /// Whether their hash is known.
    pub hashed: bool,
    pub attempts: u8,
}

impl Entry {
    /// As a scan enters it.
    pub fn found(bytes: Bytes, hashed: bool) -> Entry {
        Entry {
            state: if hashed { State::Pending } else { State::Arriving },
            place: Place::Inbox,
            archive: None,
            claim_no: 0,
            holder: Holder::Nobody,
            fixed: bytes,
            hashed,
            attempts: 0,
        }
    }

    /// Closed, and not where it belongs.
    pub fn is_unplaced(&self) -> bool {
        self.state.goal().is_some_and(|goal| self.place != goal && self.place != Place::Nowhere)
    }
}

/// Whose entry a statement is about.
#[derive(Debug, Clone, Copy)]
pub enum Of {
    Claim { id: u8, process: u8, no: u8 },
    Process(u8),
    Dead,
    Free { id: u8, no: u8 },
}

/// What a statement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    Changed,
    /// No row is as the condition asks.
    NotMine,
    /// The unique index over the inbox forbids it: an error of the database.
    NameTaken,
}

const MOST: usize = 9;

/// All rows by their identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entries([Option<Entry>; MOST]);

impl Entries {
    pub fn none() -> Entries {
        Entries([None; MOST])
    }

    pub fn iter(&self) -> impl Iterator<Item = (u8, &Entry)> {
        self.0.iter().enumerate().filter_map(|(id, entry)| Some((id as u8, entry.as_ref()?)))
    }

    pub fn get(&self, id: u8) -> Option<&Entry> {
        self.0.get(id as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, id: u8) -> Option<&mut Entry> {
        self.0.get_mut(id as usize)?.as_mut()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u8, &mut Entry)> {
        self.0.iter_mut().enumerate().filter_map(|(id, entry)| Some((id as u8, entry.as_mut()?)))
    }

    /// Keeps those that `keeps`, which may change them, says.
    pub fn retain(&mut self, keeps: impl Fn(u8, &mut Entry) -> bool) {
        for (id, slot) in self.0.iter_mut().enumerate() {
            if slot.as_mut().is_some_and(|entry| !keeps(id as u8, entry)) {
                *slot = None;
            }
        }
    }

    /// The entry that has the delivered name.
    pub fn in_inbox(&self) -> Option<(u8, &Entry)> {
        self.iter().find(|(_, entry)| entry.place == Place::Inbox)
    }

    /// Inserts a row; `None` where the index has another, or the model no room.
    pub fn insert(&mut self, entry: Entry) -> Option<u8> {
        if entry.place == Place::Inbox && self.in_inbox().is_some() {
            return None;
        }
        let id = self.0.iter().position(Option::is_none)?;
        self.0[id] = Some(entry);
        Some(id as u8)
    }

    pub fn is_full(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }

    /// `transition.statement(of, …)`; `set` gives what the table leaves to the caller. With `numbered` off, the claim's
    /// number is left out of the condition: a mutant.
    pub fn change(&mut self, transition: &Transition, of: Of, numbered: bool, set: impl Fn(&mut Entry)) -> Done {
        let fits_by = match of {
            Of::Claim { .. } | Of::Process(_) | Of::Dead => transition.by == By::Holder,
            Of::Free { .. } => transition.by != By::Holder,
        };
        assert!(fits_by, "{}: not {of:?}'s to make", transition.name);
        let mut done = Done::NotMine;
        for id in 0..self.0.len() {
            let Some(entry) = self.0[id] else { continue };
            let mine = match of {
                Of::Claim { id: own, process, no } => {
                    id == own as usize
                        && entry.holder == Holder::Process(process)
                        && (entry.claim_no == no || !numbered)
                }
                Of::Process(process) => entry.holder == Holder::Process(process),
                Of::Dead => entry.holder == Holder::Dead,
                Of::Free { id: own, no } => {
                    id == own as usize && entry.holder == Holder::Nobody && entry.claim_no == no
                }
            };
            let allowed = transition.from.contains(&entry.state)
                && (transition.places.is_empty() || transition.places.contains(&entry.place));
            if !mine || !allowed {
                continue;
            }
            let mut after = entry;
            set(&mut after);
            after.state = transition.to.unwrap_or(after.state);
            after.attempts = transition.attempts_after(i32::from(entry.attempts)).max(0) as u8;
            if transition.frees() {
                after.holder = Holder::Nobody;
            }
            if after.place == Place::Inbox && self.in_inbox().is_some_and(|(other, _)| other as usize != id) {
                return Done::NameTaken;
            }
            self.0[id] = Some(after);
            done = Done::Changed;
        }
        done
    }
}
