//! Bad input gets a clear error and loses nothing.

use std::time::Duration;

use crate::on_both_databases;
use crate::support::{Db, HEADER, World, eventually, gzip, row, telemetry, zstd};

on_both_databases!(
    a_folder_named_like_a_file,
    an_empty_file,
    a_file_that_is_created_empty,
    files_that_the_pattern_does_not_take,
    a_header_alone,
    a_header_without_the_device,
    a_gzip_cut_short,
    a_csv_that_is_no_gzip,
    a_name_that_is_no_utf8,
    more_rejected_than_allowed,
    given_up_early_by_its_rows_alone,
    a_refused_file_is_the_first_to_name_a_device,
    a_file_that_vanishes,
    a_file_that_changes,
    files_under_way,
    files_that_are_none_of_ours,
    patterns_mind_no_case,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

fn a_folder_named_like_a_file(db: Db) {
    let world = World::new(db);
    std::fs::create_dir(world.path("data/x.csv")).unwrap();
    world.file("good.csv", telemetry("pump-1", START, 5));

    let outcome = world.iotpipe(&["run"]);

    outcome.expect_stderr(&["x.csv", "folder"]);
    assert_eq!(world.stored(), 5);
    assert!(world.path("data/x.csv").is_dir());
    assert_eq!(world.number("SELECT count(*) FROM manifest"), 1);
}

fn a_file_that_is_created_empty(db: Db) {
    let world = World::new(db);
    world.file("later.csv", "");
    world.ok(&["run"]);
    assert_eq!(world.manifest("later.csv").state, "arriving");
    assert!(world.ok(&["status"]).stdout.contains("\"later.csv\": no bytes yet"));
    world.ok(&["run"]);

    // In place, as its writer fills it.
    std::fs::write(world.path("data/later.csv"), telemetry("pump-1", START, 5)).unwrap();
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("quarantine").len()), (5, 0));
}

fn files_that_the_pattern_does_not_take(db: Db) {
    let world = World::new(db);
    for name in ["a.txt", "b.dat", "hall/c.zip", ".hidden.txt", "d.csv.part"] {
        world.file(name, "x");
    }
    let outcome = world.ok(&["run"]);
    outcome.expect_stderr(&["3 files do not match source.pattern, for example \"a.txt\"", "c.zip\" must be unpacked"]);
    assert_eq!(world.number("SELECT count(*) FROM manifest"), 0);
}

fn an_empty_file(db: Db) {
    let world = World::new(db);
    std::fs::write(world.path("iotpipe.toml"), "[source]\nsettle = \"0s\"\nempty_after = \"0s\"\n").unwrap();
    world.file("good.csv", telemetry("pump-1", START, 5));
    world.file("void.csv", "");

    world.ok(&["run"]);

    world.expect_refused_whole("void.csv", "", "empty");
    assert_eq!(world.stored(), 5);
}

fn a_header_alone(db: Db) {
    let world = World::new(db);
    world.file("quiet.csv", format!("{HEADER}\n"));

    world.ok(&["run"]);

    let entry = world.manifest("quiet.csv");
    assert_eq!((entry.state.as_str(), entry.total), ("loaded", 0));
    assert_eq!((world.files("processed"), world.files("quarantine").len()), (vec!["quiet.csv".to_owned()], 0));
}

fn a_header_without_the_device(db: Db) {
    let world = World::new(db);
    let file = telemetry("pump-1", START, 5).replacen("device", "machine", 1);
    world.file("foreign.csv", &file);

    let outcome = world.ok(&["run"]);

    let reason = world.expect_refused_whole("foreign.csv", &file, "missing_column");
    assert!(reason.message.contains("device") && reason.message.contains("machine"), "{}", reason.message);
    outcome.expect_stderr(&["foreign.csv", "missing_column"]);
}

fn a_gzip_cut_short(db: Db) {
    let world = World::new(db);
    let whole = gzip(telemetry("pump-1", START, 20_000));
    let cut = &whole[..whole.len() / 2];
    world.file("half.csv.gz", cut);

    world.ok(&["run"]);

    world.expect_refused_whole("half.csv.gz", cut, "unreadable");
    assert_eq!(world.stored(), 0, "nothing of what could be read before the cut");
    assert_eq!(world.lines("SELECT * FROM sensor_stats"), [""; 0]);

    world.file("half.csv.gz", &whole);
    world.ok(&["run"]);
    assert_eq!(world.stored(), 20_000);
}

fn a_csv_that_is_no_gzip(db: Db) {
    let world = World::new(db);
    let plain = telemetry("pump-1", START, 5);
    world.file("plain.csv.gz", &plain);
    world.file("plain.csv.zst", &plain);

    world.ok(&["run"]);

    // Refused, or read for what they are: never half of either, and never lost.
    assert_eq!(world.files("data"), [""; 0]);
    for name in ["plain.csv.gz", "plain.csv.zst"] {
        let state = world.manifest(name).state;
        assert!(["rejected", "duplicate", "loaded"].contains(&state.as_str()), "{name}: {state}");
    }
    assert!([0, 5].contains(&world.stored()));
}

fn a_name_that_is_no_utf8(db: Db) {
    let world = World::new(db);
    world.file_named_by_bytes(b"bad\xff.csv", telemetry("pump-1", START, 5));
    world.file("good.csv", telemetry("pump-2", START, 5));

    let outcome = world.iotpipe(&["run"]);

    outcome.expect_stderr(&["bad", "UTF-8"]);
    assert_eq!(world.lines("SELECT DISTINCT device FROM iot_readings"), ["pump-2"], "the other file is loaded");
    assert_eq!(world.files("data"), ["bad\u{fffd}.csv"], "it stays where it is");
}

fn more_rejected_than_allowed(db: Db) {
    let world = World::new(db);
    let mut file = telemetry("pump-1", START, 100);
    (0..101).for_each(|i| file += &format!("{}\n", row(START + i, "pump-2", 99.0)));
    world.file("broken.csv", &file);
    // As many bad rows as good ones are not more than half.
    let half = format!("{HEADER}\n{}\n{}\n", row(START, "pump-3", 20.0), row(START, "pump-3", 99.0));
    world.file("half.csv", &half);

    world.ok(&["run"]);

    let reason = world.expect_refused_whole("broken.csv", &file, "too_many_rejected");
    assert!(reason.message.contains("101 of 201"), "{}", reason.message);
    assert_eq!(world.manifest("half.csv").loaded, 1);
    assert_eq!(world.lines("SELECT DISTINCT device FROM sensor_stats"), ["pump-3"]);
    assert_eq!(world.lines("SELECT name FROM device"), ["pump-3"], "no device of a refused file");

    world.config("[contract]\nmax_rejected_ratio = 0.6\n");
    world.file("broken.csv", &file);
    world.ok(&["run"]);
    assert_eq!(world.stored(), 101, "sent again under a milder contract, it is judged again");
}

/// Both share a transaction; what the first leaves behind must not stand in for what the second brings.
fn a_refused_file_is_the_first_to_name_a_device(db: Db) {
    let world = World::new(db);
    let bad: String = (0..20).map(|i| format!("{}\n", row(START + i, "pump-1", 99.0))).collect();
    world.file("a.csv", format!("{}{bad}", telemetry("pump-1", START + 100, 5)));
    world.file("b.csv", telemetry("pump-1", START + 200, 5));

    world.ok(&["run"]);

    assert_eq!(world.manifest("a.csv").state, "rejected");
    assert_eq!(world.lines("SELECT device, count(*) FROM iot_readings GROUP BY device"), ["pump-1|5"]);
    assert_eq!(world.lines("SELECT name FROM device"), ["pump-1"]);
    world.ok(&["verify"]);
}

/// Lines that are skipped are no rows: they put off nothing.
fn given_up_early_by_its_rows_alone(db: Db) {
    const LONG: usize = 1_000_000;
    let world = World::new(db);
    let (bad, blank) = (format!("{}\n", "x".repeat(LONG)), ",,,,,,,,\n".repeat(3));
    let rows = format!("{blank}{bad}").repeat(70);
    world.file("noise.csv", format!("{HEADER}\n{rows}"));
    let enough = (64 << 20) / LONG + 1;
    world.ok(&["run"]).expect_stderr(&[&format!("{enough} of {enough} rows break the contract")]);
    assert_eq!(world.manifest("noise.csv").state, "rejected");
}

fn a_file_that_vanishes(db: Db) {
    let world = World::new(db);
    let gone = telemetry("pump-1", START, 5);
    world.file("gone.csv", &gone);
    world.file("stays.csv", telemetry("pump-2", START, 5));
    world.ok(&["scan"]);
    std::fs::remove_file(world.path("data/gone.csv")).unwrap();

    let outcome = world.iotpipe(&["load"]).expect_code(1);

    outcome.expect_stderr(&["gone.csv"]);
    assert_eq!(world.lines("SELECT DISTINCT device FROM iot_readings"), ["pump-2"], "the other file is loaded");
    assert_ne!(world.manifest("gone.csv").state, "loaded");

    world.file("gone.csv", &gone);
    eventually(Duration::from_secs(30), "the file that came back", || {
        world.iotpipe(&["run"]);
        world.stored() == 10
    });
    assert_eq!(world.files("data"), [""; 0]);
}

fn a_file_that_changes(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    world.ok(&["scan"]);
    world.ok(&["validate"]);
    // By a writer that has it open, in place and of the same size: only the bytes tell.
    let changed = telemetry("pump-9", START, 5);
    std::fs::write(world.path("data").join(&world.files("data")[0]), &changed).unwrap();

    world.iotpipe(&["load"]);
    assert_eq!(world.number("SELECT count(*) FROM iot_readings WHERE device = 'pump-1'"), 0);
    eventually(Duration::from_secs(30), "the new content", || {
        world.iotpipe(&["run"]);
        world.stored() == 5
    });

    assert_eq!(world.lines("SELECT DISTINCT device FROM iot_readings"), ["pump-9"]);
    assert_eq!(world.read("processed/a.csv"), changed.as_bytes());
    assert_eq!(world.lines("SELECT state FROM manifest WHERE rows_loaded > 0"), ["loaded"]);
}

/// What lies beside source files, by the default pattern.
fn files_that_are_none_of_ours(db: Db) {
    let world = World::new(db);
    let content = telemetry("pump-1", START, 5);
    let others = [
        "a.csv.bak",
        "a.csv.crdownload",
        "a.csv.filepart",
        "a.csv.gz.md5",
        "a.csv.md5",
        "a.csv.sha256",
        "a.csv.swp",
        "a.csv.zip",
        "a.csv_old",
        "csv",
    ];
    others.iter().for_each(|name| world.file(name, &content));
    let outcome = world.ok(&["run", "--output", "json"]);
    assert_eq!((outcome.count("files"), outcome.count("failed"), world.stored()), (0, 0, 0));
    assert_eq!(world.files("data"), others);
    world.file("A.CSV", &content);
    world.file("x/b.Csv.GZ", gzip(telemetry("pump-2", START, 5)));
    world.file("c.csv.ZST", zstd(telemetry("pump-3", START, 5)));
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("data").len()), (15, others.len()));
}

fn patterns_mind_no_case(db: Db) {
    let world = World::new(db);
    let names = ["in/a.csv", "IN/B.CSV", "in/deep/c.csv", "d.csv", "Messung_Ä1.DAT"];
    names.iter().enumerate().for_each(|(n, name)| world.file(name, telemetry(&format!("pump-{n}"), START, 5)));
    let source = |pattern: &str| {
        std::fs::write(world.path("iotpipe.toml"), format!("[source]\nsettle = '0s'\npattern = {pattern}\n")).unwrap();
    };
    source("'In/*.csv'");
    world.ok(&["run"]);
    assert_eq!(world.files("processed"), ["IN/B.CSV", "in/a.csv"]);
    source("['**/messung_ä*.dat', 'd.csv']");
    world.ok(&["run"]);
    assert_eq!(world.files("data"), ["in/deep/c.csv"]);
    for (pattern, word) in [("[]", "names no file"), ("['**/*.csv', '']", "names no file"), ("'a***b'", "a***b")] {
        source(pattern);
        world.iotpipe(&["run"]).expect_code(2).expect_stderr(&["source.pattern", word]);
    }
}

fn files_under_way(db: Db) {
    let world = World::new(db);
    let content = telemetry("pump-1", START, 5);
    let names = [".hidden.csv", "a.csv.part", "b.csv.tmp", "c.csv~", "notes.txt"];
    names.iter().for_each(|name| world.file(name, &content));

    let outcome = world.ok(&["run", "--output", "json"]);

    assert_eq!((outcome.count("files"), world.stored()), (0, 0));
    assert_eq!(world.files("data"), names);

    std::fs::rename(world.path("data/a.csv.part"), world.path("data/a.csv")).unwrap();
    world.ok(&["run"]);
    assert_eq!(world.stored(), 5);
}
