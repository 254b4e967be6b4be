//! Names that this program gives: each belongs to one entry, is recorded there, and fits wherever a name fits.

use std::collections::BTreeSet;
use std::process::Stdio;

use crate::on_both_databases;
use crate::support::{Db, World, row, telemetry};

on_both_databases!(
    one_content_in_two_folders_at_once,
    one_name_in_two_folders_with_bad_rows,
    the_longest_names_arrive_twice,
    the_longest_names_arrive_twice_on_another_file_system,
    names_that_differ_by_case_alone,
    refused_files_of_one_name,
    a_file_replaced_between_validate_and_load,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
const DAY: i64 = 86_400;

/// Good rows and `bad` ones.
fn with_bad_rows(device: &str, good: u32, bad: u32) -> String {
    let bad: String = (0..bad).map(|n| format!("soon-{n},{device},0,0,true,0,true,0,0\n")).collect();
    telemetry(device, START, good) + &bad
}

/// Each file in the quarantine is one that an entry records, and each recorded one is there.
#[track_caller]
fn the_quarantine_is_as_recorded(world: &World) {
    let mut recorded = BTreeSet::new();
    for name in world.lines("SELECT quarantine_name FROM manifest WHERE quarantine_name IS NOT NULL") {
        assert!(recorded.insert(format!("{name}.reasons.csv")), "{name} belongs to two entries");
    }
    for name in
        world.lines("SELECT quarantine_name FROM manifest WHERE quarantine_name IS NOT NULL AND state <> 'rejected'")
    {
        recorded.insert(format!("{name}.rejected.csv"));
    }
    for name in world.lines("SELECT place_name FROM manifest WHERE place = 'quarantine'") {
        assert!(recorded.insert(name.clone()), "{name} belongs to two entries");
    }
    assert_eq!(world.files("quarantine"), recorded.into_iter().collect::<Vec<_>>());
    world.ok(&["verify"]);
}

/// By two workers, in two processes: whoever loads it, the other's rows are duplicates or the file is one.
fn one_content_in_two_folders_at_once(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    for round in 0..3 {
        // Too large for one claim to take both.
        let content = with_bad_rows(&format!("pump-{round}"), 25_000, 300);
        for folder in ["x", "y"] {
            world.file(format!("{folder}/a.csv"), &content);
        }
        let quietly = || world.command(&["run", "--workers", "2"]).stderr(Stdio::null()).spawn().unwrap();
        for mut run in [quietly(), quietly()] {
            assert_eq!(run.wait().unwrap().code(), Some(0));
        }
        world.ok(&["run"]);
        assert_eq!((world.stored(), world.files("data").len()), (25_000 * (round + 1), 0));
        the_quarantine_is_as_recorded(&world);
    }
}

fn one_name_in_two_folders_with_bad_rows(db: Db) {
    let world = World::new(db);
    world.config("[contract]\nmax_rejected_ratio = 1.0\n");
    world.file("x/a.csv", with_bad_rows("pump-1", 5, 2));
    world.file("y/a.csv", with_bad_rows("pump-2", 5, 3));
    world.file("z/a.csv", with_bad_rows("pump-1", 6, 2));
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("quarantine").len()), (11, 6));
    assert_eq!(world.lines("SELECT sum(rows_rejected), sum(rows_duplicate) FROM manifest"), ["7|5"]);
    the_quarantine_is_as_recorded(&world);
}

/// Names of 243 to 255 bytes that differ in their last letters alone, each a second time with another content.
fn the_longest_names_arrive_twice(db: Db) {
    long_names(&World::new(db));
}

fn the_longest_names_arrive_twice_on_another_file_system(db: Db) {
    let world = World::new(db);
    let _elsewhere = ["processed", "quarantine"].map(|folder| world.elsewhere(folder));
    long_names(&world);
}

fn long_names(world: &World) {
    world.config("[contract]\nmax_rejected_ratio = 1.0\n");
    let mut rows = 0;
    for arrival in 0..3 {
        for bytes in [243, 250, 251, 254, 255] {
            for last in ["1", "2"] {
                let device = format!("pump-{bytes}-{last}-{arrival}");
                let begin = "ü".repeat((bytes - 6) / 2) + &"x".repeat((bytes - 6) % 2 + 1);
                let name = format!("{begin}{last}.csv");
                assert_eq!(name.len(), bytes);
                world.file(&name, with_bad_rows(&device, 3, 1));
                rows += 3;
            }
        }
        world.file(format!("{}.csv", "r".repeat(251)), format!("ts,co\n{arrival},2\n"));
        world.ok(&["run"]);
        assert_eq!((world.stored(), world.files("data").len()), (rows, 0));
    }
    assert_eq!(
        world.lines("SELECT state, count(*) FROM manifest GROUP BY state ORDER BY state"),
        ["loaded|30", "rejected|3"]
    );
    assert_eq!(world.files("processed").len(), 30);
    the_quarantine_is_as_recorded(world);
}

fn names_that_differ_by_case_alone(db: Db) {
    let world = World::new(db);
    world.config("[contract]\nmax_rejected_ratio = 1.0\n");
    let content = with_bad_rows("pump-1", 5, 2);
    for name in ["pump.csv", "pump.CSV", "PUMP.csv", "Pump.Csv"] {
        world.file(name, &content);
    }
    world.ok(&["run", "--workers", "4"]);
    assert_eq!((world.stored(), world.files("processed").len()), (5, 4));
    the_quarantine_is_as_recorded(&world);
}

fn refused_files_of_one_name(db: Db) {
    let world = World::new(db);
    for (n, folder) in ["", "x/", "y/", ""].iter().enumerate() {
        world.file(format!("{folder}a.csv"), format!("ts,co\n{},2\n", n / 3));
        world.ok(&["run"]);
    }
    assert_eq!(world.lines("SELECT state, place FROM manifest ORDER BY id"), ["rejected|quarantine"; 4]);
    assert_eq!(world.files("quarantine").len(), 8);
    the_quarantine_is_as_recorded(&world);
}

/// What the first pass wrote goes with the content that it was about.
fn a_file_replaced_between_validate_and_load(db: Db) {
    let world = World::new(db);
    world.config("[contract]\nmax_rejected_ratio = 1.0\n");
    world.file("a.csv", with_bad_rows("pump-1", 5, 2));
    world.ok(&["scan"]);
    world.ok(&["validate"]);
    // The file is held: what comes under its name is another, and both are loaded.
    world.file("a.csv", format!("{}{}\n", with_bad_rows("pump-1", 5, 3), row(START + DAY, "pump-1", 20.0)));
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("processed").len(), world.files("data").len()), (6, 2, 0));
    assert_eq!(world.lines("SELECT sum(rows_rejected), sum(rows_duplicate) FROM manifest"), ["5|5"]);
    the_quarantine_is_as_recorded(&world);
}
