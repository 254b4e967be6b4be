//! Aggregates of files become totals.

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
