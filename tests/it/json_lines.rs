//! Files of one JSON object per line: values by name or path, the same rules, the same quarantine.

use crate::on_both_databases;
use crate::support::{Db, World, gzip};

on_both_databases!(objects_of_a_gateway, what_is_no_object, corrected_lines, told_by_the_contract, as_csv_says_it);

const CONTRACT: &str = r#"
[contract]
timestamp = { column = "time", format = "rfc3339" }
device = "tags.id"

[[contract.sensor]]
name = "temp"
column = ["temp", "payload.temp"]
min = -50.0
max = 60.0

[[contract.sensor]]
name = "door"
column = "payload.door"
type = "boolean"
required = false

[[contract.sensor]]
name = "note"
type = "text"
required = false
"#;
const READINGS: &str = "SELECT device, ts, temp, door, note FROM iot_readings ORDER BY device, ts";

/// Files are taken whatever their names.
fn world(db: Db, source: &str) -> World {
    let world = World::new(db);
    let text = format!("[source]\nsettle = \"0s\"\n{source}\n{CONTRACT}");
    std::fs::write(world.path("iotpipe.toml"), text).unwrap();
    world
}

fn objects_of_a_gateway(db: Db) {
    let world = world(db, "pattern = \"**/*\"");
    let file = "{\"time\":\"2024-05-01T00:00:00Z\",\"tags\":{\"id\":\"w\"},\"payload\":{\"temp\":18.5,\"door\":true,\"rssi\":-70}}\n\
        \n{\"tags\":{\"id\":\"w\"},\"temp\":\"19\",\"note\":\"caf\\u00e9 \\\"x\\\"\",\"time\":\"2024-05-01T02:10:00+02:00\",\"payload\":{\"door\":null}}\n";
    world.file("a.jsonl", file);
    world.file("b.ndjson.gz", gzip(file.replace("\"w\"", "\"v\"")));
    world.ok(&["run"]);
    let two = |device: &str| {
        [format!("{device}|2024-05-01T00:00:00Z|18.5|1|-"), format!("{device}|2024-05-01T00:10:00Z|19|-|café \"x\"")]
    };
    assert_eq!(world.lines(READINGS), [two("v"), two("w")].concat());
    assert_eq!(world.number("SELECT sum(rows_skipped) FROM manifest"), 2);
    assert_eq!(world.lines("SELECT line_number FROM iot_readings WHERE device = 'w' ORDER BY 1"), ["1", "3"]);
    world.ok(&["verify"]);
}

fn what_is_no_object(db: Db) {
    let world = world(db, "pattern = \"**/*\"");
    let good =
        |minute: u32| format!("{{\"time\":\"2024-05-01T00:{minute:02}:00Z\",\"tags\":{{\"id\":\"w\"}},\"temp\":1}}\n");
    let bad = ["{\"time\":", "[1,2]", "{}", "{\"time\":\"yesterday\",\"tags\":{\"id\":7},\"temp\":1e400}", "garbage"];
    let file: String = (0..).zip(bad).map(|(i, bad)| format!("{}{}{bad}\n", good(2 * i), good(2 * i + 1))).collect();
    world.file("a.jsonl", &file);
    world.ok(&["run"]);
    assert_eq!(world.stored(), 10);
    assert_eq!(
        world.reason_lines("a", &file),
        [
            "3  not_json",
            "6  not_json",
            "9 time missing",
            "9 tags.id missing",
            "9 temp missing",
            "12 time bad_timestamp",
            "12 temp not_a_number",
            "15  not_json"
        ]
    );
    let name = world.files("quarantine").into_iter().find(|f| f.ends_with(".rejected.jsonl")).unwrap();
    assert_eq!(world.read(format!("quarantine/{name}")), format!("{}\n", bad.join("\n")).into_bytes());
    world.ok(&["verify"]);

    let all_bad = "no\njson\n";
    world.file("b.jsonl", all_bad);
    world.file("void.jsonl", "\u{feff}");
    world.ok(&["run"]);
    assert_eq!(world.manifest("b.jsonl").state, "rejected");
    assert_eq!(world.manifest("void.jsonl").state, "rejected");
    assert!(world.files("quarantine").iter().any(|f| f.starts_with("b.") && f.ends_with(".jsonl")));
}

fn corrected_lines(db: Db) {
    let world = world(db, "format = \"jsonl\"");
    let line = |minute: u32, temp: &str| {
        format!("{{\"time\":\"2024-05-01T00:{minute:02}:00Z\",\"tags\":{{\"id\":\"w\"}},\"temp\":{temp}}}\n")
    };
    world.file("a.jsonl", [line(0, "1"), line(1, "\"hot\""), line(2, "3")].concat());
    world.ok(&["run"]);
    let name = world.files("quarantine").into_iter().find(|f| f.ends_with(".rejected.jsonl")).unwrap();
    let path = format!("quarantine/{name}");
    let corrected = String::from_utf8(world.read(&path)).unwrap().replace("\"hot\"", "2");
    std::fs::write(world.path(&path), corrected).unwrap();
    world.ok(&["replay", &path]);
    world.ok(&["replay", &path]);
    assert_eq!(world.lines("SELECT temp FROM iot_readings ORDER BY ts"), ["1", "2", "3"]);
}

fn told_by_the_contract(db: Db) {
    let world = world(db, "format = \"jsonl\"\npattern = \"**/*.log\"");
    world.file("a.log", "{\"time\":\"2024-05-01T00:00:00Z\",\"tags\":{\"id\":\"w\"},\"temp\":1}");
    world.ok(&["run"]);
    assert_eq!(world.stored(), 1);
}

/// The same readings, written both ways, leave the same rows and statistics.
fn as_csv_says_it(db: Db) {
    let contract =
        "[[contract.sensor]]\nname = \"temp\"\nmax = 60.0\n[[contract.sensor]]\nname = \"on\"\ntype = \"boolean\"\n";
    let (csv, json) = (World::new(db), World::new(db));
    csv.config(contract);
    std::fs::write(json.path("iotpipe.toml"), format!("[source]\nsettle = \"0s\"\nformat = \"jsonl\"\n{contract}"))
        .unwrap();
    let mut rows = String::from("ts,device,temp,on\n");
    let mut lines = String::new();
    for i in 0..500u32 {
        let (ts, temp, on) = (1_714_521_600 + i, f64::from(i) / 7.0, i % 3 == 0);
        rows += &format!("{ts},d{},{temp},{on}\n", i % 5);
        lines += &format!("{{\"on\":{on},\"temp\":{temp},\"device\":\"d{}\",\"ts\":{ts}}}\n", i % 5);
    }
    csv.file("a.csv", rows);
    json.file("a.jsonl", lines);
    csv.ok(&["run"]);
    json.ok(&["run"]);
    for query in [
        "SELECT ts, device, temp, \"on\" FROM iot_readings ORDER BY device, ts",
        "SELECT * FROM sensor_stats ORDER BY 1, 2, 3",
    ] {
        assert_eq!(csv.lines(query), json.lines(query));
    }
    assert_eq!(csv.manifest("a.csv").rejected, json.manifest("a.jsonl").rejected);
}
