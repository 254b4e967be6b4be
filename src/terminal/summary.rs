//! What a step did, in numbers and in words.

use std::time::Duration;

use serde::Serialize;

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
    /// Files that are given up, by whichever run.
    pub failed_total: u64,
    /// Files that still wait.
    pub pending: u64,
    /// The names of the first of them, as `--file` takes them, where the step is one that lists them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_files: Option<Vec<String>>,
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

    /// Whether there was nothing to do: no file came further or failed, and none waits.
    pub fn is_empty(&self) -> bool {
        self.files + self.failed + self.pending == 0
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
