//! What an orchestrator is told where there was nothing to do: `--skip-if-empty`, `--fail-on-empty`.

use crate::on_both_databases;
use crate::support::{Db, World, telemetry};

on_both_databases!(each_step_once_there_is_nothing, what_waits_is_no_nothing);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
const STEPS: [&str; 5] = ["scan", "validate", "aggregate", "load", "run"];

fn each_step_once_there_is_nothing(db: Db) {
    let world = World::new(db);
    for round in 0..2 {
        for step in STEPS {
            let skipped = world.iotpipe(&[step, "--skip-if-empty", "--output", "json"]).expect_code(99);
            assert_eq!((skipped.json()["step"].as_str(), skipped.count("files")), (Some(step), 0), "{round}");
            let failed = world.iotpipe(&[step, "--fail-on-empty", "--output", "json"]).expect_code(1);
            assert_eq!(failed.expect_stderr(&["nothing to do"]).json()["step"], step);
            world.ok(&[step]);
            world.iotpipe(&[step, "--fail-on-empty", "--skip-if-empty"]).expect_code(2);
        }
        world.file("a.csv", telemetry("pump-1", START + round * 3600, 10));
        for step in &STEPS[..4] {
            world.ok(&[step, "--skip-if-empty"]);
        }
    }
    assert_eq!(world.stored(), 20);
}

/// A step that is tried again finds the work of its first attempt done: what comes after it is not to be left out.
fn what_waits_is_no_nothing(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 10));
    for step in ["scan", "scan", "validate", "validate", "aggregate", "aggregate"] {
        world.ok(&[step, "--skip-if-empty"]);
        world.ok(&[step, "--fail-on-empty"]);
    }
    world.ok(&["load", "--fail-on-empty"]);
    world.iotpipe(&["load", "--fail-on-empty"]).expect_code(1);
    // Refused whole is something that was done; that failed files are left comes before that there is nothing.
    world.file("b.csv", "ts,co\n1,2\n");
    world.ok(&["run", "--fail-on-empty"]);
    world.iotpipe(&["run", "--skip-if-empty", "--strict"]).expect_code(99);
    world.execute("UPDATE manifest SET state = 'failed', place = 'inbox' WHERE source = 'b.csv'");
    world.file("b.csv", "ts,co\n1,2\n");
    world.execute("UPDATE manifest SET attempts = 5 WHERE source = 'b.csv'");
    world.iotpipe(&["load", "--skip-if-empty", "--strict"]).expect_code(3);
    world.iotpipe(&["load", "--skip-if-empty"]).expect_code(99);
}
