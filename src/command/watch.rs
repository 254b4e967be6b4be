//! `iotpipe loop`: `run` again and again, woken early by file events.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{EventKind, RecursiveMode, Watcher};

use super::exit::Exit;
use super::run;
use super::signals::{STOP, Signals};
use crate::ingest::Context;
use crate::observability::{self, Monitor, ServiceManager};
use crate::progress;
use crate::source::is_private;
use crate::terminal::Summary;

/// Rounds with failures are followed by a wait that doubles up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub fn run(
    context: &Context<'_>,
    interval: Duration,
    signals: &Signals,
    monitor: Option<&Monitor>,
) -> anyhow::Result<Exit> {
    let (wake, woken) = channel();
    signals.begin_work(Some(wake.clone()));
    let _watcher = watch_for_arrivals(context, wake);
    let place = context.config.paths.data.display();
    context.printer.say(&format!("loop: watching {place}, at least every {}", humantime::format_duration(interval)));
    monitor.inspect(|monitor| monitor.watches(true));
    ServiceManager.ready(&format!("watching {place}"));
    let (mut total, mut failures, started) = (Summary::of("loop"), 0u32, Instant::now());
    while !STOP.load(Ordering::Relaxed) {
        let round = Instant::now();
        progress::made();
        let wait = match run::round(context) {
            Ok((mut summary, next_look)) => {
                failures = 0;
                summary.took(round.elapsed());
                if summary.is_eventful() {
                    context.printer.say(&summary.to_string());
                }
                if !summary.retry {
                    monitor.inspect(|monitor| monitor.succeeded());
                }
                total.add(&summary);
                if summary.is_eventful() {
                    ServiceManager.status(&format!("watching {place}; so far {total}"));
                }
                next_look.map_or(interval, |next| next.min(interval))
            }
            Err(error) => {
                failures += 1;
                tracing::error!("{error}");
                observability::database_failed(&error);
                ServiceManager.status(&error.to_string());
                backoff(interval, failures)
            }
        };
        progress::waits(wait);
        wait_for(&woken, wait);
    }
    monitor.inspect(|monitor| monitor.watches(false));
    ServiceManager.stopping();
    total.took(started.elapsed());
    context.printer.say(&format!("{total}; stopped on request"));
    context.observer.end();
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
    let (arrivals, trust_close) = (context.arrivals.clone()?, context.config.trust_close);
    // The latest rename away from a private name, by the number that the two halves of a rename share.
    let mut own = None;
    let arrived = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let is_wanted = event.paths.iter().any(|path| arrivals.concern(path));
        match event.kind {
            // The queue ran over: what was lost is found by a look at the folder, and settles.
            _ if event.need_rescan() => {
                arrivals.forget_all();
                let _ = wake.send(());
            }
            // A file that this program gives back has its wait before it, and news for nobody.
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) if own.is_some() && event.tracker() == own => {}
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) if is_wanted => {
                event.paths.iter().for_each(|path| arrivals.completed(path));
                let _ = wake.send(());
            }
            EventKind::Access(AccessKind::Close(AccessMode::Write)) if is_wanted => {
                if trust_close {
                    event.paths.iter().for_each(|path| arrivals.completed(path));
                }
                let _ = wake.send(());
            }
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) => {
                if event.paths.iter().any(|path| is_private(path)) {
                    own = event.tracker();
                }
                event.paths.iter().for_each(|path| arrivals.forget(path));
            }
            EventKind::Modify(ModifyKind::Data(_)) | EventKind::Remove(_) => {
                event.paths.iter().for_each(|path| arrivals.forget(path));
            }
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
