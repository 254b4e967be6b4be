//! Under a service manager of `Type=notify`: it is told when the loop watches, that it gets on, and that it stops.

use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::on_both_databases;
use crate::support::{Db, Outcome, World, telemetry};

on_both_databases!(it_is_told_of_each_step_of_its_life);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

/// The next notice with `word` in it, and all that came before.
fn until(socket: &UnixDatagram, word: &str) -> Vec<String> {
    let mut notices = Vec::new();
    let mut buffer = [0; 4096];
    while !notices.last().is_some_and(|notice: &String| notice.contains(word)) {
        let n = socket.recv(&mut buffer).unwrap_or_else(|e| panic!("{e}: no {word:?} after {notices:?}"));
        notices.push(String::from_utf8(buffer[..n].to_vec()).unwrap());
    }
    notices
}

fn it_is_told_of_each_step_of_its_life(db: Db) {
    let world = World::new(db);
    let socket = UnixDatagram::bind(world.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut command = world.command(&["loop", "--interval", "1h", "--output", "json"]);
    command.env("NOTIFY_SOCKET", world.path("notify")).env("WATCHDOG_USEC", "600000");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let first = until(&socket, "READY=1");
    assert_eq!(first.len(), 1, "{first:?}");
    assert!(first[0].contains("STATUS=watching") && first[0].contains("data"), "{first:?}");
    // Asleep for an hour, and yet alive.
    for _ in 0..5 {
        until(&socket, "WATCHDOG=1");
    }
    world.file("a.csv", telemetry("pump-1", START, 10));
    assert!(until(&socket, "so far").last().unwrap().contains("10 loaded"));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    until(&socket, "STOPPING=1");
    Outcome::from_output("loop", &child.wait_with_output().unwrap()).expect_code(0).json();
}
