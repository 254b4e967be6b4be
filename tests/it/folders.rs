//! The folders of `[paths]`: each is one of its own, they know which `data/` they belong to, and what can't be written to
//! is told at the start.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::on_both_databases;
use crate::support::{Db, Outcome, World, telemetry};

on_both_databases!(
    folders_that_are_not_apart_are_refused,
    two_folders_behind_one_database_stay_apart,
    a_folder_of_another_is_refused_until_it_is_adopted,
    a_lost_marker_is_written_anew,
    folders_are_made_by_commands_that_need_them,
    logs_that_can_not_be_written_cost_the_logs_alone,
    an_archived_file_stands_where_a_folder_is_wanted,
    an_archived_file_stands_where_a_folder_is_wanted_on_another_file_system,
    a_mount_between_folders_of_one_file_system,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

/// Volumes of containers are often folders of one file system, which no rename goes between.
fn a_mount_between_folders_of_one_file_system(db: Db) {
    let world = World::new(db);
    world.file("x/a.csv", telemetry("pump-1", START, 5));
    world.file("bad.csv", "no,header,of,ours\n1,2,3,4\n");
    world.file("copy.csv", telemetry("pump-1", START, 5));
    fs::create_dir_all(world.path("processed")).unwrap();
    fs::create_dir_all(world.path("quarantine")).unwrap();
    let mounts = "mount --bind processed processed && mount --bind quarantine quarantine && \"$0\" \"$@\"; exit $?";
    let run = world.apart(&["--mount"], mounts, &["run", "--output", "json"]).output().unwrap();
    let run = Outcome::from_output("run", &run).expect_code(0);
    assert_eq!((run.count("loaded"), run.count("failed")), (5, 1), "{}", run.stderr);
    assert_eq!(world.files("data"), [""; 0], "{}", run.stderr);
    assert_eq!(world.files("processed"), ["copy.csv", "x/a.csv"]);
    assert_eq!(world.files("quarantine").len(), 2, "{:?}", world.files("quarantine"));
    world.ok(&["verify"]);
}

fn folders_that_are_not_apart_are_refused(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    fs::create_dir_all(world.path("real")).unwrap();
    symlink(world.path("data"), world.path("to-data")).unwrap();
    symlink(world.path("real"), world.path("to-real")).unwrap();
    for paths in [
        "processed = 'data'",
        "processed = './data/../data/'",
        "processed = 'to-data'",
        "quarantine = 'data'",
        "processed = 'data/done'",
        "quarantine = 'data/x/bad'",
        "quarantine = 'to-data/bad'",
        "logs = 'data/logs'",
        "data = '.'",
        "data = 'processed/in'",
        "data = 'quarantine'",
        "processed = 'quarantine'",
        "processed = 'real/x'\nquarantine = 'to-real/x'",
        "processed = 'real'\nquarantine = 'to-real/bad'",
    ] {
        world.config(&format!("[paths]\n{paths}\n"));
        let before = world.files("");
        for command in ["run", "scan", "status", "verify"] {
            world.iotpipe(&[command]).expect_code(2).expect_stderr(&["[paths]", "a folder of its own"]);
        }
        assert_eq!(world.files(""), before, "{paths}");
        assert!(!world.path("data/done").exists() && !world.path("data/x").exists(), "{paths}");
    }
    // Logs disturb nobody elsewhere.
    world.config("[paths]\nprocessed = 'real/done'\nquarantine = 'to-real/bad'\nlogs = '.'\n");
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("real/done")), (5, vec!["a.csv".to_owned()]));
    world.ok(&["verify"]);
}

/// The same names, and one content that both get.
fn two_folders_behind_one_database_stay_apart(db: Db) {
    let here = World::new(db);
    let there = match db {
        Db::Postgres => World::on(db, here.url().to_owned()),
        Db::Sqlite => World::on(db, format!("sqlite://{}", here.path("iotpipe.db").display())),
    };
    let loaded = |world: &World, files: i64| {
        assert_eq!(world.ok(&["run", "--output", "json"]).count("files"), files);
        assert_eq!(world.files("data"), [""; 0]);
    };
    here.file("day.csv", telemetry("pump-1", START, 5));
    here.ok(&["scan"]);
    there.file("day.csv", telemetry("pump-2", START, 7));
    there.ok(&["scan"]);
    // Neither takes what the other has found, nor misses it.
    for world in [&here, &there] {
        assert_eq!(world.ok(&["status", "--output", "json"]).json()["files"]["pending"], 1);
    }
    loaded(&there, 1);
    assert_eq!(here.files("data"), ["day.csv"]);
    loaded(&here, 1);
    assert_eq!(here.stored(), 12);
    there.file("again.csv", telemetry("pump-1", START, 5));
    loaded(&there, 1);
    assert_eq!(here.lines("SELECT state FROM manifest ORDER BY id"), ["loaded", "loaded", "duplicate"]);
    here.file("bad.csv", "ts,co\n1,2\n");
    here.iotpipe(&["run"]);
    // One loaded file and one refused, one loaded and its duplicate.
    assert_eq!(here.ok(&["verify", "--output", "json"]).count("in_full"), 2);
    assert_eq!(there.ok(&["verify", "--output", "json"]).count("in_full"), 2);
    let status = there.ok(&["status", "--output", "json"]).json();
    assert_eq!((&status["files"]["rejected"], &status["rows"]["loaded"]), (&serde_json::Value::Null, &7.into()));
    assert_eq!(status["last_errors"], serde_json::json!([]), "the other folder's");
}

fn a_folder_of_another_is_refused_until_it_is_adopted(db: Db) {
    let (world, other) = (World::new(db), World::new(db));
    for (world, device) in [(&world, "pump-1"), (&other, "pump-2")] {
        world.file("a.csv", telemetry(device, START, 5));
        world.ok(&["run"]);
    }
    for folder in ["processed", "quarantine"] {
        fs::rename(world.path(folder), world.path("aside")).unwrap();
        symlink(other.path(folder), world.path(folder)).unwrap();
        world.file("b.csv", telemetry("pump-3", START, 5));
        for command in ["run", "verify", "status"] {
            world.iotpipe(&[command]).expect_code(2).expect_stderr(&[folder, "iotpipe adopt"]);
        }
        assert_eq!((world.files("data"), world.stored()), (vec!["b.csv".to_owned()], 5));
        fs::remove_file(world.path(folder)).unwrap();
        fs::rename(world.path("aside"), world.path(folder)).unwrap();
    }
    // They were put together on purpose: from now on they are this folder's.
    fs::remove_dir_all(world.path("quarantine")).unwrap();
    fs::rename(other.path("quarantine"), world.path("quarantine")).unwrap();
    world.ok(&["adopt"]);
    world.ok(&["run"]);
    assert_eq!((world.files("data").len(), world.stored()), (0, 10));
    world.ok(&["verify"]);
}

fn a_lost_marker_is_written_anew(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    world.ok(&["run"]);
    let marker = world.read("data/.iotpipe");
    for folder in ["data", "processed", "quarantine"] {
        fs::remove_file(world.path(folder).join(".iotpipe")).unwrap();
        world.ok(&["scan"]);
        assert_eq!(world.read(format!("{folder}/.iotpipe")), marker, "{folder}");
    }
    // All three at once, as where somebody tidied up: what was loaded is still theirs.
    ["data", "processed", "quarantine"].iter().for_each(|f| fs::remove_file(world.path(f).join(".iotpipe")).unwrap());
    assert_eq!(world.ok(&["verify", "--output", "json"]).count("files"), 1);
}

fn folders_are_made_by_commands_that_need_them(db: Db) {
    let world = World::new(db);
    fs::remove_dir(world.path("data")).unwrap();
    let made = || {
        let folders = ["data", "processed", "quarantine", "logs"];
        folders.into_iter().filter(|folder| world.path(folder).exists()).collect::<Vec<_>>()
    };
    for args in [&["migrate"][..], &["status"], &["init", "--force"], &["generate", "--out", "elsewhere"]] {
        world.ok(args);
        assert_eq!(made(), [""; 0], "{args:?}");
    }
    world.config("");
    world.ok(&["reaggregate"]);
    assert_eq!(made(), [""; 0]);
    world.ok(&["run"]);
    assert_eq!(made(), ["data", "processed", "quarantine", "logs"]);
}

/// Full, closed to this user, or no folder at all.
fn logs_that_can_not_be_written_cost_the_logs_alone(db: Db) {
    let world = World::new(db);
    fs::create_dir(world.path("closed")).unwrap();
    set_mode(&world, "closed", 0o555);
    fs::write(world.path("file"), "").unwrap();
    for (n, logs) in ["closed", "closed/deeper", "file", "file/below", "iotpipe.toml"].into_iter().enumerate() {
        world.config(&format!("[paths]\nlogs = '{logs}'\n"));
        world.file("a.csv", telemetry(&format!("pump-{n}"), START, 5));
        let outcome = as_nobody(&world, &["run"]).expect_code(0).expect_stderr(&["no log is kept in", logs]);
        assert!(!outcome.stderr.contains("rror:") && !outcome.stderr.contains("Error"), "{}", outcome.stderr);
        assert_eq!(world.stored(), 5 * (n as i64 + 1));
    }
}

/// `x.csv` is archived, and then a folder of that name brings files, and the other way round.
fn an_archived_file_stands_where_a_folder_is_wanted(db: Db) {
    files_and_folders_of_one_name(&World::new(db));
}

fn an_archived_file_stands_where_a_folder_is_wanted_on_another_file_system(db: Db) {
    let world = World::new(db);
    let _elsewhere = world.elsewhere("processed");
    files_and_folders_of_one_name(&world);
}

fn files_and_folders_of_one_name(world: &World) {
    let mut rows = 0;
    let mut deliver = |name: &str| {
        rows += 5;
        world.file(name, telemetry(&format!("pump-{rows}"), START, 5));
        world.ok(&["run"]);
        assert_eq!((world.stored(), world.files("data")), (rows, vec![]), "{name}");
        fs::read_dir(world.path("data")).unwrap().map(Result::unwrap).filter(|e| e.path().is_dir()).for_each(|e| {
            fs::remove_dir_all(e.path()).unwrap();
        });
    };
    for name in ["x.csv", "x.csv/y.csv", "x.csv/y.csv", "x.csv/z/y.csv", "u.csv/v.csv", "u.csv", "u.csv", "x.csv"] {
        deliver(name);
    }
    assert_eq!(world.files("processed").len(), 8);
    assert_eq!(world.number("SELECT count(*) FROM manifest WHERE state = 'loaded' AND place = 'processed'"), 8);
    world.ok(&["verify"]);
}

fn as_nobody(world: &World, args: &[&str]) -> Outcome {
    Outcome::of(args, world.as_nobody(args))
}

fn set_mode(world: &World, path: &str, mode: u32) {
    fs::set_permissions(world.path(path), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_data_folder_that_can_not_be_written_to_is_told_at_the_start() {
    let world = World::new(Db::Sqlite);
    world.file("a.csv", telemetry("pump-1", START, 5));
    for marked in [false, true] {
        let mut run = world.as_nobody(&["run"]);
        set_mode(&world, "data", 0o755);
        let outcome = Outcome::from_output("run", &run.output().unwrap());
        outcome.expect_code(2).expect_stderr(&["data can't be written to", "denied"]);
        assert_eq!(world.files("data"), ["a.csv"]);
        if !marked {
            set_mode(&world, "data", 0o777);
            as_nobody(&world, &["migrate"]).expect_code(0);
            as_nobody(&world, &["status"]).expect_code(0);
        } else {
            let mut status = world.as_nobody(&["status"]);
            set_mode(&world, "data", 0o755);
            assert_eq!(status.status().unwrap().code(), Some(0), "looking needs no such right");
        }
    }
    as_nobody(&world, &["run"]).expect_code(0);
    assert_eq!(world.stored(), 5);
}

/// In a sticky folder nobody renames the files of others; a folder below `data/` may be closed. That is the fault of
/// these files alone.
#[test]
fn a_file_that_can_not_be_renamed_keeps_no_other_waiting() {
    for (mode, which) in [(0o1777, "sticky"), (0o755, "closed")] {
        let world = World::new(Db::Sqlite);
        world.file("x/a.csv", telemetry("pump-1", START, 5));
        world.file("b.csv", telemetry("pump-2", START, 5));
        set_mode(&world, "data/x", mode);
        as_nobody(&world, &["run"]).expect_code(1).expect_stderr(&["x/a.csv", "not permitted"].map(
            |word| match which {
                "closed" if word == "not permitted" => "denied",
                _ => word,
            },
        ));
        assert_eq!((world.stored(), world.files("data")), (5, vec!["x/a.csv".to_owned()]), "{which}");
        assert_eq!(world.lines("SELECT state, attempts FROM manifest ORDER BY source"), ["loaded|0", "pending|1"]);
        set_mode(&world, "data/x", 0o777);
        world.execute("UPDATE manifest SET not_before = NULL");
        as_nobody(&world, &["run"]).expect_code(0);
        assert_eq!(world.stored(), 10);
    }
}
