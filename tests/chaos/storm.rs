//! Random commands, killed at random moments, while files go on arriving.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::count::{Count, every_line_is_in_one_place};
use crate::support::{Db, HEADER, World, eventually, gzip};

/// Kills on one folder before it is counted.
const KILLS_A_STORM: usize = 20;
/// A kill comes this many milliseconds after the start at the latest; a run takes less.
const LATEST_KILL: u64 = 150;
const COMMANDS: [&[&str]; 6] =
    [&["run"], &["run", "--workers", "4"], &["load"], &["validate"], &["aggregate"], &["loop", "--interval", "10ms"]];

#[test]
#[ignore = "minutes; make chaos"]
fn storm_on_sqlite() {
    storms(Db::Sqlite);
}

#[test]
#[ignore = "minutes; make chaos"]
fn storm_on_postgres() {
    storms(Db::Postgres);
}

fn storms(db: Db) {
    let kills = number_from("CHAOS_KILLS", 500) as usize;
    let seed = number_from("CHAOS_SEED", 20_261_124);
    println!("chaos on {db:?}: seed {seed}");
    let (started, mut hits, mut total, mut storms) = (Instant::now(), BTreeMap::new(), Count::default(), 0);
    while hits.values().sum::<usize>() < kills {
        let count = storm(db, seed + storms, &mut hits);
        total.files += count.files;
        total.rows += count.rows;
        total.loaded += count.loaded;
        total.set_aside += count.set_aside;
        storms += 1;
    }
    println!(
        "chaos on {db:?}: {} kills in {storms} storms; {} files, {} rows = {} loaded + {} set aside, each line in one \
         place; {:.0} s",
        hits.values().sum::<usize>(),
        total.files,
        total.rows,
        total.loaded,
        total.set_aside,
        started.elapsed().as_secs_f64()
    );
    hits.iter().for_each(|(state, n)| println!("    {n:4} times it left {state}"));
}

pub fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

fn storm(db: Db, seed: u64, hits: &mut BTreeMap<&'static str, usize>) -> Count {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let world = World::new(db);
    world.ok(&["migrate"]);
    let mut delivered: Vec<(String, Vec<u8>)> = Vec::new();
    for round in 0..KILLS_A_STORM {
        for _ in 0..random.random_range(1..4) {
            deliver(&world, &mut random, &mut delivered);
        }
        world.ok(&["scan"]);
        let at_once = if round % 4 == 3 { 2 } else { 1 };
        let mut children: Vec<Child> = (0..at_once).map(|_| start(&world, &mut random)).collect();
        std::thread::sleep(Duration::from_millis(random.random_range(1..LATEST_KILL)));
        for child in &mut children {
            let running = child.try_wait().unwrap().is_none();
            child.kill().unwrap();
            child.wait().unwrap();
            if running {
                *hits.entry(what_was_left(&world)).or_default() += 1;
            }
        }
    }
    eventually(Duration::from_secs(60), "the run to be finished", || {
        // A file that was in hand at five kills in a row is given up, as one that kills its worker should be.
        world.ok(&["retry"]);
        world.iotpipe(&["run", "--output", "json"]).count("pending") == 0 && world.files("data").is_empty()
    });
    let count = every_line_is_in_one_place(&world, &delivered);
    world.ok(&["verify"]);
    count
}

fn start(world: &World, random: &mut ChaCha8Rng) -> Child {
    let mut command: Command = world.command(COMMANDS[random.random_range(0..COMMANDS.len())]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The furthest that a kill interrupted.
fn what_was_left(world: &World) -> &'static str {
    let some = |condition: &str| world.number(&format!("SELECT count(*) FROM manifest WHERE {condition}")) > 0;
    if some("worker_id IS NOT NULL") {
        "files in hand"
    } else if some("state IN ('loaded', 'duplicate', 'rejected') AND archived_at IS NULL") {
        "files committed but not moved"
    } else if some("state IN ('pending', 'validated', 'aggregated')") {
        "files pending, none in hand"
    } else {
        "nothing to do"
    }
}

/// A new file: synthetic with defects, lines of earlier ones in another order, an earlier one again, or no good at all.
fn deliver(world: &World, random: &mut ChaCha8Rng, delivered: &mut Vec<(String, Vec<u8>)>) {
    let number = delivered.len();
    let plain: Vec<&Vec<u8>> = delivered.iter().filter(|(name, _)| !name.ends_with(".gz")).map(|(_, b)| b).collect();
    let (name, bytes) = match random.random_range(0..10) {
        0 if number > 2 => (format!("{number}.csv"), plain[random.random_range(0..plain.len())].clone()),
        1 => (format!("{number}.csv"), b"ts,device\n1,2\n".to_vec()),
        2 | 3 if plain.len() > 2 => (format!("{number}.csv"), mixed(&plain, random)),
        4 => (format!("{number}.csv.gz"), gzip(synthetic(world, random))),
        _ => (format!("{number}.csv"), synthetic(world, random)),
    };
    world.file(&name, &bytes);
    delivered.push((name, bytes));
}

fn synthetic(world: &World, random: &mut ChaCha8Rng) -> Vec<u8> {
    let (rows, seed) = (random.random_range(1..3000).to_string(), random.random::<u32>().to_string());
    let start = format!("2026-01-{:02}T00:00:00Z", random.random_range(1..28));
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    world.ok(&[
        "generate",
        "--out",
        folder,
        "--rows",
        &rows,
        "--seed",
        &seed,
        "--start",
        &start,
        "--error-rate",
        "0.05",
    ]);
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    std::fs::read(file).unwrap()
}

/// Lines of two earlier files, last first.
fn mixed(files: &[&Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = format!("{HEADER}\n").into_bytes();
    for _ in 0..2 {
        let file = files[random.random_range(0..files.len())];
        let lines: Vec<&[u8]> = file.split(|b| *b == b'\n').skip(1).filter(|line| !line.is_empty()).collect();
        for line in lines.iter().rev().take(500) {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
    }
    bytes
}
