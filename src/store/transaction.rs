//! What a step writes about one file, all in one commit.

use super::StoreError;
use crate::aggregate::Aggregates;
use crate::manifest::State;
use crate::pass::Tally;
use crate::reading::Batch;

/// One transaction for one file or several, each in a part of its own. Dropped without a commit, nothing of it remains.
pub trait LoadTransaction {
    /// Begins the part of the file `file_id`.
    ///
    /// # Errors
    /// When the database is away.
    fn open_file(&mut self, file_id: i64) -> Result<(), StoreError>;

    /// Announces a batch, in the order in which they will be `put`: what can be done before the one ahead of it is
    /// through may begin.
    ///
    /// # Errors
    /// As for `put`.
    fn stage(&mut self, _batch: &Batch, _devices: &[String]) -> Result<(), StoreError> {
        Ok(())
    }

    /// Inserts the readings of `batch` into `iot_raw_data`, and moves those whose key exists to its rejections.
    ///
    /// # Errors
    /// When the database is away, full or busy.
    fn put(&mut self, batch: &mut Batch, devices: &[String]) -> Result<(), StoreError>;

    /// Replaces the open file's aggregates.
    ///
    /// # Errors
    /// As for `put`.
    fn put_aggregates(&mut self, aggregates: &Aggregates, devices: &[String]) -> Result<(), StoreError>;

    /// Writes how far the open file has come, and ends its part.
    ///
    /// # Errors
    /// [`StoreError::ClaimLost`] when the manifest's row is no longer this worker's.
    fn close_file(&mut self, mark: &Mark<'_>) -> Result<(), StoreError>;

    /// Takes back all that was written since `open_file`; nothing when no file is open.
    ///
    /// # Errors
    /// As for `put`.
    fn drop_file(&mut self) -> Result<(), StoreError>;

    /// Adds the aggregates of the files that are now loaded to the totals, and commits everything.
    ///
    /// # Errors
    /// As for `put`.
    fn commit(self: Box<Self>) -> Result<(), StoreError>;
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
    /// The statement, with nine parameters: state, total, loaded, rejected, duplicate, contract, time, worker, file, met in
    /// this order since SQLite counts them so; `now` is the seventh in the database's own words. The condition makes the commit the judge: a file
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
             WHERE claimed_by = $8 AND id = $9 AND state IN ('pending', 'validated', 'aggregated')",
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

/// The aggregates of the files that `which` chooses as one, by Chan's formula for many sets: one row per device, sensor
/// and window.
pub(super) fn merged(which: &str) -> String {
    format!(
        "SELECT device_id, sensor, window_start, CAST(sum(count) AS bigint) AS count, min(min) AS min, max(max) AS max, avg AS mean,
                sum(m2 + count * (mean - avg) * (mean - avg)) AS m2
         FROM (SELECT *, sum(count * mean) OVER same / sum(count) OVER same AS avg FROM file_aggregates
               WHERE {which} WINDOW same AS (PARTITION BY device_id, sensor, window_start)) AS f
         GROUP BY device_id, sensor, window_start, avg"
    )
}

/// Adds the aggregates of `files` to the totals by Chan's formula. In the order of the key, so that two transactions
/// that meet on the same rows wait for each other instead of dying together.
pub(super) fn roll_up(files: &[i64], least: &str, greatest: &str) -> String {
    let ids: Vec<String> = files.iter().map(i64::to_string).collect();
    let rows = match ids.as_slice() {
        [one] => format!("SELECT * FROM file_aggregates WHERE file_id = {one}"),
        many => merged(&format!("file_id IN ({})", many.join(", "))),
    };
    let n = "(s.count + excluded.count)";
    let delta = "(excluded.avg - s.avg)";
    let m2 = format!("(s.m2 + excluded.m2 + {delta} * {delta} * s.count * excluded.count / {n})");
    format!(
        "INSERT INTO sensor_aggregates AS s (device_id, sensor, window_start, count, min, max, avg, m2, stddev)
         SELECT device_id, sensor, window_start, count, min, max, mean, m2,
                CASE WHEN count > 1 THEN sqrt(m2 / (count - 1)) END
         FROM ({rows}) AS f WHERE true ORDER BY device_id, sensor, window_start
         ON CONFLICT (device_id, sensor, window_start) DO UPDATE SET
            count = {n}, min = {least}(s.min, excluded.min), max = {greatest}(s.max, excluded.max),
            avg = s.avg + {delta} * excluded.count / {n}, m2 = {m2}, stddev = sqrt({m2} / ({n} - 1))"
    )
}
