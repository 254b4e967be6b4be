//! How much memory the program takes.

use std::process::Stdio;
use std::time::Duration;

use super::{Outcome, World};

impl World {
    /// Runs the program to its end; gives its peak of resident memory too, in KiB.
    pub fn run_with_peak(&self, args: &[&str]) -> (Outcome, i64) {
        let mut command = self.command(args);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let id = child.id();
        let reader = std::thread::spawn(move || child.wait_with_output().unwrap());
        let mut peak = 0;
        while !reader.is_finished() {
            peak = peak.max(peak_of(id));
            std::thread::sleep(Duration::from_millis(2));
        }
        (Outcome::from_output(&args.join(" "), &reader.join().unwrap()), peak)
    }
}

/// The high-water mark of a process that runs, in KiB: whatever happened between two looks is in it.
fn peak_of(process: u32) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    mark.map_or(0, |mark| mark.trim().trim_end_matches(" kB").parse().unwrap())
}
