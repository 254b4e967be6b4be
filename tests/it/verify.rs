//! `verify`: whatever is changed behind the program's back is found, and nothing else.

use std::fs;

use crate::on_both_databases;
use crate::support::{Db, Outcome, World, gzip, row, telemetry};

on_both_databases!(
    a_clean_run_is_proved,
    every_manipulation_is_found,
    a_total_that_drifted_is_found,
    one_file_by_any_of_its_names,
    under_the_contract_that_judged_it,
    a_contract_that_was_not_kept,
    what_an_earlier_version_judged,
    a_duplicate_whose_first_delivery_was_unloaded,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

/// Clean, defective, overlapping and compressed files, loaded.
fn loaded(db: Db) -> World {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 100));
    let mixed = format!("{}{}\nsoon,pump-2,0,0,1,0,1,0,0\n", telemetry("pump-2", START, 50), row(START, "pump-2", 9.5));
    world.file("b.csv", mixed);
    world.file("deep/c.csv.gz", gzip(telemetry("pump-1", START + 50 * 60, 100)));
    world.ok(&["run"]);
    world
}

fn verify(world: &World, args: &[&str]) -> Outcome {
    world.iotpipe(&[&["verify", "--output", "json"], args].concat())
}

fn a_clean_run_is_proved(db: Db) {
    let world = loaded(db);
    let before = world.everything();
    let outcome = verify(&world, &[]).expect_code(0);
    assert_eq!((outcome.count("files"), outcome.count("rows"), outcome.count("failed")), (3, 252, 0));
    assert_eq!((outcome.count("loaded"), outcome.count("rejected"), outcome.count("duplicates")), (200, 1, 51));
    let again = verify(&world, &[]).expect_code(0);
    let receipts = |outcome: &Outcome| outcome.json()["files_verified"].clone();
    assert_eq!(receipts(&outcome), receipts(&again), "the same receipts each time");
    assert_eq!(world.everything(), before, "it changes nothing");
    let text = world.ok(&["verify"]);
    assert!(
        text.stdout.contains("ok") && text.stdout.contains("100 rows = 100 loaded + 0 rejected"),
        "{}",
        text.stdout
    );
}

/// Each manipulation in a world of its own; the words that the report must have.
fn every_manipulation_is_found(db: Db) {
    let sql = |sql: &'static str| move |world: &World| world.execute(sql);
    let quarantined = |world: &World, kind: &str| {
        let files = world.files("quarantine");
        world.path("quarantine").join(files.iter().find(|f| f.ends_with(kind) && f.starts_with('b')).unwrap())
    };
    type Manipulation<'a> = Box<dyn Fn(&World) + 'a>;
    let all: Vec<(&str, Manipulation<'_>)> = vec![
        (
            "line 11 is neither in the database",
            Box::new(sql("DELETE FROM iot_raw_data WHERE line_number = 11 AND file_id = 1")),
        ),
        (
            "line 11: the database has another temp",
            Box::new(sql("UPDATE iot_raw_data SET temp = 1.25 WHERE line_number = 11 AND file_id = 1")),
        ),
        (
            "a row of line 4711",
            Box::new(sql("UPDATE iot_raw_data SET line_number = 4711 WHERE line_number = 11 AND file_id = 1")),
        ),
        (
            "which the manifest does not know",
            Box::new(sql("UPDATE iot_raw_data SET file_id = 77 WHERE line_number = 11 AND file_id = 1")),
        ),
        ("does not fit its rows", Box::new(sql("UPDATE file_aggregates SET mean = mean + 1 WHERE file_id = 1"))),
        (
            "has no rows",
            Box::new(sql("UPDATE file_aggregates SET sensor = 'pressure' WHERE file_id = 1 AND sensor = 'co'")),
        ),
        ("do not add up", Box::new(sql("UPDATE manifest SET rows_rejected = 7 WHERE id = 2"))),
        ("is gone", Box::new(|w: &World| fs::remove_file(quarantined(w, "rejected.csv")).unwrap())),
        (
            "line 53 (bad_timestamp) is not in",
            Box::new(|w: &World| {
                let path = quarantined(w, "reasons.csv");
                let text = fs::read_to_string(&path).unwrap();
                fs::write(
                    path,
                    text.lines().filter(|l| !l.starts_with("53,")).map(|l| format!("{l}\n")).collect::<String>(),
                )
                .unwrap();
            }),
        ),
        (
            "differs from its line 2",
            Box::new(|w: &World| {
                let path = quarantined(w, "rejected.csv");
                let text = fs::read_to_string(&path).unwrap();
                fs::write(path, text.replace("9.5", "9.6")).unwrap();
            }),
        ),
        ("no file with its content", Box::new(|w: &World| fs::write(w.path("processed/a.csv"), "ts\n").unwrap())),
        ("no file with its content", Box::new(|w: &World| fs::remove_file(w.path("processed/deep/c.csv.gz")).unwrap())),
    ];
    let world = loaded(db);
    verify(&world, &[]).expect_code(0);
    for (words, manipulate) in all {
        let world = loaded(db);
        manipulate(&world);
        let outcome = verify(&world, &[]).expect_code(1);
        assert!(outcome.stdout.contains(words), "no {words:?} in {}", outcome.stdout);
    }
}

fn a_total_that_drifted_is_found(db: Db) {
    for change in [
        "UPDATE sensor_aggregates SET count = count + 1 WHERE sensor = 'temp'",
        "UPDATE sensor_aggregates SET avg = avg + 0.001 WHERE sensor = 'temp'",
        "UPDATE sensor_aggregates SET stddev = stddev + 1 WHERE sensor = 'temp'",
        "DELETE FROM sensor_aggregates WHERE sensor = 'temp'",
    ] {
        let world = loaded(db);
        world.execute(change);
        let outcome = verify(&world, &[]).expect_code(1);
        assert!(outcome.stdout.contains("pump-1 temp from"), "{change}: {}", outcome.stdout);
        assert_eq!(outcome.count("failed"), 0, "the files themselves are right");
    }
}

fn one_file_by_any_of_its_names(db: Db) {
    let world = loaded(db);
    for name in ["deep/c.csv.gz", "processed/deep/c.csv.gz", "data/deep/c.csv.gz", "./processed/deep/c.csv.gz"] {
        let outcome = verify(&world, &[name]).expect_code(0);
        assert_eq!((outcome.count("files"), outcome.count("rows")), (1, 100), "{name}");
    }
    world.file("a.csv", telemetry("pump-9", START, 7));
    world.ok(&["run"]);
    let second = world.files("processed").into_iter().find(|f| f.starts_with("a.") && f != "a.csv").unwrap();
    assert_eq!(verify(&world, &[&second]).expect_code(0).count("rows"), 7, "{second}");
    assert_eq!(verify(&world, &["a.csv"]).expect_code(0).count("rows"), 100);
    verify(&world, &["nobody.csv"]).expect_code(2).expect_stderr(&["nobody.csv", "not the name of a loaded file"]);
}

/// Whatever the file says now: a proof is under the contract that is kept with the load.
fn under_the_contract_that_judged_it(db: Db) {
    let world = loaded(db);
    for edit in ["[contract]\nmax_future = \"2d\"\n", "[[contract.sensor]]\nname = \"temp\"\nunit = \"K\"\nmax = 1.0\n"]
    {
        world.config(edit);
        let outcome = verify(&world, &[]).expect_code(0);
        assert_eq!((outcome.count("in_full"), outcome.count("failed")), (3, 0), "{edit}");
        world.execute("UPDATE iot_raw_data SET humidity = humidity + 1 WHERE line_number = 11 AND file_id = 1");
        let outcome = verify(&world, &[]).expect_code(1);
        assert!(outcome.stdout.contains("line 11: the database has another humidity"), "{}", outcome.stdout);
        world.execute("UPDATE iot_raw_data SET humidity = humidity - 1 WHERE line_number = 11 AND file_id = 1");
    }
    world.execute("UPDATE contract SET body = 'csv = { decimal = \",\" }' ");
    assert!(verify(&world, &[]).expect_code(1).stdout.contains("is not the one that was kept"));
}

fn a_contract_that_was_not_kept(db: Db) {
    let world = loaded(db);
    world.execute("DELETE FROM contract");
    verify(&world, &[]).expect_code(0);
    world.config("[contract]\nmax_future = \"2d\"\n");
    let outcome = verify(&world, &[]).expect_code(3);
    assert_eq!((outcome.count("in_full"), outcome.count("in_part")), (0, 3));
    assert!(outcome.stdout.contains("another contract, which was not kept"), "{}", outcome.stdout);
    world.execute("DELETE FROM iot_raw_data WHERE line_number = 11 AND file_id = 1");
    verify(&world, &[]).expect_code(1);
}

/// Where the present judge comes to other rows, that is no difference, and no proof either.
fn what_an_earlier_version_judged(db: Db) {
    let world = loaded(db);
    world.execute("UPDATE manifest SET judge = NULL");
    verify(&world, &[]).expect_code(0);
    world.execute("UPDATE iot_raw_data SET temp = 1.25 WHERE line_number = 11 AND file_id = 1");
    let outcome = verify(&world, &[]).expect_code(3);
    assert_eq!((outcome.count("in_full"), outcome.count("in_part")), (2, 1));
    world.execute(&format!("UPDATE manifest SET judge = {}", iotpipe_core::validate::JUDGE));
    verify(&world, &[]).expect_code(1);
}

/// Its rows are taken up from the file that brought them too.
fn a_duplicate_whose_first_delivery_was_unloaded(db: Db) {
    let world = loaded(db);
    world.ok(&["unload", "a.csv"]);
    verify(&world, &[]).expect_code(0);
    assert_eq!(world.stored(), 150);
}
