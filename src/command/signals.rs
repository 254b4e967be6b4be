//! SIGINT and SIGTERM: a graceful stop, in time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::store::Store;
use crate::terminal::{Printer, Summary};

/// Set by the first signal; every command looks at it between files and batches.
pub(super) static STOP: AtomicBool = AtomicBool::new(false);

/// How long the file in hand may take to be finished or rolled back. An orchestrator kills after ten seconds or more.
const GRACE: Duration = Duration::from_secs(9);

/// How a command ends that does not come to an end of its own.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    /// Says the result.
    pub printer: Printer,
    /// The command.
    pub step: &'static str,
    /// Exit code: 0 where what was not done is done by the next run, 1 where somebody waits for it.
    pub code: i32,
}

impl Ending {
    fn now(self) -> ! {
        self.printer.result(&Summary::of(self.step));
        std::process::exit(self.code)
    }
}

/// The first signal ends the command after the file in hand, or rolls it back; `wake` is called then. The second one, or
/// the end of the grace period, ends the process at once, which loses nothing either: what is not committed is done again.
pub fn stop_on_signals(store: &Store, ending: Ending, wake: Option<Sender<()>>) -> anyhow::Result<()> {
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let wake = wake.clone();
        let mut signals = store.in_runtime(|| signal(kind)).context("signals can't be caught")?;
        store.spawn(async move {
            while signals.recv().await.is_some() {
                if STOP.swap(true, Ordering::Relaxed) {
                    ending.now();
                }
                if let Some(wake) = &wake {
                    let _ = wake.send(());
                }
                tokio::spawn(async move {
                    tokio::time::sleep(GRACE).await;
                    ending.now();
                });
            }
        });
    }
    Ok(())
}
