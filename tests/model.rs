//! The life of a file, searched: every order in which two workers, a writer, crashes and lapsed leases can meet.
//!
//! What a worker does next is the program's own [`iotpipe::ingest::next`]; whether a private name is a claim's is its
//! [`iotpipe::ingest::belongs_to_a_claim`]; who may change an entry is its table of transitions. What is seen of the
//! files, and what a step does to them, is written here once more (`scan.rs`, `pass.rs`, `settle.rs`), call by call:
//! between any two calls of the system and statements of the database, anything else may happen.
//!
//! A file that grew in the archive and is given back (`retry`) needs no move of its own: no entry changes, and the archive has
//! what its entry says again before the longer file is there for a scan, which meets it as any other delivery.
//!
//! Not in the model: several files in one transaction, `validate` and `aggregate` by themselves, `unload`, `retry` and
//! `release`, waits (each is over at once), hard links, names that are cut, a rename whose reply is lost.
//!
//! What the search found in the program is a [`Mutant`] now: the model as the program was then, which a test must find.

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
#[path = "model/turn.rs"]
mod turn;
#[path = "model/worker.rs"]
mod worker;
#[path = "model/world.rs"]
mod world;

use files::Bytes;
use search::search;
use world::{Mutant, Rules};

const CRASH: Rules = Rules { lapses: 0, ..Rules::BOUNDED };
const LAPSE: Rules = Rules { crashes: 0, ..Rules::BOUNDED };
const REPLACED: Rules = Rules { appends: false, ..Rules::BOUNDED };
const ALONE: Rules = Rules { appends: false, replaces: false, ..Rules::BOUNDED };
/// The system does not tell who has a file open, as on a network.
const UNTOLD: Rules = Rules { tells_writers: false, commits_once: false, ..Rules::BOUNDED };

/// Searches the whole of an instance, with `processed/` on the file system of `data/` and on another.
#[track_caller]
fn holds(name: &str, rules: &Rules) {
    for (one_file_system, where_to) in [(true, "one file system"), (false, "two file systems")] {
        let found = search(&Rules { one_file_system, ..*rules }, None);
        println!(
            "{name}, {where_to}: {} states, {} moves, {} at rest, {:.1} s",
            found.states, found.moves, found.at_rest, found.seconds
        );
        for (property, way) in &found.broken {
            println!("broken: {property}\n    {}", way.join("\n    "));
        }
        assert!(found.broken.is_empty(), "{name}, {where_to}: {:?}", found.broken.keys());
        assert!(found.is_whole && found.at_rest > 0, "{name}: no state at rest, or more states than there is room for");
    }
    println!("    held in each: {}", properties::names().join("; "));
}

/// A model that is wrong in one way must break `property`.
#[track_caller]
fn caught(mutant: Mutant, property: &'static str, rules: &Rules) {
    let found = search(&Rules { mutant: Some(mutant), ..*rules }, Some(property));
    println!("{mutant:?}: {} states until: {property}", found.states);
    let way = found.broken.get(property).unwrap_or_else(|| panic!("{mutant:?} is not caught: {property}"));
    way.iter().for_each(|step| println!("    {step}"));
}

#[test]
fn a_crash_between_any_two_calls() {
    holds("a crash, a writer that appends, a file that is replaced", &CRASH);
}

#[test]
fn a_lease_that_lapses_between_any_two_calls() {
    holds("a lapsed lease, a writer that appends, a file that is replaced", &LAPSE);
}

#[test]
fn a_crash_and_a_lapsed_lease() {
    holds("a crash, a lapsed lease, a file that is replaced", &REPLACED);
    holds("a crash, a lapsed lease, a writer that appends", &Rules { replaces: false, ..Rules::BOUNDED });
}

#[test]
fn a_writer_that_nobody_tells_of() {
    holds("a crash, a writer that is not told of", &Rules { lapses: 0, replaces: false, ..UNTOLD });
    holds("a lapsed lease, a writer that is not told of", &Rules { crashes: 0, replaces: false, ..UNTOLD });
}

#[test]
fn a_call_of_the_system_or_the_database_that_fails() {
    holds("a fault and a crash", &Rules { faults: 1, appends: false, ..CRASH });
    holds("a fault and a lapsed lease", &Rules { faults: 1, replaces: false, ..LAPSE });
}

#[test]
fn files_that_come_again_are_taken_away_or_refused() {
    let same = Rules { same_content: true, commits_once: false, ..CRASH };
    holds("the same content again", &same);
    holds("a file that is taken away", &Rules { removes: true, replaces: false, ..CRASH });
    holds("the later content is refused", &Rules { bad: Some(Bytes::B), appends: false, ..CRASH });
    holds("the first content is refused", &Rules { bad: Some(Bytes::A), appends: false, ..CRASH });
}

#[test]
fn a_look_that_takes_a_call_for_each_name() {
    holds("a slow look, a crash and a lapsed lease", &Rules { looks_slowly: true, ..ALONE });
    holds("a slow look, a crash, a file that is replaced", &Rules { looks_slowly: true, lapses: 0, ..REPLACED });
}

#[test]
fn two_threads_of_one_process() {
    holds("two threads, a lapsed lease", &Rules { processes: &[0, 0], crashes: 0, ..REPLACED });
}

#[test]
fn a_guard_without_the_claims_number_is_caught() {
    // Two processes are told apart by the worker; two threads of one are not.
    let threads = Rules { processes: &[0, 0], crashes: 0, ..REPLACED };
    caught(Mutant::GuardWithoutNumber, "rows exist exactly while their file is loaded", &threads);
}

#[test]
fn a_private_name_without_the_claims_number_is_caught() {
    caught(Mutant::NameWithoutNumber, "a loaded file has its archive", &Rules { crashes: 0, ..REPLACED });
}

#[test]
fn a_file_taken_behind_the_commit_is_caught() {
    caught(Mutant::TakeBehindCommit, "a loaded file has its archive", &Rules { crashes: 0, lapses: 0, ..REPLACED });
}

#[test]
fn an_unlink_without_a_comparison_is_caught() {
    let rules = Rules { one_file_system: false, lapses: 0, ..REPLACED };
    caught(Mutant::UnlinkWithoutCompare, "only an own file with a copy elsewhere is unlinked", &rules);
    caught(Mutant::UnlinkWithoutCompare, "no content is lost", &rules);
}

#[test]
fn a_file_given_back_under_a_name_that_became_anothers() {
    caught(Mutant::NameNotYielded, "no statement meets the unique index", &Rules { lapses: 0, ..REPLACED });
}

#[test]
fn a_file_entered_as_held_is_claimed_before_it_has_its_name() {
    caught(Mutant::EnteredUnclaimed, "the manifest says where a file lies", &LAPSE);
}

#[test]
fn a_duplicate_that_is_gone_is_let_go_for_ever() {
    let again = Rules { removes: true, same_content: true, commits_once: false, ..CRASH };
    caught(Mutant::AsideWithoutPolicy, "rest stays reachable", &again);
}

#[test]
fn an_arriving_file_that_is_taken_away_is_waited_for() {
    caught(Mutant::GoneNotNoted, "rest stays reachable", &Rules { removes: true, replaces: false, ..CRASH });
}

#[test]
fn a_file_that_a_stale_worker_took_from_an_arriving_entry_stays_hidden() {
    caught(Mutant::ArrivingKeepsNames, "rest stays reachable", &REPLACED);
}

#[test]
fn a_private_name_of_an_entry_that_is_nowhere_stays_hidden() {
    caught(Mutant::LostKeepsNames, "rest stays reachable", &REPLACED);
}

#[test]
fn a_stale_worker_takes_an_archive_back() {
    let rules = Rules { replaces: false, crashes: 0, ..UNTOLD };
    caught(Mutant::MovesBack, "a loaded file has its archive", &rules);
}

#[test]
fn a_look_downwards_misses_a_file_that_is_taken_over() {
    let rules = Rules { looks_slowly: true, ..ALONE };
    caught(Mutant::LooksDownwards, "a loaded file has its archive", &rules);
}

/// Known, and left so: the table's key keeps one row of each, and the rows of the other are set aside because of it.
#[test]
fn two_files_of_one_content_read_at_the_same_time_are_both_committed() {
    let found = search(&Rules { same_content: true, ..CRASH }, Some("a content is committed once"));
    assert!(found.broken.contains_key("a content is committed once"));
}

#[test]
#[ignore = "minutes: make model"]
fn full_all_at_once() {
    holds("a crash, a lapsed lease, a writer that appends, a file that is replaced", &Rules::BOUNDED);
}

#[test]
#[ignore = "minutes: make model"]
fn full_a_writer_that_nobody_tells_of() {
    holds("a crash, a writer that is not told of, a file that is replaced", &Rules { lapses: 0, ..UNTOLD });
    holds("a lapsed lease, a writer that is not told of, a file that is replaced", &Rules { crashes: 0, ..UNTOLD });
}

#[test]
#[ignore = "minutes: make model"]
fn full_two_crashes() {
    holds("two crashes, a writer that appends, a file that is replaced", &Rules { crashes: 2, ..CRASH });
}

#[test]
#[ignore = "minutes: make model"]
fn full_two_lapses() {
    holds("two lapsed leases, a file that is replaced", &Rules { lapses: 2, appends: false, ..LAPSE });
}

#[test]
#[ignore = "minutes: make model"]
fn full_two_crashes_and_two_lapses() {
    holds("two crashes, two lapsed leases", &Rules { crashes: 2, lapses: 2, ..ALONE });
}

#[test]
#[ignore = "minutes: make model"]
fn full_three_workers() {
    holds("three workers, a crash, a lapsed lease", &Rules { processes: &[0, 1, 2], ..ALONE });
    holds(
        "three workers, a file that is replaced",
        &Rules { processes: &[0, 1, 2], lapses: 0, crashes: 0, ..REPLACED },
    );
}

#[test]
#[ignore = "minutes: make model"]
fn full_three_threads_of_two_processes() {
    holds("three threads, a crash, a lapsed lease", &Rules { processes: &[0, 0, 1], ..ALONE });
}

#[test]
#[ignore = "minutes: make model"]
fn full_faults() {
    holds("two faults, a file that is replaced", &Rules { faults: 2, crashes: 0, lapses: 0, ..REPLACED });
    holds("a fault, a crash and a lapsed lease", &Rules { faults: 1, ..ALONE });
}

#[test]
#[ignore = "minutes: make model"]
fn full_slow_looks() {
    holds(
        "a slow look, a lapsed lease, a file that is replaced",
        &Rules { looks_slowly: true, crashes: 0, ..REPLACED },
    );
}
