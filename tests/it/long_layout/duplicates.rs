//! Device, time and sensor are the key of a measurement.

use super::{START, measurements, stored, values, world};
use crate::on_both_databases;
use crate::support::{Db, World};

on_both_databases!(within_a_file_and_against_what_is_stored, delivered_three_times, in_batches_of_their_own);

fn within_a_file_and_against_what_is_stored(db: Db) {
    let world = world(db, "");
    let first = "ts,device,metric,value\n1714521600,p,temp,1\n1714521600,p,pulses,1\n1714521600,p,temperature,1\n1714521600,p,temp,2\n\
        1714521600,p,note,x\n1714521600,p,note,\n1714521600,p,door,1\n1714521600,p,door,true\n";
    let second = "ts,device,metric,value\n1714521600,p,temp,1\n1714521600,p,pulses,3\n1714521601,p,temp,1\n1714521600,q,temp,1\n\
        1714521600,p,note,y\n1714521600,p,door,0\n";
    for (name, file) in [("a.csv", first), ("b.csv", second)] {
        world.file(name, file);
        world.ok(&["run"]);
    }
    let told = |name: &str, file: &str| {
        let reasons = world.reasons(name, file).into_iter();
        reasons.map(|r| format!("{} {} {}: {}", r.line.unwrap(), r.rule, r.value, r.message)).collect::<Vec<_>>()
    };
    let same = "has this device, metric and timestamp already";
    let expected = [
        format!("4 duplicate_key p: line 2 of this file {same}: same values"),
        format!("5 duplicate_key p: line 2 of this file {same}: differs in temp"),
        format!("7 duplicate_key p: line 6 of this file {same}: differs in note"),
        format!("9 duplicate_key p: line 8 of this file {same}: same values"),
    ];
    assert_eq!(told("a", first), expected);
    let hint = "; that is the last line of its file, and may have been cut while it was copied (see csv.final_newline)";
    let expected = [
        format!("2 duplicate_key p: line 2 of a.csv {same}: same values"),
        format!("3 duplicate_key p: line 3 of a.csv {same}: differs in pulses"),
        format!("6 duplicate_key p: line 6 of a.csv {same}: differs in note"),
        format!("7 duplicate_key p: line 8 of a.csv {same}: differs in door"),
    ];
    assert_eq!(told("b", second), expected, "{hint}");
    assert_eq!(world.lines("SELECT file_id, because_of, rows FROM set_aside"), ["2|1|4"]);
    let expected =
        ["2|p|temp|1|-|-", "3|p|pulses|1|-|-", "6|p|note|-|-|x", "8|p|door|1|-|-", "4|p|temp|1|-|-", "5|q|temp|1|-|-"];
    assert_eq!(values(&world), expected);
    world.ok(&["verify"]);
    world.ok(&["run", "--strict"]);
    let outcome = world.iotpipe(&["run", "--strict"]);
    assert_eq!(outcome.code, 0);
}

/// What others delivered too is stored from them, where the first is taken out.
fn delivered_three_times(db: Db) {
    let world = world(db, "");
    let files = [("a.csv", START), ("b.csv", START + 300), ("c.csv", START)];
    for (name, start) in files {
        world.file(name, measurements(&["p", "q"], start, 10));
        world.ok(&["run"]);
    }
    assert_eq!(
        world.lines("SELECT source, state, rows_loaded FROM manifest ORDER BY 1"),
        ["a.csv|loaded|40", "b.csv|loaded|20", "c.csv|duplicate|-"]
    );
    let all = world.lines("SELECT * FROM sensor_stats ORDER BY 1, 2, 3");
    let outcome = world.ok(&["unload", "a.csv", "--output", "json"]);
    assert_eq!(outcome.json()["taken_up_again"], serde_json::json!(["c.csv", "b.csv"]));
    assert_eq!(
        world.lines("SELECT source, state, rows_loaded FROM manifest ORDER BY 1"),
        ["a.csv|unloaded|-", "b.csv|loaded|20", "c.csv|loaded|40"]
    );
    let counted = |lines: Vec<String>| {
        lines.into_iter().map(|line| line.split('|').take(6).collect::<Vec<_>>().join("|")).collect::<Vec<_>>()
    };
    assert_eq!(counted(world.lines("SELECT * FROM sensor_stats ORDER BY 1, 2, 3")), counted(all));
    world.ok(&["verify"]);
    world.ok(&["unload", "c.csv"]);
    assert_eq!(stored(&world), 40);
    assert_eq!(world.manifest("b.csv").loaded, 40);
    world.ok(&["verify"]);
    world.ok(&["unload", "b.csv"]);
    assert_eq!((stored(&world), world.number("SELECT count(*) FROM sensor_aggregates")), (0, 0));
    world.ok(&["verify"]);
}

/// A file of several batches: a key comes again in a later one, and some are stored already.
fn in_batches_of_their_own(db: Db) {
    let world = world(db, "");
    let some = measurements(&["p"], START, 20_000);
    world.file("a.csv", measurements(&["p"], START + 19_000 * 60, 100));
    world.ok(&["run"]);
    let twice = format!("{some}{}", some.split_once('\n').unwrap().1);
    world.file("b.csv", twice);
    let outcome = world.ok(&["run", "--output", "json"]);
    assert_eq!((outcome.count("rows"), outcome.count("loaded"), outcome.count("duplicates")), (80_000, 39_800, 40_200));
    assert_eq!(stored(&world), 40_000);
    world.ok(&["verify"]);
    let expected = World::new(db);
    expected.config(&super::contract(""));
    expected.file("b.csv", some);
    expected.ok(&["run"]);
    let readings = "SELECT ts, device, temp, pulses FROM iot_readings ORDER BY 1, 2";
    assert!(world.lines(readings) == expected.lines(readings));
}
