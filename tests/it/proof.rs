//! What `verify` looks at beside loaded rows: every entry, in whatever state, and the folders; and that it never says more
//! than it has seen.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::on_both_databases;
use crate::support::{Db, HEADER, Outcome, World, row, telemetry};

on_both_databases!(
    nothing_is_no_proof,
    every_state_has_a_place,
    what_is_not_yet_in_its_place,
    a_deviation_far_below_the_mean,
    a_result_that_nobody_gets,
    two_at_once,
    a_kill_leaves_nothing_behind,
    a_correction_that_is_typed,
    a_correction_that_is_moved,
    more_rows_in_the_quarantine,
    rows_that_a_cut_off_attempt_left,
    a_database_restored_from_a_backup,
    zeros_with_a_sign,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

fn verify(world: &World) -> Outcome {
    world.iotpipe(&["verify", "--output", "json"])
}

/// Fails unless `verify` ends with `code` and says all of `words`.
#[track_caller]
fn says(world: &World, code: i32, words: &[&str]) {
    let outcome = world.iotpipe(&["verify"]).expect_code(code);
    let said = outcome.stdout.clone() + &outcome.stderr;
    for word in words {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}

fn nothing_is_no_proof(db: Db) {
    let world = World::new(db);
    says(&world, 3, &["0 files", "there is nothing to prove"]);
    assert_eq!(verify(&world).expect_code(3).count("in_full"), 0);
}

/// A loaded file, one refused whole, a duplicate, and one with bad rows.
fn every_state(db: Db) -> World {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 20));
    world.ok(&["run"]);
    world.file("again.csv", telemetry("pump-1", START, 20));
    world.file("refused.csv", "no,columns\n1,2\n");
    world.file("bad.csv", format!("{}soon,pump-2,0,0,1,0,1,0,20.5\n", telemetry("pump-2", START, 5)));
    world.ok(&["run"]);
    world.file("out.csv", telemetry("pump-3", START, 5));
    world.ok(&["run"]);
    world.ok(&["unload", "out.csv"]);
    let outcome = verify(&world).expect_code(0);
    assert_eq!((outcome.count("files"), outcome.count("in_full")), (5, 5));
    world
}

fn in_quarantine(world: &World, begin: &str, end: &str) -> std::path::PathBuf {
    let names = world.files("quarantine");
    let name = names.iter().find(|name| name.starts_with(begin) && name.ends_with(end));
    world.path("quarantine").join(name.unwrap_or_else(|| panic!("{begin}…{end} in {names:?}")))
}

fn every_state_has_a_place(db: Db) {
    type Manipulation = fn(&World);
    let all: Vec<(&str, Manipulation)> = vec![
        ("no file with its content", |w| {
            let names = w.files("quarantine");
            let whole = |name: &&String| name.starts_with("refused") && !name.contains("reasons");
            fs::remove_file(w.path("quarantine").join(names.iter().find(whole).unwrap())).unwrap();
        }),
        ("gives another reason", |w| {
            let path = in_quarantine(w, "refused", "reasons.csv");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, text.replace("missing_column", "empty")).unwrap();
        }),
        ("is gone", |w| fs::remove_file(in_quarantine(w, "refused", "reasons.csv")).unwrap()),
        ("no file with its content", |w| fs::remove_file(w.path("processed/again.csv")).unwrap()),
        ("no file with its content", |w| fs::remove_file(w.path("processed/out.csv")).unwrap()),
        ("no loaded file has its content", |w| {
            w.execute("UPDATE manifest SET duplicate_of = 4 WHERE state = 'duplicate'")
        }),
        ("alien.csv\" is no file of the manifest", |w| fs::write(w.path("processed/alien.csv"), "ts\n1\n").unwrap()),
        ("alien.csv\" is no file of the manifest", |w| {
            fs::create_dir(w.path("quarantine/deep")).unwrap();
            fs::write(w.path("quarantine/deep/alien.csv"), "ts\n1\n").unwrap();
        }),
        ("which is no name of its own", |w| {
            fs::rename(w.path("processed/a.csv"), w.path("processed/other.csv")).unwrap();
            w.execute("UPDATE manifest SET place_name = 'other.csv' WHERE id = 1");
        }),
        ("rows are stored of it, and it is unloaded", |w| {
            w.execute("UPDATE iot_raw_data SET file_id = 5 WHERE file_id = 1 AND line_number = 3")
        }),
        ("set_aside says that file 1 has 3 of its rows", |w| w.execute("INSERT INTO set_aside VALUES (3, 1, 3)")),
        ("set_aside has rows of file 77", |w| w.execute("INSERT INTO set_aside VALUES (77, 1, 3)")),
        ("aggregates are of file 77", |w| w.execute("UPDATE file_aggregates SET file_id = 77 WHERE file_id = 3")),
    ];
    for (words, manipulate) in all {
        let world = every_state(db);
        manipulate(&world);
        says(&world, 1, &[words]);
    }
}

fn what_is_not_yet_in_its_place(db: Db) {
    let world = every_state(db);
    world.file("new.csv", telemetry("pump-9", START, 5));
    says(&world, 3, &["new.csv\": not yet scanned", "1 not yet in their place", "not all was compared"]);
    world.ok(&["scan"]);
    says(&world, 3, &["waiting  \"new.csv\": pending", "not yet loaded"]);
    world.ok(&["validate"]);
    says(&world, 3, &["waiting  \"new.csv\": validated"]);
    world.execute("UPDATE manifest SET attempts = 5, state = 'pending' WHERE source = 'new.csv'");
    world.iotpipe(&["run"]);
    says(&world, 3, &["waiting  \"new.csv\": failed", "iotpipe retry"]);
    world.ok(&["retry"]);
    world.ok(&["run"]);
    says(&world, 0, &["every line accounted for"]);
    world.file("gone.csv", telemetry("pump-8", START, 5));
    world.ok(&["scan"]);
    fs::remove_file(world.path("data/gone.csv")).unwrap();
    world.iotpipe(&["run"]);
    says(&world, 3, &["UNKNOWN  \"gone.csv\": vanished", "put it back"]);
    world.file("gone.csv", telemetry("pump-8", START, 5));
    world.ok(&["run"]);
    says(&world, 0, &["every line accounted for"]);
}

/// Where the mean is a billion times the deviation, a tolerance by the largest value would let pass anything.
fn a_deviation_far_below_the_mean(db: Db) {
    let world = World::new(db);
    world.config("[[contract.sensor]]\nname = \"v\"\n");
    let rows = |from: i64| -> String {
        (from..from + 50).map(|i| format!("{},d,{}\n", START + i, 1e9 + (i % 7) as f64 * 1e-3)).collect()
    };
    for (n, from) in [0, 50, 100, 150].into_iter().enumerate() {
        world.file(format!("{n}.csv"), format!("ts,device,v\n{}", rows(from)));
        world.ok(&["run"]);
    }
    says(&world, 0, &[]);
    for change in [
        "UPDATE sensor_aggregates SET m2 = m2 * 1.001",
        "UPDATE sensor_aggregates SET stddev = stddev * 1.001",
        "UPDATE sensor_aggregates SET stddev = 9000, m2 = m2 + 100000000000",
        "UPDATE sensor_aggregates SET avg = avg + 0.0001",
        "UPDATE file_aggregates SET m2 = m2 * 1.0000001 WHERE file_id = 2",
    ] {
        let back = "UPDATE sensor_aggregates SET avg = {a}, m2 = {m}, stddev = {s}";
        let was = world.lines("SELECT avg, m2, stddev FROM sensor_aggregates").remove(0);
        let figures: Vec<&str> = was.split('|').collect();
        let of_file = world.lines("SELECT m2 FROM file_aggregates WHERE file_id = 2").remove(0);
        world.execute(change);
        says(&world, 1, &[]);
        world.execute(&back.replace("{a}", figures[0]).replace("{m}", figures[1]).replace("{s}", figures[2]));
        world.execute(&format!("UPDATE file_aggregates SET m2 = {of_file} WHERE file_id = 2"));
        says(&world, 0, &[]);
    }
}

fn a_result_that_nobody_gets(db: Db) {
    let world = every_state(db);
    for args in [&["verify"][..], &["verify", "--output", "json"], &["status"], &["run", "--output", "json"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = world.command(args).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        // Nobody reads either of them: an error, never a panic.
        for both in [false, true] {
            let mut command = world.command(args);
            command.stdout(broken_pipe());
            if both {
                command.stderr(broken_pipe());
            }
            assert_eq!(command.output().unwrap().status.code(), Some(1), "{args:?}");
        }
    }
    for args in [&["run"][..], &["nonsense"], &["unload", "nobody.csv"], &["-vv", "run"], &["loop", "--interval", "x"]]
    {
        let status = world.command(args).stdout(Stdio::null()).stderr(broken_pipe()).status().unwrap();
        assert!([Some(0), Some(2)].contains(&status.code()), "{args:?}: {status}");
    }
}

fn broken_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn two_at_once(db: Db) {
    let world = every_state(db);
    let children: Vec<_> = (0..4)
        .map(|_| {
            // Each is process 1 of its own, as in a container.
            let mut command = std::process::Command::new("unshare");
            command.args(["--pid", "--fork", "--mount-proc", env!("CARGO_BIN_EXE_iotpipe"), "verify"]);
            command.current_dir(world.path("")).env("DATABASE_URL", world.url());
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        Outcome::from_output("verify", &child.wait_with_output().unwrap()).expect_code(0);
    }
}

fn a_kill_leaves_nothing_behind(db: Db) {
    let world = World::new(db);
    let bad: String = (0..200_000).map(|n| format!("soon-{n},pump-1,0,0,1,0,1,0,20.5\n")).collect();
    world.config("[contract]\nmax_rejected_ratio = 1.0\n");
    world.file("bad.csv", format!("{HEADER}\n{}\n{bad}", row(START, "pump-1", 20.0)));
    world.ok(&["run"]);
    let before = (world.files("quarantine"), fs::read_dir(world.path("quarantine")).unwrap().count());
    for wait in [20, 60, 120] {
        let mut running = world.start(&["verify"]);
        std::thread::sleep(Duration::from_millis(wait));
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }
    assert_eq!((world.files("quarantine"), fs::read_dir(world.path("quarantine")).unwrap().count()), before);
    says(&world, 0, &[]);
}

/// Ten good rows and two bad ones; gives the path of the bad ones.
fn with_bad_rows(db: Db) -> (World, String) {
    let world = World::new(db);
    let bad = "soon,pump-1,0,0,1,0,1,0,20.5\nlater,pump-1,0,0,1,0,1,0,21.5\n";
    let repeat = row(START, "pump-1", 31.0);
    world.config("[contract]\nmax_rejected_ratio = 0.9\n");
    world.file("a.csv", format!("{}{bad}{repeat}\n", telemetry("pump-1", START, 10)));
    world.ok(&["run"]);
    let rejected = world.files("quarantine").into_iter().find(|f| f.ends_with("rejected.csv")).unwrap();
    (world, format!("quarantine/{rejected}"))
}

fn change(world: &World, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(world.read(path)).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(world.path(path), text.replace(from, to)).unwrap();
}

fn a_correction_that_is_typed(db: Db) {
    let (world, rejected) = with_bad_rows(db);
    change(&world, &rejected, "soon", "1714600000");
    says(&world, 3, &["a correction? `iotpipe replay`"]);
    // Rows beyond hope may be taken away.
    change(&world, &rejected, "later,pump-1,0,0,1,0,1,0,21.5\n", "");
    says(&world, 3, &["a correction?"]);
    world.ok(&["replay", &rejected]);
    says(&world, 0, &["taken up again"]);
    change(&world, &rejected, "1714600000", "1714600001");
    says(&world, 3, &["a correction?"]);
}

fn a_correction_that_is_moved(db: Db) {
    let (world, rejected) = with_bad_rows(db);
    change(&world, &rejected, "soon", "1714600000");
    change(&world, &rejected, "later", "1714600001");
    let name = rejected.strip_prefix("quarantine/").unwrap();
    fs::rename(world.path(&rejected), world.path("data").join(name)).unwrap();
    says(&world, 3, &["its rejected rows lie in the data folder", "not yet scanned"]);
    world.ok(&["run"]);
    says(&world, 0, &["taken up again"]);
}

fn more_rows_in_the_quarantine(db: Db) {
    let (world, rejected) = with_bad_rows(db);
    let text = String::from_utf8(world.read(&rejected)).unwrap();
    fs::write(world.path(&rejected), format!("{text}soon,alien,0,0,1,0,1,0,20.5\n")).unwrap();
    says(&world, 1, &["differs from its line 5 on"]);
    // Nobody corrects what was stored before.
    fs::write(world.path(&rejected), text.replace("31", "32")).unwrap();
    says(&world, 1, &["differs from its line"]);
}

/// Their name is all that is known of them.
fn rows_that_a_cut_off_attempt_left(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    world.ok(&["run"]);
    let left = "quarantine/a.0123456789ab-1.rejected.csv";
    fs::write(world.path(left), "ts\nsoon\n").unwrap();
    says(&world, 3, &[left, "cut off"]);
    fs::rename(world.path(left), world.path("quarantine/a.0123456789ab-7.rejected.csv")).unwrap();
    says(&world, 1, &["is no file of the manifest"]);
    fs::remove_file(world.path("quarantine/a.0123456789ab-7.rejected.csv")).unwrap();
    says(&world, 0, &["every line accounted for"]);
}

fn a_database_restored_from_a_backup(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 20));
    world.ok(&["run"]);
    let tables = ["iot_raw_data", "file_aggregates"];
    world.file("b.csv", telemetry("pump-2", START, 20));
    world.ok(&["run"]);
    // As it was before the second file.
    for table in tables {
        world.execute(&format!("DELETE FROM {table} WHERE file_id = 2"));
    }
    world.execute("DELETE FROM manifest WHERE id = 2");
    world.execute("DELETE FROM sensor_aggregates WHERE device_id = (SELECT id FROM device WHERE name = 'pump-2')");
    says(&world, 1, &["processed/b.csv", "is no file of the manifest", "restored from a backup"]);
    fs::rename(world.path("processed/b.csv"), world.path("data/b.csv")).unwrap();
    world.ok(&["run"]);
    assert_eq!(world.stored(), 40);
    says(&world, 0, &[]);
}

fn zeros_with_a_sign(db: Db) {
    let world = World::new(db);
    world.config("[[contract.sensor]]\nname = \"v\"\n");
    world.file("a.csv", "ts,device,v\n1714521600,d,-0\n1714521601,d,-0.0\n1714521602,d,0\n");
    world.ok(&["run"]);
    world.file("b.csv", "ts,device,v\n1714521600,d,0\n1714521602,d,-0e5\n");
    world.ok(&["run"]);
    assert_eq!(world.lines("SELECT v FROM iot_readings ORDER BY ts"), ["0", "0", "0"]);
    let reasons = world.reasons("b", "ts,device,v\n1714521600,d,0\n1714521602,d,-0e5\n");
    assert!(reasons.iter().all(|reason| reason.message.contains("same values")), "{reasons:?}");
    says(&world, 0, &[]);
}

/// A stop proves nothing. Another transaction keeps the tables to itself, so that it can't come to an end.
#[test]
fn a_stop_is_no_proof() {
    let world = every_state(Db::Postgres);
    for signals in [1, 2] {
        let held = world.hold("LOCK TABLE iot_raw_data IN ACCESS EXCLUSIVE MODE");
        let mut command = world.command(&["verify", "--output", "json"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        for _ in 0..signals {
            kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
            std::thread::sleep(Duration::from_millis(200));
        }
        if signals == 1 {
            held.end("ROLLBACK");
        }
        let outcome = Outcome::from_output("verify", &child.wait_with_output().unwrap()).expect_code(1);
        assert_eq!(outcome.json()["step"], "verify");
    }
}
