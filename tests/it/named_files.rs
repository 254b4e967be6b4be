//! One task per file: `scan` lists what waits, `--file` takes one of them.

use std::process::Stdio;
use std::time::Duration;

use crate::on_both_databases;
use crate::support::{Db, HEADER, Outcome, World, eventually, telemetry};

on_both_databases!(
    what_scan_lists_each_task_takes,
    many_tasks_and_a_run_at_once,
    step_by_step,
    what_another_has_in_hand_is_waited_for,
    what_can_not_be_done_is_said,
    no_more_than_a_thousand_are_listed,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

fn world_with(db: Db, files: i64) -> World {
    let world = World::new(db);
    for i in 0..files {
        world.file(format!("deep/{i}, \"ü\".csv"), telemetry(&format!("pump-{i}"), START, 10));
    }
    world
}

fn listed(scan: &Outcome) -> Vec<String> {
    serde_json::from_value(scan.json()["pending_files"].clone()).unwrap()
}

fn what_scan_lists_each_task_takes(db: Db) {
    let world = world_with(db, 3);
    let scan = world.ok(&["scan", "--output", "json"]);
    let names = listed(&scan);
    assert_eq!((names.len(), scan.count("pending")), (3, 3));
    let load = world.ok(&["load", "--file", &names[1], "--output", "json"]);
    assert_eq!((load.count("files"), load.count("loaded"), load.count("pending")), (1, 10, 0));
    assert_eq!(world.lines("SELECT source FROM manifest WHERE state = 'loaded'"), [names[1].clone()]);
    let rest = listed(&world.ok(&["scan", "--output", "json"]));
    assert_eq!(rest, [names[0].clone(), names[2].clone()]);
    // Done already, by whomever.
    let again = world.ok(&["load", "--file", &names[1], "--output", "json"]);
    assert_eq!((again.count("files"), again.count("pending")), (0, 0));
    world.iotpipe(&["load", "--file", &names[1], "--skip-if-empty"]).expect_code(99);
    // With the folder's name, as a shell completes it; twice is once.
    let path = format!("data/{}", names[0]);
    let both = world.ok(&["load", "--file", &path, "--file", &names[0], "--file", &names[2], "--output", "json"]);
    assert_eq!((both.count("files"), both.count("loaded")), (2, 20));
    assert_eq!(listed(&world.ok(&["scan", "--output", "json"])), [""; 0]);
}

fn many_tasks_and_a_run_at_once(db: Db) {
    let world = world_with(db, 6);
    let names = listed(&world.ok(&["scan", "--output", "json"]));
    let mut commands: Vec<_> = names.iter().map(|name| world.command(&["load", "--file", name])).collect();
    commands.push(world.command(&["run"]));
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let started = commands.into_iter().map(|command| scope.spawn(move || Outcome::of(&["load"], command)));
        started.collect::<Vec<_>>().into_iter().map(|task| task.join().unwrap()).collect()
    });
    outcomes.into_iter().for_each(|outcome| drop(outcome.expect_code(0)));
    assert_eq!(world.lines("SELECT state, count(*) FROM manifest GROUP BY state"), ["loaded|6"]);
    assert_eq!(world.stored(), 60);
    world.ok(&["verify"]);
}

fn step_by_step(db: Db) {
    let world = world_with(db, 2);
    let names = listed(&world.ok(&["scan", "--output", "json"]));
    world.iotpipe(&["aggregate", "--file", &names[0]]).expect_code(1).expect_stderr(&["pending", "earlier step"]);
    for (step, state) in [("validate", "validated"), ("aggregate", "aggregated"), ("load", "loaded")] {
        for _ in 0..2 {
            world.ok(&[step, "--file", &names[0]]);
            assert_eq!(world.manifest(&names[0]).state, state);
        }
    }
    assert_eq!(world.manifest(&names[1]).state, "pending");
    world.ok(&["validate", "--file", &names[0]]);
}

fn what_another_has_in_hand_is_waited_for(db: Db) {
    let world = world_with(db, 1);
    let names = listed(&world.ok(&["scan", "--output", "json"]));
    world.claim_from_elsewhere();
    let args = ["load", "--file", &names[0]];
    let mut task = world.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually(Duration::from_secs(30), "it to begin", || world.number("SELECT count(*) FROM worker") == 2);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(task.try_wait().unwrap(), None);
    world.execute("UPDATE worker SET lease_until = '2024-01-01T00:00:00+00:00' WHERE host = 'elsewhere'");
    Outcome::from_output("load --file", &task.wait_with_output().unwrap()).expect_code(0);
    assert_eq!(world.stored(), 10);
}

fn what_can_not_be_done_is_said(db: Db) {
    let world = World::new(db);
    world.iotpipe(&["load", "--file", "never.csv", "--output", "json"]).expect_code(2).expect_stderr(&["iotpipe scan"]);
    world.file("gone.csv", telemetry("pump-1", START, 5));
    world.file("refused.csv", "ts,co\n1,2\n");
    world.file("late.csv", format!("{HEADER}\n"));
    world.ok(&["scan"]);
    std::fs::remove_file(world.path("data/gone.csv")).unwrap();
    world.iotpipe(&["load", "--file", "gone.csv"]).expect_code(1);
    world.iotpipe(&["load", "--file", "gone.csv"]).expect_code(2).expect_stderr(&["gone.csv", "put it back"]);
    world.ok(&["load", "--file", "refused.csv"]).expect_stderr(&["missing_column"]);
    world.ok(&["load", "--file", "refused.csv"]);
    let later = match db {
        Db::Sqlite => "strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now', '+600 seconds')",
        Db::Postgres => "now() + interval '600 seconds'",
    };
    world.execute(&format!("UPDATE manifest SET attempts = 1, not_before = {later} WHERE source = 'late.csv'"));
    world.iotpipe(&["load", "--file", "late.csv"]).expect_code(1).expect_stderr(&["late.csv", "waits until"]);
    world.execute("UPDATE manifest SET attempts = 5, not_before = NULL WHERE source = 'late.csv'");
    world.iotpipe(&["load", "--file", "late.csv"]).expect_code(2).expect_stderr(&["late.csv", "iotpipe retry"]);
    world.iotpipe(&["run", "--file", "late.csv"]).expect_code(2);
}

fn no_more_than_a_thousand_are_listed(db: Db) {
    let world = World::new(db);
    for i in 0..1100 {
        world.file(format!("{i:04}.csv"), format!("{HEADER}\n"));
    }
    let scan = world.ok(&["scan", "--output", "json"]);
    assert_eq!((listed(&scan).len(), scan.count("pending")), (1000, 1100));
    assert_eq!(scan.stdout.lines().count(), 1);
}
