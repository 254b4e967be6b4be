//! `iotpipe loop`: `run` again and again, woken early by file events.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{EventKind, RecursiveMode, Watcher};
use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, STOP, run};
use crate::printer::Summary;
use crate::step::Workshop;

/// Rounds with failures are followed by a wait that doubles up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub fn run(shop: &Workshop<'_>, interval: Duration) -> anyhow::Result<Exit> {
    let (wake, woken) = channel();
    stop_on_signals(shop, wake.clone())?;
    let _watcher = watch_for_arrivals(shop, wake);
    let place = shop.config.paths.data.display();
    shop.printer.say(&format!("loop: watching {place}, at least every {}", humantime::format_duration(interval)));
    let (mut total, mut failures, started) = (Summary::of("loop"), 0u32, Instant::now());
    while !STOP.load(Ordering::Relaxed) {
        let round = Instant::now();
        match run::run(shop) {
            Ok(mut summary) => {
                failures = 0;
                summary.took(round.elapsed());
                if summary.is_eventful() {
                    shop.printer.say(&summary.to_string());
                }
                total.add(&summary);
            }
            Err(error) => {
                failures += 1;
                tracing::error!("{error}");
            }
        }
        let wait = if failures == 0 { interval } else { backoff(interval, failures) };
        wait_for(&woken, wait);
    }
    total.took(started.elapsed());
    shop.printer.say(&format!("{total}; stopped on request"));
    shop.printer.result(&total);
    Ok(Exit::Done)
}

fn backoff(interval: Duration, failures: u32) -> Duration {
    interval.max(Duration::from_secs(1)).saturating_mul(1 << failures.min(6)).min(LONGEST_WAIT.max(interval))
}

fn wait_for(woken: &Receiver<()>, longest: Duration) {
    if let Err(RecvTimeoutError::Disconnected) = woken.recv_timeout(longest) {
        std::thread::sleep(longest);
    }
    // One look at the folder answers all the calls that came meanwhile.
    while woken.try_recv().is_ok() {}
}

/// The first signal ends the loop after the file in hand, or rolls it back; the second ends the process at once, which
/// loses nothing either: what is not committed is done again.
fn stop_on_signals(shop: &Workshop<'_>, wake: Sender<()>) -> anyhow::Result<()> {
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let wake = wake.clone();
        let mut signals = shop.store.in_runtime(|| signal(kind)).context("signals can't be caught")?;
        shop.store.spawn(async move {
            while signals.recv().await.is_some() {
                if STOP.swap(true, Ordering::Relaxed) {
                    std::process::exit(0);
                }
                let _ = wake.send(());
            }
        });
    }
    Ok(())
}

/// Without file events (a network share, no watches left) the interval alone finds new files.
fn watch_for_arrivals(shop: &Workshop<'_>, wake: Sender<()>) -> Option<notify::RecommendedWatcher> {
    let arrived = move |event: notify::Result<notify::Event>| {
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        if event.is_ok_and(|e| e.kind == closed || e.kind == renamed || e.need_rescan()) {
            let _ = wake.send(());
        }
    };
    let watcher = notify::recommended_watcher(arrived)
        .and_then(|mut w| w.watch(&shop.config.paths.data, RecursiveMode::Recursive).map(|()| w));
    match watcher {
        Ok(watcher) => Some(watcher),
        Err(e) => {
            tracing::warn!("no file events ({e}); new files are found at each interval");
            None
        }
    }
}
