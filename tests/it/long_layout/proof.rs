//! `verify` finds what was changed behind the program's back.

use super::{START, measurements, world};
use crate::on_both_databases;
use crate::support::Db;

on_both_databases!(every_change_is_found, rows_that_no_file_has);

fn every_change_is_found(db: Db) {
    let world = world(db, "");
    world.file("a.csv", format!("{}1714521600,p,note,x\n1714521600,p,temp,9\n", measurements(&["p"], START, 3)));
    world.file("b.csv", measurements(&["p"], START + 120, 3));
    world.ok(&["run"]);
    world.ok(&["verify"]);
    let later = if db == Db::Postgres { "ts + interval '1 second'" } else { "ts + 1000000" };
    let one = "WHERE file_id = 1 AND line_number = 3";
    let note = "WHERE text = 'x'";
    let changes = [
        (format!("UPDATE iot_raw_values SET value = value + 1 {one}"), "another pulses than the file (p)"),
        (format!("UPDATE iot_raw_values SET whole = 1 {one}"), "another pulses than the file (p)"),
        (format!("UPDATE iot_raw_values SET text = 'y' {note}"), "another note than the file (p)"),
        (format!("UPDATE iot_raw_values SET text = NULL {note}"), "another note than the file (p)"),
        (format!("UPDATE iot_raw_values SET ts = {later} {one}"), "DIFFERS"),
        (format!("UPDATE iot_raw_values SET line_number = 77 {one}"), "DIFFERS"),
        (format!("UPDATE iot_raw_values SET file_id = 2 {one}"), "DIFFERS"),
        (format!("UPDATE iot_raw_values SET device_id = device_id + 1 {one}"), "DIFFERS"),
        (format!("UPDATE iot_raw_values SET sensor_id = sensor_id + 1 {one}"), "DIFFERS"),
        (format!("DELETE FROM iot_raw_values {one}"), "the database has 6"),
        ("UPDATE sensor SET id = id + 10 WHERE name = 'temp'".to_owned(), "DIFFERS"),
        ("UPDATE file_aggregates SET max = max + 1 WHERE sensor = 'temp' AND file_id = 1".to_owned(), "DIFFERS"),
        ("UPDATE set_aside SET rows = rows + 1".to_owned(), "set_aside"),
    ];
    for table in ["iot_raw_values", "sensor", "file_aggregates", "set_aside"] {
        world.execute(&format!("CREATE TABLE before_{table} AS SELECT * FROM {table}"));
    }
    for (change, words) in changes {
        world.execute(&change);
        let outcome = world.iotpipe(&["verify"]).expect_code(1);
        assert!(outcome.stdout.contains(words), "{change}\n{}", outcome.stdout);
        for table in ["iot_raw_values", "sensor", "file_aggregates", "set_aside"] {
            world.execute(&format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM before_{table}"));
        }
        world.ok(&["verify"]);
    }
}

/// Also in the table of the other layout, where the program stores none.
fn rows_that_no_file_has(db: Db) {
    let world = world(db, "");
    world.file("a.csv", measurements(&["p"], START, 2));
    world.ok(&["run"]);
    let time = if db == Db::Postgres { "now()" } else { "1714521600000000" };
    let longs = |file: i64| {
        format!(
            "INSERT INTO iot_raw_values (device_id, sensor_id, ts, value, file_id, line_number) SELECT 1, 1, {time}, 1, {file}, 99"
        )
    };
    let wides = |file: i64| {
        format!("INSERT INTO iot_raw_data (device_id, ts, file_id, line_number) SELECT 1, {time}, {file}, 99")
    };
    for insert in [longs(1), longs(77), wides(1), wides(77)] {
        let insert = insert.replace("SELECT 1, 1, 1714521600000000", "SELECT 1, 1, 1714521601000000");
        world.execute(&insert);
        let outcome = world.iotpipe(&["verify"]).expect_code(1);
        let told = ["line 99 that the file has not", "77"]
            .iter()
            .any(|words| outcome.stdout.contains(words) || outcome.stderr.contains(words));
        assert!(told, "{insert}\n{}\n{}", outcome.stdout, outcome.stderr);
        world.execute(
            "DELETE FROM iot_raw_values WHERE line_number = 99; DELETE FROM iot_raw_data WHERE line_number = 99",
        );
        world.ok(&["verify"]);
    }
}
