//! The database as it stood at one moment, for a proof that nothing moves under.

use sea_orm::sea_query::{Expr, ExprTrait, IntoColumnRef, Order, PostgresQueryBuilder, Query};

use super::duplicate::Earlier;
use super::entity::{device, file_aggregates, iot_raw_data};
use super::error::StoreError;
use super::rollup::{deviation, felt, merged};
use iotpipe_core::aggregate::Stats;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::reading::Batch;

/// Reads what was stored. All answers are of the same moment.
pub trait Snapshot {
    /// For each reading whose key is stored: its index, and the stored row.
    ///
    /// # Errors
    /// When the database can't be asked.
    fn find(&mut self, batch: &Batch, devices: &DeviceNames) -> Result<Vec<(usize, Earlier)>, StoreError>;

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

    /// The stored aggregates of a file.
    ///
    /// # Errors
    /// As for `find`.
    fn aggregates_of(&mut self, file_id: i64) -> Result<Vec<StoredAggregate>, StoreError>;

    /// Totals that are not the sum of the loaded files' aggregates, in words; some of them where there are many.
    ///
    /// # Errors
    /// As for `find`.
    fn drifted_totals(&mut self) -> Result<Vec<String>, StoreError>;
}

/// Rows of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRows {
    /// The file.
    pub file_id: i64,
    /// Its state in the manifest.
    pub state: Option<String>,
    /// Rows in `iot_raw_data`.
    pub rows: i64,
}

/// A line of `file_aggregates`.
#[derive(Debug, Clone)]
pub struct StoredAggregate {
    /// Name of the device.
    pub device: String,
    /// Name of the sensor.
    pub sensor: String,
    /// Start of the window, microseconds since 1970-01-01 UTC.
    pub window_start: i64,
    /// The figures.
    pub stats: Stats,
}

pub(super) const ROWS_BY_FILE: &str = "SELECT r.file_id, m.state, r.n FROM
    (SELECT file_id, count(*) AS n FROM iot_raw_data GROUP BY file_id) r LEFT JOIN manifest m ON m.id = r.file_id";

/// One parameter, the file; `ts` is the time of the reading as text.
pub(super) fn rows_of(ts: &'static str) -> String {
    use iot_raw_data::{Column, Entity};
    Query::select()
        .column((Entity, Column::LineNumber))
        .expr(Expr::cust(format!("device.name || ' at ' || {ts}")))
        .from(Entity)
        .inner_join(device::Entity, device_is((Entity, Column::DeviceId)))
        .and_where(Expr::cust("iot_raw_data.file_id = $1"))
        .order_by((Entity, Column::LineNumber), Order::Asc)
        .to_string(PostgresQueryBuilder)
}

/// One parameter, the file; `micros` is the window's start in microseconds.
pub(super) fn aggregates_of(micros: &'static str) -> String {
    use file_aggregates::{Column, Entity};
    Query::select()
        .column((device::Entity, device::Column::Name))
        .column((Entity, Column::Sensor))
        .expr(Expr::cust(micros))
        .columns([Column::Count, Column::Min, Column::Max, Column::Mean, Column::M2].map(|column| (Entity, column)))
        .from(Entity)
        .inner_join(device::Entity, device_is((Entity, Column::DeviceId)))
        .and_where(Expr::cust("file_aggregates.file_id = $1"))
        .to_string(PostgresQueryBuilder)
}

fn device_is(column: impl IntoColumnRef) -> Expr {
    Expr::col((device::Entity, device::Column::Id)).eq(Expr::col(column))
}

/// Compares both ways round. What was added up in another order may differ in the last digits: by a billionth of the
/// largest value, squared and per value for the squares. Without a mean (a value out of all range) there is none to
/// compare, on either side. As in [`merged`], nothing here overflows: a scale is at most twice the largest value that is
/// averaged, and what is smaller than a float's square root counts as nothing.
pub(super) fn drifted_totals() -> String {
    let merged = merged("file_id IN (SELECT id FROM manifest WHERE state = 'loaded')");
    let scale = format!("(1e-130 + ({}) + ({}))", felt("abs(t.min)"), felt("abs(t.max)"));
    let deviation = deviation("t.m2", "t.count");
    let both = "s.device_id = t.device_id AND s.sensor = t.sensor AND s.window_start = t.window_start";
    format!(
        "WITH t AS ({merged}), drifted AS (
             SELECT t.device_id, t.sensor, t.window_start, t.count AS expected, s.count AS found
             FROM t LEFT JOIN sensor_aggregates s ON {both}
             WHERE s.count IS NULL OR s.count <> t.count OR s.min <> t.min OR s.max <> t.max
                OR CASE WHEN t.mean IS NULL THEN s.avg IS NOT NULL OR s.m2 IS NOT NULL OR s.stddev IS NOT NULL
                        ELSE s.avg IS NULL OR s.m2 IS NULL OR abs(s.avg - t.mean) > 1e-9 * {scale}
                             OR abs(s.m2 - t.m2) > 1e-9 * {scale} * {scale} * t.count
                             OR (t.count > 1 AND (s.stddev IS NULL OR abs(s.stddev - ({deviation})) > 1e-5 * {scale})) END
             UNION ALL
             SELECT s.device_id, s.sensor, s.window_start, 0, s.count
             FROM sensor_aggregates s LEFT JOIN t ON {both} WHERE t.count IS NULL)
         SELECT d.name || ' ' || t.sensor || ' from ' || CAST(t.window_start AS text) || ': the files add up to '
                || CAST(t.expected AS text) || ' values, the total has ' || coalesce(CAST(t.found AS text), 'none')
                || CASE WHEN t.expected = t.found THEN ', and other figures' ELSE '' END
         FROM drifted t JOIN device d ON d.id = t.device_id ORDER BY 1 LIMIT 50"
    )
}
