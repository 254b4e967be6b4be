//! The storm at the edges of ownership: three file systems, writers that replace and append while files are in hand, two
//! processes at once, claims that lapse in mid-work, workers that share a host name and a process id as containers do.
//!
//! Each writer keeps the file that it wrote open, so that it can tell what became of it: bytes whose file lost its last
//! name when the writer itself replaced it were overwritten by him, and may be gone; all others must end in the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use crate::storm::number_from;
use crate::support::assertions::sha256;
use crate::support::{Db, HEADER, MountedDisk, World, row};

const KILLS_A_STORM: usize = 25;
/// A kill comes this many milliseconds after the start at the latest.
const LATEST_KILL: u64 = 200;
const COMMANDS: [&[&str]; 5] =
    [&["run"], &["run", "--workers", "3"], &["validate"], &["load"], &["loop", "--interval", "10ms"]];
/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

#[test]
#[ignore = "minutes; make chaos"]
fn edges_on_sqlite() {
    storms(Db::Sqlite);
}

#[test]
#[ignore = "minutes; make chaos"]
fn edges_on_postgres() {
    storms(Db::Postgres);
}

/// Two storms' worth at every `make test`.
#[test]
fn a_few_edges() {
    for db in [Db::Sqlite, Db::Postgres] {
        let kills = Storm::new(db, 7).blow(8);
        assert!(kills > 0, "nothing was killed");
    }
}

fn storms(db: Db) {
    let (kills, seed) = (number_from("CHAOS_KILLS", 500) as usize, number_from("CHAOS_SEED", 20_261_126));
    let (started, mut killed, mut storms) = (Instant::now(), 0, 0);
    while killed < kills {
        killed += Storm::new(db, seed + storms).blow(KILLS_A_STORM);
        storms += 1;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("edges on {db:?}: {killed} kills in {storms} storms, seed {seed}; each line in one place; {seconds:.0} s");
}

/// A file that a writer wrote, whatever it is called by now.
struct Written {
    file: File,
    name: String,
    /// Seconds of the readings in it; the device is its number.
    readings: Vec<i64>,
    /// A row that breaks the contract, or all of a file that is refused.
    bad: Option<Bad>,
    overwritten: bool,
}

#[derive(Debug)]
enum Bad {
    Row(String),
    File(String),
}

struct Storm {
    world: World,
    random: ChaCha8Rng,
    written: Vec<Written>,
    next_reading: i64,
    _shared_memory: TempDir,
    _mounted: Option<MountedDisk>,
}

impl Storm {
    fn new(db: Db, seed: u64) -> Storm {
        let world = World::new(db);
        let shared_memory = world.elsewhere("processed");
        // Where the tests may mount nothing, it shares the temporary folder's.
        let mounted = MountedDisk::on(&world.path("quarantine"), 1 << 20);
        let devices = ["data", "processed", "quarantine"].map(|name| fs::metadata(world.path(name)).unwrap().dev());
        let devices = BTreeSet::from(devices).len();
        if devices < 3 {
            println!("edges: data/, processed/ and quarantine/ are on {devices} file systems here");
        }
        // The folders have their markers before anything is killed.
        world.ok(&["scan"]);
        let random = ChaCha8Rng::seed_from_u64(seed);
        Storm {
            world,
            random,
            written: Vec::new(),
            next_reading: START,
            _shared_memory: shared_memory,
            _mounted: mounted,
        }
    }

    fn blow(mut self, rounds: usize) -> usize {
        let mut killed = 0;
        for _ in 0..rounds {
            (0..self.random.random_range(1..5)).for_each(|_| self.write());
            let at_once = self.random.random_range(1..4);
            let mut children: Vec<Child> = (0..at_once).map(|_| self.start()).collect();
            let until = Instant::now() + Duration::from_millis(self.random.random_range(5..LATEST_KILL));
            while Instant::now() < until {
                self.write();
                if self.random.random_bool(0.2) {
                    // Whoever is at work has lost its lease.
                    self.world.execute("UPDATE worker SET lease_until = '2000-01-01T00:00:00+00:00'");
                }
                std::thread::sleep(Duration::from_millis(self.random.random_range(1..20)));
            }
            for child in &mut children {
                killed += usize::from(child.try_wait().unwrap().is_none());
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
        self.finish();
        self.count();
        killed
    }

    /// A new file, one in the place of another, or a line more at the end of one.
    fn write(&mut self) {
        let number = self.written.len();
        match self.random.random_range(0..6) {
            0 | 1 if number > 0 => {
                let at = self.random.random_range(0..number);
                self.append(at);
            }
            2 if number > 0 => {
                let name = self.written[self.random.random_range(0..number)].name.clone();
                self.put(name);
            }
            _ => self.put(format!("{number}.csv")),
        }
    }

    fn put(&mut self, name: String) {
        let number = self.written.len();
        let bad = match self.random.random_range(0..10) {
            0 | 1 => Some(Bad::File(format!("ts,of,another,kind\n1,2,3,{number}\n"))),
            2..=4 => Some(Bad::Row(format!("soon,pump-{number},,,,,,,"))),
            _ => None,
        };
        let rows = if matches!(bad, Some(Bad::File(_))) { 0 } else { self.random.random_range(1..400) };
        let readings: Vec<i64> = (0..rows).map(|i| self.next_reading + i).collect();
        self.next_reading += rows;
        let lines: String = readings.iter().map(|ts| row(*ts, &format!("pump-{number}"), 21.5) + "\n").collect();
        let part = self.world.path(format!("data/.{number}.part"));
        let content = match &bad {
            Some(Bad::File(content)) => content.clone(),
            Some(Bad::Row(bad)) => format!("{HEADER}\n{bad}\n{lines}"),
            None => format!("{HEADER}\n{lines}"),
        };
        fs::write(&part, content).unwrap();
        let file = File::open(&part).unwrap();
        let path = self.world.path("data").join(&name);
        let replaced = File::open(&path).ok();
        fs::rename(&part, &path).unwrap();
        // What has no name behind that was replaced before anybody took it in hand.
        let lost = replaced.map(|file| file.metadata().unwrap()).filter(|metadata| metadata.nlink() == 0);
        for written in &mut self.written {
            written.overwritten |= lost.as_ref().is_some_and(|lost| lost.ino() == inode(&written.file));
        }
        self.written.push(Written { file, name, readings, bad, overwritten: false });
    }

    /// By the name under which it was written, as a logger would, where that is still the file.
    fn append(&mut self, at: usize) {
        let path = self.world.path("data").join(&self.written[at].name);
        let Ok(mut file) = OpenOptions::new().append(true).open(path) else { return };
        let own = inode(&file);
        let Some(at) = self.written.iter().position(|written| inode(&written.file) == own) else { return };
        if matches!(self.written[at].bad, Some(Bad::File(_))) {
            return;
        }
        let ts = self.next_reading;
        self.next_reading += 1;
        file.write_all((row(ts, &format!("pump-{at}"), 22.5) + "\n").as_bytes()).unwrap();
        self.written[at].readings.push(ts);
    }

    /// In a process namespace of its own now and then, where it has the process id of every other there.
    fn start(&mut self) -> Child {
        let plain = self.world.command(COMMANDS[self.random.random_range(0..COMMANDS.len())]);
        let contained = self.random.random_bool(0.3) && rustix::process::getuid().is_root();
        let mut command = if contained { in_a_namespace(&plain) } else { plain };
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn finish(&self) {
        // A process in a namespace of its own may outlive its parent by a moment.
        std::thread::sleep(Duration::from_millis(50));
        self.world.execute("UPDATE worker SET lease_until = '2000-01-01T00:00:00+00:00'");
        let started = Instant::now();
        loop {
            let retry = self.world.iotpipe(&["retry"]);
            self.world.execute("UPDATE manifest SET not_before = NULL");
            let run = self.world.iotpipe(&["run", "--output", "json"]);
            if retry.code == 0 && run.count("pending") == 0 && self.world.files("data").is_empty() {
                return;
            }
            let left = "SELECT id, source, state, place, claim_no, worker_id, attempts, last_error FROM manifest
                        WHERE state NOT IN ('loaded', 'duplicate', 'vanished') OR place NOT IN ('processed', 'none')";
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "not finished: {:#?}\n{:#?}\n{}{}",
                self.world.files("data"),
                self.world.lines(left),
                retry.stderr,
                run.stderr
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn count(&self) {
        let mut stored: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
        for line in self.world.query("SELECT device, ts FROM iot_readings") {
            let ts: jiff::Timestamp = line[1].as_deref().unwrap().parse().unwrap();
            stored.entry(line[0].clone().unwrap()).or_default().insert(ts.as_second());
        }
        for (number, written) in self.written.iter().enumerate().filter(|(_, w)| !w.overwritten) {
            let name = format!("pump-{number}");
            let expected: BTreeSet<i64> = written.readings.iter().copied().collect();
            let found = stored.remove(&name).unwrap_or_default();
            let missing: Vec<_> = expected.difference(&found).collect();
            let strange: Vec<_> = found.difference(&expected).collect();
            assert!(
                missing.is_empty() && strange.is_empty(),
                "{name} ({}): lines that are nowhere: {missing:?}; lines that nobody wrote: {strange:?}",
                written.name
            );
        }
        self.archives_are_what_was_loaded();
        self.quarantine_has_what_was_bad();
        // Of what its writer overwrote once it was known, nobody can prove anything.
        let unproved = self.written.iter().any(|written| written.overwritten);
        let verify = self.world.iotpipe(&["verify"]);
        assert!(verify.code == 0 || verify.code == 3 && unproved, "{}{}", verify.stdout, verify.stderr);
    }

    fn quarantine_has_what_was_bad(&self) {
        let files: Vec<(String, String)> = self
            .world
            .files("quarantine")
            .into_iter()
            .map(|name| (name.clone(), String::from_utf8(self.world.read(format!("quarantine/{name}"))).unwrap()))
            .collect();
        for written in self.written.iter().filter(|w| !w.overwritten) {
            let is_there = |(name, content): &(String, String)| match &written.bad {
                Some(Bad::File(bad)) => content == bad,
                Some(Bad::Row(bad)) => name.ends_with(".rejected.csv") && content.lines().any(|line| line == bad),
                None => true,
            };
            assert!(
                written.bad.is_none() || files.iter().any(is_there),
                "{}: {:?} is nowhere",
                written.name,
                written.bad
            );
        }
    }

    /// By SQL and files alone: each loaded file is where the manifest says, with the content that was loaded.
    fn archives_are_what_was_loaded(&self) {
        let entries = self.world.query("SELECT source, place, place_name, sha256 FROM manifest WHERE state = 'loaded'");
        for entry in entries {
            let text = |i: usize| entry[i].clone().unwrap_or_default();
            assert_eq!(text(1), "processed", "{}", text(0));
            assert_eq!(sha256(&self.world.read(format!("processed/{}", text(2)))), text(3), "{}", text(0));
        }
        let unfinished =
            |folder: &str| self.world.files(folder).into_iter().filter(|f| f.contains(".iotpipe-")).count();
        assert_eq!((unfinished("processed"), unfinished("quarantine")), (0, 0), "unfinished files are left");
    }
}

fn inode(file: &File) -> u64 {
    file.metadata().unwrap().ino()
}

fn in_a_namespace(plain: &Command) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(plain.get_program()).args(plain.get_args());
    if let Some(dir) = plain.get_current_dir() {
        command.current_dir(dir);
    }
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}
