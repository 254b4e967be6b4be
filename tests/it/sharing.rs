//! Several processes on one folder and one database: they share the work and never collide.

use std::process::{Child, Stdio};
use std::time::Duration;

use crate::on_both_databases;
use crate::support::{Db, HEADER, Outcome, World, eventually, row, telemetry};

on_both_databases!(
    four_at_once_on_2000_files,
    two_of_four_are_killed,
    four_at_once_on_the_same_keys,
    a_claim_holds_until_its_lease_lapses,
);

/// A worker that is about to claim one file has locked all that it looks at; who comes then must not go home.
#[test]
fn files_that_another_claim_locks_for_a_moment_are_waited_for() {
    let world = World::new(Db::Postgres);
    world.file("a.csv", telemetry("pump-1", START, ROWS));
    world.ok(&["scan"]);
    let held = world.hold("SELECT id FROM manifest FOR UPDATE");
    let loading = world.command(&["load", "--output", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    drop(held);
    let printed = String::from_utf8(loading.wait_with_output().unwrap().stdout).unwrap();
    assert!(printed.contains("\"files\":1,"), "{printed}");
    assert_eq!(world.stored(), i64::from(ROWS));
}

/// Another process names the same new device and commits first: what was read goes in again, under the id that holds.
#[test]
fn a_device_that_another_process_names_first() {
    named_by_another("INSERT INTO device (name) VALUES ('pump-1')", "COMMIT", 1);
}

/// It rolls back: the device is ours.
#[test]
fn a_device_that_another_process_names_in_vain() {
    named_by_another("INSERT INTO device (name) VALUES ('pump-1')", "ROLLBACK", 2);
}

/// The id that was reserved is taken by hand: another is found.
#[test]
fn an_id_that_somebody_gave_to_another_device() {
    named_by_another("INSERT INTO device (id, name) VALUES (1, 'pump-0'), (2, 'pump-2')", "COMMIT", 3);
}

/// `other` is under way while a file with a new device is loaded, and ends with `end`; the device gets `id`.
fn named_by_another(other: &str, end: &str, id: i64) {
    let world = World::new(Db::Postgres);
    world.file("a.csv", telemetry("pump-1", START, ROWS));
    world.ok(&["scan"]);
    let held = world.hold(other);
    let loading = world.command(&["load", "--output", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually(Duration::from_secs(30), "the load to wait", || world.number(waiting) == 1);
    held.end(end);
    let printed = String::from_utf8(loading.wait_with_output().unwrap().stdout).unwrap();
    assert!(printed.contains("\"loaded\":20,"), "{printed}");
    assert_eq!(world.number("SELECT id FROM device WHERE name = 'pump-1'"), id);
    everything_is_loaded(&world, 1, i64::from(ROWS), i64::from(ROWS));
}

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
const ROWS: u32 = 20;

fn four_at_once_on_2000_files(db: Db) {
    let (world, files) = (World::new(db), 2000);
    world.ok(&["migrate"]);
    for i in 0..files {
        world.file(format!("{i}.csv"), telemetry(&format!("pump-{}", i % 7), START + i64::from(i) * 3600, ROWS));
    }
    let outcomes = run_at_once(&world, 4);
    for outcome in &outcomes {
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        for word in ["error", "warn", "fail", "deadlock", "busy"] {
            assert!(!outcome.stderr.to_lowercase().contains(word), "{}", outcome.stderr);
        }
    }
    world.ok(&["run"]);
    if world.db == Db::Postgres {
        let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        assert_eq!(world.number(deadlocks), 0, "files without a key in common have nothing to wait for");
    }
    let rows = i64::from(files) * i64::from(ROWS);
    assert_eq!(outcomes.iter().map(|o| o.count("loaded")).sum::<i64>(), rows, "each row is counted by one of them");
    everything_is_loaded(&world, files, rows, rows);
}

fn two_of_four_are_killed(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    let files = 300;
    for i in 0..files {
        world.file(format!("{i}.csv"), telemetry(&format!("pump-{}", i % 7), START + i64::from(i) * 3600, ROWS));
    }
    world.ok(&["scan"]);
    let quietly = || world.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut children: Vec<Child> = (0..4).map(|_| quietly()).collect();
    eventually(Duration::from_secs(30), "the first files to be in hand", || {
        world.number("SELECT count(*) FROM manifest WHERE worker_id IS NOT NULL OR state = 'loaded'") > 0
    });
    children[..2].iter_mut().for_each(|child| child.kill().unwrap());
    let codes: Vec<_> = children.iter_mut().map(|child| child.wait().unwrap().code()).collect();
    assert_eq!(codes[2..], [Some(0), Some(0)], "those that live do not mind");
    eventually(Duration::from_secs(30), "the rest to be loaded", || {
        world.ok(&["run", "--output", "json"]).count("pending") == 0 && world.files("data").is_empty()
    });
    let rows = i64::from(files) * i64::from(ROWS);
    everything_is_loaded(&world, files, rows, rows);
}

/// Each file brings the rows of two others again, last first, and devices that nobody knows yet: transactions meet on
/// the same keys in opposite order.
fn four_at_once_on_the_same_keys(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    let files = 120;
    let own = |i: i64| (0..i64::from(ROWS)).map(move |r| (i % 11, START + i * 3600 + r * 60));
    let mut keys = std::collections::BTreeSet::new();
    for i in 0..files {
        let mut rows: Vec<(i64, i64)> = own(i).chain(own((i + 1) % files)).chain(own((i * 7 + 3) % files)).collect();
        if i % 2 == 1 {
            rows.reverse();
        }
        keys.extend(rows.iter().copied());
        let text: String = rows.iter().map(|(d, ts)| format!("{}\n", row(*ts, &format!("pump-{d}"), 21.5))).collect();
        world.file(format!("{i}.csv"), format!("{HEADER}\n{text}"));
    }
    for outcome in run_at_once(&world, 4) {
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert!(!outcome.stderr.to_lowercase().contains("deadlock"), "{}", outcome.stderr);
    }
    world.ok(&["run"]);
    everything_is_loaded(&world, files as u32, files * i64::from(ROWS) * 3, keys.len() as i64);
    assert_eq!(world.number("SELECT max(attempts) FROM manifest"), 0, "nobody was sent away to try again later");
}

/// The worker is on another machine: nobody here can tell whether it lives.
fn a_claim_holds_until_its_lease_lapses(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, ROWS));
    world.ok(&["scan"]);
    world.claim_from_elsewhere();
    let outcome = world.ok(&["run", "--output", "json"]);
    assert_eq!((outcome.count("loaded"), outcome.count("pending"), world.files("data").len()), (0, 1, 1));
    world.execute("UPDATE worker SET lease_until = '2000-01-01T00:00:00+00:00'");
    assert_eq!(world.ok(&["run", "--output", "json"]).count("loaded"), i64::from(ROWS));
    everything_is_loaded(&world, 1, i64::from(ROWS), i64::from(ROWS));
}

/// Its lease lapsed while it was reading, and another took the file: what it has read is thrown away.
#[test]
fn a_worker_that_lost_its_claim_writes_nothing() {
    let world = World::new(Db::Postgres);
    world.file("large.csv", telemetry("pump-1", START, 200_000));
    world.ok(&["scan"]);
    let mut load = world.command(&["load"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually(Duration::from_secs(30), "the file to be in hand", || {
        world.number("SELECT count(*) FROM manifest WHERE worker_id IS NOT NULL") == 1
    });
    world.claim_from_elsewhere();
    assert_eq!(load.wait().unwrap().code(), Some(0), "the file is in good hands");
    assert_eq!((world.stored(), world.files("data").len()), (0, 1));
    world.execute("UPDATE worker SET lease_until = '2000-01-01T00:00:00+00:00'");
    world.ok(&["run"]);
    everything_is_loaded(&world, 1, 200_000, 200_000);
}

fn run_at_once(world: &World, processes: usize) -> Vec<Outcome> {
    let args = &["run", "--output", "json"];
    std::thread::scope(|scope| {
        let commands: Vec<_> = (0..processes).map(|_| world.command(args)).collect();
        let runs: Vec<_> =
            commands.into_iter().map(|command| scope.spawn(move || Outcome::of(args, command))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

fn everything_is_loaded(world: &World, files: u32, rows: i64, stored: i64) {
    assert_eq!(world.stored(), stored);
    assert_eq!(world.lines("SELECT state, count(*) FROM manifest GROUP BY state"), [format!("loaded|{files}")]);
    let sums = "SELECT sum(rows_total), sum(rows_loaded), sum(rows_duplicate) + sum(rows_rejected) FROM manifest";
    assert_eq!(world.lines(sums), [format!("{rows}|{stored}|{}", rows - stored)]);
    assert_eq!(world.number("SELECT sum(count) FROM sensor_summary WHERE sensor = 'temp'"), stored);
    assert_eq!(world.number("SELECT sum(count) FROM file_aggregates WHERE sensor = 'temp'"), stored);
    assert_eq!((world.files("data").len(), world.files("processed").len()), (0, files as usize));
    world.ok(&["verify"]);
}
