//! What a step writes about one file, all in one commit.

use super::StoreError;
use crate::aggregate::Aggregates;
use crate::manifest::State;
use crate::pass::Tally;
use crate::reading::Batch;

/// One file's transaction. Dropped without a commit, nothing of it remains.
pub trait LoadTransaction {
    /// Inserts the readings of `batch` into `iot_raw_data`, and moves those whose key exists to its rejections.
    ///
    /// # Errors
    /// When the database is away, full or busy.
    fn put(&mut self, batch: &mut Batch, devices: &[String]) -> Result<(), StoreError>;

    /// Replaces the file's aggregates; with `roll_up`, adds them to `sensor_aggregates` too.
    ///
    /// # Errors
    /// As for `put`.
    fn put_aggregates(&mut self, aggregates: &Aggregates, devices: &[String], roll_up: bool) -> Result<(), StoreError>;

    /// Writes how far the file has come, and commits everything.
    ///
    /// # Errors
    /// [`StoreError::ClaimLost`] when the manifest's row is no longer this worker's; nothing is committed then.
    fn commit(self: Box<Self>, mark: &Mark<'_>) -> Result<(), StoreError>;
}

/// How far a file has come.
#[derive(Debug, Clone, Copy)]
pub struct Mark<'a> {
    /// `validated`, `aggregated` or `loaded`.
    pub state: State,
    /// What the pass counted.
    pub tally: Tally,
    /// The contract that gave the verdicts.
    pub contract_hash: &'a str,
    /// Who holds the claim.
    pub worker: &'a str,
    /// The time, RFC 3339.
    pub now: &'a str,
}

impl Mark<'_> {
    /// The statement, with eight parameters: state, total, loaded, rejected, duplicate, contract, worker, file. `now` is
    /// written into it as the database's own expression for the time. The condition makes the commit the judge: a file
    /// that was taken over, or was loaded by another, is marked by nobody else.
    pub(super) fn statement(&self, now: &str) -> String {
        let reached = |column: &str| format!("{column} = coalesce({column}, {now})");
        let mut times = vec![reached("validated_at")];
        if self.state != State::Validated {
            times.push(reached("aggregated_at"));
        }
        if self.state == State::Loaded {
            times.push(reached("loaded_at"));
        }
        format!(
            "UPDATE manifest SET state = $1, rows_total = $2, rows_loaded = $3, rows_rejected = $4,
             rows_duplicate = $5, contract_hash = $6, {}, last_error = NULL, claimed_by = NULL, lease_until = NULL
             WHERE claimed_by = $7 AND id = $8 AND state IN ('pending', 'validated', 'aggregated')",
            times.join(", ")
        )
    }

    /// Rows loaded and duplicate are known once the file is loaded.
    pub(super) fn loaded_and_duplicate(&self) -> (Option<i64>, Option<i64>) {
        match self.state {
            State::Loaded => (Some(self.tally.loaded), Some(self.tally.duplicate)),
            _ => (None, None),
        }
    }
}

/// Adds a file's aggregates to the totals by Chan's formula. In the order of the key, so that two transactions that
/// meet on the same rows wait for each other instead of dying together.
pub(super) fn roll_up(least: &str, greatest: &str) -> String {
    let n = "(s.count + excluded.count)";
    let delta = "(excluded.avg - s.avg)";
    let m2 = format!("(s.m2 + excluded.m2 + {delta} * {delta} * s.count * excluded.count / {n})");
    format!(
        "INSERT INTO sensor_aggregates AS s (device_id, sensor, window_start, count, min, max, avg, m2, stddev)
         SELECT device_id, sensor, window_start, count, min, max, mean, m2,
                CASE WHEN count > 1 THEN sqrt(m2 / (count - 1)) END
         FROM file_aggregates WHERE file_id = $1 ORDER BY device_id, sensor, window_start
         ON CONFLICT (device_id, sensor, window_start) DO UPDATE SET
            count = {n}, min = {least}(s.min, excluded.min), max = {greatest}(s.max, excluded.max),
            avg = s.avg + {delta} * excluded.count / {n}, m2 = {m2}, stddev = sqrt({m2} / ({n} - 1))"
    )
}
