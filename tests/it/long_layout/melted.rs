//! The same readings in both layouts: a wide file, melted, gives the same readings and the same statistics.

use std::fmt::Write;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{SENSORS, START, contract};
use crate::on_both_databases;
use crate::support::{Db, World};

on_both_databases!(a_wide_file_and_the_same_melted);

/// Minute, device, and what its four sensors say; `None` where one says nothing.
type Row = (i64, u8, [Option<String>; 4]);

fn row() -> impl Strategy<Value = Row> {
    let number = prop_oneof![(-50.0..60.0f64).prop_map(|v| v.to_string()), (-50i32..60).prop_map(|v| v.to_string())];
    let whole = any::<i64>().prop_map(|v| v.to_string());
    let truth = prop::sample::select(vec!["yes", "no", "1", "0", "true"]).prop_map(str::to_owned);
    let text = "[a-zé ]{1,6}".prop_map(|text| format!("x{text}"));
    let values = (number, whole, truth, text, any::<[bool; 4]>());
    (0i64..200, 0u8..4, values).prop_map(|(minute, device, (number, whole, truth, text, given))| {
        let values = [number, whole, truth, text];
        let mut given = given.into_iter();
        (minute, device, values.map(|value| Some(value).filter(|_| given.next().unwrap_or(true))))
    })
}

fn a_wide_file_and_the_same_melted(db: Db) {
    let shape = (prop::collection::vec(row(), 1..120), any::<bool>(), any::<bool>());
    let config = Config { cases: 12, max_shrink_iters: 24, failure_persistence: None, ..Config::default() };
    let checked = TestRunner::new(config).run(&shape, |(rows, two_files, by_sensor)| {
        check(db, rows, two_files, by_sensor);
        Ok(())
    });
    checked.unwrap_or_else(|e| panic!("{e}"));
}

fn check(db: Db, mut rows: Vec<Row>, two_files: bool, by_sensor: bool) {
    // A row of nothing is a reading of the wide layout alone; of two rows of one key the layouts set aside another part.
    rows.retain(|(.., values)| values.iter().any(Option::is_some));
    rows.sort_by_key(|(minute, device, _)| (*minute, *device));
    rows.dedup_by_key(|(minute, device, _)| (*minute, *device));
    let middle = if two_files { rows.len() / 2 } else { 0 };
    let (wide, long) = (World::new(db), World::new(db));
    wide.config(
        &SENSORS
            .replace("type = 'boolean'", "type = 'boolean'\nrequired = false")
            .replace("max = 60.0", "max = 60.0\nrequired = false"),
    );
    long.config(&contract(""));
    for (name, part) in [("a.csv", &rows[..middle]), ("b.csv", &rows[middle..])] {
        wide.file(name, in_columns(part));
        long.file(name, melted(part, by_sensor));
        wide.ok(&["run"]);
        long.ok(&["run"]);
    }
    let same = |sql: &str| assert_eq!(wide.lines(sql), long.lines(sql), "{sql}");
    same("SELECT ts, device, temp, pulses, door, note FROM iot_readings ORDER BY 1, 2");
    same("SELECT * FROM sensor_stats ORDER BY 1, 2, 3");
    // Averages over all time are of sums in no order.
    same("SELECT device, sensor, count, min, max, first_seen, last_seen FROM sensor_summary ORDER BY 1, 2");
    same(
        "SELECT a.file_id, d.name, a.sensor, a.window_start, a.count, a.min, a.max, a.mean, a.m2
         FROM file_aggregates a JOIN device d ON d.id = a.device_id ORDER BY 1, 2, 3, 4",
    );
    long.ok(&["verify"]);
}

fn in_columns(rows: &[Row]) -> String {
    let mut text = "ts,device,temperature,pulses,door,note\n".to_owned();
    for (minute, device, values) in rows {
        let values = values.each_ref().map(|value| value.as_deref().unwrap_or_default()).join(",");
        writeln!(text, "{},d{device},{values}", START + minute * 60).unwrap();
    }
    text
}

/// A row per value, those of a reading side by side or those of a sensor.
fn melted(rows: &[Row], by_sensor: bool) -> String {
    let names = ["temperature", "pulses", "door", "note"];
    let mut lines = Vec::new();
    for (n, (minute, device, values)) in rows.iter().enumerate() {
        for (sensor, value) in values.iter().enumerate() {
            if let Some(value) = value {
                let line = format!("{},d{device},{},{value}\n", START + minute * 60, names[sensor]);
                lines.push((if by_sensor { sensor } else { 0 }, n, line));
            }
        }
    }
    lines.sort_by_key(|(sensor, n, _)| (*sensor, *n));
    let lines: String = lines.into_iter().map(|(.., line)| line).collect();
    format!("ts,device,metric,value\n{lines}")
}
