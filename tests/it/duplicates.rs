//! At-least-once delivery is normal: what comes twice is kept once, counted, and no error of the sender.

use crate::on_both_databases;
use crate::support::{Db, HEADER, World, row, telemetry};

on_both_databases!(
    twice_in_one_file,
    a_redelivery_that_overlaps,
    aggregates_count_what_went_in,
    the_same_content_under_two_names,
    the_same_file_again,
    another_content_under_a_processed_name,
    what_strict_minds,
    duplicates_are_not_too_many_rejected,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

fn twice_in_one_file(db: Db) {
    let world = World::new(db);
    let first = "1714521600,pump-1,0.005,51.5,true,0.007,false,0.02,21.5";
    let same = "1714521600.0,pump-1,5e-3,51.50,1,0.007,0,0.02,21.5";
    let other = "1714521600,pump-1,0.006,51.5,true,0.007,false,0.02,30.5";
    let file = format!("{HEADER}\n{first}\n{}\n{same}\n{other}\n", row(START, "pump-2", 21.5));
    world.file("plant.csv", &file);

    world.ok(&["run"]);

    let entry = world.manifest("plant.csv");
    assert_eq!((entry.total, entry.loaded, entry.rejected, entry.duplicate), (4, 2, 0, 2));
    assert_eq!(world.lines("SELECT device, temp FROM iot_readings ORDER BY 1"), ["pump-1|21.5", "pump-2|21.5"]);
    assert_eq!(world.rejected("plant", &file), format!("{HEADER}\n{same}\n{other}\n").into_bytes());
    let reasons = world.reasons("plant", &file);
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    for (reason, line, words) in [(&reasons[0], 4, "same values"), (&reasons[1], 5, "differs in co, temp")] {
        assert_eq!((reason.line, reason.rule.as_str()), (Some(line), "duplicate_key"));
        assert!(reason.message.contains("line 2") && reason.message.contains(words), "{}", reason.message);
    }
}

fn a_redelivery_that_overlaps(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 10));
    world.ok(&["run"]);
    let mut later = telemetry("pump-1", START + 5 * 60, 10);
    later += &row(START, "pump-1", 49.0);
    world.file("b.csv", &later);

    let outcome = world.ok(&["run", "--output", "json"]);

    assert_eq!((outcome.count("loaded"), outcome.count("rejected"), outcome.count("duplicates")), (5, 0, 6));
    assert_eq!(world.stored(), 15);
    let entry = world.manifest("b.csv");
    assert_eq!((entry.total, entry.loaded, entry.rejected, entry.duplicate), (11, 5, 0, 6));
    let expected: Vec<&str> = later.lines().take(6).chain(later.lines().last()).collect();
    assert_eq!(String::from_utf8(world.rejected("b", &later)).unwrap(), expected.join("\n") + "\n");
    let reasons = world.reasons("b", &later);
    assert_eq!(reasons.iter().map(|r| r.line.unwrap()).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 12]);
    assert!(reasons.iter().all(|r| r.rule == "duplicate_key" && r.message.contains("a.csv")), "{reasons:?}");
    assert!(reasons[..5].iter().all(|r| r.message.contains("same values")), "{reasons:?}");
    assert!(reasons[5].message.contains("differs in temp"), "{:?}", reasons[5]);
}

fn aggregates_count_what_went_in(db: Db) {
    let overlapping = World::new(db);
    for (name, start, rows) in [("a.csv", START, 100), ("b.csv", START + 40 * 60, 100), ("c.csv", START, 30)] {
        overlapping.file(name, telemetry("pump-1", start, rows));
        overlapping.ok(&["run"]);
    }
    let whole = World::new(db);
    whole.file("all.csv", telemetry("pump-1", START, 140));
    whole.ok(&["run"]);

    let exact = "SELECT device, sensor, window_start, count, min, max FROM sensor_stats ORDER BY 1, 2, 3";
    assert_eq!(overlapping.lines(exact), whole.lines(exact));
    let near = "SELECT avg, stddev FROM sensor_stats ORDER BY device, sensor, window_start";
    for (a, b) in overlapping.query(near).iter().flatten().zip(whole.query(near).iter().flatten()) {
        let (a, b): (f64, f64) = (a.as_ref().unwrap().parse().unwrap(), b.as_ref().unwrap().parse().unwrap());
        assert!((a - b).abs() <= 1e-9 * b.abs().max(1e-9), "{a} and {b}");
    }
}

fn the_same_content_under_two_names(db: Db) {
    let world = World::new(db);
    let content = telemetry("pump-1", START, 10);
    world.file("a.csv", &content);
    world.file("b.csv", &content);
    world.ok(&["run"]);
    world.file("c.csv", &content);
    world.ok(&["run"]);

    assert_eq!(world.stored(), 10);
    let states = ["a.csv", "b.csv", "c.csv"].map(|name| world.manifest(name).state);
    assert_eq!(states, ["loaded", "duplicate", "duplicate"]);
    assert_eq!(world.lines("SELECT count FROM sensor_summary WHERE sensor = 'temp'"), ["10"]);
    assert_eq!(world.files("data"), [""; 0]);
    for file in world.files("processed") {
        assert_eq!(world.read(format!("processed/{file}")), content.as_bytes(), "{file}");
    }
}

fn the_same_file_again(db: Db) {
    let world = World::new(db);
    let content = telemetry("pump-1", START, 10);
    for _ in 0..3 {
        world.file("a.csv", &content);
        world.ok(&["run"]);
        assert_eq!((world.stored(), world.files("data").len()), (10, 0));
        assert_eq!(world.read("processed/a.csv"), content.as_bytes());
    }
    let loaded = world.manifests("a.csv").into_iter().filter(|m| m.state == "loaded").count();
    assert_eq!(loaded, 1);
}

fn another_content_under_a_processed_name(db: Db) {
    let world = World::new(db);
    let (first, second) = (telemetry("pump-1", START, 10), telemetry("pump-1", START + 3600, 10));
    for content in [&first, &second] {
        world.file("day/a.csv", content);
        world.ok(&["run"]);
    }

    assert_eq!(world.stored(), 20);
    let files = world.files("processed");
    assert_eq!(files.len(), 2, "{files:?}");
    assert_eq!(world.read("processed/day/a.csv"), first.as_bytes(), "nothing is overwritten");
    let beside = files.iter().find(|f| *f != "day/a.csv").unwrap();
    assert!(beside.starts_with("day/a.") && beside.ends_with(".csv"), "{beside}");
    assert_eq!(world.read(format!("processed/{beside}")), second.as_bytes());
}

fn what_strict_minds(db: Db) {
    let strict = |second: &str| {
        let world = World::new(db);
        world.file("a.csv", telemetry("pump-1", START, 10));
        world.iotpipe(&["run", "--strict"]).expect_code(0);
        world.file("b.csv", second);
        world.iotpipe(&["run", "--strict"]).code
    };
    let clean = telemetry("pump-1", START + 3600, 5);
    assert_eq!(strict(&clean), 0, "a clean file");
    assert_eq!(strict(&telemetry("pump-1", START + 300, 10)), 0, "rows delivered twice");
    assert_eq!(strict(&format!("{clean}{}\n", row(START, "pump-1", 49.0))), 3, "a duplicate that differs");
    assert_eq!(strict(&format!("{clean}{}\n", row(START + 60, "pump-1", 51.0))), 3, "a row out of range");
    assert_eq!(strict("ts,co\n1,2\n"), 3, "a file refused whole");
}

fn duplicates_are_not_too_many_rejected(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 100));
    world.ok(&["run"]);
    world.file("b.csv", telemetry("pump-1", START + 60, 100));
    world.ok(&["run"]);

    let entry = world.manifest("b.csv");
    assert_eq!((entry.state.as_str(), entry.loaded, entry.duplicate), ("loaded", 1, 99));

    // Nor are those whose values differ, from what is stored or from a line before: the verdict is the file's own.
    let other: String = (0..10).map(|i| row(START + i * 60, "pump-1", 49.0) + "\n").collect();
    world.file("c.csv", format!("{HEADER}\n{other}"));
    let again = |second: i64| format!("{}\n{}\n", row(second, "pump-2", 20.0), row(second, "pump-2", 21.0));
    world.file("d.csv", format!("{HEADER}\n{}{}", again(START), again(START)));
    world.ok(&["run"]);
    for (name, loaded, duplicate) in [("c.csv", 0, 10), ("d.csv", 1, 3)] {
        let entry = world.manifest(name);
        assert_eq!((entry.state.as_str(), entry.loaded, entry.duplicate), ("loaded", loaded, duplicate), "{name}");
    }
}
