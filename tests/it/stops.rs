//! A signal is a stop like any other, whenever it comes: its exit code says whether the work is left to the next run, and
//! the last line of stdout says so to programs.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Db, Outcome, World, eventually};

/// Steps leave what was not done to the next run; for the others somebody waits.
const COMMANDS: [(&[&str], i32); 8] = [
    (&["run"], 0),
    (&["scan"], 0),
    (&["load"], 0),
    (&["loop"], 0),
    (&["migrate"], 1),
    (&["status"], 1),
    (&["verify"], 1),
    (&["reaggregate"], 1),
];

fn start(mut command: Command) -> Child {
    command.args(["--output", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Ends it by `signal`, at once.
#[track_caller]
fn stop(child: Child, args: &[&str], signal: Signal) -> Outcome {
    let started = Instant::now();
    kill_process(Pid::from_child(&child), signal).unwrap();
    let outcome = Outcome::from_output(&args.join(" "), &child.wait_with_output().unwrap());
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    outcome
}

#[test]
fn while_a_database_does_not_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u@{}/x", silent.local_addr().unwrap());
    for (args, code) in COMMANDS {
        for signal in [Signal::TERM, Signal::INT] {
            let world = World::new(Db::Sqlite);
            let child = start(world.command(&[args, &["--database-url", &url]].concat()));
            let _asked = silent.accept().unwrap();
            let outcome = stop(child, args, signal).expect_code(code);
            assert_eq!(outcome.json()["step"], args[0]);
        }
    }
}

#[test]
fn while_another_migrates() {
    for (args, code) in [(&["run"][..], 0), (&["loop"], 0), (&["migrate"], 1)] {
        let world = World::new(Db::Postgres);
        let held = world.hold(&format!("SELECT pg_advisory_xact_lock({})", 0x696f_7470));
        let child = start(world.command(args));
        let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        eventually(Duration::from_secs(30), "it to wait for the lock", || world.number(waits) == 1);
        let outcome = stop(child, args, Signal::TERM).expect_code(code);
        assert_eq!(outcome.json()["step"], args[0]);
        held.end("ROLLBACK");
        world.ok(&["run"]);
    }
}

#[test]
fn while_an_embedded_database_is_locked() {
    for (args, code) in [(&["run"][..], 0), (&["verify"], 1)] {
        let world = World::new(Db::Sqlite);
        let lock = rusqlite::Connection::open(world.path("iotpipe.db")).unwrap();
        lock.execute_batch("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; CREATE TABLE held (x)").unwrap();
        let child = start(world.command(args));
        std::thread::sleep(Duration::from_secs(1));
        stop(child, args, Signal::TERM).expect_code(code).json();
        drop(lock);
        world.ok(&["run"]);
    }
}

#[test]
fn a_generator_that_goes_on_for_ever() {
    let world = World::new(Db::Sqlite);
    let args = ["generate", "--every", "1h", "--rows", "5"];
    let child = start(world.command(&args));
    eventually(Duration::from_secs(30), "the first file", || !world.files("data").is_empty());
    stop(child, &args, Signal::TERM).expect_code(0).json();
    assert_eq!(world.files("data").len(), 1);
    let args = ["generate", "--files", "100000", "--rows", "5"];
    let child = start(world.command(&args));
    eventually(Duration::from_secs(30), "some files", || world.files("data").len() > 10);
    let written = stop(child, &args, Signal::INT).expect_code(0).count("files");
    assert!((10..100_000).contains(&written), "{written}");
    assert_eq!(world.files("data").len() as i64, written, "whole files alone");
}
