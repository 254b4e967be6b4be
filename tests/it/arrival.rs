//! Files arrive in every way: in pieces, in place of others, never quite.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::on_both_databases;
use crate::support::{Db, HEADER, World, eventually, row, telemetry};

on_both_databases!(
    a_writer_that_appends_for_seconds,
    a_writer_that_never_finishes,
    a_closed_file_settles_as_any_other,
    a_closed_file_is_taken_at_once_where_that_is_trusted,
    a_writer_that_opens_appends_and_closes,
    renamed_into_place,
    replaced_under_the_same_name,
    deleted_between_scan_and_load,
    a_clock_that_is_ahead,
    a_huge_file_delays_nobody,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
const PATIENCE: Duration = Duration::from_secs(30);

/// As [`World::new`], but files must be still for so long.
fn world_that_waits(db: Db, settle: &str) -> World {
    let world = World::new(db);
    source(&world, &format!("settle = \"{settle}\""));
    world.ok(&["migrate"]);
    world
}

fn source(world: &World, keys: &str) {
    fs::write(world.path("iotpipe.toml"), format!("[source]\n{keys}\n")).unwrap();
}

fn a_writer_that_appends_for_seconds(db: Db) {
    let world = world_that_waits(db, "700ms");
    let running = world.start(&["loop", "--interval", "100ms"]);
    let mut file = OpenOptions::new().create(true).append(true).open(world.path("data/slow.csv")).unwrap();
    writeln!(file, "{HEADER}").unwrap();
    for i in 0..15 {
        writeln!(file, "{}", row(START + i, "pump-1", 20.0)).unwrap();
        std::thread::sleep(Duration::from_millis(150));
    }
    assert_eq!(world.stored(), 0, "it is still being written");
    drop(file);
    eventually(PATIENCE, "all of it", || world.stored() == 15 && world.files("data").is_empty());
    assert_eq!(running.stop(Signal::TERM, Duration::from_secs(10)), Some(0));
    assert_eq!(world.manifest("slow.csv").total, 15, "in one piece");
}

fn a_writer_that_never_finishes(db: Db) {
    let world = world_that_waits(db, "500ms");
    let mut file = OpenOptions::new().create(true).append(true).open(world.path("data/endless.csv")).unwrap();
    writeln!(file, "{HEADER}").unwrap();
    let running = world.start(&["loop", "--interval", "100ms"]);
    world.file("whole.csv", telemetry("pump-2", START, 5));
    let start = Instant::now();
    let mut i = 0;
    while start.elapsed() < Duration::from_secs(3) {
        writeln!(file, "{}", row(START + i, "pump-1", 20.0)).unwrap();
        i += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(world.stored(), 5, "the other one was not held up");
    assert_eq!(world.manifest("endless.csv").state, "arriving");
    let run = world.ok(&["status", "--output", "json"]);
    assert_eq!(run.json()["files"]["arriving"], 1);
    assert_eq!(running.stop(Signal::TERM, Duration::from_secs(10)), Some(0));
}

/// Whoever closes a file may open it again.
fn a_closed_file_settles_as_any_other(db: Db) {
    let world = world_that_waits(db, "3s");
    let running = world.start(&["loop", "--interval", "1m"]);
    std::thread::sleep(Duration::from_secs(2));
    fs::write(world.path("data/closed.csv"), telemetry("pump-1", START, 5)).unwrap();
    let closed = Instant::now();
    eventually(PATIENCE, "the file that was closed", || world.stored() == 5);
    assert!(closed.elapsed() > Duration::from_secs(3), "{:?}", closed.elapsed());
    assert_eq!(running.stop(Signal::TERM, Duration::from_secs(10)), Some(0));
}

/// `echo line >> file`, for as long as the settle time and longer: in one piece, also where it began by a rename.
fn a_writer_that_opens_appends_and_closes(db: Db) {
    let world = world_that_waits(db, "2s");
    let running = world.start(&["loop", "--interval", "100ms"]);
    std::thread::sleep(Duration::from_secs(2));
    let append = |text: &str| {
        let mut file = OpenOptions::new().create(true).append(true).open(world.path("data/log.csv")).unwrap();
        writeln!(file, "{text}").unwrap();
    };
    append(HEADER);
    for i in 0..10 {
        std::thread::sleep(Duration::from_millis(400));
        append(&row(START + i, "pump-1", 20.0));
    }
    eventually(PATIENCE, "all of it", || world.stored() == 10 && world.files("data").is_empty());
    assert_eq!(running.stop(Signal::TERM, Duration::from_secs(10)), Some(0));
    assert_eq!(world.lines("SELECT state, rows_total FROM manifest"), ["loaded|10"], "in one piece");
}

/// It need not wait for a settle time of a minute.
fn a_closed_file_is_taken_at_once_where_that_is_trusted(db: Db) {
    let world = world_that_waits(db, "1m");
    source(&world, "settle = \"1m\"\ntrust_close = true");
    let running = world.start(&["loop", "--interval", "1m"]);
    std::thread::sleep(Duration::from_secs(2));
    fs::write(world.path("data/closed.csv"), telemetry("pump-1", START, 5)).unwrap();
    eventually(Duration::from_secs(10), "the file that was closed", || world.stored() == 5);
    fs::create_dir(world.path("data/deep")).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    fs::write(world.path("data/deep/closed.csv"), telemetry("pump-2", START, 5)).unwrap();
    eventually(Duration::from_secs(10), "the file in a new folder", || world.stored() == 10);
    assert_eq!(running.stop(Signal::TERM, Duration::from_secs(10)), Some(0));
}

fn renamed_into_place(db: Db) {
    let world = world_that_waits(db, "1m");
    let running = world.start(&["loop", "--interval", "1m"]);
    std::thread::sleep(Duration::from_secs(2));
    world.file("renamed.csv", telemetry("pump-1", START, 5));
    eventually(Duration::from_secs(10), "the file that was renamed", || world.stored() == 5);
    // One whose name is that of a file under way until it is whole, as copiers do it.
    fs::write(world.path("data/copied.csv.filepart"), telemetry("pump-2", START, 5)).unwrap();
    fs::rename(world.path("data/copied.csv.filepart"), world.path("data/copied.csv")).unwrap();
    eventually(Duration::from_secs(10), "the file that was copied", || world.stored() == 10);
    assert_eq!(running.stop(Signal::TERM, Duration::from_secs(10)), Some(0));
}

fn replaced_under_the_same_name(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    world.ok(&["scan"]);
    world.file("a.csv", telemetry("pump-2", START, 7));
    // The bytes that were discovered are gone; those that are there now are taken instead.
    eventually(PATIENCE, "the new content", || {
        world.iotpipe(&["run"]);
        world.stored() == 7
    });
    world.file("a.csv", telemetry("pump-3", START, 9));
    world.ok(&["run"]);
    assert_eq!(world.stored(), 16);
    assert_eq!(world.lines("SELECT DISTINCT device FROM iot_readings ORDER BY device"), ["pump-2", "pump-3"]);
    assert_eq!(world.files("processed").len(), 2, "nothing is overwritten");
    world.ok(&["verify"]);
}

fn deleted_between_scan_and_load(db: Db) {
    let world = World::new(db);
    world.file("gone.csv", telemetry("pump-1", START, 5));
    world.file("here.csv", telemetry("pump-2", START, 5));
    world.ok(&["scan"]);
    fs::remove_file(world.path("data/gone.csv")).unwrap();
    world.iotpipe(&["load"]).expect_code(1).expect_stderr(&["gone.csv", "vanished"]);
    assert_eq!(world.stored(), 5);
    world.file("gone.csv", telemetry("pump-1", START, 5));
    world.ok(&["run"]);
    assert_eq!(world.stored(), 10);
}

/// It takes seconds to be hashed; the others are entered, and with `run` loaded, before it is.
fn a_huge_file_delays_nobody(db: Db) {
    for command in ["scan", "run"] {
        let world = World::new(db);
        world.ok(&["migrate"]);
        let huge = fs::File::create(world.path("data/a.csv")).unwrap();
        huge.set_len(16 << 30).unwrap();
        drop(huge);
        for n in 0..20 {
            world.file(format!("b{n}.csv"), telemetry(&format!("pump-{n}"), START, 5));
        }
        let running = world.start(&[command]);
        eventually(PATIENCE, "the others", || match command {
            "run" => world.stored() == 100,
            _ => world.number("SELECT count(*) FROM manifest") == 20,
        });
        assert_eq!(world.number("SELECT count(*) FROM manifest WHERE source = 'a.csv'"), 0, "{command}");
        // A stop does not wait for it either.
        let asked = Instant::now();
        assert_eq!(running.stop(Signal::TERM, Duration::from_secs(10)), Some(0));
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    }
}

/// A time of change in the future says nothing about how long a file has been still.
fn a_clock_that_is_ahead(db: Db) {
    let world = world_that_waits(db, "400ms");
    let file = |name: &str, device: &str| {
        world.file(name, telemetry(device, START, 5));
        let tomorrow = std::time::SystemTime::now() + Duration::from_secs(86_400);
        OpenOptions::new().append(true).open(world.path("data").join(name)).unwrap().set_modified(tomorrow).unwrap();
    };
    file("a.csv", "pump-1");
    world.ok(&["run"]);
    assert_eq!(world.stored(), 5);
    file("b.csv", "pump-2");
    let running = world.start(&["loop", "--interval", "100ms"]);
    eventually(PATIENCE, "the file from tomorrow", || world.stored() == 10);
    assert_eq!(running.stop(Signal::TERM, Duration::from_secs(10)), Some(0));
}
