//! The program is killed at every failpoint, and at random moments; then the run is finished, and every line of every
//! file is counted, by SQL and by the files alone.
//!
//! `make test` kills it once at each failpoint. `make chaos` is the storm: `CHAOS_KILLS` kills (500 unless told) per
//! database, from the seed `CHAOS_SEED`.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the other tests, which use all of it")]
mod support;

mod count;
mod edges;
#[cfg(feature = "failpoints")]
mod failpoints;
mod storm;
