//! A program that stands still at a failpoint, while a test does what others may do in that moment.

use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Outcome, World, eventually};

/// How long a program may take to get to a failpoint, or to its end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Stopped, as a suspended machine would be: no thread of it runs. Killed when it is dropped.
pub struct Stopped {
    args: String,
    child: Option<Child>,
}

impl World {
    /// Starts the program and lets it run until it comes to the failpoint `moment` for the first time. It has one worker:
    /// another could stand still in a transaction of its own.
    #[track_caller]
    pub fn stopped_at(&self, args: &[&str], moment: &str) -> Stopped {
        let mut command = self.command(args);
        if args[0] != "scan" {
            command.args(["--workers", "1"]);
        }
        command.env("FAILPOINTS", format!("{moment}=1*return(stop)"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stopped = Stopped { args: args.join(" "), child: Some(child) };
        eventually(PATIENCE, &format!("`iotpipe {}` to come to {moment}", args.join(" ")), || stopped.stands_still());
        stopped
    }
}

impl Stopped {
    fn stands_still(&mut self) -> bool {
        let child = self.child.as_mut().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
        let state = stat.rsplit_once(") ").map_or("", |(_, rest)| &rest[..1]);
        assert!(!matches!(state, "Z" | ""), "`iotpipe {}` ended before it came there", self.args);
        state == "T"
    }

    /// Lets it go on to its end.
    pub fn go_on(mut self) -> Outcome {
        let child = self.child.take().unwrap();
        kill_process(Pid::from_child(&child), Signal::CONT).unwrap();
        let output = child.wait_with_output().unwrap();
        Outcome::from_output(&self.args, &output)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
