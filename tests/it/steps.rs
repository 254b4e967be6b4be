//! The ways to get a folder loaded are one: step by step, in two steps, in one; and each may be repeated.

use crate::on_both_databases;
use crate::support::{Db, HEADER, Outcome, World, gzip, row, telemetry};

on_both_databases!(
    every_way_leaves_the_same,
    each_step_twice_changes_nothing,
    states_step_by_step,
    what_each_step_reports,
    two_runs_at_once_load_everything_once,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

/// A world with a file of each kind: clean, with defects, overlapping, the same twice, compressed, refused.
fn world_with_files(db: Db) -> World {
    let world = World::new(db);
    let clean = telemetry("pump-1", START, 200);
    world.file("a.csv", &clean);
    let mixed =
        format!("{}{}\nsoon,pump-2,0,0,1,0,1,0,0\n", telemetry("pump-2", START, 100), row(START, "pump-2", 9.5));
    world.file("b.csv", mixed);
    world.file("c.csv", telemetry("pump-1", START + 150 * 60, 100));
    world.file("d.csv", &clean);
    world.file("deep/e.csv.gz", gzip(telemetry("pump-3", START + 3600, 80)));
    world.file("f.csv", "ts,co\n1,2\n");
    world.file("g.csv", format!("{HEADER}\n"));
    world
}

fn every_way_leaves_the_same(db: Db) {
    let ways: [&[&str]; 3] = [&["scan", "validate", "aggregate", "load"], &["scan", "load"], &["run"]];
    let left = ways.map(|way| {
        let world = world_with_files(db);
        way.iter().for_each(|step| drop(world.ok(&[step])));
        assert_eq!(world.stored(), 200 + 100 + 50 + 80);
        world.everything()
    });
    assert_eq!(left[0], left[1]);
    assert_eq!(left[1], left[2]);
}

fn each_step_twice_changes_nothing(db: Db) {
    let once = world_with_files(db);
    let twice = world_with_files(db);
    for step in ["scan", "validate", "aggregate", "load"] {
        once.ok(&[step]);
        twice.ok(&[step]);
        let after_the_first = twice.everything();
        twice.ok(&[step]);
        assert_eq!(twice.everything(), after_the_first, "the second {step}");
    }
    assert_eq!(twice.everything(), once.everything());
    for step in ["validate", "run", "scan", "load", "aggregate"] {
        let outcome = twice.ok(&[step, "--output", "json"]);
        assert_eq!((outcome.count("rows"), outcome.count("loaded")), (0, 0), "{step} once all is done");
    }
    assert_eq!(twice.everything(), once.everything());
}

fn states_step_by_step(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 10));
    for (step, state, stored) in
        [("scan", "pending", 0), ("validate", "validated", 0), ("aggregate", "aggregated", 0), ("load", "loaded", 10)]
    {
        world.ok(&[step]);
        assert_eq!((world.manifest("a.csv").state.as_str(), world.stored()), (state, stored), "after {step}");
        assert_eq!(world.files("data").len(), usize::from(step != "load"), "files in data/ after {step}");
    }
    assert_eq!(world.files("processed"), ["a.csv"]);
}

fn what_each_step_reports(db: Db) {
    let world = World::new(db);
    world.file("a.csv", format!("{}soon,pump-1,0,0,1,0,1,0,0\n", telemetry("pump-1", START, 10)));
    let summary = |outcome: &Outcome| {
        let json = outcome.json();
        let keys = ["files", "rows", "loaded", "rejected", "duplicates", "failed", "pending"];
        assert!(json["seconds"].as_f64().is_some_and(|s| s >= 0.0), "{json}");
        format!("{} {:?}", json["step"].as_str().unwrap(), keys.map(|key| outcome.count(key)))
    };

    assert_eq!(summary(&world.ok(&["scan", "--output", "json"])), "scan [1, 0, 0, 0, 0, 0, 1]");
    assert_eq!(summary(&world.ok(&["load", "--output", "json"])), "load [1, 11, 10, 1, 0, 0, 0]");
    assert_eq!(summary(&world.ok(&["load", "--output", "json"])), "load [0, 0, 0, 0, 0, 0, 0]");
    world.file("b.csv", telemetry("pump-1", START + 300, 10));
    let run = world.ok(&["run", "--output", "json"]);
    assert_eq!(summary(&run), "run [1, 10, 5, 0, 5, 0, 0]");

    world.file("c.csv", telemetry("pump-2", START, 3));
    let text = world.ok(&["run"]);
    assert_eq!(text.stdout, "", "people read stderr; stdout is for machines");
    assert!(text.stderr.contains('3'), "the rows loaded: {}", text.stderr);
}

fn two_runs_at_once_load_everything_once(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    for i in 0..12 {
        world.file(format!("{i}.csv"), telemetry("pump-1", START + i * 50 * 60, 60));
    }

    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let (args, first, second) = (&["run"], world.command(&["run"]), world.command(&["run"]));
        let runs = [first, second].map(|command| scope.spawn(move || Outcome::of(args, command)));
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    outcomes.into_iter().for_each(|outcome| drop(outcome.expect_code(0)));
    world.ok(&["run"]);

    assert_eq!(world.stored(), 12 * 50 + 10);
    assert_eq!(world.lines("SELECT state, count(*) FROM manifest GROUP BY state"), ["loaded|12"]);
    let counts = "SELECT sum(rows_total), sum(rows_loaded), sum(rows_duplicate) FROM manifest";
    assert_eq!(world.lines(counts), ["720|610|110"]);
    assert_eq!(world.lines("SELECT count FROM sensor_summary WHERE sensor = 'temp'"), ["610"]);
    assert_eq!(world.files("processed").len(), 12);
}
