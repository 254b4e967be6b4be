//! Who owns a file on its way. Whatever writers and other workers do in between: nothing is removed that was not loaded,
//! nothing is stored twice, and who came too late touches nothing.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::Command;

use crate::on_both_databases;
use crate::support::{Db, HEADER, Outcome, World, row, telemetry};

on_both_databases!(
    replaced_at_any_moment,
    replaced_at_any_moment_of_a_copy,
    a_refused_file_is_replaced_while_it_is_copied,
    replaced_by_a_file_that_is_refused,
    appended_to_behind_the_pass,
    appended_to_behind_the_pass_of_a_copy,
    overwritten_behind_the_commit,
    still_open_for_writing,
    a_duplicate_that_is_still_open_for_writing,
    two_movers_of_one_file,
    a_mover_dies_while_another_is_at_work,
    a_slow_scan_leaves_a_loaded_file_alone,
    a_slow_scan_of_a_new_file_leaves_no_entry,
    a_slow_step_gives_up_nothing_that_another_loaded,
    a_slow_refusal_takes_nothing_from_who_loaded,
    a_slow_refusal_takes_nothing_from_who_refused,
    a_slow_pass_leaves_the_quarantine_of_who_loaded,
    a_link_in_the_place_of_a_file,
    a_pipe_in_the_place_of_a_file,
    a_pipe_in_the_place_of_a_file_that_was_listed,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
const DAY: i64 = 86_400;

/// The program is in the middle of a file when another takes its name.
fn replaced_at_any_moment(db: Db) {
    let moments = ["registered", "claimed", "taken", "opened", "pass-finished", "committed", "renamed", "moved"];
    replaced_at(&World::new(db), &moments);
}

fn replaced_at_any_moment_of_a_copy(db: Db) {
    let world = World::new(db);
    let _elsewhere = world.elsewhere("processed");
    replaced_at(&world, &["committed", "copy-synced", "copy-renamed", "source-removed"]);
}

fn replaced_at(world: &World, moments: &[&str]) {
    for (n, moment) in moments.iter().enumerate() {
        let (name, device) = (format!("{moment}.csv"), format!("pump-{n}"));
        world.file(&name, telemetry(&device, START, 5));
        let run = world.stopped_at(&["run"], moment);
        world.file(&name, telemetry(&device, START + DAY, 7));
        run.go_on().expect_code(0);
        world.ok(&["run"]);
        // Before it was taken in hand, its writer took it away again.
        let first = if ["registered", "claimed"].contains(moment) { 0 } else { 5 };
        let stored = format!("SELECT count(*) FROM iot_readings WHERE device = '{device}'");
        assert_eq!(world.number(&stored), first + 7, "{moment}");
        assert_eq!(world.files("data"), [""; 0], "{moment}");
    }
    world.ok(&["verify"]);
}

fn a_refused_file_is_replaced_while_it_is_copied(db: Db) {
    for moment in ["aside-marked", "copy-synced", "copy-renamed", "source-removed"] {
        let world = World::new(db);
        let _elsewhere = world.elsewhere("quarantine");
        world.file("a.csv", "ts,co\n1,2\n");
        let run = world.stopped_at(&["run"], moment);
        world.file("a.csv", telemetry("pump-1", START, 7));
        run.go_on().expect_code(0);
        world.ok(&["run"]);
        assert_eq!((world.stored(), world.files("data").len()), (7, 0), "{moment}");
        let whole = world.files("quarantine").into_iter().filter(|name| !name.contains(".reasons."));
        let whole: Vec<_> = whole.map(|name| world.read(format!("quarantine/{name}"))).collect();
        assert_eq!(whole, [b"ts,co\n1,2\n"], "{moment}");
        world.ok(&["verify"]);
    }
}

/// A refusal comes before all of a file is read: it is no verdict on what was discovered.
fn replaced_by_a_file_that_is_refused(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    let run = world.stopped_at(&["run"], "claimed");
    world.file("a.csv", "ts,co\n1,2\n");
    run.go_on().expect_code(0);
    world.ok(&["run"]);
    let refused = crate::support::assertions::sha256(b"ts,co\n1,2\n");
    assert_eq!(world.lines("SELECT state, place, sha256 FROM manifest"), [format!("rejected|quarantine|{refused}")]);
    assert_eq!((world.stored(), world.files("data").len()), (0, 0));
    world.ok(&["verify"]);
}

/// A writer that the system can't tell of: it had the file open under another name.
fn appended_to_behind_the_pass(db: Db) {
    for moment in ["pass-finished", "committed", "renamed"] {
        appended_at(&World::new(db), moment);
    }
}

fn appended_to_behind_the_pass_of_a_copy(db: Db) {
    for moment in ["committed", "copy-synced", "copy-renamed"] {
        let world = World::new(db);
        let _elsewhere = world.elsewhere("processed");
        appended_at(&world, moment);
    }
}

fn appended_at(world: &World, moment: &str) {
    world.file("a.csv", telemetry("pump-1", START, 5));
    fs::hard_link(world.path("data/a.csv"), world.path("writer")).unwrap();
    let run = world.stopped_at(&["run"], moment);
    let mut writer = OpenOptions::new().append(true).open(world.path("writer")).unwrap();
    writeln!(writer, "{}", row(START + DAY, "pump-1", 20.0)).unwrap();
    drop(writer);
    run.go_on().expect_code(0);
    // What was loaded is archived as it was; all of it is another content, and loaded too.
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("data").len(), world.files("processed").len()), (6, 0, 2), "{moment}");
    world.ok(&["verify"]);
}

/// Nobody can keep what its writer overwrites, but it is told.
fn overwritten_behind_the_commit(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    fs::hard_link(world.path("data/a.csv"), world.path("writer")).unwrap();
    let run = world.stopped_at(&["run"], "committed");
    fs::write(world.path("writer"), telemetry("pump-1", START + DAY, 7)).unwrap();
    run.go_on().expect_code(0);
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("data").len(), world.files("processed").len()), (12, 0, 1));
    assert_eq!(world.lines("SELECT state, place FROM manifest ORDER BY id"), ["loaded|none", "loaded|processed"]);
    assert!(world.ok(&["status"]).stdout.contains("overwritten"));
    world.iotpipe(&["verify"]).expect_code(1);
}

fn still_open_for_writing(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    let mut writer = OpenOptions::new().append(true).open(world.path("data/a.csv")).unwrap();
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("data")), (0, vec!["a.csv".to_owned()]));
    writeln!(writer, "{}", row(START + DAY, "pump-1", 20.0)).unwrap();
    drop(writer);
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("data").len(), world.files("processed").len()), (6, 0, 1));
    world.ok(&["verify"]);
}

fn a_duplicate_that_is_still_open_for_writing(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    world.ok(&["run"]);
    world.file("b.csv", telemetry("pump-1", START, 5));
    world.file("c.csv", telemetry("pump-2", START, 5));
    let writer = OpenOptions::new().append(true).open(world.path("data/b.csv")).unwrap();
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("data")), (10, vec!["b.csv".to_owned()]));
    drop(writer);
    world.ok(&["run"]);
    assert_eq!((world.manifest("b.csv").state.as_str(), world.files("data").len()), ("duplicate", 0));
    world.ok(&["verify"]);
}

/// One is in the middle of its copy when its lease lapses; another takes the file over and brings it home.
fn two_movers_of_one_file(db: Db) {
    for (folder, content) in FILES {
        for moment in ["copy-synced", "copy-renamed", "source-removed"] {
            let world = World::new(db);
            let _elsewhere = world.elsewhere(folder);
            world.file("a.csv", content);
            let slow = world.stopped_at(&["run"], moment);
            world.let_leases_lapse();
            world.ok(&["run"]);
            slow.go_on().expect_code(0);
            lies_in(&world, folder, content);
        }
    }
}

fn a_mover_dies_while_another_is_at_work(db: Db) {
    for (folder, content) in FILES {
        let world = World::new(db);
        let _elsewhere = world.elsewhere(folder);
        world.file("a.csv", content);
        let slow = world.stopped_at(&["run"], "copy-synced");
        world.let_leases_lapse();
        let other = world.stopped_at(&["run"], "copy-synced");
        drop(slow);
        other.go_on().expect_code(0);
        lies_in(&world, folder, content);
    }
}

/// A file that is loaded and one that is refused, and where they go.
const FILES: [(&str, &str); 2] = [
    (
        "processed",
        "ts,device,co,humidity,light,lpg,motion,smoke,temp\n1714521600,a,0.005,51.5,true,0.007,false,0.02,9\n",
    ),
    ("quarantine", "ts,co\n1,2\n"),
];

/// Whole, once, and nothing beside it.
fn lies_in(world: &World, folder: &str, content: &str) {
    assert_eq!(world.files("data"), [""; 0]);
    let files: Vec<_> = world.files(folder).into_iter().filter(|name| !name.contains(".reasons.")).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(world.read(format!("{folder}/{}", files[0])), content.as_bytes());
    assert_eq!(world.lines("SELECT place FROM manifest"), [folder]);
    world.ok(&["verify"]);
}

/// It lists and hashes a file that the manifest knows as arriving; meanwhile another loads it.
fn a_slow_scan_leaves_a_loaded_file_alone(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    world.ok(&["scan"]);
    world.execute("UPDATE manifest SET state = 'arriving', sha256 = NULL");
    let slow = world.stopped_at(&["scan"], "hashed");
    nothing_is_changed_by(&world, slow);
}

fn a_slow_scan_of_a_new_file_leaves_no_entry(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    let slow = world.stopped_at(&["scan"], "hashed");
    nothing_is_changed_by(&world, slow);
}

/// It has many files in hand when its lease lapses, and wakes up when none is there any more.
fn a_slow_step_gives_up_nothing_that_another_loaded(db: Db) {
    let world = World::new(db);
    (0..30).for_each(|n| world.file(format!("{n}.csv"), telemetry(&format!("pump-{n}"), START, 5)));
    world.ok(&["scan"]);
    let slow = world.stopped_at(&["validate"], "claimed");
    world.let_leases_lapse();
    nothing_is_changed_by(&world, slow);
}

/// Its contract is a stricter one, as in a rolling deployment.
fn a_slow_refusal_takes_nothing_from_who_loaded(db: Db) {
    let world = World::new(db);
    world.file("a.csv", format!("{}soon,pump-1,0,0,true,0,true,0,0\n", telemetry("pump-1", START, 5)));
    world.ok(&["scan"]);
    let strict = "[source]\nsettle = \"0s\"\n[contract]\nmax_rejected_ratio = 0.0\n";
    fs::write(world.path("strict.toml"), strict).unwrap();
    world.config("[contract]\nmax_rejected_ratio = 1.0\n");
    for (n, moment) in ["opened", "claimed", "refusing"].into_iter().enumerate() {
        let slow = world.stopped_at(&["validate", "--config", "strict.toml"], moment);
        world.let_leases_lapse();
        nothing_is_changed_by(&world, slow);
        let device = format!("pump-{}", n + 2);
        world.file("a.csv", format!("{}later,{device},0,0,true,0,true,0,0\n", telemetry(&device, START, 5)));
        world.ok(&["scan"]);
    }
}

/// It has looked whether the file is still its own, and stands still right behind that.
fn a_slow_refusal_takes_nothing_from_who_refused(db: Db) {
    let world = World::new(db);
    world.file("a.csv", "ts,of\n1,2\n");
    world.ok(&["scan"]);
    let slow = world.stopped_at(&["load"], "refusing");
    world.let_leases_lapse();
    nothing_is_changed_by(&world, slow);
    assert_eq!(world.files("quarantine").len(), 2, "the file and its reasons");
}

/// Its own pass over the file found other rows to reject than the one that counts.
fn a_slow_pass_leaves_the_quarantine_of_who_loaded(db: Db) {
    for (content, moment) in
        [(twice(), "rejected-synced"), (twice(), "opened"), (telemetry("pump-1", START, 5), "opened")]
    {
        let world = World::new(db);
        world.file("earlier.csv", telemetry("pump-1", START, 2));
        world.ok(&["run"]);
        world.file("a.csv", content);
        world.ok(&["scan"]);
        // Which rows are repeats is for the load to find.
        let slow = world.stopped_at(&["validate"], moment);
        world.let_leases_lapse();
        nothing_is_changed_by(&world, slow);
    }
}

/// Good rows, a repeated one and a bad one.
fn twice() -> String {
    let again = row(START, "pump-1", 20.0);
    format!("{HEADER}\n{again}\n{again}\nsoon,pump-1,0,0,true,0,true,0,0\n")
}

/// Another brings everything home; what the slow one does when it wakes up changes nothing.
#[track_caller]
fn nothing_is_changed_by(world: &World, slow: crate::support::Stopped) -> Outcome {
    world.ok(&["run"]);
    let before = world.everything();
    let outcome = slow.go_on().expect_code(0);
    assert_eq!(world.everything(), before);
    assert_eq!(world.files("data"), [""; 0]);
    world.ok(&["run"]);
    assert_eq!(world.everything(), before);
    world.ok(&["verify"]);
    outcome
}

fn a_link_in_the_place_of_a_file(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    world.ok(&["scan"]);
    fs::rename(world.path("data/a.csv"), world.path("elsewhere.csv")).unwrap();
    std::os::unix::fs::symlink(world.path("elsewhere.csv"), world.path("data/a.csv")).unwrap();
    world.ok(&["load"]);
    assert_eq!((world.stored(), world.files("data")), (0, vec!["a.csv".to_owned()]));
    world.iotpipe(&["scan"]).expect_code(1).expect_stderr(&["a.csv", "symbolic link"]);
    assert!(world.path("elsewhere.csv").exists());
}

/// Whoever opens it waits for a writer that never comes.
fn a_pipe_in_the_place_of_a_file(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    world.file("b.csv", telemetry("pump-2", START, 5));
    world.ok(&["scan"]);
    fs::remove_file(world.path("data/a.csv")).unwrap();
    assert!(Command::new("mkfifo").arg(world.path("data/a.csv")).status().unwrap().success());
    world.ok(&["load"]);
    assert_eq!((world.stored(), world.files("data")), (5, vec!["a.csv".to_owned()]));
}

/// It comes between the listing and the look at its bytes.
fn a_pipe_in_the_place_of_a_file_that_was_listed(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    world.file("b.csv", telemetry("pump-2", START, 5));
    for command in ["scan", "run"] {
        let stopped = world.stopped_at(&[command], "listed");
        fs::rename(world.path("data/a.csv"), world.path("aside.csv")).unwrap();
        assert!(Command::new("mkfifo").arg(world.path("data/a.csv")).status().unwrap().success());
        stopped.go_on().expect_code(1).expect_stderr(&["a.csv", "no file"]);
        assert_eq!(world.lines("SELECT source FROM manifest"), ["b.csv"]);
        // As it lies there from the start.
        world.iotpipe(&[command]).expect_code(1).expect_stderr(&["a.csv", "neither a file nor a folder"]);
        fs::rename(world.path("aside.csv"), world.path("data/a.csv")).unwrap();
    }
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("data").len()), (10, 0));
}

/// A power cut right after the file left `data/`: every folder that was made for it is still there.
#[test]
fn new_folders_are_made_to_last() {
    install_strace();
    let world = World::new(Db::Sqlite);
    world.file("x/y/a.csv", telemetry("pump-1", START, 5));
    world.ok(&["scan"]);
    let mut traced = Command::new("strace");
    traced.args(["-f", "-y", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,unlink"]).arg("-o").arg("trace");
    let load = world.command(&["load"]);
    traced.arg(load.get_program()).arg("load").current_dir(world.path("")).env("DATABASE_URL", world.url());
    assert!(traced.output().unwrap().status.success());
    let trace = String::from_utf8(world.read("trace")).unwrap();
    for folder in ["processed", "processed/x", "processed/x/y"] {
        let synced = format!("{}>)", world.path(folder).display());
        assert!(trace.lines().any(|line| line.contains("sync(") && line.contains(&synced)), "{folder}:\n{trace}");
    }
}

/// Installs Debian's `strace`, where it is missing and that is possible.
fn install_strace() {
    if Command::new("strace").arg("--version").output().is_ok() {
        return;
    }
    let sudo = if rustix::process::getuid().is_root() { "" } else { "sudo --non-interactive " };
    let script = format!("{sudo}apt-get update && {sudo}apt-get install -y --no-install-recommends strace");
    eprintln!("installing strace for the tests: {script}");
    let output = Command::new("sh").args(["-c", &script]).env("DEBIAN_FRONTEND", "noninteractive").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "no strace here. Install it (Debian: sudo apt-get install strace). {said}");
}
