//! Good files among poisonous ones of every kind: each good one is loaded by plain `run`s, each bad one has its reason,
//! and memory has its bounds. `make poison` does it with a thousand good ones and fifty of each kind.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use crate::on_both_databases;
use crate::support::{Db, HEADER, World, gzip, row, telemetry};

on_both_databases!(good_files_among_poisonous_ones);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
const DAY: i64 = 86_400;
const ROWS: i64 = 5;
/// In KiB.
const MOST_MEMORY: i64 = 256 << 10;
/// Runs after which nothing is left to do.
const MOST_RUNS: usize = 10;

fn count(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

/// What becomes of a delivered file: its state and what its entry says, or what each run says of it where it lies.
enum Fate {
    Loaded(i64),
    Set(&'static str, &'static str),
    Left(&'static str),
}

struct Storm {
    world: World,
    fates: BTreeMap<String, Fate>,
}

impl Storm {
    fn deliver(&mut self, name: impl Into<String>, content: impl AsRef<[u8]>, fate: Fate) {
        let name = name.into();
        self.world.file(&name, content);
        self.fates.insert(name, fate);
    }

    fn names(&mut self, n: usize) {
        let file = || telemetry(&format!("named-{n}"), START + DAY * n as i64, ROWS as u32);
        let long = format!("{n:04}{}.csv", "ü".repeat(123));
        self.deliver(long, file(), Fate::Loaded(ROWS));
        let odd = format!("odd {n}\n\u{1b}[31m\u{202e}'\";$(x)%2f.csv");
        self.deliver(odd, file().replace("named", "odd"), Fate::Loaded(ROWS));
        let mut bytes = format!("bytes{n}-").into_bytes();
        bytes.extend(*b"\xff.csv");
        self.world.file_named_by_bytes(&bytes, file().replace("named", "bytes"));
        self.fates.insert(format!("bytes{n}-"), Fate::Left("UTF-8"));
        // As a file where others need a folder, and the other way round.
        self.deliver(format!("both{n}.csv"), file().replace("named", "both"), Fate::Loaded(ROWS));
    }

    fn sizes(&mut self, n: usize, line_without_end: &[u8]) {
        self.deliver(format!("empty{n}.csv"), "", Fate::Set("rejected", "empty"));
        self.deliver(format!("header{n}.csv"), format!("{HEADER}\n{}", "\n".repeat(n)), Fate::Loaded(0));
        let mut endless = line_without_end.to_vec();
        endless.extend(gzip(format!("{n}")));
        self.deliver(format!("endless{n}.csv.gz"), endless, Fate::Set("rejected", "too_long"));
        let whole = gzip(telemetry(&format!("cut-{n}"), START, 5_000));
        self.deliver(format!("cut{n}.csv.gz"), &whole[..whole.len() / 2], Fate::Set("rejected", "unreadable"));
        let wide = format!("{HEADER},{}\n", ",".repeat(50_000 + n));
        self.deliver(format!("wide{n}.csv"), wide, Fate::Loaded(0));
    }

    fn numbers(&mut self, n: usize) {
        let device = format!("extreme-{n}");
        let values = ["1.79e308", "-1.79e308", "5e-324", "-5e-324", "1e200"];
        let rows = |rows: &[&str]| {
            let row = |(i, v): (usize, &&str)| format!("{},{device},{v},0,1,0,1,0,0\n", START + i as i64);
            format!("{HEADER}\n{}", rows.iter().enumerate().map(row).collect::<String>())
        };
        self.deliver(format!("extreme{n}.csv"), rows(&values), Fate::Loaded(values.len() as i64));
        let none = ["NaN", "inf", "1e999", "-inf", "0x10", "1_000"];
        self.deliver(format!("none{n}.csv"), rows(&none), Fate::Set("rejected", "too_many_rejected"));
        let times = ["9e18", "-9e18", "1e400", "nan"].map(|ts| format!("{ts},{device},0,0,1,0,1,0,0\n"));
        let times = format!("{HEADER}\n{}", times.concat());
        self.deliver(format!("times{n}.csv"), times, Fate::Set("rejected", "too_many_rejected"));
    }

    fn inodes(&mut self, n: usize) -> UnixListener {
        let path = |name: &str| self.world.path("data").join(name);
        assert!(Command::new("mkfifo").arg(path(&format!("pipe{n}.csv"))).status().unwrap().success());
        symlink("/dev/zero", path(&format!("device{n}.csv"))).unwrap();
        symlink("nowhere", path(&format!("dangling{n}.csv"))).unwrap();
        std::fs::create_dir(path(&format!("folder{n}.csv"))).unwrap();
        let socket = UnixListener::bind(path(&format!("socket{n}.csv"))).unwrap();
        for (name, why) in
            [("pipe", "neither"), ("device", "symbolic link"), ("dangling", "symbolic link"), ("socket", "neither")]
        {
            self.fates.insert(format!("{name}{n}.csv"), Fate::Left(why));
        }
        let inside = format!("folder{n}.csv/inside.csv");
        self.deliver(inside, telemetry(&format!("inside-{n}"), START, ROWS as u32), Fate::Loaded(ROWS));
        socket
    }

    fn cardinality(&mut self, n: usize) {
        let many = 2_000;
        let devices: String = (0..many).map(|i| row(START + n as i64, &format!("many-{i}"), 20.0) + "\n").collect();
        self.deliver(format!("devices{n}.csv"), format!("{HEADER}\n{devices}"), Fate::Loaded(many));
        let windows: String = (0..many).map(|i| row(START - i * 3600, &format!("windows-{n}"), 20.0) + "\n").collect();
        self.deliver(format!("windows{n}.csv"), format!("{HEADER}\n{windows}"), Fate::Loaded(many));
    }
}

/// A process that may have so many KiB of address space: it begins, and dies somewhere.
fn run_short_of_memory(world: &World, kib: u32) {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("ulimit -c 0; ulimit -v {kib}; exec \"$0\" run --workers 1")]);
    command.arg(env!("CARGO_BIN_EXE_iotpipe")).current_dir(world.path("")).env("DATABASE_URL", world.url());
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    println!("with {} MiB: {status}", kib >> 10);
}

fn good_files_among_poisonous_ones(db: Db) {
    let (good, each) = (count("POISON_GOOD", 40), count("POISON_EACH", 2));
    let mut storm = Storm { world: World::new(db), fates: BTreeMap::new() };
    let sensors = ["co", "humidity", "light", "lpg", "motion", "smoke", "temp"].map(|name| {
        let kind = if ["light", "motion"].contains(&name) { "boolean" } else { "float" };
        format!("[[contract.sensor]]\nname = '{name}'\ntype = '{kind}'\n")
    });
    storm.world.config(&format!("empty_after = \"0s\"\n{}", sensors.concat()));
    storm.world.ok(&["migrate"]);
    for n in 0..good {
        let content = telemetry(&format!("pump-{}", n % 20), START + (n / 20) as i64 * DAY, ROWS as u32);
        storm.deliver(format!("{}/good{n}.csv", n % 7), content, Fate::Loaded(ROWS));
    }
    let mut line = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    line.write_all(format!("{HEADER}\n{}\n", row(START, "endless", 20.0)).as_bytes()).unwrap();
    (0..66).for_each(|_| line.write_all(&vec![b'x'; 1 << 20]).unwrap());
    let line = line.finish().unwrap();
    let mut sockets = Vec::new();
    for n in 0..each {
        storm.names(n);
        storm.sizes(n, &line);
        storm.numbers(n);
        sockets.push(storm.inodes(n));
        storm.cardinality(n);
    }
    let Storm { world, fates } = storm;
    for kib in [150_000, 400_000, 600_000] {
        run_short_of_memory(&world, kib);
    }
    let mut last = None;
    for _ in 0..MOST_RUNS {
        world.try_execute("UPDATE manifest SET not_before = NULL").unwrap();
        let (outcome, peak) = world.run_with_peak(&["run", "--output", "json"]);
        assert!(peak <= MOST_MEMORY, "{peak} KiB");
        let is_done = outcome.count("pending") == 0 && outcome.count("files") == 0;
        last = Some(outcome.expect_code(1));
        if is_done {
            break;
        }
    }
    let last = last.unwrap();
    assert_eq!((last.count("pending"), last.count("failed_total")), (0, 0), "{}", last.stderr);
    let entries: BTreeMap<String, Vec<Option<String>>> = world
        .query("SELECT source, state, coalesce(rows_loaded, 0), last_error FROM manifest")
        .into_iter()
        .map(|row| (row[0].clone().unwrap(), row))
        .collect();
    for (name, fate) in &fates {
        let entry = |column: usize| entries.get(name).and_then(|row| row[column].clone()).unwrap_or_default();
        match fate {
            Fate::Loaded(rows) => {
                assert_eq!((entry(1).as_str(), entry(2)), ("loaded", rows.to_string()), "{name:?}: {}", entry(3));
            }
            Fate::Set(state, why) => {
                assert_eq!(entry(1), *state, "{name:?}: {}", entry(3));
                assert!(entry(3).contains(why), "{name:?}: {}", entry(3));
            }
            Fate::Left(why) => {
                assert!(!entries.contains_key(name), "{name:?} is entered");
                let is_said = |line: &str| line.contains(name.as_str()) && line.contains(why);
                assert!(last.stderr.lines().any(is_said), "{name:?}: no {why:?} in\n{}", last.stderr);
            }
        }
    }
    let loaded = fates.values().map(|fate| if let Fate::Loaded(rows) = fate { *rows } else { 0 }).sum::<i64>();
    assert_eq!(world.stored(), loaded);
    world.ok(&["verify"]);
}
