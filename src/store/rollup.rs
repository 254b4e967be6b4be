//! Aggregates of files become totals.
//!
//! No sum, product or quotient here leaves the range of a 64-bit float, which PostgreSQL answers with an error, also
//! below: a value beyond [`MAX_AVERAGED`] has no mean and no squares (null, which every formula hands on), and what is
//! smaller than [`LEAST`] counts as nothing.

use iotpipe_core::aggregate::MAX_AVERAGED;

/// A difference below it counts as none: its square, divided by any count, would be no float.
const LEAST: &str = "1e-140";

/// `value`, or 0 where it is too small to be squared.
pub(super) fn felt(value: &str) -> String {
    format!("CASE WHEN abs({value}) < {LEAST} THEN 0 ELSE {value} END")
}

/// Sample standard deviation of `count` values from their squared deviations.
pub(super) fn deviation(m2: &str, count: &str) -> String {
    format!("CASE WHEN {count} > 1 THEN CASE WHEN {m2} < 1e-280 THEN 0 ELSE sqrt({m2} / ({count} - 1)) END END")
}

/// The aggregates of the files that `which` chooses as one, by Chan's formula for many sets: one row per device, sensor
/// and window.
pub(super) fn merged(which: &str) -> String {
    let averaged = format!("min(min) >= -{MAX_AVERAGED:e} AND max(max) <= {MAX_AVERAGED:e}");
    let (sum, delta) = (felt("sum(count * mean) OVER same"), felt("(mean - avg)"));
    format!(
        "SELECT device_id, sensor, window_start, CAST(sum(count) AS bigint) AS count, min(min) AS min, max(max) AS max,
                CASE WHEN {averaged} THEN avg END AS mean,
                CASE WHEN {averaged} THEN sum(m2 + count * ({delta}) * ({delta})) END AS m2
         FROM (SELECT *, ({sum}) / sum(count) OVER same AS avg FROM file_aggregates
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
    let delta = format!("({})", felt("(excluded.avg - s.avg)"));
    let m2 = format!("(s.m2 + excluded.m2 + {delta} * {delta} * s.count * excluded.count / {n})");
    let (first, grown) = (deviation("m2", "count"), deviation(&m2, n));
    format!(
        "INSERT INTO sensor_aggregates AS s (device_id, sensor, window_start, count, min, max, avg, m2, stddev)
         SELECT device_id, sensor, window_start, count, min, max, mean, m2, {first}
         FROM ({rows}) AS f WHERE true ORDER BY device_id, sensor, window_start
         ON CONFLICT (device_id, sensor, window_start) DO UPDATE SET
            count = {n}, min = {least}(s.min, excluded.min), max = {greatest}(s.max, excluded.max),
            avg = s.avg + {delta} * excluded.count / {n}, m2 = {m2}, stddev = {grown}"
    )
}

/// Keeps the aggregates of a loaded file under its negated number while others are computed: the totals that it had a
/// share in are told by both.
pub(super) fn set_by(file_id: i64) -> String {
    format!("UPDATE file_aggregates SET file_id = -{file_id} WHERE file_id = {file_id}")
}

/// Adds up anew, from all loaded files, the totals that `file_id` has a share in, or had before [`set_by`]: a smallest or
/// largest value can't be subtracted. Nobody may add to totals meanwhile.
pub(super) fn add_up_anew(file_id: i64) -> [String; 3] {
    let keys =
        format!("SELECT device_id, sensor, window_start FROM file_aggregates WHERE file_id IN ({file_id}, -{file_id})");
    let key_is_touched = format!("(device_id, sensor, window_start) IN ({keys})");
    let others = merged(&format!("file_id IN (SELECT id FROM manifest WHERE state = 'loaded') AND {key_is_touched}"));
    [
        format!("DELETE FROM sensor_aggregates WHERE {key_is_touched}"),
        format!(
            "INSERT INTO sensor_aggregates (device_id, sensor, window_start, count, min, max, avg, m2, stddev)
             SELECT device_id, sensor, window_start, count, min, max, mean, m2, {} FROM ({others}) AS f",
            deviation("m2", "count")
        ),
        format!("DELETE FROM file_aggregates WHERE file_id = -{file_id}"),
    ]
}
