//! Every command, each twice; killed at any moment; two processes at once.

use super::{START, contract, measurements, stored, values, world};
use crate::on_both_databases;
use crate::support::{Db, HEADER, World};

on_both_databases!(
    each_step_twice,
    corrected_rows_are_sent_through_again,
    computed_anew,
    devices_gone_quiet,
    several_processes_at_once,
    killed_at_any_moment,
    a_pass_looked_at_again_under_another_judge,
);

/// Good rows, bad ones, repeats, an unknown metric.
fn deliver(world: &World) {
    for n in 0..3_i64 {
        let mut text = measurements(&["p", "q"], START + n * 1800, 45);
        text += "1714521600,p,temp,hot\n1714521600,p,rssi,1\n1714521600,p,door,on\n1714521600,p,door,on\n";
        world.file(format!("{n}.csv"), text);
    }
}

fn each_step_twice(db: Db) {
    let stepped = world(db, "");
    deliver(&stepped);
    for step in ["scan", "validate", "aggregate", "load"] {
        // In the order of their names: they repeat each other.
        let one = if step == "scan" { &[step][..] } else { &[step, "--workers", "1"] };
        stepped.ok(one);
        let once = stepped.everything();
        let again = stepped.ok(&[step, "--output", "json"]);
        assert_eq!((stepped.everything(), again.count("failed")), (once, 0), "{step}");
    }
    let at_once = world(db, "");
    deliver(&at_once);
    at_once.ok(&["run", "--workers", "1"]);
    at_once.ok(&["run"]);
    assert_eq!(at_once.everything(), stepped.everything());
    assert_eq!(values(&at_once), values(&stepped));
    assert_eq!(stored(&stepped), 2 * 2 * 105 + 1);
    for command in [["verify"], ["status"], ["retry"]] {
        let before = stepped.everything();
        stepped.ok(&command);
        stepped.ok(&command);
        assert_eq!(stepped.everything(), before, "{command:?}");
    }
}

fn corrected_rows_are_sent_through_again(db: Db) {
    let world = world(db, "max_rejected_ratio = 0.9");
    let file = "ts,device,metric,value\n1714521600,p,temp,hot\n1714521600,p,pulses,1\n1714521660,p,temp,99\n";
    world.file("a.csv", file);
    world.ok(&["run"]);
    let rejected = String::from_utf8(world.rejected("a", file)).unwrap();
    assert_eq!(rejected, "ts,device,metric,value\n1714521600,p,temp,hot\n1714521660,p,temp,99\n");
    let name = world.files("quarantine").into_iter().find(|name| name.ends_with(".rejected.csv")).unwrap();
    let path = format!("quarantine/{name}");
    std::fs::write(world.path(&path), rejected.replace("hot", "21")).unwrap();
    assert_eq!(world.iotpipe(&["verify"]).code, 3);
    for loaded in [1, 0] {
        assert_eq!(world.ok(&["replay", &path, "--output", "json"]).count("loaded"), loaded);
    }
    assert_eq!(world.lines("SELECT temp, pulses FROM iot_readings ORDER BY ts"), ["21|1"]);
    world.ok(&["verify"]);
}

fn computed_anew(db: Db) {
    let figures = "SELECT m.source, d.name, a.sensor, a.window_start, a.count, a.min, a.max, a.mean, a.m2
                   FROM file_aggregates a JOIN manifest m ON m.id = a.file_id JOIN device d ON d.id = a.device_id
                   ORDER BY 1, 2, 3, 4";
    let by_day = world(db, "");
    by_day.config(&format!("{}[aggregate]\nwindow = '1d'\n", contract("")));
    let by_hour = world(db, "");
    for world in [&by_day, &by_hour] {
        deliver(world);
        world.ok(&["run"]);
    }
    assert_ne!(by_day.lines(figures), by_hour.lines(figures));
    let done = by_hour.ok(&["reaggregate", "--window", "1d", "--output", "json"]);
    assert_eq!(done.count("files"), 3);
    assert_eq!(by_day.lines(figures), by_hour.lines(figures));
    by_hour.config(&format!("{}[aggregate]\nwindow = '1d'\n", contract("")));
    by_hour.ok(&["verify"]);
}

fn devices_gone_quiet(db: Db) {
    let world = world(db, "");
    world.file("a.csv", measurements(&["early"], START, 2));
    world.file("b.csv", measurements(&["late"], START + 7200, 2));
    world.ok(&["run"]);
    let status = world.ok(&["status"]).stdout;
    assert!(status.contains("quiet       early since 2024-05-01 00:01:00 UTC") && !status.contains("late"), "{status}");
    let summary = "SELECT DISTINCT device, first_seen, last_seen FROM sensor_summary ORDER BY 1";
    let expected =
        ["early|2024-05-01T00:00:00Z|2024-05-01T00:01:00Z", "late|2024-05-01T02:00:00Z|2024-05-01T02:01:00Z"];
    assert_eq!(world.lines(summary), expected);
}

/// They meet on the same devices, sensors and keys.
fn several_processes_at_once(db: Db) {
    let (world, files) = (world(db, ""), 60);
    for n in 0..files {
        world.file(format!("{n}.csv"), measurements(&["p", "q", &format!("d{}", n % 7)], START + n / 2 * 600, 12));
    }
    let mut children: Vec<_> = (0..3).map(|_| world.start(&["run"])).collect();
    for running in &mut children {
        assert!(running.child.wait().unwrap().success());
    }
    world.ok(&["run"]);
    let uneven = "SELECT source FROM manifest m WHERE state <> 'loaded' OR rows_total <> 72 OR rows_loaded <>
                  (SELECT count(*) FROM iot_raw_values v WHERE v.file_id = m.id)";
    assert_eq!(world.lines(uneven), [""; 0]);
    assert_eq!(world.number("SELECT count(*) FROM manifest"), files);
    let keys = "SELECT count(*) FROM (SELECT DISTINCT device_id, sensor_id, ts FROM iot_raw_values) k";
    assert_eq!(world.number(keys), stored(&world));
    world.ok(&["verify"]);
}

#[cfg(feature = "failpoints")]
fn killed_at_any_moment(db: Db) {
    let expected = world(db, "");
    deliver(&expected);
    expected.ok(&["run", "--workers", "1"]);
    for moment in [
        "taken",
        "opened",
        "batch-written",
        "pass-finished",
        "aggregates-written",
        "rejected-renamed",
        "reasons-renamed",
        "marked",
        "committed",
        "moved",
    ] {
        let world = world(db, "");
        deliver(&world);
        world.ok(&["scan"]);
        let killed = world.command(&["load", "--workers", "1"]).env("FAILPOINTS", format!("{moment}=return")).output();
        assert!(killed.unwrap().status.code().is_none(), "{moment} was not met");
        world.nothing_differs();
        world.ok(&["run", "--workers", "1"]);
        world.ok(&["verify"]);
        assert_eq!(world.everything(), expected.everything(), "{moment}");
        assert_eq!(values(&world), values(&expected), "{moment}");
    }
}

#[cfg(not(feature = "failpoints"))]
fn killed_at_any_moment(_: Db) {
    println!("needs the feature `failpoints`");
}

/// Rows that an earlier judge stored are taken out first, and stored anew.
fn a_pass_looked_at_again_under_another_judge(db: Db) {
    let world = world(db, "");
    world.file("a.csv", measurements(&["p"], START, 10));
    world.ok(&["run"]);
    world.file("b.csv", measurements(&["p"], START + 300, 10));
    world.ok(&["run"]);
    world.execute("UPDATE manifest SET judge = 1");
    world.ok(&["unload", "a.csv"]);
    assert_eq!(stored(&world), 20);
    assert_eq!(world.lines("SELECT source, rows_loaded FROM manifest WHERE state = 'loaded'"), ["b.csv|20"]);
    world.nothing_differs();
}

/// The file of a wide contract is refused, and says so.
#[test]
fn a_file_of_the_wide_layout_is_refused() {
    let world = world(Db::Sqlite, "");
    world.file("a.csv", format!("{HEADER}\n"));
    world.ok(&["run"]).expect_stderr(&["missing_column", "the header has no column \"value\""]);
}
