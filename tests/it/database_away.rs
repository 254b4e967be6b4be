//! The database goes away, or says no: nothing is lost, nothing comes twice, and `loop` carries on by itself.

use std::time::Duration;

use crate::support::server::cluster;
use crate::support::{Db, Outcome, Proxy, World, eventually, telemetry};

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
const PATIENCE: Duration = Duration::from_secs(60);
const ROWS: u32 = 200_000;

fn world() -> World {
    let world = World::new(Db::Postgres);
    world.ok(&["migrate"]);
    world
}

fn through(world: &World, url: &str, args: &[&str]) -> Outcome {
    let mut command = world.command(args);
    command.env("DATABASE_URL", url);
    Outcome::of(args, command)
}

/// All of `files` files is there, once, and can be proved.
fn all_is_there(world: &World, files: i64, rows: i64) {
    assert_eq!(world.stored(), rows);
    assert_eq!(world.number("SELECT count(*) FROM manifest WHERE state = 'loaded' AND archived_at IS NOT NULL"), files);
    assert_eq!(world.number("SELECT sum(count) FROM sensor_summary WHERE sensor = 'temp'"), rows);
    assert_eq!(world.files("data"), [""; 0]);
    world.ok(&["verify"]);
}

#[test]
fn cut_in_the_middle_of_a_load() {
    let world = world();
    world.file("large.csv", telemetry("pump-1", START, ROWS));
    world.ok(&["scan"]);
    let proxy = Proxy::to(world.url());
    let mut command = world.command(&["load"]);
    command.env("DATABASE_URL", proxy.url());
    let outcome = std::thread::scope(|scope| {
        let load = scope.spawn(move || Outcome::of(&["load"], command));
        eventually(PATIENCE, "the file to be in hand", || {
            world.number("SELECT count(*) FROM manifest WHERE worker_id IS NOT NULL") == 1
        });
        proxy.cut();
        load.join().unwrap()
    });
    outcome.expect_code(1).expect_stderr(&["error: the database at", "can't be reached"]);
    assert_eq!(world.stored(), 0, "rolled back");
    eventually(PATIENCE, "the file to be loaded", || {
        world.ok(&["run"]);
        world.stored() == i64::from(ROWS)
    });
    all_is_there(&world, 1, i64::from(ROWS));
}

/// The commit was done, and nobody was told.
#[test]
fn the_acknowledgement_of_a_commit_is_lost() {
    let world = world();
    world.file("a.csv", format!("{}soon,pump-1,0,0,1,0,1,0,0\n", telemetry("pump-1", START, 100)));
    world.ok(&["scan"]);
    let proxy = Proxy::to(world.url());
    proxy.cut_at_commit();
    through(&world, proxy.url(), &["load"]).expect_code(1).expect_stderr(&["error: the database at"]);
    assert!(proxy.has_cut());
    assert_eq!((world.stored(), world.manifest("a.csv").state.as_str()), (100, "loaded"), "and yet it was done");
    let again = world.ok(&["run", "--output", "json"]);
    assert_eq!((again.count("loaded"), again.count("pending")), (0, 0));
    assert_eq!(world.manifest("a.csv").rejected, 1);
    all_is_there(&world, 1, 100);
}

#[test]
fn loop_carries_on_across_outages() {
    let world = world();
    let proxy = Proxy::to(world.url());
    let mut command = world.command(&["loop", "--interval", "1s"]);
    let child = command.env("DATABASE_URL", proxy.url()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let running = crate::support::Running { child };
    for (i, name) in ["a.csv", "b.csv", "c.csv"].iter().enumerate() {
        let i = i as i64;
        world.file(name, telemetry("pump-1", START + i * 6000, 100));
        eventually(PATIENCE, name, || world.stored() == (i + 1) * 200 - 100);
        proxy.cut();
        world.file(format!("{name}.during.csv"), telemetry("pump-2", START + i * 6000, 100));
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(world.stored(), (i + 1) * 200 - 100);
        proxy.mend();
        eventually(PATIENCE, "the file that came while it was away", || world.stored() == (i + 1) * 200);
    }
    proxy.cut_at_commit();
    world.file("d.csv", telemetry("pump-3", START, 100));
    eventually(PATIENCE, "the file whose commit was not acknowledged", || {
        proxy.has_cut() && world.stored() == 700 && world.files("data").is_empty()
    });
    assert_eq!(running.stop(rustix::process::Signal::TERM, Duration::from_secs(10)), Some(0));
    all_is_there(&world, 7, 700);
}

/// The claim on the file in hand can't be given back while the database is away: it is not waited for.
#[test]
fn away_for_longer_than_the_worker_tries_to_let_go() {
    let world = world();
    let proxy = Proxy::to(world.url());
    world.file("large.csv", telemetry("pump-1", START, ROWS));
    let mut command = world.command(&["loop", "--interval", "1s"]);
    let child = command.env("DATABASE_URL", proxy.url()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let running = crate::support::Running { child };
    eventually(PATIENCE, "the file to be in hand", || {
        world.number("SELECT count(*) FROM manifest WHERE worker_id IS NOT NULL") == 1
    });
    proxy.cut();
    std::thread::sleep(Duration::from_secs(12));
    assert_eq!(world.number("SELECT count(*) FROM manifest WHERE worker_id IS NOT NULL"), 1, "nobody could let go");
    proxy.mend();
    eventually(PATIENCE, "the file", || world.stored() == i64::from(ROWS) && world.files("data").is_empty());
    assert_eq!(running.stop(rustix::process::Signal::TERM, Duration::from_secs(10)), Some(0));
    all_is_there(&world, 1, i64::from(ROWS));
}

/// The server itself dies and recovers while a file is loaded.
#[test]
fn the_server_crashes_during_a_load() {
    if !cluster::is_possible() {
        eprintln!("not shown here: this needs PostgreSQL's binaries, to stop a server of its own");
        return;
    }
    let cluster = cluster::start().unwrap();
    let world = World::on(Db::Postgres, cluster.url.clone());
    world.ok(&["migrate"]);
    world.file("large.csv", telemetry("pump-1", START, ROWS));
    world.file("small.csv", telemetry("pump-2", START, 100));
    let running = world.start(&["loop", "--interval", "1s"]);
    eventually(PATIENCE, "the file to be in hand", || {
        world.number("SELECT count(*) FROM manifest WHERE worker_id IS NOT NULL") > 0
    });
    cluster.crash_and_recover();
    eventually(PATIENCE, "both files", || world.stored() == i64::from(ROWS) + 100 && world.files("data").is_empty());
    cluster.crash_and_recover();
    world.file("late.csv", telemetry("pump-3", START, 100));
    eventually(PATIENCE, "the file after the second crash", || world.stored() == i64::from(ROWS) + 200);
    eventually(PATIENCE, "the last move", || world.files("data").is_empty());
    assert_eq!(running.stop(rustix::process::Signal::TERM, Duration::from_secs(10)), Some(0));
    all_is_there(&world, 3, i64::from(ROWS) + 200);
}

#[test]
fn no_connection_is_left() {
    let world = world();
    world.file("a.csv", telemetry("pump-1", START, 100));
    let role = format!("crowded_{}", world.url().rsplit('/').next().unwrap());
    world.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'secret' CONNECTION LIMIT 0"));
    world.execute(&format!("GRANT ALL ON SCHEMA public TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"));
    let (_, place) = world.url().split_once('@').unwrap();
    let url = format!("postgres://{role}:secret@{place}");
    let outcome = through(&world, &url, &["run"]).expect_code(1).expect_stderr(&["too many connections"]);
    assert!(!outcome.stderr.contains("secret"), "{}", outcome.stderr);
    world.execute(&format!("ALTER ROLE {role} CONNECTION LIMIT 10"));
    through(&world, &url, &["run"]).expect_code(0);
    world.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    all_is_there(&world, 1, 100);
}

#[test]
fn a_statement_takes_too_long() {
    let world = world();
    world.file("a.csv", telemetry("pump-1", START, 100));
    let database = world.url().rsplit('/').next().unwrap().to_owned();
    world.execute(&format!("ALTER DATABASE {database} SET statement_timeout = '300ms'"));
    let held = world.hold("LOCK TABLE iot_raw_data IN ACCESS EXCLUSIVE MODE");
    world.iotpipe(&["run"]).expect_code(1).expect_stderr(&["statement timeout"]);
    drop(held);
    world.ok(&["run"]);
    all_is_there(&world, 1, 100);
}

#[test]
fn a_database_that_only_reads() {
    let world = world();
    world.file("a.csv", telemetry("pump-1", START, 100));
    let database = world.url().rsplit('/').next().unwrap().to_owned();
    world.execute(&format!("ALTER DATABASE {database} SET default_transaction_read_only = on"));
    world.iotpipe(&["run"]).expect_code(1).expect_stderr(&["read-only", "primary"]);
    assert_eq!(world.files("data"), ["a.csv"]);
    world.execute(&format!("BEGIN READ WRITE; ALTER DATABASE {database} RESET ALL; COMMIT"));
    world.ok(&["run"]);
    all_is_there(&world, 1, 100);
}
