//! Metrics: as a scrape sees them, and as a file of the textfile collector. They say what the manifest says.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::on_both_databases;
use crate::support::{Db, World, eventually, free_address, get, row, telemetry};

on_both_databases!(
    a_scrape_says_what_the_manifest_says,
    those_who_scrape_hold_up_nobody,
    a_file_for_the_textfile_collector,
    a_run_that_fails_keeps_the_time_of_the_last_success,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
const PATIENCE: Duration = Duration::from_secs(60);

/// Every series and its value.
fn series(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let parts = lines.map(|line| line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}")));
    parts.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

fn scrape(address: SocketAddr) -> BTreeMap<String, f64> {
    let (status, text) = get(address, "/metrics").unwrap();
    assert_eq!(status, 200);
    series(&text)
}

/// A good file, one with a bad row, one that repeats rows, and one that is refused.
fn deliver(world: &World) {
    world.file("a.csv", telemetry("pump-1", START, 20));
    let bad = format!("{}{}\nsoon,pump-2,0,0,1,0,1,0,99\n", telemetry("pump-2", START, 30), row(START, "pump-2", 9.5));
    world.file("b.csv", bad);
    world.file("c.csv", telemetry("pump-1", START + 10 * 60, 20));
    world.file("d.csv", "ts,co\n1,2\n");
}

/// What the manifest says, by the names that the metrics have.
fn expected(world: &World) -> BTreeMap<String, f64> {
    let mut expected = BTreeMap::new();
    let sums = "SELECT coalesce(sum(rows_loaded), 0), coalesce(sum(rows_rejected), 0), coalesce(sum(rows_duplicate), 0), \
                coalesce(sum(size), 0) FROM manifest WHERE state = 'loaded'";
    let sums = world.lines(sums).remove(0);
    let sums: Vec<f64> = sums.split('|').map(|n| n.parse().unwrap()).collect();
    for (outcome, n) in ["loaded", "rejected", "duplicate"].iter().zip(&sums) {
        expected.insert(format!("iotpipe_rows_total{{outcome=\"{outcome}\"}}"), *n);
    }
    expected.insert("iotpipe_bytes_total".to_owned(), sums[3]);
    for line in world.lines("SELECT state, count(*) FROM manifest GROUP BY state") {
        let (state, n) = line.split_once('|').unwrap();
        expected.insert(format!("iotpipe_files{{state=\"{state}\"}}"), n.parse().unwrap());
    }
    expected
}

#[track_caller]
fn expect(found: &BTreeMap<String, f64>, expected: &BTreeMap<String, f64>) {
    for (name, value) in expected {
        assert_eq!(found.get(name), Some(value), "{name} in {found:#?}");
    }
}

fn rules(world: &World) -> BTreeMap<String, f64> {
    let mut rules = BTreeMap::new();
    for reason in world.files("quarantine").iter().filter(|name| name.ends_with("reasons.csv")) {
        let text = String::from_utf8(world.read(format!("quarantine/{reason}"))).unwrap();
        for line in text.lines().skip(1).filter(|_| !reason.starts_with("d.")) {
            let rule = line.split(',').nth(4).unwrap();
            *rules.entry(format!("iotpipe_rejections_total{{rule=\"{rule}\"}}")).or_default() += 1.0;
        }
    }
    rules
}

fn a_scrape_says_what_the_manifest_says(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    let address = free_address();
    let running = world.start(&["loop", "--interval", "1s", "--http", &address.to_string()]);
    eventually(PATIENCE, "an answer", || get(address, "/readyz").is_some_and(|(status, _)| status == 200));
    deliver(&world);
    eventually(PATIENCE, "the files", || world.files("data").is_empty() && world.stored() == 20 + 30 + 10);
    eventually(PATIENCE, "the metrics to follow", || {
        scrape(address).get("iotpipe_rows_total{outcome=\"loaded\"}") == Some(&60.0)
    });
    let found = scrape(address);
    expect(&found, &expected(&world));
    expect(&found, &rules(&world));
    assert_eq!(rules(&world).values().sum::<f64>(), 13.0, "a bad timestamp, a temperature, 11 repeats");
    assert_eq!(found["iotpipe_pass_seconds_count"], 4.0);
    assert_eq!(found["iotpipe_oldest_pending_seconds"], 0.0);
    assert_eq!(found["iotpipe_claims{holder=\"own\"}"], 0.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    for time in ["iotpipe_last_success_timestamp_seconds", "iotpipe_manifest_read_timestamp_seconds"] {
        assert!((now - 60.0..now + 1.0).contains(&found[time]), "{time}: {} at {now}", found[time]);
    }
    let quiet = found["iotpipe_device_quiet_seconds{device=\"pump-2\"}"];
    assert!((quiet - (now - (START + 29 * 60) as f64)).abs() < 60.0, "{quiet}");
    assert_eq!(get(address, "/").unwrap().0, 404);
    assert_eq!(running.stop(Signal::TERM, Duration::from_secs(10)), Some(0));
    // The same after a restart, but for what is the process's own.
    let running = world.start(&["loop", "--interval", "1s", "--http", &address.to_string()]);
    eventually(PATIENCE, "metrics", || {
        get(address, "/metrics").is_some_and(|(_, text)| text.contains("iotpipe_files"))
    });
    expect(&scrape(address), &expected(&world));
    drop(running);
}

/// More of them than there is room for, and none of them ever says what it wants.
fn those_who_scrape_hold_up_nobody(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    let address = free_address();
    let running = world.start(&["loop", "--interval", "1s", "--http", &address.to_string()]);
    eventually(PATIENCE, "an answer", || get(address, "/healthz").is_some_and(|(status, _)| status == 200));
    let half_asked: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET /metrics HT").unwrap();
            stream
        })
        .collect();
    let began = Instant::now();
    world.file("a.csv", telemetry("pump-1", START, 10));
    eventually(PATIENCE, "the file", || world.stored() == 10);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    // Who does not ask in time gives way.
    eventually(PATIENCE, "an answer", || get(address, "/healthz").is_some_and(|(status, _)| status == 200));
    assert_eq!(running.stop(Signal::TERM, Duration::from_secs(10)), Some(0));
    drop(half_asked);
}

#[test]
fn a_port_that_is_taken_is_said_at_the_start() {
    let world = World::new(Db::Sqlite);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let advice = ["in use", &address, "another address or port"];
    world.iotpipe(&["loop", "--http", &address]).expect_code(2).expect_stderr(&advice);
    world.iotpipe(&["loop", "--http", "9464"]).expect_code(2).expect_stderr(&["127.0.0.1:9464"]);
    world.config("[monitoring]\nhttp = \"everywhere\"\n");
    world.iotpipe(&["status"]).expect_code(2).expect_stderr(&["monitoring.http", "127.0.0.1:9464"]);
}

fn a_file_for_the_textfile_collector(db: Db) {
    let world = World::new(db);
    std::fs::create_dir(world.path("collector")).unwrap();
    for (step, states) in
        [("scan", "pending"), ("validate", "validated"), ("aggregate", "aggregated"), ("load", "loaded")]
    {
        if step == "scan" {
            deliver(&world);
        }
        world.ok(&[step, "--metrics-file", "collector/iotpipe.prom"]);
        assert_eq!(world.files("collector"), ["iotpipe.prom"]);
        let found = series(&String::from_utf8(world.read("collector/iotpipe.prom")).unwrap());
        expect(&found, &expected(&world));
        assert!(found[&format!("iotpipe_files{{state=\"{states}\"}}")] >= 3.0, "{step}");
        assert_eq!(found["iotpipe_oldest_pending_seconds"] > 0.0, step != "load", "{step}");
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(world.path("collector/iotpipe.prom")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o644, "the collector is another user");
    // Nothing was to be written but a line.
    let run = world.ok(&["run", "--metrics-file", "nowhere/iotpipe.prom", "--output", "json"]);
    run.expect_stderr(&["metrics", "nowhere/iotpipe.prom"]).json();
    world.iotpipe(&["run", "--metrics-file", "collector/iotpipe.prom", "--skip-if-empty"]).expect_code(99);
}

fn a_run_that_fails_keeps_the_time_of_the_last_success(db: Db) {
    let world = World::new(db);
    let last = |name: &str| {
        series(&String::from_utf8(world.read(name)).unwrap()).get("iotpipe_last_success_timestamp_seconds").copied()
    };
    let args = ["run", "--metrics-file", "a.prom"];
    world.file("a.csv", telemetry("pump-1", START, 10));
    world.ok(&args);
    let success = last("a.prom").unwrap();
    for name in ["a.prom", "b.prom"] {
        world.iotpipe(&["run", "--fail-on-empty", "--metrics-file", name]).expect_code(1);
    }
    assert_eq!((last("a.prom"), last("b.prom")), (Some(success), None));
    // Not for a file's sake, but as a whole.
    std::fs::remove_dir_all(world.path("data")).unwrap();
    std::fs::write(world.path("data"), "").unwrap();
    world.iotpipe(&args).expect_code(1);
    assert_eq!(last("a.prom"), Some(success));
    std::fs::remove_file(world.path("data")).unwrap();
    world.iotpipe(&args);
    std::fs::create_dir_all(world.path("data")).unwrap();
    world.ok(&args);
    assert!(last("a.prom").unwrap() > success);
}
