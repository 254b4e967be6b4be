//! `iotpipe health`, `/healthz` and `/readyz`: quick, and never wrong in the good direction.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::on_both_databases;
use crate::support::{Db, Outcome, Proxy, World, eventually, free_address, get};

on_both_databases!(of_a_loop, of_database_and_folders);

const PATIENCE: Duration = Duration::from_secs(60);
/// What a probe may take.
const QUICK: Duration = Duration::from_secs(6);

#[track_caller]
fn probe(world: &World, args: &[&str], code: i32) -> Outcome {
    let began = Instant::now();
    let outcome = world.iotpipe(&[&["health", "--output", "json"], args].concat()).expect_code(code);
    assert!(began.elapsed() < QUICK, "{:?}", began.elapsed());
    assert_eq!(outcome.json()["step"], "health");
    outcome
}

fn of_a_loop(db: Db) {
    let world = World::new(db);
    let address = free_address();
    let args = ["--http", &address.to_string()];
    probe(&world, &args, 1).expect_stderr(&["nobody answers", &address.to_string()]);
    // At all addresses; by the environment, the file and the flag.
    world.config(&format!("[monitoring]\nhttp = \"0.0.0.0:{}\"\n", address.port()));
    let running = world.start(&["loop", "--interval", "1s"]);
    eventually(PATIENCE, "it to be alive", || world.iotpipe(&["health"]).code == 0);
    probe(&world, &[], 0);
    probe(&world, &args, 0);
    world.config("");
    let mut by_environment = world.command(&["health"]);
    by_environment.env("IOTPIPE_HTTP", address.to_string());
    Outcome::of(&["health"], by_environment).expect_code(0).expect_stderr(&[&address.to_string()]);
    eventually(PATIENCE, "it to be ready", || get(address, "/readyz").is_some_and(|(status, _)| status == 200));
    let process = Pid::from_child(&running.child);
    kill_process(process, Signal::STOP).unwrap();
    probe(&world, &args, 1);
    kill_process(process, Signal::CONT).unwrap();
    probe(&world, &args, 0);
    assert_eq!(running.stop(Signal::TERM, Duration::from_secs(10)), Some(0));
    probe(&world, &args, 1);
}

fn of_database_and_folders(db: Db) {
    let world = World::new(db);
    if db == Db::Sqlite {
        std::fs::create_dir(world.path("processed")).unwrap();
        std::fs::create_dir(world.path("quarantine")).unwrap();
        probe(&world, &[], 1).expect_stderr(&["iotpipe.db", "no such file"]);
        assert!(!world.path("iotpipe.db").exists(), "a probe changes nothing");
    }
    world.ok(&["run"]);
    probe(&world, &[], 0);
    // An empty variable is none.
    let mut command = world.command(&["health"]);
    command.env("IOTPIPE_HTTP", "");
    Outcome::of(&["health"], command).expect_code(0);
    std::fs::remove_dir_all(world.path("quarantine")).unwrap();
    probe(&world, &[], 1).expect_stderr(&["quarantine"]);
}

#[test]
fn a_database_that_does_not_answer_takes_no_longer() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let world = World::new(Db::Sqlite);
    world.ok(&["run"]);
    let url = format!("postgres://u:secret@{}/x", silent.local_addr().unwrap());
    let outcome = probe(&world, &["--database-url", &url], 1);
    assert!(!outcome.stderr.contains("secret"), "{}", outcome.stderr);
}

#[test]
fn without_its_database_a_loop_is_alive_and_not_ready() {
    let direct = World::new(Db::Postgres);
    direct.ok(&["migrate"]);
    let proxy = Proxy::to(direct.url());
    let address = free_address();
    let mut command = direct.command(&["loop", "--interval", "1s", "--http", &address.to_string()]);
    command.env("DATABASE_URL", proxy.url()).stdout(Stdio::null()).stderr(Stdio::null());
    let _running = crate::support::Running { child: command.spawn().unwrap() };
    let is = |path: &str, status: u16| get(address, path).is_some_and(|(s, _)| s == status);
    eventually(PATIENCE, "it to be ready", || is("/readyz", 200));
    proxy.cut();
    eventually(PATIENCE, "it to see that the database is away", || is("/readyz", 503));
    assert!(is("/healthz", 200) && is("/metrics", 200));
    proxy.mend();
    eventually(PATIENCE, "it to be ready again", || is("/readyz", 200));
}
