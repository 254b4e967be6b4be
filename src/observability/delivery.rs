//! What is sent elsewhere: from a thread of its own, out of a queue that is never waited for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::process;

/// Messages that wait. What comes when there are so many is dropped, and counted.
const WAITING: usize = 4096;
/// Messages that are sent together.
const TOGETHER: usize = 256;
/// How long the end of the program waits for the last ones, of all kinds together.
pub(super) const LAST: Duration = Duration::from_secs(2);

/// Sends some messages; says why it could not. It may take a while, but not for ever.
pub(super) type Send = Box<dyn FnMut(Vec<Value>) -> Result<(), String> + std::marker::Send>;

/// A queue and the thread that empties it.
pub(super) struct Delivery {
    kind: &'static str,
    queue: Mutex<Option<SyncSender<Value>>>,
    ended: Mutex<Receiver<()>>,
    lost: Arc<AtomicU64>,
    /// Nothing more may be said: the command's result comes next.
    silent: Arc<AtomicBool>,
}

impl Delivery {
    /// Begins to send what is offered; `kind` is the name under which losses are counted.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(kind: &'static str, mut send: Send) -> std::io::Result<Delivery> {
        let (queue, waiting) = sync_channel::<Value>(WAITING);
        let (end, ended) = channel();
        let (lost, silent) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, is_silent) = (Arc::clone(&lost), Arc::clone(&silent));
        let work = move || {
            while let Ok(first) = waiting.recv() {
                let mut messages = vec![first];
                messages.extend(waiting.try_iter().take(TOGETHER - 1));
                let n = messages.len() as u64;
                if let Err(why) = send(messages) {
                    if counted.fetch_add(n, Ordering::Relaxed) == 0 && !is_silent.load(Ordering::Relaxed) {
                        tracing::warn!("{kind} can't be sent: {why}; they are dropped, and the files loaded");
                    }
                    process::lost(kind, n);
                }
            }
            let _ = end.send(());
        };
        std::thread::Builder::new().name(kind.to_owned()).spawn(work)?;
        Ok(Delivery { kind, queue: Mutex::new(Some(queue)), ended: Mutex::new(ended), lost, silent })
    }

    /// Takes nothing more, and waits until `deadline` for what is in the queue; says what was lost.
    pub(super) fn end(&self, deadline: Instant) {
        let Some(queue) = self.queue.lock().ok().and_then(|mut queue| queue.take()) else { return };
        drop(queue);
        let sent_all = self
            .ended
            .lock()
            .is_ok_and(|ended| ended.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok());
        self.silent.store(true, Ordering::Relaxed);
        let lost = self.lost.load(Ordering::Relaxed);
        match (lost, sent_all) {
            (0, true) => {}
            (_, true) => tracing::warn!("{lost} messages of {} were dropped", self.kind),
            (_, false) => tracing::warn!("{lost} messages of {} were dropped, and the last ones", self.kind),
        }
    }

    /// Puts a message in the queue, or drops it where that is full.
    pub(super) fn offer(&self, message: Value) {
        let is_taken = self.queue.lock().is_ok_and(|queue| queue.as_ref().is_some_and(|q| q.try_send(message).is_ok()));
        if !is_taken {
            self.lost.fetch_add(1, Ordering::Relaxed);
            process::lost(self.kind, 1);
        }
    }
}

/// An agent for messages to `kind`'s endpoint: nothing takes longer than `patience`.
pub(super) fn agent(patience: Duration) -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(patience)).build().into()
}

/// Posts `body` as JSON.
pub(super) fn post(agent: &ureq::Agent, url: &str, headers: &[(String, String)], body: &Value) -> Result<(), String> {
    let mut request = agent.post(url).header("Content-Type", "application/json");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.send(body.to_string()).map(drop).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_nobody_empties_holds_up_nobody() {
        let hangs = Box::new(|_| {
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        });
        let began = Instant::now();
        let delivery = Delivery::start("messages", hangs).unwrap();
        (0..2 * WAITING + TOGETHER).for_each(|n| delivery.offer(n.into()));
        assert!(delivery.lost.load(Ordering::Relaxed) >= WAITING as u64);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        delivery.end(Instant::now() + LAST);
        assert!(began.elapsed() < LAST + Duration::from_secs(1), "{:?}", began.elapsed());
    }
}
