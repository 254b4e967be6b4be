//! Transactions that another one was in the way of, once more.

use std::time::Duration;

use crate::error::{Error, Policy};
use crate::observability;
use crate::progress;

/// How often a transaction that another one was in the way of is tried again at once.
const ROUNDS: u32 = 12;
/// Longest wait before the second of these rounds; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(20);
/// Longest wait between two rounds.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Does `work` again, after a random wait, for as long as other transactions are in its way.
///
/// # Errors
/// Those of `work`.
pub fn with_retries<T>(mut work: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let mut wait = FIRST_WAIT;
    for _ in 1..ROUNDS {
        match work() {
            Err(error) if error.policy() == Policy::RetryNow => {
                tracing::debug!("once more: {error}");
                observability::database_failed(&error);
            }
            other => return other,
        }
        progress::made();
        std::thread::sleep(wait.mul_f64(rand::random()));
        wait = (wait * 2).min(LONGEST_WAIT);
    }
    work()
}
