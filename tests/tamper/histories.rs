//! Files arrive, are loaded, taken out, corrected, sent again; the contract is edited, the program killed: nothing of
//! that is a difference, and in the end all is in its place.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{Db, World, eventually};
use crate::{number_from, rows};

#[test]
fn some_on_sqlite() {
    histories(Db::Sqlite, 6);
}

#[test]
fn some_on_postgres() {
    histories(Db::Postgres, 3);
}

#[test]
#[ignore = "minutes; make tamper"]
fn many_on_sqlite() {
    histories(Db::Sqlite, number_from("TAMPER_HISTORIES", 200) / 2);
}

#[test]
#[ignore = "minutes; make tamper"]
fn many_on_postgres() {
    histories(Db::Postgres, number_from("TAMPER_HISTORIES", 200) / 2);
}

fn histories(db: Db, times: u64) {
    let seed = number_from("TAMPER_SEED", 20_261_126);
    let mut looks = 0;
    for n in 0..times {
        looks += history(db, seed + n);
    }
    println!("histories on {db:?}: from seed {seed}, {times} histories, {looks} looks without a false alarm");
}

const CONTRACTS: &[&str] = &[
    "[contract]\nmax_rejected_ratio = 0.9\n",
    "[contract]\nmax_rejected_ratio = 0.9\nmax_future = \"2d\"\n",
    "[contract]\nmax_rejected_ratio = 0.5\n",
    "[contract]\nmax_rejected_ratio = 0.9\n[[contract.sensor]]\nname = \"temp\"\nunit = \"K\"\nmax = 16.0\n",
];

fn history(db: Db, seed: u64) -> u64 {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let world = World::new(db);
    world.config(CONTRACTS[0]);
    world.ok(&["migrate"]);
    let mut delivered: Vec<String> = Vec::new();
    let (mut looks, mut done) = (0, Vec::new());
    for n in 0..random.random_range(5..14) {
        let what = step(&world, &mut random, n, &mut delivered);
        done.push(what);
        if random.random_bool(0.5) {
            let outcome = world.iotpipe(&["verify"]);
            let text = format!("seed {seed}, {db:?}, after {done:?}\n{}{}", outcome.stdout, outcome.stderr);
            assert!([0, 3].contains(&outcome.code), "exit {}: {text}", outcome.code);
            looks += 1;
        }
    }
    eventually(Duration::from_secs(60), "the run to be finished", || {
        world.ok(&["retry"]);
        world.iotpipe(&["run", "--output", "json"]).count("pending") == 0
    });
    let outcome = world.iotpipe(&["verify"]);
    let text = format!("seed {seed}, {db:?}, after {done:?}\n{}{}", outcome.stdout, outcome.stderr);
    // A correction that was typed and not sent waits for somebody.
    let waits = outcome.stdout.contains("a correction?") || outcome.stderr.contains("there is nothing to prove");
    assert!(outcome.code == 0 || outcome.code == 3 && waits, "exit {}: {text}", outcome.code);
    looks + 1
}

fn step(world: &World, random: &mut ChaCha8Rng, n: usize, delivered: &mut Vec<String>) -> String {
    match random.random_range(0..13) {
        0..=3 => {
            let again = delivered.choose(random).cloned().filter(|_| random.random_bool(0.3));
            let content = again.unwrap_or_else(|| rows(random));
            world.file(format!("{n}.csv"), &content);
            delivered.push(content);
            let steps: &[&[&str]] = &[&["run"], &["run"], &["scan"], &["load"], &["validate"]];
            let step = steps.choose(random).unwrap();
            world.ok(step);
            format!("deliver {n}.csv, {step:?}")
        }
        4 | 5 => {
            let loaded = world.lines("SELECT source FROM manifest WHERE state = 'loaded' ORDER BY id");
            let Some(name) = loaded.choose(random) else { return "nothing".to_owned() };
            let flag = [None, Some("--again"), Some("--only")].choose(random).copied().flatten();
            let args: Vec<&str> = ["unload", name].into_iter().chain(flag).collect();
            let outcome = world.iotpipe(&args);
            // The same name may have come twice.
            assert!([0, 2].contains(&outcome.code), "{}", outcome.stderr);
            format!("{args:?}")
        }
        6 | 7 => {
            let names = world.files("quarantine");
            let rejected: Vec<&String> = names.iter().filter(|name| name.ends_with(".rejected.csv")).collect();
            let Some(name) = rejected.choose(random) else { return "nothing".to_owned() };
            let path = format!("quarantine/{name}");
            let text = String::from_utf8(world.read(&path)).unwrap();
            fs::write(world.path(&path), text.replacen("hot", "20.5", random.random_range(1..3))).unwrap();
            match random.random_range(0..3) {
                0 => format!("type into {name}"),
                1 => {
                    world.iotpipe(&["replay", &path]);
                    format!("replay {name}")
                }
                _ => {
                    fs::rename(world.path(&path), world.path("data").join(name)).unwrap();
                    format!("move {name} into data/")
                }
            }
        }
        8 => {
            let contract = CONTRACTS.choose(random).unwrap();
            world.config(contract);
            format!("{contract:?}")
        }
        10 => {
            world.file(format!("{n}.csv"), rows(random));
            let running = world.start(&["run"]);
            std::thread::sleep(Duration::from_millis(random.random_range(0..60)));
            let beside = world.iotpipe(&["verify"]);
            assert!([0, 3].contains(&beside.code), "beside a run: {}\n{}", beside.stdout, beside.stderr);
            let mut running = running;
            running.child.wait().unwrap();
            format!("deliver {n}.csv, run beside verify")
        }
        9 => {
            world.ok(&["retry"]);
            "retry".to_owned()
        }
        _ => {
            world.file(format!("{n}.csv"), rows(random));
            let moments =
                ["taken", "opened", "batch-written", "reasons-renamed", "marked", "committed", "renamed", "moved"];
            let moment = moments.choose(random).unwrap();
            let step = ["run", "load", "validate"].choose(random).unwrap();
            let mut command = world.command(&[step]);
            command.env("FAILPOINTS", format!("{moment}=return")).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().unwrap();
            format!("deliver {n}.csv, {step} killed at {moment}")
        }
    }
}
