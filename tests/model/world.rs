//! One state of the model: files, manifest, workers, the writer, and what may still go wrong.

use iotpipe::manifest::{Place, State};
use iotpipe::source::Content;

use super::entries::{Entries, Entry, Holder};
use super::files::{Bytes, File, Files, Name, Slot};
use super::worker::{At, Worker};

/// What is known to be wrong with a protocol: each must be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// A transition asks for the worker and the state, not for the claim's number.
    GuardWithoutNumber,
    /// The private name of an entry is the same for each claim.
    NameWithoutNumber,
    /// The file is read under its delivered name, and taken in hand behind the commit.
    TakeBehindCommit,
    /// The source is unlinked where something lies at the target, whatever it is.
    UnlinkWithoutCompare,
    /// An entry is noted to have a name that is another's by now.
    NameNotYielded,
    /// A file that stays held gets its entry free for all, and its private name behind that.
    EnteredUnclaimed,
    /// A duplicate that can't be taken in hand is let go, whatever is wrong with it.
    AsideWithoutPolicy,
    /// A private name of an arriving entry is left to a claim that never comes.
    ArrivingKeepsNames,
    /// The same of an entry whose file was noted to be nowhere.
    LostKeepsNames,
    /// What was appended while it moved is renamed back from its target.
    MovesBack,
    /// A look for private names begins with the newest, and ends at the first that is there.
    LooksDownwards,
    /// Nobody notes that the file of an arriving or failed entry is gone.
    GoneNotNoted,
}

/// An instance: who takes part, and what may happen how often.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The process of each worker; two threads of one process share its lease.
    pub processes: &'static [u8],
    pub crashes: u8,
    /// Claims of an entry whose holder lives.
    pub lapses: u8,
    /// Calls of the system that fail, and losses of the database.
    pub faults: u8,
    /// Whether the writer appends to the file that it has open.
    pub appends: bool,
    /// Whether another file is delivered by a rename over the first one's name.
    pub replaces: bool,
    /// Whether a delivered file is taken away again.
    pub removes: bool,
    /// Whether what is delivered later has the content of the first.
    pub same_content: bool,
    /// The content that breaks the contract.
    pub bad: Option<Bytes>,
    /// Whether `data/` and `processed/` are one file system.
    pub one_file_system: bool,
    /// Whether the system tells that a file is open for writing.
    pub tells_writers: bool,
    /// Whether a look takes a step for each private name that it looks for.
    pub looks_slowly: bool,
    /// Whether it is asked that a content is committed once. Two files of one content that are read at the same time are
    /// both committed: the key of the table keeps one row of each, and the other file's are set aside because of it.
    pub commits_once: bool,
    /// Attempts after which a file is given up.
    pub max_attempts: u8,
    pub mutant: Option<Mutant>,
}

impl Rules {
    /// Two workers, one crash, one lapse, a writer that appends and one that replaces.
    pub const BOUNDED: Rules = Rules {
        processes: &[0, 1],
        crashes: 1,
        lapses: 1,
        faults: 0,
        appends: true,
        replaces: true,
        removes: false,
        same_content: false,
        bad: None,
        one_file_system: true,
        tells_writers: true,
        looks_slowly: false,
        commits_once: true,
        max_attempts: 2,
        mutant: None,
    };

    pub fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// The hash of a content.
    pub fn hash(&self, bytes: Bytes) -> Bytes {
        if self.same_content && bytes == Bytes::B { Bytes::A } else { bytes }
    }

    /// How what lies under a name compares with what was discovered.
    pub fn compare(&self, files: &Files, name: Name, fixed: Bytes, trusts_stamp: bool) -> Content {
        let Some(file) = files.get(name) else { return Content::Absent };
        if trusts_stamp && file.bytes == fixed {
            return if self.tells_writers && file.open { Content::Grown } else { Content::Same };
        }
        if self.hash(file.bytes) == self.hash(fixed) {
            Content::Same
        } else if self.begins_with(file.bytes, fixed) {
            Content::Grown
        } else {
            Content::Other
        }
    }

    /// Whether the first bytes of `bytes` are `fixed`.
    pub fn begins_with(&self, bytes: Bytes, fixed: Bytes) -> bool {
        let (bytes, fixed) = (self.hash(bytes), self.hash(fixed));
        bytes == fixed || (bytes == Bytes::Longer && fixed == Bytes::A)
    }

    pub fn private(&self, id: u8, no: u8) -> Name {
        Name::Private(id, if self.is(Mutant::NameWithoutNumber) { 0 } else { no })
    }

    /// The names that a file may have where it belongs, the first choice first.
    pub fn target(&self, state: State, id: u8, fixed: Bytes, choice: u8) -> Option<Name> {
        let slots = [Slot::First, Slot::Beside(self.hash(fixed)), Slot::Own(id)];
        match state.goal()? {
            Place::Quarantine => (choice == 0).then_some(Name::Quarantine(Slot::Own(id))),
            Place::Processed => slots.get(choice as usize).map(|slot| Name::Processed(*slot)),
            _ => None,
        }
    }
}

pub const MOST_WORKERS: usize = 3;

/// The whole of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct World {
    pub files: Files,
    pub entries: Entries,
    pub workers: [Worker; MOST_WORKERS],
    pub crashes: u8,
    pub lapses: u8,
    pub faults: u8,
    pub may_append: bool,
    pub may_replace: bool,
    pub may_remove: bool,
    /// Contents that were delivered, as bits.
    pub delivered: u8,
    /// Those that their writer overwrote or took away.
    pub taken_back: u8,
    /// Contents whose rows are stored, as bits of their hashes.
    pub rows: u8,
    /// A file was unlinked that was not the unlinker's own, or whose bytes are nowhere else.
    pub unlinked_wrongly: bool,
    /// A statement met the unique index over the inbox: an error that nobody foresaw.
    pub met_the_index: bool,
    /// The model has no room for another entry.
    pub is_full: bool,
}

/// What happened, for a trace.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// The worker, if it was one.
    pub who: Option<u8>,
    pub what: &'static str,
    pub at: At,
}

/// One action.
pub struct Move {
    pub label: Label,
    /// Whether it is the program's own, not an accident or a delivery: what leads to rest must be such.
    pub own: bool,
    pub next: World,
}

impl World {
    pub fn initial(rules: &Rules) -> World {
        World {
            files: Files::delivered(),
            entries: Entries::none(),
            workers: [Worker::IDLE; MOST_WORKERS],
            crashes: rules.crashes,
            lapses: rules.lapses,
            faults: rules.faults,
            may_append: rules.appends,
            may_replace: rules.replaces,
            may_remove: rules.removes,
            delivered: Bytes::A.bit(),
            taken_back: 0,
            rows: 0,
            unlinked_wrongly: false,
            met_the_index: false,
            is_full: false,
        }
    }

    /// All that can happen next.
    pub fn moves(&self, rules: &Rules) -> Vec<Move> {
        let mut moves = Vec::with_capacity(16);
        self.deliveries(&mut moves);
        for who in 0..rules.processes.len() {
            super::turn::moves(self, rules, who, &mut moves);
        }
        moves
    }

    fn deliveries(&self, moves: &mut Vec<Move>) {
        let mut deliver = |what, own, change: &dyn Fn(&mut World)| {
            let mut next = *self;
            change(&mut next);
            moves.push(Move { label: Label { who: None, what, at: At::Idle }, own, next });
        };
        let is_open = self.files.iter().any(|file| file.open);
        if is_open {
            // A writer closes in the end; that alone is left to it where rest must be reachable.
            deliver("the writer closes", true, &|world| {
                world.files.open().for_each(|file| file.open = false);
            });
        }
        if self.may_append && is_open {
            deliver("the writer appends", false, &|world| {
                world.may_append = false;
                world.delivered |= Bytes::Longer.bit();
                world.files.open().for_each(|file| file.bytes = Bytes::Longer);
            });
        }
        if self.may_replace {
            deliver("another file is renamed to the delivered name", false, &|world| {
                world.may_replace = false;
                world.take_back();
                world.delivered |= Bytes::B.bit();
                world.files.put(File { name: Name::Delivered, bytes: Bytes::B, open: false });
            });
        }
        if self.may_remove && self.files.has(Name::Delivered) {
            deliver("the delivered file is taken away", false, &|world| {
                world.may_remove = false;
                world.take_back();
            });
        }
    }

    /// Who delivered a file overwrites it or takes it away.
    fn take_back(&mut self) {
        if let Some(file) = self.files.remove(Name::Delivered) {
            self.taken_back |= file.bytes.bit();
            if file.bytes == Bytes::Longer {
                self.taken_back |= Bytes::A.bit();
            }
        }
    }

    /// The same state written in one way: claim numbers count from 0 without wide gaps, entries that are history and
    /// which nothing names are left out, and workers, which are all alike, stand in order. Two states that differ in
    /// nothing else are one.
    pub fn canonical(mut self, rules: &Rules) -> World {
        let mut used = [0u32; 9];
        self.numbers(&mut |id, no| used[id as usize] |= 1 << *no);
        let is_dense = |used: u32| (used | 1) & (used | 1).wrapping_add(1) == 0;
        if !used.iter().all(|used| is_dense(*used)) {
            let renumbered: Vec<[u8; 32]> = used.iter().map(|used| renumber(*used)).collect();
            self.numbers(&mut |id, no| *no = renumbered[id as usize][*no as usize]);
        }
        self.forget(rules);
        if rules.processes.len() == 2 && rules.processes[0] != rules.processes[1] {
            let mirrored = self.mirrored(0, 1);
            if mirrored.key() < self.key() {
                return mirrored;
            }
        } else if rules.processes == [0, 1, 2] {
            let mut least = self;
            for [a, b] in [[0, 1], [1, 2], [0, 1], [1, 2], [0, 1]] {
                self = self.mirrored(a, b);
                if self.key() < least.key() {
                    least = self;
                }
            }
            return least;
        }
        self
    }

    /// Leaves out what nothing asks for any more.
    fn forget(&mut self, rules: &Rules) {
        for worker in &mut self.workers {
            if rules.faults == 0 || worker.held.state.goal().is_some() {
                worker.held.attempts = 0;
            }
        }
        let (workers, files) = (self.workers, self.files);
        self.entries.retain(|id, entry| {
            if !entry.state.is_open() {
                entry.attempts = 0;
            }
            let is_duplicate = entry.state == State::Duplicate && entry.place == Place::Processed;
            let is_history = is_duplicate || (entry.place == Place::Nowhere && entry.state != State::Loaded);
            let is_named = || {
                let names_it = |file: &File| matches!(file.name, Name::Private(i, _) | Name::Copy(i, _) if i == id);
                files.iter().any(names_it) || workers.iter().any(|worker| worker.refers_to(id))
            };
            !is_history || entry.holder != Holder::Nobody || is_named()
        });
    }

    fn key(&self) -> ([u128; MOST_WORKERS], [Option<Holder>; 9]) {
        let mut holders = [None; 9];
        self.entries.iter().for_each(|(id, entry)| holders[id as usize] = Some(entry.holder));
        (self.workers.map(|worker| super::search::fingerprint(&worker)), holders)
    }

    /// With two workers, each a process of its own, in each other's place.
    fn mirrored(mut self, a: u8, b: u8) -> World {
        self.workers.swap(a as usize, b as usize);
        for (_, entry) in self.entries.iter_mut() {
            entry.holder = match entry.holder {
                Holder::Process(p) if p == a => Holder::Process(b),
                Holder::Process(p) if p == b => Holder::Process(a),
                other => other,
            };
        }
        self
    }

    fn numbers(&mut self, visit: &mut impl FnMut(u8, &mut u8)) {
        self.files.numbers(visit);
        for (id, entry) in self.entries.iter_mut() {
            let entry: &mut Entry = entry;
            visit(id, &mut entry.claim_no);
        }
        self.workers.iter_mut().for_each(|worker| worker.numbers(visit));
    }
}

/// New numbers for those that are used: in the same order, wide gaps as narrow ones. 0 stays 0: never claimed.
fn renumber(used: u32) -> [u8; 32] {
    let mut new = [0; 32];
    let mut last = (0, 0);
    for no in (1..32).filter(|no| used & (1 << no) != 0) {
        let number = last.1 + (no - last.0).min(2);
        new[no as usize] = number;
        last = (no, number);
    }
    new
}
