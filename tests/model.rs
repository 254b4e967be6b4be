//! The life of a file, searched: every order in which two workers, a writer, crashes and lapsed leases can meet.
//!
//! What a worker does next is the program's own [`iotpipe::ingest::next`], and who may change an entry is its table of
//! transitions. What is seen of the files, and what a step does to them, is written here once more (`model/files.rs`,
//! `pass.rs`, `settle.rs`, `scan.rs`), call by call: between any two of them anything else may happen.

#[path = "model/entries.rs"]
mod entries;
#[path = "model/files.rs"]
mod files;
#[path = "model/pass.rs"]
mod pass;
#[path = "model/properties.rs"]
mod properties;
#[path = "model/scan.rs"]
mod scan;
#[path = "model/search.rs"]
mod search;
#[path = "model/settle.rs"]
mod settle;
#[path = "model/worker.rs"]
mod worker;
#[path = "model/world.rs"]
mod world;

use search::{Found, search};
use world::{Mutant, Rules};

const LIMIT: usize = 40_000_000;

fn run(name: &str, rules: &Rules) -> Found {
    let found = search(rules, LIMIT);
    println!(
        "{name}: {} states, {} moves, {} at rest, {:.1} s{}",
        found.states,
        found.moves,
        found.at_rest,
        found.seconds,
        if found.is_whole { "" } else { ", NOT WHOLE" }
    );
    for (property, way) in &found.broken {
        println!("  broken: {property}\n    {}", way.join("\n    "));
    }
    found
}

#[test]
fn try_it() {
    let mut rules = Rules::BOUNDED;
    for word in std::env::var("MODEL").unwrap_or_default().split_whitespace() {
        match word {
            "two" => rules.one_file_system = false,
            "untold" => rules.tells_writers = false,
            "slow" => rules.looks_slowly = true,
            "same" => rules.same_content = true,
            "many" => rules.commits_once = false,
            "m13" => rules.mutant = Some(Mutant::LooksDownwards),
            "badB" => rules.bad = Some(files::Bytes::B),
            "badA" => rules.bad = Some(files::Bytes::A),
            "removes" => rules.removes = true,
            "noappend" => rules.appends = false,
            "noreplace" => rules.replaces = false,
            "nolapse" => rules.lapses = 0,
            "nocrash" => rules.crashes = 0,
            "crash2" => rules.crashes = 2,
            "lapse2" => rules.lapses = 2,
            "fault" => rules.faults = 1,
            "fault2" => rules.faults = 2,
            "attempts1" => rules.max_attempts = 1,
            "attempts2" => rules.max_attempts = 2,
            "m5" => rules.mutant = Some(Mutant::NameNotYielded),
            "m6" => rules.mutant = Some(Mutant::EnteredUnclaimed),
            "m7" => rules.mutant = Some(Mutant::AsideWithoutPolicy),
            "m9" => rules.mutant = Some(Mutant::ArrivingKeepsNames),
            "m10" => rules.mutant = Some(Mutant::LostKeepsNames),
            "m11" => rules.mutant = Some(Mutant::MovesBack),
            "m8" => rules.mutant = Some(Mutant::GoneNotNoted),
            "threads" => rules.processes = &[0, 0],
            "threads3" => rules.processes = &[0, 0, 1],
            "three" => rules.processes = &[0, 1, 2],
            "m1" => rules.mutant = Some(Mutant::GuardWithoutNumber),
            "m2" => rules.mutant = Some(Mutant::NameWithoutNumber),
            "m3" => rules.mutant = Some(Mutant::TakeBehindCommit),
            "m4" => rules.mutant = Some(Mutant::UnlinkWithoutCompare),
            other => panic!("{other}"),
        }
    }
    run("it", &rules);
}
