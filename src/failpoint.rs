//! Places where a test may end the process, as a crash or a power cut would, or stop it, as a slow disk or a suspended
//! machine would. Without the feature `failpoints` they are nothing at all.
//!
//! `FAILPOINTS="committed=return"` kills the process the first time it gets there, `"committed=2*off->return"` the
//! third time, `"committed=1*return(stop)"` stops it once until it is told to go on (SIGCONT); see the crate `fail` for
//! more.

/// Every name, in the order in which a run meets them.
pub const ALL: &[&str] = &[
    "listed",
    "hashed",
    "registered",
    "claimed",
    "taken",
    "opened",
    "refusing",
    "batch-written",
    "rejected-synced",
    "rejected-renamed",
    "reasons-synced",
    "reasons-renamed",
    "pass-finished",
    "aggregates-written",
    "marked",
    "committed",
    "aside-marked",
    "copy-synced",
    "copy-renamed",
    "source-removed",
    "handed-back",
    "renamed",
    "moved",
    "archived",
];

/// The same of a `reaggregate`.
pub const OF_REAGGREGATE: &[&str] = &["reaggregation-begun", "reaggregated"];

/// Those of `unload`, and of the files that are looked at again because of it.
pub const OF_UNLOAD: &[&str] = &["taken-out", "rechecked"];

/// Those of `retry`, of a file that grew in the archive.
pub const OF_GROWN: &[&str] =
    &["grown-prefix-copied", "grown-copied", "grown-hidden", "grown-restored", "grown-given-back"];

/// Ends or stops the process here when a test asked for it.
#[inline]
pub fn reach(name: &'static str) {
    debug_assert!(
        [ALL, OF_REAGGREGATE, OF_UNLOAD, OF_GROWN].iter().any(|names| names.contains(&name)),
        "{name} is not in the list"
    );
    #[cfg(feature = "failpoints")]
    fail::fail_point!(name, |how: Option<String>| {
        // SIGKILL, so that nothing is flushed, dropped or rolled back on the way out.
        let signal = if how.as_deref() == Some("stop") { libc::SIGSTOP } else { libc::SIGKILL };
        // SAFETY: neither of the two runs any code of ours. To this very thread: it gets no further.
        unsafe { libc::raise(signal) };
    });
}
