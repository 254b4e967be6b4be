//! What the terminal shows: one summary per step, a bar per long pass, JSON for other programs.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::cli::Output;

/// Files below this size get no bar.
const LONG_FILE: u64 = 8 << 20;

/// Owns stdout and stderr.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    output: Output,
    quiet: bool,
}

impl Printer {
    /// With the form of the result on stdout, and whether to be quiet on stderr.
    pub fn new(output: Output, quiet: bool) -> Self {
        Self { output, quiet }
    }

    /// A line for people, on stderr.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    /// A result that people asked for, on stdout; for programs, [`Printer::result`] says it.
    pub fn show(&self, text: &str) {
        if self.output == Output::Text {
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }

    /// The one JSON object of a command, on stdout.
    pub fn result(&self, result: &impl Serialize) {
        if self.output == Output::Json
            && let Ok(line) = serde_json::to_string(result)
        {
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }

    /// A bar over the bytes of a file: on a terminal only, and only for files that take a while.
    pub fn progress(&self, name: &str, bytes: u64) -> ProgressBar {
        if self.quiet || bytes < LONG_FILE || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
        let template = "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg} eta {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        bar
    }
}

/// What a step did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Name of the step.
    pub step: &'static str,
    /// Files that came further.
    pub files: u64,
    /// Rows read.
    pub rows: i64,
    /// Rows committed.
    pub loaded: i64,
    /// Rows that break the contract.
    pub rejected: i64,
    /// Rows whose key came before.
    pub duplicates: i64,
    /// Files that failed or were refused whole.
    pub failed: u64,
    /// Files that still wait.
    pub pending: u64,
    /// Time taken.
    pub seconds: f64,
    /// Whether `--strict` minds: rows or files were rejected, or duplicates differ.
    #[serde(skip)]
    pub imperfect: bool,
    /// Whether something failed that may work if tried again.
    #[serde(skip)]
    pub retry: bool,
}

impl Summary {
    /// Of `step`, nothing done yet.
    pub fn of(step: &'static str) -> Self {
        Self { step, ..Self::default() }
    }

    /// Adds what a later step did.
    pub fn add(&mut self, other: &Summary) {
        self.files += other.files;
        self.rows += other.rows;
        self.loaded += other.loaded;
        self.rejected += other.rejected;
        self.duplicates += other.duplicates;
        self.failed += other.failed;
        self.pending = other.pending;
        self.imperfect |= other.imperfect;
        self.retry |= other.retry;
    }

    /// Sets the time taken, to the millisecond.
    pub fn took(&mut self, time: Duration) {
        self.seconds = (time.as_secs_f64() * 1000.0).round() / 1000.0;
    }

    /// Whether anything happened that people want to hear of.
    pub fn is_eventful(&self) -> bool {
        self.files + self.failed > 0
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} {}", self.step, self.files, if self.files == 1 { "file" } else { "files" })?;
        if self.step != "scan" {
            write!(f, ", {} rows", self.rows)?;
        }
        if matches!(self.step, "load" | "run" | "loop" | "replay") {
            write!(f, ", {} loaded", self.loaded)?;
        }
        if self.step != "scan" {
            write!(f, ", {} rejected", self.rejected)?;
        }
        if matches!(self.step, "load" | "run" | "loop" | "replay") {
            write!(f, ", {} duplicate", self.duplicates)?;
        }
        if self.failed > 0 {
            write!(f, ", {} failed or refused", self.failed)?;
        }
        write!(f, ", {} pending ({:.1} s)", self.pending, self.seconds)
    }
}
