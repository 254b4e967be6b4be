//! The database as it stood at one moment, for a proof that nothing moves under.

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, ExprTrait, IntoColumnRef, PostgresQueryBuilder, Query};

use super::duplicate::Earlier;
use super::entity::{device, file_aggregates};
use super::error::StoreError;
use super::rollup::{deviation, felt, merged};
use iotpipe_core::aggregate::{Stats, TOLERANCE};
use iotpipe_core::contract::Contract;
use iotpipe_core::devices::{DeviceIndex, DeviceNames};
use iotpipe_core::reading::Batch;

/// Reads what was stored. All answers are of the same moment.
pub trait Snapshot {
    /// For each reading whose key is stored: its index, and the stored row.
    ///
    /// # Errors
    /// When the database can't be asked.
    fn find(
        &mut self,
        contract: &Contract,
        batch: &Batch,
        devices: &DeviceNames,
    ) -> Result<Vec<(usize, Earlier)>, StoreError>;

    /// How each entry of the manifest stood: by identity, its state and the number of its latest claim.
    ///
    /// # Errors
    /// As for `find`.
    fn entries(&mut self) -> Result<HashMap<i64, (String, i64)>, StoreError>;

    /// Which files had rows of a file that were set aside, how many, and whether they are
    /// loaded, `None` where the manifest has no such file.
    ///
    /// # Errors
    /// As for `find`.
    fn set_aside_of(&mut self, file_id: i64) -> Result<Vec<(i64, i64, Option<bool>)>, StoreError>;

    /// What stands in `file_aggregates` and `set_aside` of files that are not loaded, and contracts that are not what their
    /// hash says, in words.
    ///
    /// # Errors
    /// As for `find`.
    fn orphans(&mut self) -> Result<Vec<String>, StoreError>;

    /// How many rows the table has of each file, and that file's state, `None` where the manifest has no such file.
    ///
    /// # Errors
    /// As for `find`.
    fn rows_by_file(&mut self) -> Result<Vec<FileRows>, StoreError>;

    /// Line and key of each row of a file, by line.
    ///
    /// # Errors
    /// As for `find`.
    fn rows_of(&mut self, file_id: i64) -> Result<Vec<(i64, String)>, StoreError>;

    /// How many stored aggregates a file has.
    ///
    /// # Errors
    /// As for `find`.
    fn count_aggregates(&mut self, file_id: i64) -> Result<i64, StoreError>;

    /// Gives `take` the stored aggregates of a file, in no order.
    ///
    /// # Errors
    /// As for `find`.
    fn aggregates_of(&mut self, file_id: i64, take: &mut dyn FnMut(StoredAggregate)) -> Result<(), StoreError>;

    /// The identity of a device.
    fn device_id(&self, name: &str) -> Option<i64>;

    /// Rule, column and count of a file's rejections, as they stand in `file_rejections`.
    ///
    /// # Errors
    /// As for `find`.
    fn rejections_of(&mut self, file_id: i64) -> Result<Vec<(String, String, i64)>, StoreError>;

    /// The rows of a file that stand in `rejected_rows`.
    ///
    /// # Errors
    /// As for `find`.
    fn sample_of(&mut self, file_id: i64) -> Result<Vec<SampledRow>, StoreError>;

    /// Totals that are not the sum of the loaded files' aggregates, in words; some of them where there are many.
    ///
    /// # Errors
    /// As for `find`.
    fn drifted_totals(&mut self) -> Result<Vec<String>, StoreError>;
}

/// Identities of devices by their names, of which there may be millions.
#[derive(Default)]
pub(super) struct DeviceIds {
    names: DeviceIndex,
    ids: Vec<i64>,
}

impl DeviceIds {
    /// Adds a device, which is not there.
    pub(super) fn add(&mut self, name: &str, id: i64) {
        self.names.add(name);
        self.ids.push(id);
    }

    /// The identity of the device `name`.
    pub(super) fn get(&self, name: &str) -> Option<i64> {
        self.ids.get(self.names.find(name.as_bytes())? as usize).copied()
    }
}

/// A row of `rejected_rows`, without its message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SampledRow {
    /// Line in the file.
    pub line: i64,
    /// The rule that it breaks.
    pub rule: String,
    /// In which column; empty where the whole row is meant.
    pub column: String,
    /// What stands there.
    pub value: String,
}

/// Rows of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRows {
    /// The file.
    pub file_id: i64,
    /// Its state in the manifest.
    pub state: Option<String>,
    /// Rows in `iot_raw_data` and in `iot_raw_values`.
    pub rows: i64,
}

/// A line of `file_aggregates`.
#[derive(Debug, Clone)]
pub struct StoredAggregate {
    /// The device.
    pub device_id: i64,
    /// Its name.
    pub device: String,
    /// Name of the sensor.
    pub sensor: String,
    /// Start of the window, microseconds since 1970-01-01 UTC.
    pub window_start: i64,
    /// The figures.
    pub stats: Stats,
}

pub(super) const ROWS_BY_FILE: &str = "SELECT r.file_id, m.state, r.n FROM
    (SELECT file_id, CAST(sum(n) AS bigint) AS n FROM (
         SELECT file_id, count(*) AS n FROM iot_raw_data GROUP BY file_id
         UNION ALL SELECT file_id, count(*) FROM iot_raw_values GROUP BY file_id) AS t GROUP BY file_id) r
    LEFT JOIN manifest m ON m.id = r.file_id";

/// One parameter, the file; `time` makes a text of the time of a reading.
pub(super) fn rows_of(time: fn(&str) -> String) -> String {
    let (of_row, of_measurement) = (time("r.ts"), time("v.ts"));
    format!(
        "SELECT r.line_number, d.name || ' at ' || {of_row} FROM iot_raw_data r JOIN device d ON d.id = r.device_id
         WHERE r.file_id = $1
         UNION ALL
         SELECT v.line_number, d.name || ' ' || s.name || ' at ' || {of_measurement} FROM iot_raw_values v
         JOIN device d ON d.id = v.device_id JOIN sensor s ON s.id = v.sensor_id WHERE v.file_id = $1 ORDER BY 1"
    )
}

/// One parameter, the file; `micros` is the window's start in microseconds.
pub(super) fn aggregates_of(micros: &'static str) -> String {
    use file_aggregates::{Column, Entity};
    Query::select()
        .column((Entity, Column::DeviceId))
        .column((device::Entity, device::Column::Name))
        .column((Entity, Column::Sensor))
        .expr(Expr::cust(micros))
        .columns([Column::Count, Column::Min, Column::Max, Column::Mean, Column::M2].map(|column| (Entity, column)))
        .from(Entity)
        .inner_join(device::Entity, device_is((Entity, Column::DeviceId)))
        .and_where(Expr::cust("file_aggregates.file_id = $1"))
        .to_string(PostgresQueryBuilder)
}

/// One parameter, the file.
pub(super) const COUNT_AGGREGATES: &str = "SELECT count(*) FROM file_aggregates WHERE file_id = $1";

fn device_is(column: impl IntoColumnRef) -> Expr {
    Expr::col((device::Entity, device::Column::Id)).eq(Expr::col(column))
}

pub(super) const ENTRIES: &str = "SELECT id, state, claim_no FROM manifest";

/// One parameter, the file.
pub(super) const SET_ASIDE_OF: &str = "SELECT s.because_of, s.rows, m.state = 'loaded'
    FROM set_aside s LEFT JOIN manifest m ON m.id = s.because_of WHERE s.file_id = $1";

/// One parameter, the file.
pub(super) const REJECTIONS_OF: &str = "SELECT rule, column_name, count FROM file_rejections WHERE file_id = $1";

/// One parameter, the file.
pub(super) const SAMPLE_OF: &str =
    "SELECT line_number, rule, column_name, value FROM rejection_sample WHERE file_id = $1";

/// Aggregates of files that are not to have any, and notes about rows of files that are not loaded. An open file may have
/// some of an earlier step.
pub(super) const ORPHANS: &str = "SELECT CAST(a.n AS text) || ' aggregates are of file ' || CAST(a.file_id AS text) || ', '
        || coalesce('which is ' || m.state, 'which the manifest does not know')
    FROM (SELECT file_id, count(*) AS n FROM file_aggregates GROUP BY file_id) a LEFT JOIN manifest m ON m.id = a.file_id
    WHERE m.state IS NULL OR m.state IN ('duplicate', 'rejected', 'unloaded')
    UNION ALL
    SELECT 'set_aside has rows of file ' || CAST(s.file_id AS text) || ', which is not loaded'
    FROM set_aside s LEFT JOIN manifest m ON m.id = s.file_id WHERE m.state IS NULL OR m.state <> 'loaded'";

pub(super) const CONTRACTS: &str = "SELECT hash, body FROM contract";

/// Kept contracts that are not what their hash says.
pub(super) fn false_contracts(kept: Vec<(String, String)>) -> impl Iterator<Item = String> {
    let is_false = |(hash, body): &(String, String)| !Contract::from_toml(body).is_ok_and(|kept| kept.hash == *hash);
    let shown = |(hash, _): (String, String)| {
        format!("the contract {} is not the one that was kept under this hash", hash.get(..12).unwrap_or(&hash))
    };
    kept.into_iter().filter(is_false).map(shown)
}

/// Compares both ways round. What was merged in another order may differ by the tolerance of
/// [`Stats::is_close_to`], which this says in SQL. Without a mean (a value out of all range) there is none to compare, on
/// either side. As in [`merged`], nothing here leaves the range of a float: roots are taken before they are multiplied, and
/// what is smaller than a float's square root counts as nothing.
pub(super) fn drifted_totals() -> String {
    let which = "file_id IN (SELECT id FROM manifest WHERE state = 'loaded')";
    let merged = merged(which);
    let scale = format!("(1e-130 + ({}) + ({}))", felt("abs(t.min)"), felt("abs(t.max)"));
    let (mean, root) = (felt("t.mean"), felt("sqrt(t.m2)"));
    let squares = format!("{TOLERANCE:e} * parts * ({root}) * sqrt(1e-280 + t.m2 + t.count * ({mean}) * ({mean}))");
    let least = felt(&format!("{TOLERANCE:e} * {scale}"));
    let deviation = deviation("s.m2", "s.count");
    let both = "s.device_id = t.device_id AND s.sensor = t.sensor AND s.window_start = t.window_start";
    format!(
        "WITH t AS (
             SELECT f.*, p.parts FROM ({merged}) AS f JOIN (
                 SELECT device_id, sensor, window_start, count(*) AS parts FROM file_aggregates WHERE {which}
                 GROUP BY device_id, sensor, window_start) AS p
             ON p.device_id = f.device_id AND p.sensor = f.sensor AND p.window_start = f.window_start),
         drifted AS (
             SELECT t.device_id, t.sensor, t.window_start, t.count AS expected, s.count AS found
             FROM t LEFT JOIN sensor_aggregates s ON {both}
             WHERE s.count IS NULL OR s.count <> t.count OR s.min <> t.min OR s.max <> t.max
                OR CASE WHEN t.mean IS NULL THEN s.avg IS NOT NULL OR s.m2 IS NOT NULL OR s.stddev IS NOT NULL
                        ELSE s.avg IS NULL OR s.m2 IS NULL OR abs(s.avg - t.mean) > {TOLERANCE:e} * parts * {scale}
                             OR abs(s.m2 - t.m2) > {squares} + t.count * ({least}) * ({least})
                             OR (t.count > 1) <> (s.stddev IS NOT NULL)
                             OR (t.count > 1 AND abs(s.stddev - ({deviation})) > 1e-12 * ({deviation})) END
             UNION ALL
             SELECT s.device_id, s.sensor, s.window_start, 0, s.count
             FROM sensor_aggregates s LEFT JOIN t ON {both} WHERE t.count IS NULL)
         SELECT coalesce(d.name, 'an unknown device') || ' ' || t.sensor || ' from ' || CAST(t.window_start AS text)
                || ': the files add up to ' || CAST(t.expected AS text) || ' values, the total has '
                || coalesce(CAST(t.found AS text), 'none')
                || CASE WHEN t.expected = t.found THEN ', and other figures' ELSE '' END
         FROM drifted t LEFT JOIN device d ON d.id = t.device_id ORDER BY 1 LIMIT 50"
    )
}
