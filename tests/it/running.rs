//! `loop`: it goes on until it is told to stop, and stops in good order.

use std::time::Duration;

use rustix::process::Signal;

use crate::on_both_databases;
use crate::support::{Db, World, eventually, row, telemetry};

on_both_databases!(
    loop_takes_what_comes_and_stops_on_sigterm,
    loop_stops_on_sigint,
    loop_stops_in_the_middle_of_a_file,
    a_file_that_grows_during_the_pass,
    killed_in_the_middle_nothing_is_half_done,
    a_run_stops_on_sigterm_too,
    the_second_signal_ends_it_at_once,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
const PATIENCE: Duration = Duration::from_secs(30);

fn loop_takes_what_comes_and_stops_on_sigterm(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    world.file("first.csv", telemetry("pump-1", START, 10));
    let running = world.start(&["loop", "--interval", "1s"]);
    eventually(PATIENCE, "the file that was there", || world.stored() == 10);
    world.file("second.csv", telemetry("pump-2", START, 10));
    eventually(PATIENCE, "the file that came", || world.stored() == 20);
    world.file("empty.csv", "\n");
    world.file("third.csv", telemetry("pump-3", START, 10));
    eventually(PATIENCE, "the file after a bad one", || world.stored() == 30 && world.files("data").is_empty());

    assert_eq!(running.stop(Signal::TERM, Duration::from_secs(10)), Some(0));

    assert_eq!(world.files("processed"), ["first.csv", "second.csv", "third.csv"]);
    assert_eq!(world.lines("SELECT count(*) FROM manifest WHERE state = 'loaded'"), ["3"]);
}

fn loop_stops_on_sigint(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    world.file("first.csv", telemetry("pump-1", START, 10));
    // Asleep for an hour, and yet it listens.
    let running = world.start(&["loop", "--interval", "1h"]);
    eventually(PATIENCE, "the first file", || world.stored() == 10);
    assert_eq!(running.stop(Signal::INT, Duration::from_secs(10)), Some(0));
}

fn loop_stops_in_the_middle_of_a_file(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    world.file("large.csv", telemetry("pump-1", START, 400_000));
    let running = world.start(&["loop", "--interval", "1s"]);
    eventually(PATIENCE, "the large file to be known", || world.number("SELECT count(*) FROM manifest") == 1);

    assert_eq!(running.stop(Signal::TERM, Duration::from_secs(10)), Some(0));

    let stored = world.stored();
    assert!([0, 400_000].contains(&stored), "finished or rolled back, not {stored} rows");
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("data").len()), (400_000, 0));
    assert_eq!(world.lines("SELECT count FROM sensor_summary WHERE sensor = 'temp'"), ["400000"]);
}

/// What an orchestrator sends to a job, not to a loop.
fn a_run_stops_on_sigterm_too(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    world.file("large.csv", telemetry("pump-1", START, 400_000));
    let running = world.start(&["run"]);
    eventually(PATIENCE, "the large file to be known", || world.number("SELECT count(*) FROM manifest") == 1);
    assert_eq!(running.stop(Signal::TERM, Duration::from_secs(10)), Some(0));
    assert!([0, 400_000].contains(&world.stored()));
    world.ok(&["run"]);
    assert_eq!(world.stored(), 400_000);
    world.ok(&["verify"]);
}

fn the_second_signal_ends_it_at_once(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    world.file("large.csv", telemetry("pump-1", START, 400_000));
    let running = world.start(&["loop", "--interval", "1s"]);
    eventually(PATIENCE, "the large file to be known", || world.number("SELECT count(*) FROM manifest") == 1);
    let pid = rustix::process::Pid::from_child(&running.child);
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    let started = std::time::Instant::now();
    assert_eq!(running.stop(Signal::INT, Duration::from_secs(10)), Some(0));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    eventually(PATIENCE, "the file to be loaded", || {
        world.ok(&["run"]);
        world.stored() == 400_000 && world.files("data").is_empty()
    });
    world.ok(&["verify"]);
}

fn killed_in_the_middle_nothing_is_half_done(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    world.file("large.csv", telemetry("pump-1", START, 200_000));
    world.ok(&["scan"]);
    for wait in [50, 200, 400] {
        let running = world.start(&["load"]);
        std::thread::sleep(Duration::from_millis(wait));
        drop(running); // SIGKILL
        let stored = world.stored();
        assert!([0, 200_000].contains(&stored), "{stored} rows after {wait} ms");
    }
    // What a worker of this machine had claimed is free again once the worker is no more.
    eventually(PATIENCE, "the file to be loaded", || {
        world.iotpipe(&["run"]);
        world.stored() == 200_000
    });
    world.ok(&["run"]);
    assert_eq!(world.manifest("large.csv").state, "loaded");
    assert_eq!(world.files("processed"), ["large.csv"]);
    assert_eq!(world.lines("SELECT count FROM sensor_summary WHERE sensor = 'temp'"), ["200000"]);
}

/// Whenever the late row comes (before the pass opens the file, during it, or behind the commit), it is loaded, and
/// so is the rest, once.
fn a_file_that_grows_during_the_pass(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    let rows = 200_000;
    world.file("large.csv", telemetry("pump-1", START, rows));
    let running = world.start(&["loop", "--interval", "1s"]);
    eventually(PATIENCE, "the large file to be known", || world.number("SELECT count(*) FROM manifest") == 1);

    // A writer that knows it under whatever name it has by now.
    let open = |name: &String| std::fs::OpenOptions::new().append(true).open(world.path("data").join(name)).ok();
    let mut file = None;
    eventually(PATIENCE, "a name to open it by", || {
        file = world.files("data").first().and_then(open);
        file.is_some()
    });
    let mut file = file.unwrap();
    std::io::Write::write_all(&mut file, row(START, "late", 1.5).as_bytes()).unwrap();
    drop(file);

    let stored = i64::from(rows) + 1;
    eventually(PATIENCE, "all rows", || world.stored() == stored && world.files("data").is_empty());
    assert_eq!(running.stop(Signal::TERM, Duration::from_secs(10)), Some(0));
    assert_eq!(world.lines("SELECT DISTINCT device FROM iot_readings ORDER BY device"), ["late", "pump-1"]);
    let unbalanced = "SELECT source FROM manifest WHERE rows_total <> rows_loaded + rows_rejected + rows_duplicate";
    assert_eq!(world.lines(unbalanced), [""; 0]);
}
