//! Whether the program gets on: what a liveness probe and a watchdog ask. Whoever does a piece of work says so, and
//! whoever waits says for how long.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long one piece of work may take: a batch that waits for a lock, a commit on a busy server. What takes longer is
/// stuck.
pub const LONGEST_PIECE: Duration = Duration::from_secs(300);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);
/// Until when the next piece of work must be done, in milliseconds since `START`.
static DUE: AtomicU64 = AtomicU64::new(0);

fn now() -> u64 {
    START.elapsed().as_millis() as u64
}

/// A piece of work is done: a batch of rows, a part of a hash, a look at the folder.
pub fn made() {
    waits(Duration::ZERO);
}

/// Nothing is to be expected for `time`.
pub fn waits(time: Duration) {
    let time = time.saturating_add(LONGEST_PIECE).min(Duration::from_secs(u64::from(u32::MAX)));
    DUE.store(now() + time.as_millis() as u64, Ordering::Relaxed);
}

/// Whether pieces of work are done in time.
pub fn is_alive() -> bool {
    now() <= DUE.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_makes_no_progress_in_time_is_stuck() {
        made();
        assert!(is_alive());
        waits(Duration::MAX);
        assert!(is_alive());
        std::thread::sleep(Duration::from_millis(20));
        DUE.store(now() - 1, Ordering::Relaxed);
        assert!(!is_alive());
        made();
        assert!(is_alive());
    }
}
