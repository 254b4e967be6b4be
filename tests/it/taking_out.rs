//! `unload` and `replay` lose nothing: readings that other files delivered too, corrections that somebody typed, names.

use std::fs;
use std::process::Stdio;

use crate::on_both_databases;
use crate::support::assertions::sha256;
use crate::support::{Db, HEADER, Outcome, World, row, telemetry};

on_both_databases!(
    readings_that_others_delivered_too,
    chains_and_statistics,
    only_this_file,
    what_the_first_version_set_aside,
    under_the_contract_that_judged_it,
    without_its_archive_nothing_changes,
    killed_at_any_moment,
    a_name_that_is_pending_anew,
    a_correction_refused_whole,
    a_correction_typed_between_two_steps,
    a_correction_typed_into_files_of_all_kinds,
    a_correction_under_the_name_of_the_original,
    a_refused_file_under_the_name_of_the_original,
    a_name_alone_lifts_nothing,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
const READINGS: &str = "SELECT ts, device, temp FROM iot_readings ORDER BY device, ts";
const TOTALS: &str = "SELECT device, sensor, window_start, count, min, max, round(CAST(avg AS numeric), 9), \
                      round(CAST(stddev AS numeric), 6) FROM sensor_stats ORDER BY device, sensor, window_start";

/// A file, one that has half of its rows and some more, and one of the same content.
fn delivered_three_times(db: Db) -> World {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 100));
    world.ok(&["run"]);
    world.file("b.csv", telemetry("pump-1", START + 50 * 60, 100));
    world.file("c.csv", telemetry("pump-1", START, 100));
    world.ok(&["run"]);
    let states = world.lines("SELECT source, state, rows_loaded FROM manifest ORDER BY source");
    assert_eq!(states, ["a.csv|loaded|100", "b.csv|loaded|50", "c.csv|duplicate|-"]);
    assert_eq!(world.lines("SELECT file_id, because_of, rows FROM set_aside"), ["2|1|50"]);
    world
}

fn readings_that_others_delivered_too(db: Db) {
    let world = delivered_three_times(db);
    let (readings, totals) = (world.lines(READINGS), world.lines(TOTALS));
    let outcome = world.ok(&["unload", "a.csv", "--output", "json"]);
    assert_eq!(outcome.json()["taken_up_again"], serde_json::json!(["c.csv", "b.csv"]));
    outcome.expect_stderr(&["\"c.csv\" has the same content", "\"b.csv\" has some of its rows"]);
    assert_eq!((world.lines(READINGS), world.lines(TOTALS)), (readings, totals));
    let states = world.lines("SELECT source, state, rows_loaded FROM manifest ORDER BY source");
    assert_eq!(states, ["a.csv|unloaded|-", "b.csv|loaded|50", "c.csv|loaded|100"]);
    assert_eq!(world.lines("SELECT file_id, because_of, rows FROM set_aside"), ["2|3|50"]);
    world.ok(&["verify"]);

    // Now without the third: the second takes over what it has.
    let outcome = world.ok(&["unload", "c.csv", "--output", "json"]);
    assert_eq!(outcome.json()["taken_up_again"], serde_json::json!(["b.csv"]));
    let alone = World::new(db);
    alone.file("b.csv", telemetry("pump-1", START + 50 * 60, 100));
    alone.ok(&["run"]);
    assert_eq!((world.lines(READINGS), world.lines(TOTALS)), (alone.lines(READINGS), alone.lines(TOTALS)));
    assert_eq!(world.manifest("b.csv").loaded, 100);
    assert!(world.files("quarantine").is_empty(), "{:?}", world.files("quarantine"));
    world.ok(&["verify"]);
}

/// Rows within a file that repeat, bad ones between them, and several files behind each other.
fn chains_and_statistics(db: Db) {
    let world = World::new(db);
    let file = |from: i64, rows: u32, temp: f64| {
        let repeat = row(START + from * 60, "pump-1", temp);
        format!("{}{repeat}\nsoon,pump-1,0,0,1,0,1,0,20.5\n{repeat}\n", telemetry("pump-1", START + from * 60, rows))
    };
    let files = [("a", file(0, 60, 1.0)), ("b", file(30, 60, 2.0)), ("c", file(10, 90, 3.0)), ("d", file(59, 5, 4.0))];
    for (name, content) in &files {
        world.file(format!("{name}.csv"), content);
        world.ok(&["run"]);
    }
    let taken_out = ["b.csv", "a.csv", "c.csv"];
    for (n, name) in taken_out.iter().enumerate() {
        world.ok(&["unload", name]);
        world.ok(&["verify"]);
        let left = World::new(db);
        for (name, content) in
            files.iter().filter(|(name, _)| !taken_out[..=n].contains(&format!("{name}.csv").as_str()))
        {
            left.file(format!("{name}.csv"), content);
            left.ok(&["run"]);
        }
        let keys = "SELECT ts, device FROM iot_readings ORDER BY device, ts";
        assert_eq!(world.lines(keys), left.lines(keys), "without {:?}", &taken_out[..=n]);
    }
    world.ok(&["unload", "d.csv"]);
    assert_eq!((world.stored(), world.number("SELECT count(*) FROM sensor_aggregates")), (0, 0));
    world.ok(&["verify"]);
}

fn only_this_file(db: Db) {
    let world = delivered_three_times(db);
    world.ok(&["unload", "a.csv", "--only"]);
    assert_eq!(world.stored(), 50);
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.manifest("c.csv").state.as_str()), (50, "duplicate"));
    world.ok(&["verify"]);
    // It comes back, by itself.
    fs::rename(world.path("processed/a.csv"), world.path("data/a.csv")).unwrap();
    world.ok(&["run"]);
    assert_eq!(world.stored(), 150);
    world.ok(&["verify"]);
}

/// It noted neither whose content a duplicate has, nor which file set rows aside.
fn what_the_first_version_set_aside(db: Db) {
    let world = delivered_three_times(db);
    let readings = world.lines(READINGS);
    world.execute("UPDATE manifest SET judge = NULL, duplicate_of = NULL");
    world.execute("DELETE FROM set_aside");
    world.ok(&["unload", "a.csv"]).expect_stderr(&["c.csv", "b.csv", "or may have"]);
    assert_eq!(world.lines(READINGS), readings);
    assert_eq!(world.number("SELECT count(*) FROM set_aside"), 1);
    world.ok(&["verify"]);
}

fn under_the_contract_that_judged_it(db: Db) {
    let world = delivered_three_times(db);
    fs::remove_file(world.path("processed/c.csv")).unwrap();
    world.execute("DELETE FROM manifest WHERE source = 'c.csv'");
    // Under this one, none of its rows would be good.
    world.config("[[contract.sensor]]\nname = \"temp\"\nmax = -40.0\n");
    world.ok(&["unload", "a.csv"]);
    assert_eq!((world.stored(), world.manifest("b.csv").loaded), (100, 100));
    world.ok(&["verify"]);
}

fn without_its_archive_nothing_changes(db: Db) {
    for spoil in ["remove", "change"] {
        let world = delivered_three_times(db);
        let path = world.path("processed/a.csv");
        if spoil == "remove" {
            fs::remove_file(&path).unwrap()
        } else {
            fs::write(&path, "ts\n").unwrap()
        }
        let before = world.everything();
        for args in [&["unload", "a.csv"][..], &["unload", "a.csv", "--again"], &["unload", "a.csv", "--only"]] {
            world.iotpipe(args).expect_code(2).expect_stderr(&["stays loaded", "processed/a.csv"]);
            assert_eq!(world.everything(), before);
        }
    }
}

#[cfg(feature = "failpoints")]
fn killed_at_any_moment(db: Db) {
    for again in [false, true] {
        for moment in ["taken-out", "rechecked", "opened", "batch-written", "reasons-renamed", "marked", "committed"] {
            let world = delivered_three_times(db);
            let (readings, totals) = (world.lines(READINGS), world.lines(TOTALS));
            let args: &[&str] = if again { &["unload", "a.csv", "--again"] } else { &["unload", "a.csv"] };
            let output = world.command(args).env("FAILPOINTS", format!("{moment}=return")).output().unwrap();
            assert!(again || moment == "reasons-renamed" || output.status.code().is_none(), "{moment} was not met");
            world.nothing_differs();
            world.ok(&["run"]);
            assert_eq!((world.lines(READINGS), world.lines(TOTALS)), (readings, totals), "{moment}, {again}");
            world.ok(&["verify"]);
        }
    }
}

#[cfg(not(feature = "failpoints"))]
fn killed_at_any_moment(_: Db) {}

fn a_name_that_is_pending_anew(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 10));
    world.ok(&["run"]);
    world.file("a.csv", telemetry("pump-2", START, 10));
    world.ok(&["scan"]);
    world.ok(&["unload", "a.csv", "--again"]);
    world.ok(&["run"]);
    assert_eq!(
        world.lines("SELECT device, count(*) FROM iot_readings GROUP BY device ORDER BY 1"),
        ["pump-1|10", "pump-2|10"]
    );
    world.ok(&["verify"]);
}

/// Files that share windows: none is in the other's way for good.
#[test]
fn six_at_once() {
    let world = World::new(Db::Postgres);
    let names: Vec<String> = (0..6).map(|n| format!("f{n}.csv")).collect();
    for (n, name) in names.iter().enumerate() {
        world.file(name, telemetry("pump-1", START + n as i64 * 60, 30));
        world.ok(&["run"]);
    }
    world.file("last.csv", telemetry("pump-1", START + 3600, 3));
    world.ok(&["run"]);
    let start = |name: &String| {
        let mut command = world.command(&["unload", name]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = names.iter().map(start).collect();
    for child in children {
        let outcome = Outcome::from_output("unload", &child.wait_with_output().unwrap());
        assert!(outcome.code == 0 || outcome.stderr.contains("try again"), "{}", outcome.stderr);
    }
    for name in &names {
        if world.manifest(name).state == "loaded" {
            world.ok(&["unload", name]);
        }
    }
    world.ok(&["run"]);
    assert_eq!(world.stored(), 3);
    assert_eq!(world.lines("SELECT count FROM sensor_stats WHERE sensor = 'temp'"), ["3"]);
    world.ok(&["verify"]);
}

/// Two good rows and two bad ones; gives the path of the bad ones.
fn with_bad_rows(world: &World, name: &str, good: &str) -> String {
    world.file(name, format!("{good}soon,pump-1,0,0,1,0,1,0,20.5\nlater,pump-1,0,0,1,0,1,0,21.5\n"));
    world.ok(&["run"]);
    let rejected = world.files("quarantine").into_iter().find(|f| f.ends_with("rejected.csv")).unwrap();
    format!("quarantine/{rejected}")
}

fn change(world: &World, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(world.read(path)).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(world.path(path), text.replace(from, to)).unwrap();
}

fn a_correction_refused_whole(db: Db) {
    let world = World::new(db);
    let rejected = with_bad_rows(&world, "a.csv", &telemetry("pump-1", START, 10));
    change(&world, &rejected, "device", "thing");
    let outcome = world.iotpipe(&["replay", &rejected, "--output", "json"]).expect_code(1);
    assert_eq!((outcome.count("loaded"), outcome.count("failed")), (0, 1));
    outcome.expect_stderr(&["is refused", "missing_column"]);
}

fn a_correction_typed_between_two_steps(db: Db) {
    for step in [&["load"][..], &["run"], &["validate"]] {
        let world = World::new(db);
        world.file("first.csv", telemetry("pump-1", START, 1));
        world.ok(&["run"]);
        let bad = "soon,pump-1,0,0,1,0,1,0,20.5\nlater,pump-1,0,0,1,0,1,0,21.5\n";
        world.file("a.csv", telemetry("pump-1", START, 10) + bad);
        world.ok(&["scan"]);
        world.ok(&["validate"]);
        let rejected = world.files("quarantine").into_iter().find(|f| f.ends_with("rejected.csv")).unwrap();
        let rejected = format!("quarantine/{rejected}");
        change(&world, &rejected, "soon", "1714600000");
        let typed = world.read(&rejected);
        world.ok(step);
        assert_eq!(world.read(&rejected), typed, "{step:?}");
        world.ok(&["load"]);
        assert_eq!(world.read(&rejected), typed, "{step:?}");
        assert_eq!(world.reason_lines("a", telemetry("pump-1", START, 10) + bad).len(), 3, "a repeat among them");
        assert_eq!(world.ok(&["replay", &rejected, "--output", "json"]).count("loaded"), 1);
        assert_eq!(world.stored(), 11);
        world.ok(&["verify"]);
    }
}

/// How a file is written, and what its contract says of that.
type Kind = (&'static str, &'static str, fn(&str) -> Vec<u8>);

/// Other encodings, line ends, no header, JSON lines.
const KINDS: [Kind; 7] = [
    ("a.csv", "", |text| utf_16(text, u16::to_le_bytes)),
    ("a.csv", "", |text| utf_16(text, u16::to_be_bytes)),
    ("a.csv", "encoding = 'windows-1252'", |text| text.chars().map(|c| c as u8).collect()),
    ("a.csv", "", |text| text.replace('\n', "\r").into_bytes()),
    ("a.csv", "", |text| text.replace('\n', "\r\r\n").into_bytes()),
    ("a.csv", "header = ['ts', 'device', 'temp']", |text| text.replace("ts,device,temp\n", "").into_bytes()),
    ("a.jsonl", "", |text| {
        let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
        let object =
            |row: Vec<&str>| format!("{{\"ts\":\"{}\",\"device\":\"{}\",\"temp\":{}}}\n", row[0], row[1], row[2]);
        rows.map(object).collect::<String>().into_bytes()
    }),
];

fn utf_16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(to_bytes).collect()
}

fn a_correction_typed_into_files_of_all_kinds(db: Db) {
    let text = format!("ts,device,temp\n{START},wärm,1\nsoon,wärm,2\nlater,wärm,3\n{},wärm,4\n", START + 60);
    for (n, (name, csv, written)) in KINDS.into_iter().enumerate() {
        for is_typed in [true, false] {
            let world = World::new(db);
            world.config(&format!("[csv]\n{csv}\n[[contract.sensor]]\nname = 'temp'\n"));
            world.file(name, written(&text));
            world.ok(&["scan"]);
            world.ok(&["validate"]);
            let rejected = world.files("quarantine").into_iter().find(|f| f.contains(".rejected.")).unwrap();
            let rejected = format!("quarantine/{rejected}");
            let rows = "ts,device,temp\nsoon,wärm,2\nlater,wärm,3\n";
            assert_eq!(world.read(&rejected), written(rows), "kind {n}");
            if is_typed {
                let corrected = rows.replace("soon", "1714600000");
                fs::write(world.path(&rejected), written(&corrected)).unwrap();
            }
            let before = world.read(&rejected);
            let outcome = world.ok(&["load"]);
            assert_eq!(outcome.stderr.contains("was changed since"), is_typed, "kind {n}: {}", outcome.stderr);
            assert_eq!(world.read(&rejected), before, "kind {n}");
            let outcome = world.iotpipe(&["verify"]);
            assert_eq!(outcome.code, if is_typed { 3 } else { 0 }, "kind {n}: {}{}", outcome.stdout, outcome.stderr);
            let replayed = world.ok(&["replay", &rejected, "--output", "json"]).count("loaded");
            assert_eq!((replayed, world.stored()), if is_typed { (1, 3) } else { (0, 2) }, "kind {n}");
        }
    }
}

fn a_correction_under_the_name_of_the_original(db: Db) {
    let world = World::new(db);
    let contract = "[contract]\ndevice = { from_name = '^(?<device>.+)\\.csv$' }\n[[contract.sensor]]\nname = \"v\"\n";
    world.config(contract);
    for (name, drop) in [("pump7.csv", false), ("deep/pump8.csv", true)] {
        world.file(name, "ts,v\n1714521600,1\n1714521601,x\n1714521602,3\n");
        world.ok(&["run"]);
        let rejected = world.files("quarantine").into_iter().find(|f| f.ends_with("rejected.csv")).unwrap();
        let path = format!("quarantine/{rejected}");
        change(&world, &path, "x", "2");
        match drop {
            true => {
                fs::rename(world.path(&path), world.path("data").join(&rejected)).unwrap();
                world.ok(&["run"]);
            }
            false => {
                world.ok(&["replay", &path]);
                fs::remove_file(world.path(&path)).unwrap();
            }
        }
    }
    let devices = world.lines("SELECT device, count(*) FROM iot_readings GROUP BY device ORDER BY device");
    assert_eq!(devices, ["pump7|3", "pump8|3"]);
    world.ok(&["verify"]);
}

fn a_refused_file_under_the_name_of_the_original(db: Db) {
    let world = World::new(db);
    let contract = "[contract]\ndevice = { from_name = '^(?<device>.+)\\.csv$' }\n[[contract.sensor]]\nname = \"v\"\n";
    world.config(&contract.replace("\"v\"", "\"w\""));
    world.file("pump7.csv", "ts,v\n1714521600,1\n");
    world.ok(&["run"]);
    let refused = world.files("quarantine").into_iter().find(|f| !f.contains("reasons")).unwrap();
    world.config(contract);
    fs::rename(world.path("quarantine").join(&refused), world.path("data").join(&refused)).unwrap();
    world.ok(&["run"]);
    assert_eq!(world.lines("SELECT device FROM iot_readings"), ["pump7"]);
    world.ok(&["verify"]);
}

/// Anybody who may write into `data/` can give a file a name that this program gives.
fn a_name_alone_lifts_nothing(db: Db) {
    let world = World::new(db);
    let known = telemetry("pump-1", START, 10) + "soon,pump-1,0,0,1,0,1,0,20.5\n";
    world.file("a.csv", &known);
    world.ok(&["run"]);
    let hash = &sha256(known.as_bytes())[..12];
    let evil = format!("{HEADER}\n{}\nbad\nbad\nbad\n", row(START + 90_000, "pump-1", 20.0));
    for name in [format!("evil.{hash}.rejected.csv"), format!("a.{hash}-1.rejected.csv")] {
        world.file(&name, &evil);
        world.ok(&["run"]);
        assert_eq!(world.manifest(&name).state, "rejected", "{name}");
        world.execute(&format!("DELETE FROM manifest WHERE source = '{name}'"));
    }
    assert_eq!(world.stored(), 10);
    // A correction that is half-done is one, where it lies beside the rows that it corrects.
    let rejected =
        world.files("quarantine").into_iter().find(|f| f.starts_with("a.") && f.ends_with("-1.rejected.csv"));
    let rejected = format!("quarantine/{}", rejected.unwrap());
    fs::write(world.path(&rejected), &evil).unwrap();
    assert_eq!(world.ok(&["replay", &rejected, "--output", "json"]).count("loaded"), 1);
}
