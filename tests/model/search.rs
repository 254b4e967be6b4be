//! Breadth first through every state that can be reached, with what is asked of each, and back from the states at rest.
//!
//! A search of our own and no crate for it: that rest stays reachable from everywhere ("always possibly", AG EF in CTL)
//! is asked of the whole graph backwards; the checkers that were looked at ask along single paths ("always",
//! "eventually"), where a worker that is slept for ever is a counter-example.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};

use super::properties::{PROPERTIES, REST, is_at_rest};
use super::world::{Label, Move, Rules, World};

/// What a search found.
pub struct Found {
    pub states: usize,
    pub moves: usize,
    pub at_rest: usize,
    /// For each property that does not hold, the shortest way there.
    pub broken: BTreeMap<&'static str, Vec<String>>,
    /// Whether each state was seen.
    pub is_whole: bool,
    pub seconds: f32,
}

/// Two multiplications per word: 128 bits that nobody chose to collide. A state is known by them alone; among 10⁸ states
/// the chance that any two share theirs is below 10⁻²².
#[derive(Default)]
struct Quick(u64, u64);

impl Quick {
    fn both(&self) -> u128 {
        let mix = |n: u64| {
            let n = (n ^ (n >> 32)).wrapping_mul(0xff51_afd7_ed55_8ccd);
            n ^ (n >> 29)
        };
        u128::from(mix(self.0)) << 64 | u128::from(mix(self.1))
    }
}

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        self.both() as u64
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x517c_c1b7_2722_0a95);
        self.1 = (self.1.rotate_left(23) ^ n ^ 0x9e37_79b9).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    }

    fn write_u128(&mut self, n: u128) {
        self.write_u64(n as u64);
    }

    fn write_isize(&mut self, n: isize) {
        self.write_u64(n as u64);
    }

    fn write_i64(&mut self, n: i64) {
        self.write_u64(n as u64);
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }
}

pub fn fingerprint(value: &impl Hash) -> u128 {
    let mut hasher = Quick::default();
    value.hash(&mut hasher);
    hasher.both()
}

const NONE: u32 = u32::MAX;

/// States by number, known by their fingerprints.
#[derive(Default)]
struct Seen {
    prints: Vec<u128>,
    /// From where each was reached first.
    from: Vec<u32>,
    numbers: HashMap<u128, u32, BuildHasherDefault<Quick>>,
}

impl Seen {
    /// The number of `world`, and whether it is new.
    fn number(&mut self, world: &World, from: u32) -> (u32, bool) {
        let print = fingerprint(world);
        let next = self.prints.len() as u32;
        match *self.numbers.entry(print).or_insert(next) {
            number if number != next => (number, false),
            _ => {
                self.prints.push(print);
                self.from.push(from);
                (next, true)
            }
        }
    }

    /// The way from the start to the state `number`, in words, and that state.
    fn way_to(&self, rules: &Rules, number: u32) -> Vec<String> {
        let mut chain = vec![number];
        while let Some(&last) = chain.last()
            && self.from[last as usize] != NONE
        {
            chain.push(self.from[last as usize]);
        }
        let mut world = World::initial(rules);
        let mut way = Vec::new();
        for state in chain.iter().rev().skip(1) {
            let is_next = |m: &Move| fingerprint(&m.next.canonical(rules)) == self.prints[*state as usize];
            let Some(found) = world.moves(rules).into_iter().find(is_next) else { break };
            way.push(words(&found.label));
            world = found.next;
        }
        way.push(format!("there: {world:?}"));
        way
    }
}

fn words(label: &Label) -> String {
    match label.who {
        Some(who) => format!("{who}: {} [{:?}]", label.what, label.at),
        None => label.what.to_owned(),
    }
}

/// As many states as there is room for.
const MOST_STATES: usize = 80_000_000;

/// Looks at every state of an instance; with `until`, no further than to where that property does not hold.
pub fn search(rules: &Rules, until: Option<&str>) -> Found {
    let begun = std::time::Instant::now();
    let mut seen = Seen::default();
    let mut ahead = VecDeque::from([World::initial(rules).canonical(rules)]);
    seen.number(&ahead[0], NONE);
    // The program's own moves, as pairs to ← from.
    let mut own: Vec<(u32, u32)> = Vec::new();
    let mut broken: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let (mut at, mut moves, mut at_rest, mut ends) = (0u32, 0, 0, Vec::new());
    while seen.prints.len() < MOST_STATES
        && !until.is_some_and(|property| broken.contains_key(property))
        && let Some(world) = ahead.pop_front()
    {
        let wrong = PROPERTIES.iter().filter(|(_, holds)| !holds(&world, rules)).map(|(name, _)| *name);
        let wrong: Vec<&str> = wrong.collect();
        for name in &wrong {
            broken.entry(name).or_insert_with(|| seen.way_to(rules, at));
        }
        let is_rest = is_at_rest(&world);
        at_rest += usize::from(is_rest);
        if is_rest || !wrong.is_empty() {
            ends.push(at);
        }
        // What follows a broken state says nothing new.
        for next in if wrong.is_empty() { world.moves(rules) } else { Vec::new() } {
            moves += 1;
            let canonical = next.next.canonical(rules);
            let (to, is_new) = seen.number(&canonical, at);
            if is_new {
                ahead.push_back(canonical);
            }
            if next.own {
                own.push((to, at));
            }
        }
        at += 1;
    }
    let is_whole = ahead.is_empty();
    if is_whole && let Some(stuck) = first_without_rest(seen.prints.len(), &mut own, ends) {
        broken.insert(REST, seen.way_to(rules, stuck));
    }
    let seconds = begun.elapsed().as_secs_f32();
    Found { states: seen.prints.len(), moves, at_rest, broken, is_whole, seconds }
}

/// The first state from which no way of own moves, given as pairs (to, from), leads to `rest`.
fn first_without_rest(states: usize, own: &mut [(u32, u32)], rest: Vec<u32>) -> Option<u32> {
    own.sort_unstable();
    let mut reaches = vec![false; states];
    let mut open = rest;
    while let Some(state) = open.pop() {
        if std::mem::replace(&mut reaches[state as usize], true) {
            continue;
        }
        let first = own.partition_point(|(to, _)| *to < state);
        open.extend(own[first..].iter().take_while(|(to, _)| *to == state).map(|(_, from)| *from));
    }
    reaches.iter().position(|reaches| !reaches).map(|state| state as u32)
}
