//! What this process counts since it began.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::time::Duration;

use prometheus::{Histogram, HistogramOpts};

use crate::error::{Error, Policy};

/// Seconds. A small file takes milliseconds, a gigabyte minutes.
const PASSES: [f64; 12] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0];

/// Counts by a name out of few.
type Counts = Mutex<BTreeMap<&'static str, u64>>;

static PASS_SECONDS: LazyLock<Option<Histogram>> = LazyLock::new(|| {
    let help = "Seconds that one pass over one file took, since the process began.";
    Histogram::with_opts(HistogramOpts::new("iotpipe_pass_seconds", help).buckets(PASSES.to_vec())).ok()
});
static DATABASE_ERRORS: Counts = Counts::new(BTreeMap::new());
static LOST: Counts = Counts::new(BTreeMap::new());

fn add(counts: &Counts, name: &'static str, n: u64) {
    if let Ok(mut counts) = counts.lock() {
        *counts.entry(name).or_default() += n;
    }
}

fn all(counts: &Counts) -> BTreeMap<&'static str, u64> {
    counts.lock().map(|counts| counts.clone()).unwrap_or_default()
}

/// A pass over a file took `time`.
pub fn passed(time: Duration) {
    if let Some(histogram) = &*PASS_SECONDS {
        histogram.observe(time.as_secs_f64());
    }
}

/// Something failed; where it was the database, it counts by what is done about it.
pub fn database_failed(error: &Error) {
    if matches!(error, Error::Store(_)) {
        add(&DATABASE_ERRORS, name_of(error.policy()), 1);
    }
}

/// So many messages to those who follow files were dropped: `traces` or `lineage`.
pub(super) fn lost(kind: &'static str, messages: u64) {
    add(&LOST, kind, messages);
}

/// Every name that [`name_of`] may give a database's error.
pub(super) const POLICIES: [&str; 5] = ["retry_now", "retry_later", "retry_alone", "leave", "stop"];

fn name_of(policy: Policy) -> &'static str {
    match policy {
        Policy::RetryNow => "retry_now",
        Policy::RetryLater => "retry_later",
        Policy::RetryAlone => "retry_alone",
        Policy::Leave => "leave",
        // A database refuses no file, and hands none back.
        Policy::Stop | Policy::Refuse | Policy::HandBack | Policy::Vanish | Policy::Release => "stop",
    }
}

pub(super) fn pass_seconds() -> Option<&'static Histogram> {
    PASS_SECONDS.as_ref()
}

pub(super) fn lost_messages() -> BTreeMap<&'static str, u64> {
    all(&LOST)
}

pub(super) fn database_errors() -> BTreeMap<&'static str, u64> {
    all(&DATABASE_ERRORS)
}
