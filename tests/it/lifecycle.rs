//! Setting up and looking: `init`, `migrate`, `status`, and a contract that grows.

use crate::on_both_databases;
use crate::support::{Db, World, row, telemetry};

on_both_databases!(
    init_never_overwrites,
    what_init_writes_is_the_built_in_contract,
    migrate_again_changes_nothing,
    a_new_sensor_is_a_new_column,
    status_tells_what_came_of_the_files,
    a_file_too_young_waits,
    aggregates_are_per_window,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

fn init_never_overwrites(db: Db) {
    let world = World::new(db);
    std::fs::write(world.path("iotpipe.toml"), "# mine\n").unwrap();
    let refused = world.iotpipe(&["init"]);
    assert_ne!(refused.code, 0);
    refused.expect_stderr(&["iotpipe.toml", "--force"]);
    assert_eq!(world.read("iotpipe.toml"), b"# mine\n");

    world.ok(&["init", "--force"]);
    assert!(String::from_utf8(world.read("iotpipe.toml")).unwrap().contains("[[contract.sensor]]"));
}

fn what_init_writes_is_the_built_in_contract(db: Db) {
    let hash = |init: bool| {
        let world = World::new(db);
        std::fs::remove_file(world.path("iotpipe.toml")).unwrap();
        if init {
            world.ok(&["init"]);
        }
        world.file("a.csv", telemetry("pump-1", START, 5));
        world.ok(&["run"]);
        assert_eq!(world.stored(), 5);
        world.lines("SELECT contract_hash FROM manifest")
    };
    assert_eq!(hash(true), hash(false));
}

fn migrate_again_changes_nothing(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    world.file("a.csv", telemetry("pump-1", START, 5));
    world.ok(&["run"]);
    let before = world.everything();
    world.ok(&["migrate"]);
    world.ok(&["migrate"]);
    assert_eq!(world.everything(), before);
}

fn a_new_sensor_is_a_new_column(db: Db) {
    let world = World::new(db);
    let sensor = |name: &str, kind: &str| format!("[[contract.sensor]]\nname = \"{name}\"\ntype = \"{kind}\"\n\n");
    world.config(&sensor("level", "float"));
    world.file("a.csv", format!("ts,device,level\n{START},a,1\n"));
    world.ok(&["run"]);

    world.config(&[sensor("flow", "integer"), sensor("level", "float"), sensor("open", "boolean")].concat());
    world.ok(&["migrate"]);
    assert_eq!(world.lines("SELECT device, level, flow, open FROM iot_readings"), ["a|1|-|-"]);
    world.file("b.csv", format!("ts,device,level,flow,open\n{START},b,2,30,true\n"));
    world.ok(&["run"]);

    assert_eq!(world.lines("SELECT device, level, flow, open FROM iot_readings ORDER BY 1"), ["a|1|-|-", "b|2|30|1"]);
    let summary = "SELECT device, sensor, max FROM sensor_summary ORDER BY device, sensor";
    assert_eq!(world.lines(summary), ["a|level|1", "b|flow|30", "b|level|2", "b|open|1"]);

    // A sensor that the contract no longer names keeps its column and what is in it.
    world.config(&sensor("level", "float"));
    world.file("c.csv", format!("ts,device,level\n{START},c,3\n"));
    world.ok(&["run"]);
    assert_eq!(world.lines("SELECT device, level FROM iot_readings ORDER BY 1"), ["a|1", "b|2", "c|3"]);
    assert_eq!(world.lines("SELECT flow FROM iot_raw_data ORDER BY level"), ["-", "30", "-"]);
}

fn status_tells_what_came_of_the_files(db: Db) {
    let world = World::new(db);
    world.file("a.csv", format!("{}{}\n", telemetry("pump-1", START, 321), row(START, "pump-2", 99.0)));
    world.file("b.csv", "ts,co\n1,2\n");
    world.ok(&["run"]);
    world.file("c.csv", telemetry("pump-1", START, 5));
    world.ok(&["scan"]);

    let before = world.everything();
    let text = world.ok(&["status"]);
    let all = format!("{}{}", text.stdout, text.stderr);
    for word in ["loaded", "rejected", "pending", "321", "b.csv", "missing_column"] {
        assert!(all.contains(word), "no {word:?} in:\n{all}");
    }
    let json = world.ok(&["status", "--output", "json"]).json().to_string();
    assert!(json.contains("321"), "{json}");
    assert_eq!(world.everything(), before, "looking changes nothing");
}

fn a_file_too_young_waits(db: Db) {
    let world = World::new(db);
    std::fs::write(world.path("iotpipe.toml"), "[source]\nsettle = \"1h\"\n").unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    world.file("old.csv", telemetry("pump-1", START, 5));
    std::fs::File::options().write(true).open(world.path("data/old.csv")).unwrap().set_modified(old).unwrap();
    world.config("");
    std::fs::write(world.path("iotpipe.toml"), "[source]\nsettle = \"1s\"\n").unwrap();
    world.file("young.csv", telemetry("pump-2", START, 5));

    let start = std::time::Instant::now();
    world.ok(&["run"]);

    let waited = start.elapsed();
    assert_eq!(world.stored(), 10, "one scan waits for what is too young");
    assert!(waited.as_millis() >= 500 && waited.as_secs() < 30, "{waited:?}");
}

fn aggregates_are_per_window(db: Db) {
    let world = World::new(db);
    world.config("[aggregate]\nwindow = \"15m\"\n\n[[contract.sensor]]\nname = \"v\"\n");
    // 899 seconds after the start is in the first quarter of an hour, 900 in the second.
    let rows = [(0, 1.0), (600, 2.0), (899, 6.0), (900, 10.0), (3600, 20.0), (3660, 20.0)];
    let rows: String = rows.iter().map(|(after, v)| format!("{},a,{v}\n", START + after)).collect();
    world.file("a.csv", format!("ts,device,v\n{rows}"));

    world.ok(&["run"]);

    assert_eq!(
        world.lines("SELECT window_start, count, min, max, avg FROM sensor_stats ORDER BY 1"),
        ["2024-05-01T00:00:00Z|3|1|6|3", "2024-05-01T00:15:00Z|1|10|10|10", "2024-05-01T01:00:00Z|2|20|20|20"]
    );
    let stddev: Vec<Option<f64>> = world
        .query("SELECT stddev FROM sensor_stats ORDER BY window_start")
        .into_iter()
        .map(|row| row[0].as_ref().map(|text| text.parse().unwrap()))
        .collect();
    assert!((stddev[0].unwrap() - 7f64.sqrt()).abs() < 1e-12, "{stddev:?}");
    assert_eq!(stddev[1..], [None, Some(0.0)], "one value has no spread, two equal ones none");
    assert_eq!(
        world.lines("SELECT count, min, max, first_seen, last_seen FROM sensor_summary"),
        ["6|1|20|2024-05-01T00:00:00Z|2024-05-01T01:01:00Z"]
    );
}

#[test]
fn a_schema_that_only_migrate_may_change() {
    let world = World::new(Db::Postgres);
    world.config("[database]\nauto_migrate = false\n");
    world.file("a.csv", telemetry("pump-1", START, 5));
    let refused = world.iotpipe(&["run"]);
    assert_ne!(refused.code, 0);
    refused.expect_stderr(&["iotpipe migrate"]);
    assert_eq!(world.files("data"), ["a.csv"]);

    world.ok(&["migrate"]);
    world.ok(&["run"]);
    assert_eq!(world.stored(), 5);
}

#[test]
fn sqlite_views_give_iso_8601_text() {
    let world = World::new(Db::Sqlite);
    world.file("a.csv", telemetry("pump-1", START, 1));
    world.ok(&["run"]);
    // `||` keeps the text from being read as an instant by the test itself.
    let texts = "SELECT '=' || ts FROM iot_readings UNION SELECT '=' || window_start FROM sensor_stats";
    for text in world.lines(texts) {
        assert!(text.starts_with("=2024-05-01T00:00:00") && text.ends_with('Z'), "{text}");
    }
}
