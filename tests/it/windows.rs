//! Windows of one length per database, until `reaggregate` computes them anew.

use std::time::Duration;

use crate::on_both_databases;
use crate::support::{Db, World, eventually};

on_both_databases!(
    another_length_is_refused,
    computed_anew_is_as_if_loaded_so,
    unfinished_work_is_finished_by_the_next_call,
    a_load_under_way_with_the_old_length_is_refused,
    a_database_of_before_is_pinned,
);

const SENSORS: &str = "[contract]\nmin_timestamp = '0001-01-01'\n[[contract.sensor]]\nname = 'v'\ntype = 'float'\nrequired = false\n\
    [[contract.sensor]]\nname = 'n'\ntype = 'integer'\n[[contract.sensor]]\nname = 'on_off'\ntype = 'boolean'\n\
    [[contract.sensor]]\nname = 'note'\ntype = 'text'\n";

fn set_window(world: &World, window: &str) {
    world.config(&format!("{SENSORS}[aggregate]\nwindow = '{window}'\n"));
}

fn world(db: Db, window: &str) -> World {
    let world = World::new(db);
    set_window(&world, window);
    world
}

/// Files of two devices over some days: out of order, with repeats, a header alone, an extreme value.
fn deliver(world: &World) {
    for file in 0..5_i64 {
        let mut text = "ts,device,v,n,on_off,note\n".to_owned();
        for i in 0..300_i64 {
            let ts = (i * 7919 % 300) * 1801 + file * 40_000;
            let v = if i % 11 == 0 { String::new() } else { format!("{}.1{i}", (i * 31 + file) % 17) };
            text += &format!("{ts},d{},{v},{},{},x\n", (i + file) % 2, i * 1_000_003, i % 3 == 0);
        }
        world.file(format!("f{file}.csv"), text);
    }
    world.file("empty.csv", "ts,device,v,n,on_off,note\n");
    world.file("extreme.csv", "ts,device,v,n,on_off,note\n-5,d0,1.7e308,9007199254740993,1,x\n");
}

/// What the statistics are of, to the bit; totals to the digits that the order of the files leaves alone.
fn statistics(world: &World) -> (Vec<String>, Vec<String>) {
    let files = "SELECT m.source, d.name, a.sensor, a.window_start, a.count, a.min, a.max, a.mean, a.m2 \
                 FROM file_aggregates a JOIN manifest m ON m.id = a.file_id JOIN device d ON d.id = a.device_id \
                 ORDER BY 1, 2, 3, 4";
    let totals = "SELECT device, sensor, window_start, count, min, max, avg IS NULL FROM sensor_stats ORDER BY 1, 2, 3";
    (world.lines(files), world.lines(totals))
}

fn loaded_with(db: Db, window: &str) -> World {
    let world = world(db, window);
    deliver(&world);
    world.ok(&["run"]);
    world
}

fn another_length_is_refused(db: Db) {
    let world = loaded_with(db, "1h");
    set_window(&world, "1d");
    world.file("late.csv", "ts,device,v,n,on_off,note\n1,d9,1,1,1,x\n");
    let before = world.everything();
    for command in [&["run"][..], &["migrate"], &["load"], &["status"], &["verify"], &["unload", "f0.csv"]] {
        let said = world.iotpipe(command).expect_code(2);
        said.expect_stderr(&["windows of 1h", "\"1day\"", "iotpipe reaggregate --window 1day"]);
    }
    assert_eq!(world.everything(), before);
    set_window(&world, "60m");
    world.ok(&["run"]);
    assert_eq!(world.manifest("late.csv").state, "loaded");
}

fn computed_anew_is_as_if_loaded_so(db: Db) {
    let expected = statistics(&loaded_with(db, "1d"));
    let world = loaded_with(db, "1h");
    assert_ne!(statistics(&world), expected);
    let done = world.ok(&["reaggregate", "--window", "1d", "--output", "json"]);
    assert_eq!((done.count("files"), done.count("pending")), (7, 0));
    done.expect_stderr(&["aggregate.window = \"1day\""]);
    assert_eq!(statistics(&world), expected);
    world.iotpipe(&["run"]).expect_code(2);
    set_window(&world, "1d");
    let verified = world.ok(&["verify"]);
    assert!(!verified.stdout.contains("another contract"), "{}", verified.stdout);
    world.ok(&["run"]);
    // Twice changes nothing.
    let before = world.everything();
    assert_eq!(world.ok(&["reaggregate", "--output", "json"]).count("files"), 0);
    assert_eq!(world.everything(), before);
    world.ok(&["unload", "f1.csv"]);
    world.ok(&["verify"]);
    for bad in ["0s", "a day", "900000000000y"] {
        world.iotpipe(&["reaggregate", "--window", bad]).expect_code(2);
    }
}

/// As a crash would leave it: the length is pinned, some files are still on the list, and the totals leave them out.
fn unfinished_work_is_finished_by_the_next_call(db: Db) {
    let world = loaded_with(db, "1d");
    let expected = statistics(&world);
    world.execute("INSERT INTO to_reaggregate SELECT id FROM manifest");
    world.execute("DELETE FROM sensor_aggregates");
    world.execute("UPDATE file_aggregates SET count = 77 WHERE file_id > 2");
    world.iotpipe(&["verify"]).expect_code(1).expect_stderr(&["computed anew, 7 files are left"]);
    world.iotpipe(&["unload", "f0.csv"]).expect_code(1).expect_stderr(&["computed anew"]);
    // Loads of the new length go on meanwhile.
    world.file("late.csv", "ts,device,v,n,on_off,note\n1,d9,1,1,1,x\n");
    world.ok(&["run"]);
    assert_eq!(world.ok(&["reaggregate", "--output", "json"]).count("files"), 7);
    world.ok(&["verify"]);
    world.ok(&["unload", "late.csv"]);
    assert_eq!(statistics(&world), expected);
}

/// It is held up before its commit; the length changes meanwhile.
fn a_load_under_way_with_the_old_length_is_refused(db: Db) {
    if db == Db::Sqlite {
        // One writer at a time: the load ends first, and its file is computed anew too; both are waited for.
        let world = loaded_with(db, "1h");
        world.file("late.csv", "ts,device,v,n,on_off,note\n1,d9,1,1,1,x\n");
        let load = world.start(&["run"]);
        world.ok(&["reaggregate", "--window", "1d"]);
        drop(load);
        set_window(&world, "1d");
        world.ok(&["run"]);
        world.ok(&["verify"]);
        return;
    }
    let world = loaded_with(db, "1h");
    // Whoever stores a row waits for this.
    let held = world.hold(
        "INSERT INTO iot_raw_data (device_id, ts, file_id, line_number) \
        SELECT id, '1970-01-01T00:00:01Z', 0, 0 FROM device WHERE name = 'd0'",
    );
    world.file("late.csv", "ts,device,v,n,on_off,note\n1,d0,1,1,1,x\n");
    let mut load = world.start(&["run"]);
    eventually(Duration::from_secs(20), "the load to wait", || {
        world.number(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        ) > 0
    });
    world.ok(&["reaggregate", "--window", "1d"]);
    held.end("ROLLBACK");
    assert_eq!(load.child.wait().unwrap().code(), Some(2));
    assert_eq!(world.number("SELECT count(*) FROM manifest WHERE state = 'pending' AND source = 'late.csv'"), 1);
    set_window(&world, "1d");
    world.ok(&["run"]);
    world.ok(&["verify"]);
}

/// It has no length pinned; the first process that migrates it pins its own, if the totals lie on its windows.
fn a_database_of_before_is_pinned(db: Db) {
    let world = loaded_with(db, "1h");
    let expected = statistics(&loaded_with(db, "1d"));
    world.execute("DELETE FROM setting");
    set_window(&world, "1d");
    world.iotpipe(&["run"]).expect_code(2).expect_stderr(&["another length", "reaggregate --window 1day"]);
    assert_eq!(world.number("SELECT count(*) FROM setting"), 0);
    set_window(&world, "1h");
    world.ok(&["run"]);
    assert_eq!(world.lines("SELECT value FROM setting"), ["3600000000"]);
    world.execute("DELETE FROM setting");
    set_window(&world, "1d");
    world.ok(&["reaggregate"]);
    assert_eq!(statistics(&world), expected);
    world.ok(&["verify"]);
}

#[cfg(feature = "failpoints")]
mod killed {
    use std::os::unix::process::ExitStatusExt;

    use super::{Db, loaded_with, on_both_databases, set_window, statistics};

    on_both_databases!(at_each_point);

    fn at_each_point(db: Db) {
        let expected = statistics(&loaded_with(db, "1d"));
        for point in iotpipe::failpoint::OF_REAGGREGATE {
            let world = loaded_with(db, "1h");
            let mut command = world.command(&["reaggregate", "--window", "1d"]);
            let status = command.env("FAILPOINTS", format!("{point}=return")).output().unwrap().status;
            assert_eq!(status.signal(), Some(9), "{point}: {status}");
            set_window(&world, "1d");
            world.ok(&["reaggregate"]);
            assert_eq!(statistics(&world), expected, "{point}");
            world.ok(&["verify"]);
        }
    }
}
