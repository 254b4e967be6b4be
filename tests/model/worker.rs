//! A worker: idle, at a scan, or with a claim. Each action is one call of the system or one statement of the database;
//! in between, everything else can happen.

use iotpipe::ingest::Step;
use iotpipe::manifest::transition::{self, Transition};
use iotpipe::manifest::{Place, State};

use super::entries::{Done, Entry, Holder, Of};
use super::files::Bytes;
use super::world::{Label, Move, Mutant, Rules, World};
use super::{pass, scan, settle};

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

/// What follows once a file that stays held is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Then {
    End,
    Settle,
    Note(Place),
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
    /// What was entered has its name, or is gone: about to let go of it, and to go on.
    EnteredDone {
        new: u8,
        then: Then,
    },
    EnteredGone {
        new: u8,
        then: Then,
    },
    /// Entered what is longer than what was loaded.
    LongerEntered {
        new: u8,
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
            At::GrownEntered { new } | At::LongerEntered { new } => new == id,
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

/// The worker `who` in one state, gathering what it can do there.
pub struct Turn<'w> {
    pub world: &'w World,
    pub rules: &'w Rules,
    pub who: usize,
    pub moves: &'w mut Vec<Move>,
}

pub fn moves(world: &World, rules: &Rules, who: usize, moves: &mut Vec<Move>) {
    let mut turn = Turn { world, rules, who, moves };
    if turn.worker().at == At::Idle {
        turn.free_what_was_left();
        scan::begin(&mut turn);
        turn.claim();
        return;
    }
    turn.crash();
    scan::go_on(&mut turn);
    pass::go_on(&mut turn);
    settle::go_on(&mut turn);
}

impl Turn<'_> {
    pub fn worker(&self) -> &Worker {
        &self.world.workers[self.who]
    }

    pub fn process(&self) -> u8 {
        self.rules.processes[self.who]
    }

    /// An own action: `change` makes it on the next state, and says where the worker is then.
    pub fn act(&mut self, what: &'static str, change: impl FnOnce(&mut World, &mut Held) -> At) {
        self.push(what, true, change);
    }

    /// An accident that may happen `faults` times.
    pub fn fault(&mut self, what: &'static str, change: impl FnOnce(&mut World, &mut Held) -> At) {
        if self.world.faults > 0 {
            self.push(what, false, |world, held| {
                world.faults -= 1;
                change(world, held)
            });
        }
    }

    pub fn push(&mut self, what: &'static str, own: bool, change: impl FnOnce(&mut World, &mut Held) -> At) {
        let mut next = *self.world;
        let mut held = self.worker().held;
        let at = change(&mut next, &mut held);
        next.workers[self.who] = if at == At::Idle { Worker::IDLE } else { Worker { at, held } };
        let label = Label { who: Some(self.who as u8), what, at: self.worker().at };
        self.moves.push(Move { label, own, next });
    }

    /// A statement of the holder's. The database may be lost with it, before or behind its commit; the claim stays then.
    pub fn state(
        &mut self,
        what: &'static str,
        transition: &Transition,
        set: impl Fn(&mut Entry, &Held) + Copy,
        then: impl Fn(Done, &mut Held) -> At,
    ) {
        let (process, rules) = (self.process(), self.rules);
        let run = move |world: &mut World, held: &Held| {
            let of = Of::Claim { id: held.id, process, no: held.no };
            let numbered = !rules.is(Mutant::GuardWithoutNumber);
            let done = world.entries.change(transition, of, numbered, |entry| set(entry, held));
            world.met_the_index |= done == Done::NameTaken && rules.is(Mutant::NameNotYielded);
            if done == Done::Changed && transition.to == Some(State::Loaded) {
                world.rows |= rules.hash(held.fixed).bit();
            }
            done
        };
        self.act(what, |world, held| {
            let done = run(world, held);
            then(done, held)
        });
        self.fault("loses the database before", |_, _| At::Idle);
        self.fault("loses the database behind", |world, held| {
            run(world, held);
            At::Idle
        });
    }

    /// All threads of the process end; what it had in hand is named by a row that is nobody's.
    fn crash(&mut self) {
        // Where a scan has only looked, it might as well not have begun.
        let has_only_looked = matches!(
            self.worker().at,
            At::Listed { .. } | At::Hashed { .. } | At::Missed { .. } | At::Stray { .. } | At::StrayKept { .. }
        );
        if self.world.crashes == 0 || has_only_looked {
            return;
        }
        let (process, processes) = (self.process(), self.rules.processes);
        self.push("crashes", false, |world, _| {
            world.crashes -= 1;
            for (who, worker) in world.workers.iter_mut().enumerate() {
                if processes.get(who) == Some(&process) {
                    *worker = Worker::IDLE;
                }
            }
            for (_, entry) in world.entries.iter_mut().filter(|(_, e)| e.holder == Holder::Process(process)) {
                entry.holder = Holder::Dead;
            }
            At::Idle
        });
    }

    /// `release_all`, which a process calls that has nothing in hand.
    fn free_what_was_left(&mut self) {
        let process = self.process();
        let mut siblings = self.world.workers.iter().zip(self.rules.processes).filter(|(_, p)| **p == process);
        let is_left = |entry: &Entry| match entry.holder {
            Holder::Process(holder) => holder == process,
            Holder::Dead => transition::FREE_CLOSED.from.contains(&entry.state),
            Holder::Nobody => false,
        };
        let is_held = self.world.entries.iter().any(|(_, entry)| is_left(entry));
        if is_held && siblings.all(|(worker, _)| worker.at == At::Idle) {
            self.act("frees what it has no longer in hand", |world, _| {
                for transition in [&transition::FREE, &transition::FREE_CLOSED] {
                    world.entries.change(transition, Of::Process(process), true, |_| {});
                }
                world.entries.change(&transition::FREE_CLOSED, Of::Dead, true, |_| {});
                At::Idle
            });
        }
    }

    fn claim(&mut self) {
        let most = self.rules.max_attempts;
        for (id, entry) in self.world.entries.iter() {
            let is_readable = matches!(entry.state, State::Pending | State::Validated | State::Aggregated);
            let at = match entry {
                entry if entry.is_unplaced() => At::Look(Why::Settle),
                entry if is_readable && entry.attempts >= most => At::Expire,
                entry if is_readable && entry.hashed => At::Claimed,
                _ => continue,
            };
            let lapses = match entry.holder {
                Holder::Nobody | Holder::Dead => false,
                // Its own process would free it first.
                Holder::Process(holder) => {
                    if self.world.lapses == 0 || (holder == self.process() && !self.has_busy_sibling(id)) {
                        continue;
                    }
                    true
                }
            };
            let process = self.process();
            self.push(if lapses { "claims, the lease lapsed" } else { "claims" }, !lapses, |world, held| {
                world.lapses -= u8::from(lapses);
                let Some(entry) = world.entries.get_mut(id) else { return At::Idle };
                entry.holder = Holder::Process(process);
                entry.claim_no += 1;
                entry.attempts = (entry.attempts + 1).min(most);
                *held = Held {
                    id,
                    no: entry.claim_no,
                    state: entry.state,
                    place: entry.place,
                    archive: entry.archive,
                    names: 0,
                    fixed: entry.fixed,
                    attempts: entry.attempts,
                };
                at
            });
        }
    }

    /// Whether another thread of this process is at work on the entry.
    fn has_busy_sibling(&self, id: u8) -> bool {
        let all = self.world.workers.iter().zip(self.rules.processes).enumerate();
        all.into_iter().any(|(who, (worker, process))| {
            who != self.who && *process == self.process() && worker.has_claim() && worker.held.id == id
        })
    }
}
