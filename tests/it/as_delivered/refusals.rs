//! Why a file was refused is said where it is mentioned, and says what to do.

use super::{Case, PLAIN, hold};
use crate::on_both_databases;
use crate::support::{Db, World};

on_both_databases!(
    counts_and_first_rows,
    rows_that_are_measurements,
    what_no_database_keeps,
    sensors_named_like_our_own_columns
);

fn counts_and_first_rows(db: Db) {
    let rows = |value: &dyn Fn(u64) -> String| -> String {
        (0..6).map(|i| format!("{},w,{}\n", 1_714_521_600 + 60 * i, value(i))).collect()
    };
    let header = "ts,device,temp,humidity\n";
    let meter = format!("{header}{}", rows(&|i| format!("\"1,02{i}.5\",44")));
    let fields = format!("{header}{}", rows(&|i| format!("18,44,{i},x")));
    hold(
        db,
        vec![
            Case::plain("62", "", "meter.csv", &meter).refuses(
                "meter.csv",
                "too_many_rejected",
                &[
                    "contract.max_rejected_ratio",
                    "not_a_number in temp (6)",
                    "line 2: temp \"1,020.5\"",
                    "csv.thousands",
                    "line 4",
                ],
            ),
            Case::plain("62b", "", "fields.csv", &fields).refuses(
                "fields.csv",
                "too_many_rejected",
                &["field_count (6)", "csv.header"],
            ),
        ],
    );

    let world = World::new(db);
    world.config(PLAIN);
    world.file("meter.csv", &meter);
    world.ok(&["run"]);
    assert!(world.ok(&["status"]).stdout.contains("not_a_number in temp (6)"));
    assert_eq!(
        world.reason_lines("meter", &meter),
        ["0  too_many_rejected", "2 temp not_a_number", "3 temp not_a_number", "4 temp not_a_number"]
    );
}

/// Duplicates are no bad rows, but whoever has one row per measurement is told.
fn rows_that_are_measurements(db: Db) {
    let metrics = |i: u64| format!("{},w,temp,{i}\n{0},w,humidity,4{i}\n{0},w,co2,40{i}\n", 1_714_521_600 + 60 * i);
    let contract = PLAIN.replace("\"temp\"", "\"metric\"\ntype = \"text\"").replace("\"humidity\"", "\"value\"");
    let world = World::new(db);
    world.config(&contract.replace("min = -50.0\nmax = 60.0\n", "").replace("max = 100.0", "max = 1000.0"));
    world.file("long.csv", format!("ts,device,metric,value\n{}", (0..4).map(metrics).collect::<String>()));
    world.ok(&["run"]).expect_stderr(&["one row per measurement"]);
    let entry = world.manifest("long.csv");
    assert_eq!((entry.state.as_str(), entry.loaded, entry.rejected, entry.duplicate), ("loaded", 4, 0, 8));
}

/// Three hundred good files do not wait for one whose bytes no database keeps.
fn what_no_database_keeps(db: Db) {
    let world = World::new(db);
    world.config(PLAIN);
    world.file("a.csv", b"t\0s,dev\x1b[31mice\n1,2\n");
    world.file("b.csv", [0; 100]);
    world.file("c.csv", "ts,device,temp,humidity\n1714521600,w,18.5,44\n");
    let outcome = world.ok(&["run"]);
    assert!(!outcome.stderr.contains('\x1b') && !outcome.stderr.contains('\0'), "{}", outcome.stderr);
    assert_eq!((world.stored(), world.manifest("a.csv").state.as_str()), (1, "rejected"));
    assert_eq!(world.files("data"), [""; 0]);
    assert_eq!(world.ok(&["run", "--output", "json"]).count("failed"), 0);
}

/// Names of our own tables, views and columns are names of sensors as any other.
fn sensors_named_like_our_own_columns(db: Db) {
    let names = [
        "state",
        "source",
        "size",
        "id",
        "sha256",
        "attempts",
        "rows_total",
        "last_error",
        "name",
        "sensor",
        "manifest",
        "window_start",
        "count",
        "r",
        "m",
        "d",
        "k",
        "i",
        "own",
        "value",
        "origin",
        "place",
        "micros",
        "loaded",
    ];
    let sensors: String = names.iter().map(|name| format!("\n[[contract.sensor]]\nname = \"{name}\"\n")).collect();
    let contract = format!("[contract]\ntimestamp = {{ column = \"ts\", format = \"unix_seconds\" }}\n{sensors}");
    let row = |ts: u64, value: u64| format!("{ts},w{}\n", format!(",{value}").repeat(names.len()));
    let header = format!("ts,device,{}\n", names.join(","));
    let world = World::new(db);
    world.config(&contract);
    world.file("a.csv", format!("{header}{}{}", row(1_714_521_600, 1), row(1_714_521_660, 2)));
    world.ok(&["run"]);
    let again = format!("{header}{}{}{}", row(1_714_521_660, 2), row(1_714_521_720, 3), row(1_714_521_600, 4));
    world.file("b.csv", &again);
    world.ok(&["run"]);
    assert_eq!(world.stored(), 3);
    assert!(world.reasons("b", &again)[1].message.contains("differs in state, source"));
    world.ok(&["verify"]);
    world.ok(&["status"]);
    world.ok(&["reaggregate", "--window", "1d"]);
    world.config(&format!("{contract}\n[aggregate]\nwindow = \"1d\"\n"));
    world.ok(&["verify"]);
    world.ok(&["unload", "b.csv"]);
    assert_eq!(world.stored(), 2);
}
