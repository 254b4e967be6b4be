//! A full disk, folder by folder: a clear error, nothing half done, and all is well once there is room again.

use crate::on_both_databases;
use crate::support::{Db, HEADER, MountedDisk, World, row, telemetry};

on_both_databases!(quarantine_is_full, processed_is_full, logs_are_full, proofs_need_no_room);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

/// What it holds at first, in KiB.
const SMALL: usize = 128;

fn fill(disk: &MountedDisk) {
    let fill = disk.folder().join("fill");
    // Writes what fits, then fails.
    let _ = std::fs::write(&fill, vec![0; 1 << 20]);
    assert!(fill.metadata().unwrap().len() < 1 << 20);
}

fn make_room(disk: &MountedDisk) {
    let _ = std::fs::remove_file(disk.folder().join("fill"));
    disk.resize(64 << 10);
}

/// Half of its rows are bad: 4000, of 60 bytes each.
fn half_bad() -> String {
    let bad = "soon,pump-1,0.005,51.5,true,0.007,false,0.02,20.0,and,some,more,fields,to,fill,the,disk\n".repeat(2000);
    format!("{}{bad}", telemetry("pump-1", START, 2000))
}

fn all_is_there(world: &World, rows: i64) {
    assert_eq!(world.stored(), rows);
    assert_eq!(world.files("data"), [""; 0]);
    let temporary: Vec<_> = [world.files("quarantine"), world.files("processed")].concat();
    assert!(!temporary.iter().any(|f| f.ends_with(".tmp")), "{temporary:?}");
    world.ok(&["verify"]);
}

fn quarantine_is_full(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    let Some(disk) = MountedDisk::on(&world.path("quarantine"), SMALL) else { return };
    world.file("a.csv", half_bad());
    world.iotpipe(&["run"]).expect_code(1).expect_stderr(&[
        "quarantine",
        "can't be written",
        "No space left",
        "free space",
    ]);
    assert_eq!((world.stored(), world.files("quarantine").len()), (0, 0), "nothing half done");
    world.iotpipe(&["validate"]).expect_code(1);
    make_room(&disk);
    world.ok(&["run"]);
    all_is_there(&world, 2000);
}

/// A file is compared without writing anywhere, unless it has very many aggregates.
fn proofs_need_no_room(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    let Some(disk) = MountedDisk::on(&world.path("quarantine"), SMALL) else { return };
    let rows: Vec<String> = (0..3000).map(|n| row(START, &format!("pump-{n}"), 20.0)).collect();
    world.file("a.csv", format!("{HEADER}\n{}\n", rows.join("\n")));
    world.ok(&["run"]);
    fill(&disk);
    assert!(world.number("SELECT count(*) FROM file_aggregates") > 10_000);
    let said = world.iotpipe(&["verify"]).expect_code(1).stdout;
    assert!(said.contains("ok       \"a.csv\": 3000 rows"), "{said}");
    // What fills the disk is nobody's.
    assert!(said.matches("DIFFERS").count() == 1 && said.contains("quarantine/fill"), "{said}");
}

/// It is another file system, so the file is copied.
fn processed_is_full(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    let Some(disk) = MountedDisk::on(&world.path("processed"), SMALL) else { return };
    world.file("a.csv", telemetry("pump-1", START, 5000));
    world.iotpipe(&["run"]).expect_code(1).expect_stderr(&["processed/a.csv", "can't be written", "No space left"]);
    assert_eq!((world.stored(), world.files("data").len()), (5000, 1), "committed, not yet moved");
    world.iotpipe(&["run"]).expect_code(1);
    assert_eq!(world.stored(), 5000);
    make_room(&disk);
    world.ok(&["run"]);
    assert_eq!(world.files("processed"), ["a.csv"]);
    all_is_there(&world, 5000);
}

/// What can't be logged is not worth a stop.
fn logs_are_full(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    let Some(disk) = MountedDisk::on(&world.path("logs"), SMALL) else { return };
    fill(&disk);
    world.file("a.csv", telemetry("pump-1", START, 100));
    world.ok(&["run"]);
    make_room(&disk);
    world.ok(&["run"]);
    all_is_there(&world, 100);
}

#[test]
fn the_database_file_is_full() {
    let world = World::on(Db::Sqlite, "sqlite://iotpipe.db".to_owned());
    let Some(disk) = MountedDisk::on(&world.path("db"), SMALL) else { return };
    let run = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("DATABASE_URL", "sqlite://db/iotpipe.db");
        crate::support::Outcome::of(args, command)
    };
    let rows = "1714521600,pump-1,0.005,51.5,true,0.007,false,0.02,20\n";
    world.file("small.csv", format!("{HEADER}\n{rows}"));
    fill_up_to(&disk, 16 << 10);
    run(&["migrate"]).expect_code(1).expect_stderr(&["db/iotpipe.db", "full"]);
    make_room(&disk);
    run(&["run"]).expect_code(0);
    fill_up_to(&disk, 1 << 20);
    world.file("large.csv", telemetry("pump-2", START, 100_000));
    run(&["run"]).expect_code(1).expect_stderr(&["db/iotpipe.db", "full"]);
    assert_eq!(world.files("data").len(), 1);
    make_room(&disk);
    let again = run(&["run", "--output", "json"]).expect_code(0);
    assert_eq!((again.count("loaded"), again.count("pending")), (100_000, 0));
    run(&["verify"]).expect_code(0);
}

/// Leaves so many bytes free.
fn fill_up_to(disk: &MountedDisk, free: u64) {
    let stat = rustix::fs::statvfs(disk.folder()).unwrap();
    let bytes = stat.f_bavail * stat.f_frsize - free;
    std::fs::write(disk.folder().join("fill"), vec![0; bytes as usize]).unwrap();
}
