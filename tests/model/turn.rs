//! A worker's turn: idle, at a scan, or with a claim. Each action is one call of the system or one statement of the
//! database; in between, everything else can happen.

use iotpipe::manifest::State;
use iotpipe::manifest::transition::{self, Transition};

use super::entries::{Done, Entry, Holder, Of};
use super::worker::{At, Held, Why, Worker};
use super::world::{Label, Move, Mutant, Rules, World};
use super::{pass, scan, settle};

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
                    took_grown: false,
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
