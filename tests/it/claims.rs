//! Claims: who has a file in hand, for how long, and what becomes of the file when that worker dies, hangs or is slow.

use std::time::{Duration, Instant};

use crate::isolation::{nothing_is_missing, others_go_on};
use crate::on_both_databases;
use crate::support::{Db, HEADER, Outcome, Proxy, World, eventually, row, telemetry};

on_both_databases!(
    a_dead_worker_of_this_machine_is_seen_at_once,
    a_dead_worker_of_another_container_is_seen_at_once,
    a_living_worker_of_another_container_keeps_its_files,
    a_dead_worker_of_another_host_is_waited_for_and_named,
    a_dead_worker_without_a_lock_is_waited_for_and_named,
    a_dead_worker_of_another_folder_is_waited_for_and_named,
    times_of_a_clock_that_went_wrong_count_as_over,
    a_lease_lapses_in_the_middle_of_every_step,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
const DAY: i64 = 86_400;

fn a_dead_worker_of_this_machine_is_seen_at_once(db: Db) {
    let world = World::new(db);
    for moment in ["claimed", "taken", "opened"] {
        world.file(format!("{moment}.csv"), telemetry(moment, START, 5));
        drop(world.stopped_at(&["run"], moment));
        assert_eq!(world.ok(&["run", "--output", "json"]).count("loaded"), 5, "{moment}");
    }
    assert_eq!(world.files("data"), [""; 0]);
    world.ok(&["verify"]);
}

/// Containers: of the same image again, under another name, with process ids of their own.
const CONTAINERS: [(&[&str], &str); 3] = [
    (&["--pid", "--fork", "--mount-proc"], "\"$0\" \"$@\"; exit $?"),
    (&["--uts"], "hostname elsewhere; \"$0\" \"$@\"; exit $?"),
    (&["--pid", "--fork", "--mount-proc", "--uts", "--ipc", "--net"], "hostname elsewhere; \"$0\" \"$@\"; exit $?"),
];

/// Nobody can see its process; that its lock in the folder is let go, everybody can.
fn a_dead_worker_of_another_container_is_seen_at_once(db: Db) {
    for (namespaces, script) in CONTAINERS {
        // A server is reached over the network.
        if db == Db::Postgres && namespaces.contains(&"--net") {
            continue;
        }
        let world = World::new(db);
        for moment in ["claimed", "taken", "opened", "batch-written", "marked"] {
            world.file(format!("{moment}.csv"), telemetry(moment, START, 5));
            killed_apart(&world, namespaces, script, moment);
            let run = world.ok(&["run", "--output", "json"]);
            assert_eq!(run.count("loaded"), 5, "{namespaces:?} {moment}: {}", run.stderr);
        }
        assert_eq!(world.files("data"), [""; 0]);
        assert_eq!(world.number("SELECT count(*) FROM worker"), 0);
        world.ok(&["verify"]);
    }
}

/// `run` in namespaces of its own, until it ends without a word.
fn killed_apart(world: &World, namespaces: &[&str], script: &str, moment: &str) {
    let mut run = world.apart(namespaces, script, &["run"]);
    let outcome = run.env("FAILPOINTS", format!("{moment}=return")).output().unwrap();
    assert_eq!(outcome.status.code(), Some(137), "{}", String::from_utf8_lossy(&outcome.stderr));
}

/// Stopped or slow, it lives: its files are its own, whoever looks from wherever, until it is gone.
fn a_living_worker_of_another_container_keeps_its_files(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    world.ok(&["scan"]);
    let namespaces = ["--pid", "--fork", "--kill-child", "--mount-proc", "--uts"];
    let mut load = world.apart(&namespaces, CONTAINERS[1].1, &["load"]);
    let mut living = load.env("FAILPOINTS", "claimed=1*return(stop)").spawn().unwrap();
    let in_hand = "SELECT count(*) FROM manifest WHERE worker_id IS NOT NULL";
    eventually(Duration::from_secs(60), "the other to have the file in hand", || world.number(in_hand) == 1);
    for _ in 0..2 {
        let run = world.ok(&["run", "--output", "json"]);
        assert_eq!((run.count("loaded"), run.count("pending")), (0, 1));
        run.expect_stderr(&["1 file is in the hands of process", "on host elsewhere until"]);
    }
    let third =
        world.apart(&["--pid", "--fork", "--mount-proc"], CONTAINERS[0].1, &["run", "--output", "json"]).output();
    assert_eq!(Outcome::from_output("run", &third.unwrap()).expect_code(0).count("loaded"), 0, "seen from a third");
    living.kill().unwrap();
    living.wait().unwrap();
    eventually(Duration::from_secs(10), "a run at once", || {
        world.ok(&["run", "--output", "json"]).count("loaded") == 5
    });
    world.ok(&["verify"]);
}

/// Its lock is judged on the same start of the same machine alone.
fn a_dead_worker_of_another_host_is_waited_for_and_named(db: Db) {
    waited_for_and_named(db, "UPDATE worker SET boot = 'another'");
}

/// As on a file system that gives no locks, and of a program that takes none.
fn a_dead_worker_without_a_lock_is_waited_for_and_named(db: Db) {
    waited_for_and_named(db, "UPDATE worker SET life_lock = NULL");
}

/// As where both mount another folder under the same name.
fn a_dead_worker_of_another_folder_is_waited_for_and_named(db: Db) {
    waited_for_and_named(db, "UPDATE worker SET life_lock = '1:' || life_lock");
}

/// A worker dies where nobody here can see it.
fn waited_for_and_named(db: Db, out_of_sight: &str) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    world.ok(&["scan"]);
    let (namespaces, script) = CONTAINERS[1];
    killed_apart(&world, namespaces, script, "opened");
    world.execute(out_of_sight);
    let host = "elsewhere";

    let run = world.ok(&["run", "--output", "json"]);
    assert_eq!((run.count("loaded"), run.count("pending")), (0, 1));
    let named = ["1 file is in the hands of process", &format!("on host {host} until")];
    run.expect_stderr(&named);
    let status = world.ok(&["status"]).stdout;
    assert!(named.iter().all(|words| status.contains(words)), "{status}");
    let holders = world.ok(&["status", "--output", "json"]).json()["holders"].clone();
    assert_eq!((holders.as_array().unwrap().len(), &holders[0]["files"]), (1, &serde_json::json!(1)), "{holders}");
    assert!(holders[0]["worker"].as_str().unwrap().ends_with(&format!("on host {host}")), "{holders}");
    let until: jiff::Timestamp = holders[0]["until"].as_str().unwrap().parse().unwrap();
    let wait = until.duration_since(jiff::Timestamp::now());
    assert!(wait.as_secs() <= 60, "it is waited for a minute at most, not {wait}");

    world.let_leases_lapse();
    assert_eq!(world.ok(&["run", "--output", "json"]).count("loaded"), 5);
    assert_eq!(world.ok(&["status", "--output", "json"]).json()["holders"], serde_json::json!([]));
    world.ok(&["verify"]);
}

fn times_of_a_clock_that_went_wrong_count_as_over(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    world.ok(&["scan"]);
    let (namespaces, script) = CONTAINERS[1];
    killed_apart(&world, namespaces, script, "opened");
    world.execute("UPDATE worker SET boot = 'another', lease_until = '2124-01-01T00:00:00+00:00'");
    world.execute("UPDATE manifest SET not_before = '2124-01-01T00:00:00+00:00'");
    assert_eq!(world.ok(&["run", "--output", "json"]).count("loaded"), 5);
    world.ok(&["verify"]);
}

const STEPS: [&str; 4] = ["scan", "validate", "aggregate", "load"];

/// Wherever a worker loses its claim to another, what both leave is what one alone leaves.
fn a_lease_lapses_in_the_middle_of_every_step(db: Db) {
    let undisturbed = with_two_files(db);
    STEPS.iter().for_each(|step| drop(undisturbed.ok(&[step])));
    let expected = undisturbed.everything();
    let pass = ["rejected-synced", "rejected-renamed", "reasons-synced", "reasons-renamed"];
    let moments: [(&str, Vec<&str>); 3] = [
        ("validate", [["claimed", "taken", "opened"].as_slice(), &pass, &["committed", "aside-marked"]].concat()),
        ("aggregate", vec!["claimed", "opened", "committed"]),
        (
            "load",
            match db {
                // While it loads, it has the one writer's lock, and nobody can take anything from it.
                Db::Sqlite => vec!["claimed", "committed", "renamed", "moved", "archived"],
                Db::Postgres => [
                    ["claimed", "taken", "opened", "batch-written"].as_slice(),
                    &pass,
                    &["pass-finished", "aggregates-written", "marked", "committed", "renamed", "moved", "archived"],
                ]
                .concat(),
            },
        ),
    ];
    for (step, moments) in moments {
        for moment in moments {
            let world = with_two_files(db);
            STEPS.iter().take_while(|earlier| **earlier != step).for_each(|step| drop(world.ok(&[step])));
            let slow = world.stopped_at(&[step], moment);
            world.let_leases_lapse();
            let other = world.command(&["run"]);
            std::thread::scope(|scope| {
                let other = scope.spawn(move || Outcome::of(&["run"], other));
                // Where it waits for what the slow one has written, it waits until that one is done.
                let started = Instant::now();
                while !other.is_finished() && started.elapsed() < Duration::from_secs(2) {
                    std::thread::sleep(Duration::from_millis(50));
                }
                slow.go_on().expect_code(0);
                other.join().unwrap().expect_code(0);
            });
            world.ok(&["run"]);
            assert_eq!(world.everything(), expected, "{step} at {moment}");
            world.ok(&["verify"]);
        }
    }
}

/// One with bad and repeated rows, one that is refused.
fn with_two_files(db: Db) -> World {
    let world = World::new(db);
    let again = row(START, "pump-1", 20.0);
    let rows = telemetry("pump-1", START + DAY, 20);
    world.config("[contract]\nmax_rejected_ratio = 1.0\n");
    world.file("a.csv", format!("{rows}{again}\n{again}\nsoon,pump-1,0,0,true,0,true,0,0\n"));
    world.file("b.csv", format!("{}\n1,2\n", HEADER.replace("device", "gadget")));
    world
}

/// A machine that was suspended, or a container that was paused, in the middle of its transaction: the server ends it,
/// and who waits for the same keys goes on.
#[test]
fn a_worker_that_hangs_between_two_statements_is_waited_for_a_minute() {
    let world = World::new(Db::Postgres);
    world.file("known.csv", telemetry("pump-1", START - DAY, 1));
    world.ok(&["run"]);
    world.file("a.csv", telemetry("pump-1", START, 20));
    world.ok(&["scan"]);
    let hanging = world.stopped_at(&["load"], "pass-finished");
    others_go_on(&world);
    // Its session is gone; what it had in hand was let go, or another took it over.
    hanging.go_on();
    nothing_is_missing(&world, 20);
}

/// Where its network is gone before its last word, the server still waits for rows of it, and its keys keep others waiting.
#[test]
fn a_worker_that_died_in_the_middle_of_a_copy_leaves_no_session_behind() {
    let world = World::new(Db::Postgres);
    let proxy = Proxy::to(world.url());
    world.file("a.csv", telemetry("pump-1", START, 40_000));
    world.ok(&["scan"]);
    proxy.freeze_in_copy();
    let mut load = world.command(&["load"]);
    let mut copying = load.env("DATABASE_URL", proxy.url()).spawn().unwrap();
    eventually(Duration::from_secs(60), "the COPY to stand still", || proxy.is_frozen());
    copying.kill().unwrap();
    copying.wait().unwrap();
    let began = Instant::now();
    assert_eq!(world.ok(&["run", "--output", "json"]).count("loaded"), 40_000);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    proxy.thaw();
    world.ok(&["verify"]);
}

/// Where a user sees no processes of others, those are not dead.
#[test]
fn a_worker_that_hidepid_hides_is_not_dead() {
    let world = World::new(Db::Postgres);
    world.file("a.csv", telemetry("pump-1", START, 5));
    world.ok(&["scan"]);
    let run = world.as_nobody(&["run", "--output", "json"]);
    let program = run.get_program().to_owned();
    let args: Vec<String> = run.get_args().map(|arg| arg.to_str().unwrap().to_owned()).collect();
    let script = format!(
        "mount -o remount,hidepid=2 /proc || exit 99
         FAILPOINTS='opened=1*return(stop)' \"$0\" load >/dev/null 2>&1 & worker=$!
         until grep -q '^State:.T' /proc/$worker/status; do sleep 0.1; done
         {} {}
         kill -CONT $worker; wait $worker",
        program.display(),
        args.join(" ")
    );
    let outcome = world.apart(&["--pid", "--fork", "--mount-proc"], &script, &[]).output().unwrap();
    let outcome = Outcome::from_output("run", &outcome).expect_code(0);
    assert_eq!((outcome.count("loaded"), outcome.count("pending")), (0, 1), "{}", outcome.stderr);
    assert_eq!((world.stored(), world.files("data").len()), (5, 0));
    world.ok(&["verify"]);
}
