//! Numbers at the ends of what a 64-bit float holds: they are stored, and poison nothing.

use crate::on_both_databases;
use crate::support::{Db, World};

on_both_databases!(
    an_extreme_window_stops_nobody,
    an_extreme_in_a_later_file_of_the_same_window,
    tiny_values_are_no_error,
    the_limit_lies_on_the_values,
    an_optional_sensor_without_a_value_has_no_statistics,
);

const CONTRACT: &str = "[contract]\nmin_timestamp = '0001-01-01'\n[[contract.sensor]]\nname = 'v'\ntype = 'float'\n";
/// Largest, smallest, and a sentinel that loggers write.
const EXTREME: [&str; 4] = ["1.79e308", "-1.79e308", "1.7976931348623157e308", "-1e200"];

fn world(db: Db) -> World {
    let world = World::new(db);
    world.config(CONTRACT);
    world
}

/// One reading a second from `start`, of one device.
fn file(device: &str, start: i64, values: &[&str]) -> String {
    let rows = values.iter().enumerate().map(|(i, v)| format!("{},{device},{v}\n", start + i as i64));
    format!("ts,device,v\n{}", rows.collect::<String>())
}

fn stats(world: &World, view: &str) -> Vec<String> {
    world.lines(&format!("SELECT device, count, min, max, avg, stddev FROM {view} ORDER BY device, count, min"))
}

/// All that reads statistics goes on, and the other device's are as if it were alone.
fn expect_sound(world: &World) {
    world.ok(&["verify"]);
    for view in ["sensor_stats", "sensor_summary"] {
        let good: Vec<_> = stats(world, view).into_iter().filter(|line| line.starts_with("good")).collect();
        assert_eq!(good, ["good|3|1|3|2|1"], "{view}");
    }
    assert_eq!(world.number("SELECT count(*) FROM manifest WHERE state <> 'loaded'"), 0);
}

fn an_extreme_window_stops_nobody(db: Db) {
    let world = world(db);
    world.file("a.csv", file("bad", 0, &["1.79e308", "-1.79e308", "5"]));
    // Two windows of one device, each of which is extreme.
    world.file("b.csv", file("worse", 0, &EXTREME));
    world.file("c.csv", file("worse", 7200, &EXTREME));
    world.file("d.csv", file("good", 0, &["1", "2", "3"]));
    world.ok(&["run"]);
    expect_sound(&world);
    let (largest, smallest) = (1.79e308.to_string(), (-1.79e308).to_string());
    assert_eq!(stats(&world, "sensor_summary")[0], format!("bad|3|{smallest}|{largest}|-|-"));
    assert_eq!(stats(&world, "sensor_stats")[0], format!("bad|3|{smallest}|{largest}|-|-"));
    world.ok(&["unload", "b.csv"]);
    world.ok(&["verify"]);
    assert_eq!(world.stored(), 10);
}

fn an_extreme_in_a_later_file_of_the_same_window(db: Db) {
    let world = world(db);
    world.file("d.csv", file("good", 0, &["1", "2", "3"]));
    world.file("a.csv", file("bad", 0, &["21.5", "22.5"]));
    world.ok(&["run"]);
    world.file("b.csv", file("bad", 10, &["1.7976931348623157e308"]));
    world.file("c.csv", file("bad", 20, &["23.5"]));
    world.ok(&["run"]);
    expect_sound(&world);
    assert_eq!(stats(&world, "sensor_stats")[0], format!("bad|4|21.5|{}|-|-", f64::MAX));
    // Without it, the window's figures are there again.
    world.ok(&["unload", "b.csv"]);
    world.ok(&["verify"]);
    assert_eq!(stats(&world, "sensor_stats")[0], "bad|3|21.5|23.5|22.5|1");
    assert_eq!(stats(&world, "sensor_summary")[0], "bad|3|21.5|23.5|22.5|1");
}

fn tiny_values_are_no_error(db: Db) {
    let world = world(db);
    world.file("a.csv", file("tiny", 0, &["5e-324", "1e-200", "-1e-200"]));
    world.file("b.csv", file("tiny", 100, &["1e-160", "2e-160", "5e-324"]));
    world.file("c.csv", file("tiny", 7200, &["5e-324", "-5e-324", "2.2250738585072014e-308"]));
    world.file("d.csv", file("good", 0, &["1", "2", "3"]));
    world.ok(&["run"]);
    world.file("e.csv", file("tiny", 200, &["1e-150", "5e-324", "0"]));
    world.file("f.csv", file("tiny", 7300, &["1e-154", "3"]));
    world.file("g.csv", file("other", 0, &["1e99", "5e-324", "1e-200"]));
    world.ok(&["run"]);
    expect_sound(&world);
    world.ok(&["unload", "b.csv"]);
    world.ok(&["verify"]);
    assert_eq!(world.number("SELECT count(*) FROM sensor_stats WHERE avg IS NULL OR stddev IS NULL"), 0);
}

fn the_limit_lies_on_the_values(db: Db) {
    let world = world(db);
    world.file("d.csv", file("good", 0, &["1", "2", "3"]));
    world.file("a.csv", file("bad", 0, &["-1e160", "1e160"]));
    world.ok(&["run"]);
    assert_eq!(stats(&world, "sensor_summary")[0].split('|').skip(4).collect::<Vec<_>>(), ["-", "-"]);
    expect_sound(&world);
    // A value that only the squares can't take, but the limit lets pass.
    world.file("e.csv", file("edge", 0, &["-1e100", "1e100"]));
    world.ok(&["run"]);
    expect_sound(&world);
    assert_eq!(
        world.number("SELECT count(*) FROM sensor_summary WHERE device = 'edge' AND avg = 0 AND stddev > 1e99"),
        1
    );
}

fn an_optional_sensor_without_a_value_has_no_statistics(db: Db) {
    let world = World::new(db);
    world.config(&format!("{CONTRACT}[[contract.sensor]]\nname = 'o'\ntype = 'float'\nrequired = false\n"));
    world.file("a.csv", "ts,device,v,o\n0,d,1,\n1,d,2,\n7200,d,3,4\n");
    world.ok(&["run"]);
    let rows = "SELECT sensor, window_start, count FROM sensor_stats ORDER BY sensor, window_start";
    let expected = ["o|1970-01-01T02:00:00Z|1", "v|1970-01-01T00:00:00Z|2", "v|1970-01-01T02:00:00Z|1"];
    assert_eq!(world.lines(rows), expected);
    assert_eq!(world.number("SELECT count(*) FROM file_aggregates"), 3);
    world.ok(&["verify"]);
}
