//! A file to which a writer appended in the archive: `retry` gives it back, whatever lies between the two folders and
//! whenever it is killed.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::on_both_databases;
use crate::support::{Db, Outcome, World, row, telemetry};

on_both_databases!(across_two_file_systems, the_name_is_taken, where_a_folder_can_not_be_written, of_another_user);
#[cfg(feature = "failpoints")]
mod killed {
    use super::{killed_across_two_file_systems, killed_at_each_step};
    crate::on_both_databases!(killed_at_each_step, killed_across_two_file_systems);
}

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

fn loaded() -> String {
    telemetry("pump-1", START, 3)
}

fn longer() -> String {
    loaded() + &row(START + 3600, "pump-1", 19.0) + "\n"
}

/// `day.csv` is loaded, and has a row more in the archive.
fn grow(world: &World) {
    world.file("day.csv", loaded());
    world.ok(&["run"]);
    append(world).unwrap();
    world.ok(&["run"]).expect_stderr(&["iotpipe retry day.csv"]);
}

fn append(world: &World) -> std::io::Result<File> {
    let mut writer = File::options().append(true).open(world.path("processed/day.csv"))?;
    writer.write_all(format!("{}\n", row(START + 3600, "pump-1", 19.0)).as_bytes())?;
    Ok(writer)
}

/// All four rows are stored once, both contents are archived, and nothing else is left.
#[track_caller]
fn expect_taken_up(world: &World) {
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("data")), (4, vec![]));
    let mut archived: Vec<Vec<u8>> =
        world.files("processed").iter().map(|name| world.read(format!("processed/{name}"))).collect();
    archived.sort();
    let mut expected = vec![loaded().into_bytes(), longer().into_bytes()];
    expected.sort();
    assert_eq!(archived, expected, "{:?}", world.files("processed"));
    assert!(!world.ok(&["status"]).stdout.contains("changed after"));
    world.ok(&["verify"]);
}

fn across_two_file_systems(db: Db) {
    let world = World::new(db);
    let _elsewhere = world.elsewhere("processed");
    grow(&world);
    let writer = append(&world).unwrap();
    let text = ["day.csv", "not given back", "closed it"];
    world.iotpipe(&["retry", "day.csv"]).expect_code(1).expect_stderr(&text);
    assert_eq!(world.files("data"), [""; 0]);
    drop(writer);
    fs::write(world.path("processed/day.csv"), longer()).unwrap();
    world.ok(&["retry", "day.csv"]);
    assert_eq!(world.read("processed/day.csv"), loaded().into_bytes());
    assert_eq!(world.read("data/day.csv"), longer().into_bytes());
    expect_taken_up(&world);
}

fn the_name_is_taken(db: Db) {
    let world = World::new(db);
    grow(&world);
    world.file("day.csv", telemetry("pump-2", START, 2));
    let text = ["day.csv", "not given back", "iotpipe run"];
    world.iotpipe(&["retry", "day.csv"]).expect_code(1).expect_stderr(&text);
    assert_eq!(world.read("data/day.csv"), telemetry("pump-2", START, 2).into_bytes());
    assert_eq!(world.read("processed/day.csv"), longer().into_bytes());
    world.ok(&["run"]);
    world.ok(&["retry", "day.csv"]);
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("data").len(), world.files("processed").len()), (6, 0, 3));
    world.ok(&["verify"]);
}

fn set_mode(world: &World, folder: &str, mode: u32) {
    fs::set_permissions(world.path(folder), fs::Permissions::from_mode(mode)).unwrap();
}

/// Folders and database, to whoever runs the program.
fn open_to_all(world: &World) {
    ["data", "processed", "quarantine", "logs"].iter().for_each(|folder| set_mode(world, folder, 0o777));
    for name in ["iotpipe.db", "iotpipe.db-wal", "iotpipe.db-shm"].into_iter().filter(|name| world.path(name).exists())
    {
        set_mode(world, name, 0o666);
    }
}

fn where_a_folder_can_not_be_written(db: Db) {
    let world = World::new(db);
    grow(&world);
    open_to_all(&world);
    let nothing_at_all = ["data can't be written", "right"];
    for (folder, code, text) in [("processed", 1, ["day.csv", "permissions"]), ("data", 2, nothing_at_all)] {
        let retry = world.as_nobody(&["retry", "day.csv"]);
        set_mode(&world, folder, 0o555);
        Outcome::of(&["retry", "day.csv"], retry).expect_code(code).expect_stderr(&text);
        set_mode(&world, folder, 0o777);
        assert_eq!((world.files("data").len(), world.files("processed")), (0, vec!["day.csv".to_owned()]), "{folder}");
        assert_eq!(world.read("processed/day.csv"), longer().into_bytes(), "{folder}");
    }
    world.ok(&["retry", "day.csv"]);
    expect_taken_up(&world);
}

/// Whose files may not be given second names by others.
fn of_another_user(db: Db) {
    if !rustix::process::getuid().is_root() {
        eprintln!("not shown here: a file can only be given away by root");
        return;
    }
    let world = World::new(db);
    grow(&world);
    open_to_all(&world);
    chown(world.path("processed/day.csv"), Some(1), Some(1)).unwrap();
    let retry = world.as_nobody(&["retry", "day.csv"]);
    Outcome::of(&["retry", "day.csv"], retry).expect_code(0);
    assert_eq!(world.read("data/day.csv"), longer().into_bytes());
    expect_taken_up(&world);
}

#[cfg(feature = "failpoints")]
fn killed_at_each_step(db: Db) {
    for step in ["grown-prefix-copied", "grown-hidden", "grown-restored", "grown-given-back"] {
        killed(db, step, false);
    }
}

#[cfg(feature = "failpoints")]
fn killed_across_two_file_systems(db: Db) {
    for step in ["grown-prefix-copied", "grown-copied", "grown-hidden", "grown-restored", "grown-given-back"] {
        killed(db, step, true);
    }
}

/// Whoever asks again goes on from there, whether files were taken meanwhile or not, and removes what was left unfinished.
#[cfg(feature = "failpoints")]
fn killed(db: Db, step: &str, is_elsewhere: bool) {
    for runs_meanwhile in [false, true] {
        let world = World::new(db);
        let _elsewhere = is_elsewhere.then(|| world.elsewhere("processed"));
        grow(&world);
        let mut retry = world.command(&["retry", "day.csv"]);
        let status = retry.env("FAILPOINTS", format!("{step}=return")).status().unwrap();
        assert_eq!(status.code(), None, "killed at {step}");
        if runs_meanwhile {
            world.ok(&["run"]);
            assert_eq!(world.stored(), if step == "grown-given-back" { 4 } else { 3 }, "{step}");
        }
        let is_named = world.ok(&["status"]).stdout.contains("iotpipe retry day.csv");
        assert_eq!(is_named, step != "grown-given-back", "{step}");
        world.iotpipe(&["retry", "day.csv"]).expect_code(if is_named { 0 } else { 2 });
        expect_taken_up(&world);
    }
}
