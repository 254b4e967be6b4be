//! SIGINT and SIGTERM: a graceful stop, in time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;
use crate::store::Store;

/// Set by the first signal; every command looks at it between files and batches.
pub(super) static STOP: AtomicBool = AtomicBool::new(false);

/// How long the file in hand may take to be finished or rolled back. An orchestrator kills after ten seconds or more.
const PATIENCE: Duration = Duration::from_secs(9);

/// The first signal ends the command after the file in hand, or rolls it back; `wake` is called then. The second one, or
/// the end of the grace period, ends the process at once, which loses nothing either: what is not committed is done again.
/// It ends as `exit` then.
pub fn stop_on_signals(store: &Store, wake: Option<Sender<()>>, exit: Exit) -> anyhow::Result<()> {
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let (wake, code) = (wake.clone(), exit.code());
        let mut signals = store.in_runtime(|| signal(kind)).context("signals can't be caught")?;
        store.spawn(async move {
            while signals.recv().await.is_some() {
                if STOP.swap(true, Ordering::Relaxed) {
                    std::process::exit(code);
                }
                if let Some(wake) = &wake {
                    let _ = wake.send(());
                }
                tokio::spawn(async move {
                    tokio::time::sleep(PATIENCE).await;
                    std::process::exit(code);
                });
            }
        });
    }
    Ok(())
}
