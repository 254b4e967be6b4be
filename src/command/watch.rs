//! `iotpipe loop`: `run` again and again, woken early by file events.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{EventKind, RecursiveMode, Watcher};

use super::exit::Exit;
use super::run;
use super::signals::{Ending, STOP, stop_on_signals};
use crate::ingest::Context;
use crate::terminal::Summary;

/// Rounds with failures are followed by a wait that doubles up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub fn run(context: &Context<'_>, interval: Duration) -> anyhow::Result<Exit> {
    let (wake, woken) = channel();
    let ending = Ending { printer: context.printer, step: "loop", code: 0 };
    stop_on_signals(context.store, ending, Some(wake.clone()))?;
    let _watcher = watch_for_arrivals(context, wake);
    let place = context.config.paths.data.display();
    context.printer.say(&format!("loop: watching {place}, at least every {}", humantime::format_duration(interval)));
    let (mut total, mut failures, started) = (Summary::of("loop"), 0u32, Instant::now());
    while !STOP.load(Ordering::Relaxed) {
        let round = Instant::now();
        let wait = match run::round(context) {
            Ok((mut summary, next_look)) => {
                failures = 0;
                summary.took(round.elapsed());
                if summary.is_eventful() {
                    context.printer.say(&summary.to_string());
                }
                total.add(&summary);
                next_look.map_or(interval, |next| next.min(interval))
            }
            Err(error) => {
                failures += 1;
                tracing::error!("{error}");
                backoff(interval, failures)
            }
        };
        wait_for(&woken, wait);
    }
    total.took(started.elapsed());
    context.printer.say(&format!("{total}; stopped on request"));
    context.printer.result(&total);
    Ok(Exit::Done)
}

/// Random, so that the workers that lost a database do not all come back to it at once.
fn backoff(interval: Duration, failures: u32) -> Duration {
    let longest = interval.max(Duration::from_secs(1)).saturating_mul(1 << failures.min(6));
    longest.min(LONGEST_WAIT.max(interval)).mul_f64(rand::random_range(0.5..1.0))
}

fn wait_for(woken: &Receiver<()>, longest: Duration) {
    if let Err(RecvTimeoutError::Disconnected) = woken.recv_timeout(longest) {
        std::thread::sleep(longest);
    }
    // One look at the folder answers all the calls that came meanwhile.
    while woken.try_recv().is_ok() {}
}

/// Without file events (a network share, no watches left) the interval alone finds new files.
fn watch_for_arrivals(context: &Context<'_>, wake: Sender<()>) -> Option<notify::RecommendedWatcher> {
    let arrivals = context.arrivals.clone();
    let arrived = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        match event.kind {
            kind if kind == closed || kind == renamed => {
                event.paths.iter().for_each(|path| arrivals.iter().for_each(|a| a.completed(path)));
                let _ = wake.send(());
            }
            EventKind::Modify(ModifyKind::Data(_)) => {
                event.paths.iter().for_each(|path| arrivals.iter().for_each(|a| a.forget(path)));
            }
            // The queue ran over: what was lost is found by a look at the folder, and settles.
            _ if event.need_rescan() => drop(wake.send(())),
            _ => {}
        }
    };
    let watcher = notify::recommended_watcher(arrived)
        .and_then(|mut w| w.watch(&context.config.paths.data, RecursiveMode::Recursive).map(|()| w));
    match watcher {
        Ok(watcher) => Some(watcher),
        Err(e) => {
            tracing::warn!("no file events ({e}); new files are found at each interval");
            None
        }
    }
}
