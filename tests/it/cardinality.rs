//! Many devices, many windows: memory does not follow their number, and no figure depends on how they were kept.
//! `CARDINALITY=1000000` measures a million of each, as `make poison` does.

use crate::on_both_databases;
use crate::support::{Db, World};

on_both_databases!(
    a_device_for_each_row,
    a_window_for_each_row,
    many_devices_in_many_files,
    devices_that_are_met_again,
    statistics_computed_anew_for_many_windows,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
const HOUR: i64 = 3600;
/// 1990-01-01T00:00:00Z: from there to the present there is room for a million windows.
const EARLIEST: i64 = 631_152_000;
/// What a million of either may take, in KiB.
const MOST: i64 = 256 << 10;
const CONTRACT: &str = "[[contract.sensor]]\nname = 'a'\n[[contract.sensor]]\nname = 'b'\nrequired = false\n
                        [[contract.sensor]]\nname = 'c'\ntype = 'boolean'\n";

fn many() -> i64 {
    std::env::var("CARDINALITY").map_or(150_000, |number| number.parse().unwrap())
}

fn world(db: Db) -> World {
    let world = World::new(db);
    world.config(CONTRACT);
    world
}

/// Readings of devices and times that `of` gives for a number, in no order.
fn file(numbers: std::ops::Range<i64>, of: impl Fn(i64) -> (String, i64)) -> String {
    let length = numbers.end - numbers.start;
    let mut text = "ts,device,a,b,c\n".to_owned();
    for n in 0..length {
        // 7919 is prime, and no factor of the lengths that are used here.
        let n = numbers.start + n * 7919 % length;
        let (device, ts) = of(n);
        let b = if n % 3 == 0 { String::new() } else { n.to_string() };
        text += &format!("{ts},{device},{n}.5,{b},{}\n", n % 2 == 0);
    }
    text
}

#[track_caller]
fn run_in_bounds(world: &World, args: &[&str]) {
    let (outcome, peak) = world.run_with_peak(args);
    outcome.expect_code(0);
    println!("{args:?}: {} MiB", peak >> 10);
    // Of a part of a million, as much less as its share is.
    let most = MOST.min((96 << 10) + (MOST - (96 << 10)) * many() / 1_000_000);
    assert!(peak > 0 && peak <= most, "{peak} KiB of {most}");
}

/// The figures of so many readings, one of each device or window.
#[track_caller]
fn expect_figures(world: &World, readings: i64) {
    assert_eq!(world.stored(), readings);
    let figures =
        "SELECT sensor, count(*), sum(count), sum(CASE WHEN min = max AND avg = min AND m2 = 0 THEN 0 ELSE 1 END)
                   FROM sensor_aggregates GROUP BY sensor ORDER BY sensor";
    let with_b = readings - (readings + 2) / 3;
    let expected = [("a", readings), ("b", with_b), ("c", readings)].map(|(s, n)| format!("{s}|{n}|{n}|0"));
    assert_eq!(world.lines(figures), expected);
}

fn a_device_for_each_row(db: Db) {
    let world = world(db);
    world.file("a.csv", file(0..many(), |n| (format!("device-{n:08}"), START)));
    run_in_bounds(&world, &["run"]);
    expect_figures(&world, many());
    assert_eq!(world.number("SELECT count(*) FROM device"), many());
    run_in_bounds(&world, &["verify"]);
}

fn a_window_for_each_row(db: Db) {
    let world = world(db);
    world.config(&format!("[aggregate]\nwindow = '15m'\n{CONTRACT}"));
    world.file("a.csv", file(0..many(), |n| ("pump".to_owned(), EARLIEST + n * 900)));
    for step in ["scan", "validate", "aggregate", "load"] {
        run_in_bounds(&world, &[step]);
    }
    expect_figures(&world, many());
    run_in_bounds(&world, &["verify"]);
    // Wherever in many it is, what does not fit is found.
    for (n, change) in ["UPDATE file_aggregates SET max = max + 1", "DELETE FROM file_aggregates"].iter().enumerate() {
        let one = "SELECT min(window_start) FROM file_aggregates WHERE sensor = 'b'";
        world.execute(&format!("{change} WHERE sensor = 'b' AND window_start = ({one})"));
        let said = world.iotpipe(&["verify"]).expect_code(1).stdout;
        assert_eq!(said.matches("the aggregate of pump b does not fit its rows").count(), 1, "{n}: {said}");
    }
}

fn many_devices_in_many_files(db: Db) {
    let world = world(db);
    let each = many() / 100;
    for n in 0..100 {
        world.file(format!("{n}.csv"), file(n * each..(n + 1) * each, |n| (format!("device-{n:08}"), START)));
    }
    run_in_bounds(&world, &["run", "--workers", "4"]);
    expect_figures(&world, many() / 100 * 100);
}

/// More than are kept in mind, in two files, of which the first is refused at its end: its devices are nowhere, and the
/// second one's are each there once.
fn devices_that_are_met_again(db: Db) {
    let world = world(db);
    world.config(&format!("[contract]\nmax_rejected_ratio = 0.0\n{CONTRACT}"));
    let devices = 110_000;
    let of = |n: i64| (format!("device-{:08}", n % devices), START + n / devices * HOUR);
    world.file("a.csv", file(0..devices, of) + "soon,nobody,1,1,1\n");
    world.file("b.csv", file(0..devices + 10, of));
    world.ok(&["run"]);
    assert_eq!(world.manifest("a.csv").state, "rejected");
    assert_eq!(world.number("SELECT count(*) FROM device"), devices);
    assert_eq!(world.number("SELECT count(*) FROM iot_readings"), devices + 10);
    let wrong = "SELECT count(*) FROM iot_readings WHERE device <> 'device-' || substr('0000000' ||
                 CAST(CAST(a - 0.5 AS integer) % 110000 AS text), length(CAST(CAST(a - 0.5 AS integer) % 110000 AS text)), 8)";
    assert_eq!(world.number(wrong), 0);
    // Another file of the same devices, in another order.
    world.file("c.csv", file(0..devices, |n| (of(n).0, START + 48 * HOUR)));
    world.ok(&["run"]);
    assert_eq!(world.number("SELECT count(*) FROM device"), devices);
    world.ok(&["verify"]);
}

/// A file of very many windows between two of few: it is written part by part, and every figure is as a load's.
fn statistics_computed_anew_for_many_windows(db: Db) {
    let world = world(db);
    let devices = ["pump", "fan", "valve"];
    let of = |n: i64| (devices[(n % 3) as usize].to_owned(), EARLIEST + n / 3 * 900);
    world.file("a.csv", file(0..30, of));
    world.file("b.csv", file(30..many(), of));
    world.file("c.csv", file(many()..many() + 30, of));
    world.ok(&["run"]);
    run_in_bounds(&world, &["reaggregate", "--window", "15m"]);
    expect_figures(&world, many() + 30);
    world.config(&format!("[aggregate]\nwindow = '15m'\n{CONTRACT}"));
    world.ok(&["verify"]);
    // In windows of two rows each, which are added in the order of the lines.
    run_in_bounds(&world, &["reaggregate", "--window", "30m"]);
    world.config(&format!("[aggregate]\nwindow = '30m'\n{CONTRACT}"));
    world.ok(&["verify"]);
    assert_eq!(world.number("SELECT sum(count) FROM sensor_aggregates WHERE sensor = 'a'"), many() + 30);
}
