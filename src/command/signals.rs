//! SIGINT and SIGTERM: a graceful stop, in time, from the first moment of a command on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

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

/// The signals of this process, caught.
pub struct Signals(Arc<Work>);

#[derive(Default)]
struct Work {
    /// Whether there is something in hand to finish or to roll back.
    has_begun: AtomicBool,
    wake: Mutex<Option<Sender<()>>>,
}

impl Signals {
    /// Catches them. While nothing is in hand, the first one ends the process: it may be waiting for a database that does
    /// not answer, or for a lock.
    ///
    /// # Errors
    /// When the system does not let them be caught.
    pub fn catch(ending: Ending) -> anyhow::Result<Signals> {
        let failed = "signals can't be caught";
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context(failed)?;
        let caught = {
            let _entered = runtime.enter();
            [SignalKind::interrupt(), SignalKind::terminate()].map(signal)
        };
        let [interrupt, terminate] = caught;
        let (interrupt, terminate) = (interrupt.context(failed)?, terminate.context(failed)?);
        let signals = Signals(Arc::default());
        let work = Arc::clone(&signals.0);
        let listen = move || runtime.block_on(listen(interrupt, terminate, &work, ending));
        std::thread::Builder::new().name("signals".to_owned()).spawn(listen).context(failed)?;
        Ok(signals)
    }

    /// From now on the first signal ends the command after the file in hand, or rolls it back; `wake` is called then. The
    /// second one, or the end of the grace period, ends the process at once, which loses nothing either: what is not
    /// committed is done again.
    pub fn begin_work(&self, wake: Option<Sender<()>>) {
        if let Ok(mut place) = self.0.wake.lock() {
            *place = wake;
        }
        self.0.has_begun.store(true, Ordering::Relaxed);
    }
}

async fn listen(mut interrupt: Signal, mut terminate: Signal, work: &Work, ending: Ending) {
    let mut deadline = None;
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => ending.now(),
        }
        if STOP.swap(true, Ordering::Relaxed) || !work.has_begun.load(Ordering::Relaxed) {
            ending.now();
        }
        deadline = Some(Instant::now() + GRACE);
        if let Ok(wake) = work.wake.lock()
            && let Some(wake) = wake.as_ref()
        {
            let _ = wake.send(());
        }
    }
}
