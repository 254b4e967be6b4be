//! A database has one layout; it changes where nothing is stored.

use super::{SENSORS, START, contract, measurements, stored, world};
use crate::on_both_databases;
use crate::support::{Db, World};

on_both_databases!(
    from_wide_to_long_where_nothing_is_stored,
    rows_of_the_other_layout_are_in_the_way,
    sensors_of_other_contracts,
    a_load_under_way_in_the_other_layout,
);

const WIDE: &str = "ts,device,temperature,pulses,door,note\n1714521600,p,20.5,7,1,x\n";

fn set_wide(world: &World) {
    world.config(SENSORS);
}

/// A first try with a wrong contract costs no database.
fn from_wide_to_long_where_nothing_is_stored(db: Db) {
    let world = World::new(db);
    set_wide(&world);
    world.file("a.csv", measurements(&["p"], START, 2));
    world.ok(&["run"]);
    assert_eq!(world.manifest("a.csv").state, "rejected");
    assert_eq!(world.lines("SELECT * FROM iot_readings"), [""; 0]);
    world.config(&contract(""));
    world.file("b.csv", measurements(&["p"], START, 2));
    world.ok(&["run"]);
    assert_eq!(world.lines("SELECT device, pulses FROM iot_readings ORDER BY ts"), ["p|28575360", "p|28575361"]);
    world.nothing_differs();
    // And back, once it is empty again.
    world.ok(&["unload", "b.csv"]);
    set_wide(&world);
    world.file("c.csv", WIDE);
    world.ok(&["run"]);
    assert_eq!(world.lines("SELECT temp, pulses, door, note FROM iot_readings"), ["20.5|7|1|x"]);
    world.nothing_differs();
}

fn rows_of_the_other_layout_are_in_the_way(db: Db) {
    let world = World::new(db);
    set_wide(&world);
    world.file("a.csv", WIDE);
    world.ok(&["run"]);
    world.config(&contract(""));
    let before = world.everything();
    for command in [&["run"][..], &["migrate"], &["status"], &["verify"], &["unload", "a.csv"], &["reaggregate"]] {
        let words = ["contract.layout = \"wide\"", "layout = \"long\"", "a database of its own", "iotpipe unload"];
        world.iotpipe(command).expect_code(2).expect_stderr(&words);
    }
    assert_eq!(world.everything(), before);
    set_wide(&world);
    world.ok(&["verify"]);

    let world = super::world(db, "");
    world.file("a.csv", measurements(&["p"], START, 2));
    world.ok(&["run"]);
    set_wide(&world);
    let words = ["contract.layout = \"long\"", "layout = \"wide\"", "a database of its own"];
    world.iotpipe(&["run"]).expect_code(2).expect_stderr(&words);
}

/// New sensors come behind the others; whole numbers become floats; other types are refused.
fn sensors_of_other_contracts(db: Db) {
    let world = world(db, "");
    world.file("a.csv", "ts,device,metric,value\n1714521600,p,pulses,7\n1714521600,p,temp,1.5\n");
    world.ok(&["run"]);
    let other =
        "[contract]\nlayout = 'long'\n[[contract.sensor]]\nname = 'pulses'\n[[contract.sensor]]\nname = 'rain'\n";
    world.config(other);
    world
        .file("b.csv", "ts,device,metric,value\n1714521600,p,rain,0.5\n1714521660,p,pulses,8.5\n1714521600,p,temp,9\n");
    world.ok(&["run"]);
    let readings = "SELECT device, temp, pulses, rain FROM iot_readings ORDER BY ts";
    assert_eq!(world.lines(readings), ["p|1.5|7|0.5", "p|-|8.5|-"]);
    assert_eq!(world.lines("SELECT file, line_number FROM iot_readings ORDER BY ts"), ["a.csv|2", "b.csv|3"]);
    world.ok(&["verify"]);
    world.config(&other.replace("name = 'rain'", "name = 'rain'\ntype = 'text'"));
    world.iotpipe(&["run"]).expect_code(2).expect_stderr(&["rain", "float", "text", "another name"]);
    world.config(other);
    world.ok(&["unload", "a.csv"]);
    assert_eq!(stored(&world), 2);
    world.nothing_differs();
}

/// A process with the wide contract has a file in hand while another has the layout changed: it stores nothing.
#[cfg(feature = "failpoints")]
fn a_load_under_way_in_the_other_layout(db: Db) {
    let world = World::new(db);
    set_wide(&world);
    world.file("a.csv", WIDE);
    world.ok(&["scan"]);
    let held = world.stopped_at(&["load"], "claimed");
    world.config(&contract(""));
    world.ok(&["migrate"]);
    let outcome = held.go_on();
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    outcome.expect_stderr(&["a row per measurement", "layout = \"wide\""]);
    assert_eq!(world.number("SELECT (SELECT count(*) FROM iot_raw_data) + (SELECT count(*) FROM iot_raw_values)"), 0);
}

#[cfg(not(feature = "failpoints"))]
fn a_load_under_way_in_the_other_layout(_: Db) {
    println!("needs the feature `failpoints`");
}
