//! Looks at the manifest for those who scrape, on a thread and a connection of its own: a scrape never waits for the
//! database, and no load for a scrape.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::exposition::{Observed, render};
use crate::manifest;
use crate::progress;
use crate::store::Store;

/// Devices that are named: those that have been quiet longest.
pub(super) const QUIETEST: u64 = 20;
/// Between two looks at the manifest.
const INTERVAL: Duration = Duration::from_secs(5);
/// A look that took long is followed by a wait that is so many times as long: it never takes more than a small share of
/// the server's time.
const SHARE: u32 = 20;

/// What is known of a `loop`, for those who ask.
#[derive(Debug, Default)]
pub struct Monitor {
    observed: Mutex<Observed>,
    watches: AtomicBool,
    database_answers: AtomicBool,
}

impl Monitor {
    /// Begins to look at the files of `origin` at `database_url`, for as long as the process lives; `own` is its worker.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn observe(self: &Arc<Self>, database_url: &str, origin: &str, own: i64) -> std::io::Result<()> {
        let (of, url, origin) = (Arc::clone(self), database_url.to_owned(), origin.to_owned());
        std::thread::Builder::new().name("monitor".to_owned()).spawn(move || of.observe_on(&url, &origin, own))?;
        Ok(())
    }

    fn observe_on(&self, url: &str, origin: &str, own: i64) {
        let mut store = None;
        loop {
            let began = Instant::now();
            if store.is_none() {
                store = Store::open(url, 0).ok();
            }
            let looked = store.as_ref().map(|store| manifest::figures(store, Some(origin), own, QUIETEST));
            let answers = matches!(looked, Some(Ok(_)));
            self.database_answers.store(answers, Ordering::Relaxed);
            match (looked, self.observed.lock()) {
                (Some(Ok(figures)), Ok(mut observed)) => observed.figures = Some(figures),
                (Some(Err(error)), _) => tracing::debug!("no metrics of the manifest: {error}"),
                _ => {}
            }
            let share = if answers { began.elapsed() * SHARE } else { Duration::ZERO };
            std::thread::sleep(INTERVAL.max(share));
        }
    }

    /// The `loop` sees what arrives; or, at its end, no longer.
    pub fn watches(&self, watches: bool) {
        self.watches.store(watches, Ordering::Relaxed);
    }

    /// A round ended without a failure.
    pub fn succeeded(&self) {
        if let (Ok(mut observed), Ok(time)) = (self.observed.lock(), SystemTime::now().duration_since(UNIX_EPOCH)) {
            observed.last_success = Some(time.as_millis() as f64 / 1000.0);
        }
    }

    /// The metrics, as text.
    pub(super) fn metrics(&self) -> String {
        let observed = self.observed.lock().map(|observed| observed.clone()).unwrap_or_default();
        render(&observed)
    }

    /// Whether the program gets on, or why not.
    pub(super) fn health(&self) -> Result<&'static str, &'static str> {
        match progress::is_alive() {
            true => Ok("alive"),
            false => Err("no progress for five minutes"),
        }
    }

    /// Whether files that arrive are loaded, or why not.
    pub(super) fn readiness(&self) -> Result<&'static str, &'static str> {
        match (self.watches.load(Ordering::Relaxed), self.database_answers.load(Ordering::Relaxed)) {
            (true, true) => Ok("ready"),
            (false, _) => Err("not watching the folder yet, or no longer"),
            (true, false) => Err("the database does not answer"),
        }
    }
}
