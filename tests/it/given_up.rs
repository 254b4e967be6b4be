//! A file that fails again and again is given up, with its reason, and keeps no other waiting; `retry` takes it up again.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::on_both_databases;
use crate::support::{Db, Outcome, World, telemetry};

on_both_databases!(a_file_that_can_not_be_read,);
#[cfg(feature = "failpoints")]
mod killed {
    use super::a_file_that_kills_its_worker;
    crate::on_both_databases!(a_file_that_kills_its_worker);
}

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
/// Attempts after which a file is given up.
const ATTEMPTS: usize = 5;

fn set_mode(world: &World, name: &str, mode: u32) {
    let path = world.path("data").join(name);
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn as_nobody(world: &World, args: &[&str]) -> Outcome {
    Outcome::of(args, world.as_nobody(args))
}

/// The wait before the next attempt has passed.
fn later(world: &World) {
    world.execute("UPDATE manifest SET not_before = NULL");
}

fn a_file_that_can_not_be_read(db: Db) {
    let world = World::new(db);
    world.file("bad.csv", telemetry("pump-1", START, 5));
    as_nobody(&world, &["scan"]).expect_code(0);
    set_mode(&world, "bad.csv", 0o000);
    for attempt in 1..=ATTEMPTS {
        world.file(format!("good{attempt}.csv"), telemetry(&format!("good-{attempt}"), START, 5));
        let run = as_nobody(&world, &["run", "--output", "json"]).expect_code(1).expect_stderr(&["bad.csv", "denied"]);
        assert_eq!((run.count("failed"), run.count("loaded")), (1, 5), "{attempt}");
        assert_eq!(run.count("failed_total"), i64::from(attempt == ATTEMPTS));
        later(&world);
    }
    assert_eq!(world.files("data"), ["bad.csv"], "given back under its name");
    assert_eq!(world.manifest("bad.csv").state, "failed");
    // From now on it is named, and nothing fails on its account.
    let run = as_nobody(&world, &["run", "--output", "json"]).expect_code(0).expect_stderr(&["iotpipe retry"]);
    assert_eq!((run.count("failed"), run.count("failed_total"), run.count("pending")), (0, 1, 0));
    as_nobody(&world, &["run", "--strict"]).expect_code(3);
    let status = as_nobody(&world, &["status"]).expect_code(0);
    assert!(status.stdout.contains("bad.csv") && status.stdout.contains("denied"), "{}", status.stdout);
    // Taken up again in vain, and then not.
    as_nobody(&world, &["retry"]).expect_code(0);
    let run = as_nobody(&world, &["run", "--output", "json"]).expect_code(1);
    assert_eq!((run.count("failed"), run.count("failed_total")), (1, 0));
    later(&world);
    let held = world.files("data").remove(0);
    set_mode(&world, &held, 0o644);
    as_nobody(&world, &["run"]).expect_code(0);
    assert_eq!((world.stored(), world.files("data").len()), (5 * (ATTEMPTS as i64 + 1), 0));
    as_nobody(&world, &["verify"]).expect_code(0);
}

/// Nothing is said by who is killed; the attempts were counted when they began.
#[cfg(feature = "failpoints")]
fn a_file_that_kills_its_worker(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    world.file("a.csv", telemetry("killer", START, 5));
    world.file("b.csv", telemetry("pump-1", START, 5));
    world.file("c.csv", telemetry("pump-2", START, 5));
    for _ in 0..ATTEMPTS {
        let mut run = world.command(&["run", "--workers", "1"]);
        assert_eq!(run.env("FAILPOINTS", "opened=return").status().unwrap().code(), None, "it is killed");
        later(&world);
    }
    world.iotpipe(&["run"]);
    later(&world);
    let run = world.ok(&["run", "--output", "json"]);
    assert_eq!((run.count("failed_total"), run.count("pending")), (1, 0), "{}", run.stderr);
    assert_eq!(
        world.lines("SELECT source, state FROM manifest ORDER BY 1"),
        ["a.csv|failed", "b.csv|loaded", "c.csv|loaded"]
    );
    assert_eq!(world.number("SELECT count(*) FROM manifest WHERE last_error LIKE '%without%'"), 1);
    world.ok(&["retry", "a.csv"]);
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("data").len()), (15, 0));
    world.ok(&["verify"]);
}
