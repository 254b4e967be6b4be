//! Killed once at each failpoint: on the way through the steps, and the second time that a `run` gets there.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use iotpipe::failpoint;

use crate::count::every_line_is_in_one_place;
use crate::on_both_databases;
use crate::support::{Db, World, eventually, gzip, row, telemetry};

on_both_databases!(killed_once_at_each_failpoint, killed_the_second_time_at_each_failpoint);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
const STEPS: [&[&str]; 4] = [&["scan"], &["validate"], &["aggregate"], &["load"]];
const RUN: [&[&str]; 1] = [&["run"]];

fn killed_once_at_each_failpoint(db: Db) {
    let not_reached: Vec<_> = failpoint::ALL.iter().filter(|name| !survives(db, name, "return", &STEPS)).collect();
    assert_eq!(not_reached, [&""; 0], "failpoints that no step reached");
}

/// Some places a run passes only once.
fn killed_the_second_time_at_each_failpoint(db: Db) {
    let reached = failpoint::ALL.iter().filter(|name| survives(db, name, "1*off->return", &RUN)).count();
    assert!(reached >= 10, "{reached} failpoints are passed twice");
}

/// Says whether the program was killed; the run is finished and counted in either case.
fn survives(db: Db, name: &str, action: &str, commands: &[&[&str]]) -> bool {
    let world = World::new(db);
    world.ok(&["migrate"]);
    // What is moved to another file system is copied.
    let is_copied = name.starts_with("copy-") || *name == *"source-removed";
    let elsewhere = is_copied.then(|| tempfile::tempdir_in("/dev/shm").unwrap());
    if let Some(folder) = &elsewhere {
        let _ = std::fs::remove_dir(world.path("processed"));
        std::os::unix::fs::symlink(folder.path(), world.path("processed")).unwrap();
    }
    let mut delivered = deliver(&world);
    let mut killed = false;
    for (i, command) in commands.iter().enumerate() {
        // A file that changes behind the scan is handed back.
        if name == "handed-back" && i < 2 {
            let late = telemetry("pump-4", START, 10 + 5 * i as u32).into_bytes();
            world.file("g.csv", &late);
            delivered.retain(|(name, _)| name != "g.csv");
            delivered.push(("g.csv".to_owned(), late));
        }
        let status = world.command(command).env("FAILPOINTS", format!("{name}={action}")).output().unwrap().status;
        killed |= status.signal() == Some(9);
        assert!(killed || status.success(), "{command:?} with {name}: {status}");
    }
    eventually(Duration::from_secs(30), "the run to be finished", || {
        let run = world.ok(&["run", "--output", "json"]);
        run.count("pending") == 0 && world.files("data").is_empty()
    });
    every_line_is_in_one_place(&world, &delivered);
    world.ok(&["verify"]);
    killed
}

/// Clean, defective, overlapping, compressed, delivered twice, refused.
fn deliver(world: &World) -> Vec<(String, Vec<u8>)> {
    let clean = telemetry("pump-1", START, 60);
    let bad =
        format!("{}{}\nsoon,pump-2,0,0,true,0,true,0,0\n", telemetry("pump-2", START, 30), row(START, "pump-2", 9.5));
    let files = [
        ("a.csv", clean.clone().into_bytes()),
        ("b.csv", bad.into_bytes()),
        ("c.csv", telemetry("pump-1", START + 30 * 60, 60).into_bytes()),
        ("d.csv.gz", gzip(telemetry("pump-3", START, 20))),
        ("e.csv", clean.into_bytes()),
        ("f.csv", b"ts,co\n1,2\n".to_vec()),
    ];
    let files = files.map(|(name, bytes)| (name.to_owned(), bytes)).to_vec();
    files.iter().for_each(|(name, bytes)| world.file(name, bytes));
    files
}
