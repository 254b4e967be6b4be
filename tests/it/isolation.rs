//! Other transactions, on servers and files that are set up in other ways: nobody fails because somebody else is at work.

use std::time::{Duration, Instant};

use crate::support::{Db, HEADER, Outcome, Proxy, World, eventually, row, telemetry};

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

#[test]
fn three_processes_where_the_database_says_repeatable_read() {
    three_processes("repeatable read");
}

#[test]
fn three_processes_where_the_database_says_serializable() {
    three_processes("serializable");
}

/// On the same keys: each file brings the rows of two others again, and devices that nobody knows yet.
fn three_processes(isolation: &str) {
    let world = World::new(Db::Postgres);
    let name = world.url().rsplit('/').next().unwrap().split('?').next().unwrap();
    world.execute(&format!("ALTER DATABASE {name} SET default_transaction_isolation = '{isolation}'"));
    assert_eq!(world.lines("SHOW default_transaction_isolation"), [isolation]);
    let (files, rows) = (60, 20);
    let own = |i: i64| (0..rows).map(move |r| (i % 7, START + i * 3600 + r * 60));
    for i in 0..files {
        let keys = own(i).chain(own((i + 1) % files)).chain(own((i * 7 + 3) % files));
        let text: String = keys.map(|(d, ts)| format!("{}\n", row(ts, &format!("pump-{d}"), 21.5))).collect();
        world.file(format!("{i}.csv"), format!("{HEADER}\n{text}"));
    }
    let outcomes = at_once(&world, 3, &["run"]);
    for outcome in outcomes {
        let outcome = outcome.expect_code(0);
        assert!(!outcome.stderr.contains("duplicate key"), "{}", outcome.stderr);
    }
    world.ok(&["run"]);
    assert_eq!(world.lines("SELECT state, count(*) FROM manifest GROUP BY state"), [format!("loaded|{files}")]);
    assert_eq!((world.stored(), world.number("SELECT max(attempts) FROM manifest")), (files * rows, 0));
    world.ok(&["verify"]);
    world.ok(&["unload", "7.csv"]);
    world.ok(&["status"]);
}

fn at_once(world: &World, processes: usize, args: &[&str]) -> Vec<Outcome> {
    std::thread::scope(|scope| {
        let commands: Vec<_> = (0..processes).map(|_| world.command(args)).collect();
        let runs: Vec<_> =
            commands.into_iter().map(|command| scope.spawn(move || Outcome::of(args, command))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

/// A load has the one writer's lock for longer than a connection may take.
#[test]
fn steps_beside_a_long_load_on_sqlite_wait() {
    let world = World::new(Db::Sqlite);
    (0..8).for_each(|n| world.file(format!("{n}.csv"), telemetry(&format!("pump-{n}"), START, 20)));
    world.ok(&["scan"]);
    for (step, state) in [("validate", "validated"), ("aggregate", "aggregated"), ("load", "loaded")] {
        let load = rusqlite::Connection::open(world.path("iotpipe.db")).unwrap();
        load.execute_batch("BEGIN IMMEDIATE").unwrap();
        let started = Instant::now();
        std::thread::scope(|scope| {
            let (command, args) = (world.command(&[step, "--workers", "4"]), [step]);
            let waiting = scope.spawn(move || Outcome::of(&args, command));
            std::thread::sleep(Duration::from_secs(7));
            load.execute_batch("COMMIT").unwrap();
            waiting.join().unwrap().expect_code(0);
        });
        assert!(started.elapsed() >= Duration::from_secs(7));
        assert_eq!(world.lines("SELECT state, count(*) FROM manifest GROUP BY state"), [format!("{state}|8")]);
    }
    assert_eq!(world.stored(), 160);
    world.ok(&["verify"]);
}

#[test]
fn two_first_commands_at_once_on_sqlite() {
    first_commands(Db::Sqlite, 30);
}

#[test]
fn two_first_commands_at_once_on_postgres() {
    first_commands(Db::Postgres, 5);
}

fn first_commands(db: Db, rounds: u32) {
    for round in 0..rounds {
        let world = World::new(db);
        world.file("a.csv", telemetry("pump-1", START, 5));
        // The file is not even scanned where nothing but a proof is asked for.
        let (command, code) = [("run", 0), ("status", 0), ("verify", 3)][round as usize % 3];
        for outcome in at_once(&world, 2, &[command]) {
            outcome.expect_code(code);
        }
        world.ok(&["run"]);
        assert_eq!(world.stored(), 5, "round {round}");
        assert_eq!(world.lines("SELECT count(DISTINCT origin) FROM manifest"), ["1"], "round {round}");
    }
}

/// A worker falls silent in the middle of a COPY, which the server counts as work: other processes end its session.
#[test]
fn a_worker_that_hangs_in_the_middle_of_a_copy_is_waited_for_a_minute() {
    let world = World::new(Db::Postgres);
    world.file("known.csv", telemetry("pump-1", START - 86_400, 1));
    world.ok(&["run"]);
    world.file("a.csv", telemetry("pump-1", START, 20_000));
    world.ok(&["scan"]);
    let proxy = Proxy::to(world.url());
    let mut hanging = world.command(&["load"]).env("DATABASE_URL", proxy.url()).spawn().unwrap();
    proxy.freeze_in_copy();
    eventually(Duration::from_secs(30), "the first COPY", || proxy.is_frozen());
    others_go_on(&world);
    proxy.thaw();
    hanging.wait().unwrap();
    nothing_is_missing(&world, 21);
}

/// They bring the keys of `a.csv`, which a worker that hangs has not committed.
pub fn others_go_on(world: &World) {
    world.file("b.csv", telemetry("pump-1", START, 21));
    let started = Instant::now();
    world.ok(&["run"]);
    let waited = started.elapsed();
    assert!((10..90).contains(&waited.as_secs()), "they wait for its keys, but not for ever: {waited:?}");
    assert_eq!(world.manifest("b.csv").loaded, 21);
}

pub fn nothing_is_missing(world: &World, duplicate: i64) {
    world.let_leases_lapse();
    world.ok(&["run"]);
    assert_eq!((world.files("data").len(), world.manifest("a.csv").duplicate), (0, duplicate));
    world.ok(&["verify"]);
}
