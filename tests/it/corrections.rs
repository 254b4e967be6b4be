//! `replay` and `unload`: what was set aside comes in once, what came in goes out whole.

use std::fs;

use crate::on_both_databases;
use crate::support::{Db, HEADER, World, row, telemetry};

on_both_databases!(
    a_corrected_row_is_loaded_once,
    a_correction_dropped_into_data_is_linked_too,
    what_is_still_wrong_is_set_aside_again,
    replay_needs_the_name,
    unload_takes_out_just_that_file,
    unloaded_and_loaded_again,
    unload_again_leaves_the_file_pending_where_it_lies,
    unload_needs_a_loaded_file,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

/// Ten good rows and two whose timestamp is no time.
fn world_with_rejects(db: Db) -> (World, String) {
    let world = World::new(db);
    let bad = "soon,pump-1,0,0,1,0,1,0,20.5\nlater,pump-1,0,0,1,0,1,0,21.5\n";
    world.file("a.csv", format!("{}{bad}", telemetry("pump-1", START, 10)));
    world.ok(&["run"]);
    let rejected = world.files("quarantine").into_iter().find(|f| f.ends_with("rejected.csv")).unwrap();
    (world, format!("quarantine/{rejected}"))
}

fn correct(world: &World, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(world.read(path)).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(world.path(path), text.replace(from, to)).unwrap();
}

fn a_corrected_row_is_loaded_once(db: Db) {
    let (world, rejected) = world_with_rejects(db);
    correct(&world, &rejected, "soon", "1714600000");
    correct(&world, &rejected, "later", "1714600001");
    let outcome = world.ok(&["replay", &rejected, "--output", "json"]);
    assert_eq!((outcome.count("files"), outcome.count("loaded"), outcome.count("rejected")), (1, 2, 0));
    assert_eq!(world.stored(), 12);
    let linked = "SELECT p.source, c.rows_loaded FROM manifest c JOIN manifest p ON p.id = c.parent_id";
    assert_eq!(world.lines(linked), ["a.csv|2"]);
    let before = world.everything();
    for _ in 0..2 {
        assert_eq!(world.ok(&["replay", &rejected, "--output", "json"]).count("loaded"), 0);
        assert_eq!(world.everything(), before);
    }
    world.ok(&["run"]);
    assert_eq!(world.stored(), 12);
    assert!(world.ok(&["verify"]).stdout.contains("taken up again"));
}

fn a_correction_dropped_into_data_is_linked_too(db: Db) {
    let (world, rejected) = world_with_rejects(db);
    correct(&world, &rejected, "soon", "1714600000");
    correct(&world, &rejected, "later", "1714600001");
    let name = rejected.strip_prefix("quarantine/").unwrap();
    fs::rename(world.path(&rejected), world.path("data").join(name)).unwrap();
    world.ok(&["run"]);
    assert_eq!(world.stored(), 12);
    assert_eq!(world.number("SELECT count(*) FROM manifest WHERE parent_id IS NOT NULL"), 1);
    world.ok(&["verify"]);
}

fn what_is_still_wrong_is_set_aside_again(db: Db) {
    let (world, rejected) = world_with_rejects(db);
    correct(&world, &rejected, "soon", "1714600000");
    // Half of it is bad; without any good row it would be the same.
    let outcome = world.ok(&["replay", &rejected, "--output", "json"]);
    assert_eq!((outcome.count("loaded"), outcome.count("rejected")), (1, 1));
    let second = world.files("quarantine").into_iter().find(|f| f.matches(".rejected.").count() == 2).unwrap();
    let second = format!("quarantine/{second}");
    assert_eq!(world.read(&second), format!("{HEADER}\nlater,pump-1,0,0,1,0,1,0,21.5\n").into_bytes());
    assert_eq!(world.ok(&["replay", &second, "--output", "json"]).count("rejected"), 1);
    correct(&world, &second, "later", "1714600001");
    assert_eq!(world.ok(&["replay", &second, "--output", "json"]).count("loaded"), 1);
    assert_eq!(world.stored(), 12);
    // The first one, corrected in full by now: only what is missing would be loaded, and nothing is.
    correct(&world, &rejected, "later", "1714600001");
    assert_eq!(world.ok(&["replay", &rejected, "--output", "json"]).count("loaded"), 0);
    assert_eq!(world.stored(), 12);
    world.ok(&["verify"]);
}

fn replay_needs_the_name(db: Db) {
    let (world, rejected) = world_with_rejects(db);
    fs::copy(world.path(&rejected), world.path("mine.csv")).unwrap();
    world.iotpipe(&["replay", "mine.csv"]).expect_code(2).expect_stderr(&["mine.csv", "rejected.csv"]);
    world.iotpipe(&["replay", "gone.0123456789ab.rejected.csv"]).expect_code(2);
}

/// Overlapping files, so that windows are shared.
fn world_with_overlaps(db: Db) -> World {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 100));
    world.file("b.csv", format!("{}{}", telemetry("pump-1", START + 100 * 60, 50), row(START, "pump-3", -40.0)));
    world.file("c.csv", telemetry("pump-2", START, 30));
    world.ok(&["run"]);
    world
}

const TOTALS: &str = "SELECT device, sensor, window_start, count, min, max, round(CAST(avg AS numeric), 9), \
                      round(CAST(stddev AS numeric), 6) FROM sensor_stats ORDER BY device, sensor, window_start";

fn unload_takes_out_just_that_file(db: Db) {
    let world = world_with_overlaps(db);
    let without_b = World::new(db);
    without_b.file("a.csv", telemetry("pump-1", START, 100));
    without_b.file("c.csv", telemetry("pump-2", START, 30));
    without_b.ok(&["run"]);

    let outcome = world.ok(&["unload", "b.csv", "--output", "json"]);
    assert_eq!((outcome.count("files"), outcome.count("rows")), (1, 51));
    let readings = "SELECT * FROM iot_readings ORDER BY device, ts";
    assert_eq!(world.lines(readings), without_b.lines(readings));
    assert_eq!(world.lines(TOTALS), without_b.lines(TOTALS));
    assert_eq!(world.number("SELECT count(*) FROM file_aggregates WHERE file_id = 2"), 0);
    assert_eq!(world.manifest("b.csv").state, "unloaded");
    world.ok(&["verify"]);
    world.ok(&["run"]);
    assert_eq!(world.stored(), 130, "it stays out until it is asked for");
}

fn unloaded_and_loaded_again(db: Db) {
    let world = world_with_overlaps(db);
    let (readings, totals) =
        (world.lines("SELECT ts, device, temp, line_number FROM iot_readings ORDER BY 2, 1"), world.lines(TOTALS));
    for _ in 0..2 {
        world.ok(&["unload", "b.csv"]);
        fs::rename(world.path("processed/b.csv"), world.path("data/b.csv")).unwrap();
        assert_eq!(world.ok(&["run", "--output", "json"]).count("loaded"), 51);
        assert_eq!(world.lines("SELECT ts, device, temp, line_number FROM iot_readings ORDER BY 2, 1"), readings);
        assert_eq!(world.lines(TOTALS), totals);
        world.ok(&["verify"]);
    }
}

fn unload_again_leaves_the_file_pending_where_it_lies(db: Db) {
    let world = world_with_overlaps(db);
    let before = world.lines(TOTALS);
    world.ok(&["unload", "b.csv", "--again"]);
    assert_eq!(world.manifest("b.csv").state, "pending");
    assert!(world.files("data").is_empty() && world.files("processed").contains(&"b.csv".to_owned()));
    assert_eq!(world.stored(), 130);
    assert_eq!(world.ok(&["run", "--output", "json"]).count("loaded"), 51);
    assert_eq!(world.lines(TOTALS), before);
    assert_eq!(world.stored(), 181);
    world.ok(&["verify"]);
}

fn unload_needs_a_loaded_file(db: Db) {
    let world = world_with_overlaps(db);
    world.ok(&["unload", "c.csv"]);
    world.iotpipe(&["unload", "c.csv"]).expect_code(2).expect_stderr(&["c.csv", "not the name of a loaded file"]);
    world.iotpipe(&["unload", "nobody.csv"]).expect_code(2);
    assert_eq!(world.stored(), 151);
}
