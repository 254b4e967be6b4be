//! What `status` shows.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    Statement,
};
use serde::Serialize;

use super::entity::{Column, Entity, Model as Entry};
use super::state::State;
use super::worker::of_origin;
use crate::store::entity::device;
use crate::store::{Dialect, Session, Store, StoreError};

/// Rows of all files, by where they went.
#[derive(Debug, Default, Serialize, FromQueryResult)]
pub struct RowTotals {
    /// In `iot_raw_data`.
    pub loaded: i64,
    /// In the quarantine.
    pub rejected: i64,
    /// In the quarantine, as repeats.
    pub duplicate: i64,
}

/// A file that did not go through, and why.
#[derive(Debug, Serialize)]
pub struct LastError {
    /// Path below `data/`.
    pub source: String,
    /// Its state.
    pub state: String,
    /// Why.
    pub error: String,
}

/// A device that lags behind the others.
#[derive(Debug, Serialize)]
pub struct QuietDevice {
    /// Its name.
    pub device: String,
    /// Its latest reading.
    pub last_seen: DateTime<Utc>,
}

/// Sums over the loaded files of `origin`, or of all folders.
///
/// # Errors
/// When the database can't be asked.
pub fn row_totals(store: &Store, origin: Option<&str>) -> Result<RowTotals, StoreError> {
    let sql = format!(
        "SELECT CAST(coalesce(sum(rows_loaded), 0) AS bigint) AS loaded,
                      CAST(coalesce(sum(rows_rejected), 0) AS bigint) AS rejected,
                      CAST(coalesce(sum(rows_duplicate), 0) AS bigint) AS duplicate
               FROM manifest WHERE state = 'loaded' AND {}",
        of_origin("origin", origin, store.dialect())
    );
    store.read(async |db| {
        let statement = Statement::from_string(db.get_database_backend(), sql);
        Ok(RowTotals::find_by_statement(statement).one(db).await?.unwrap_or_default())
    })
}

fn is_of(origin: Option<&str>) -> Condition {
    Condition::all().add_option(origin.map(|origin| Column::Origin.eq(origin)))
}

/// The files of `origin` that have no bytes yet.
///
/// # Errors
/// When the database can't be asked.
pub fn empty_arrivals(store: &Store, origin: Option<&str>, limit: u64) -> Result<Vec<String>, StoreError> {
    let files: Vec<Entry> = store.read(async |db| {
        Entity::find()
            .filter(Column::State.eq(State::Arriving.as_str()))
            .filter(Column::Size.eq(0))
            .filter(is_of(origin))
            .order_by_asc(Column::Id)
            .limit(limit)
            .all(db)
            .await
    })?;
    Ok(files.into_iter().map(|file| file.source).collect())
}

/// The latest files of `origin` with an error, newest first.
///
/// # Errors
/// When the database can't be asked.
pub fn last_errors(store: &Store, origin: Option<&str>, limit: u64) -> Result<Vec<LastError>, StoreError> {
    let files: Vec<Entry> = store.read(async |db| {
        Entity::find()
            .filter(Column::LastError.is_not_null())
            .filter(is_of(origin))
            .filter(Column::State.ne("duplicate"))
            .order_by_desc(Column::Id)
            .limit(limit)
            .all(db)
            .await
    })?;
    let error = |f: Entry| LastError { source: f.source, state: f.state, error: f.last_error.unwrap_or_default() };
    Ok(files.into_iter().map(error).collect())
}

#[derive(FromQueryResult)]
struct LastSeen {
    device: String,
    micros: Option<i64>,
}

/// Devices whose latest reading is older than the latest of all by more than `lag`, the longest quiet first. Each
/// device costs one look into the key's index, in the long layout one for each sensor.
///
/// # Errors
/// When the database can't be asked.
pub fn quiet_devices(store: &Store, lag: TimeDelta, limit: u64) -> Result<Vec<QuietDevice>, StoreError> {
    let last_seen = last_seen(store.dialect());
    let mut seen: Vec<LastSeen> = store.read(async |session| {
        device::Entity::find()
            .select_only()
            .column_as(device::Column::Name, "device")
            .expr_as(Expr::cust(last_seen), "micros")
            .into_model::<LastSeen>()
            .all(session)
            .await
    })?;
    seen.sort_unstable_by_key(|device| device.micros);
    let seen: Vec<(String, i64)> =
        seen.into_iter().filter_map(|device| Some((device.device, device.micros?))).collect();
    let latest = seen.last().map_or(0, |(_, micros)| *micros);
    let lag = lag.num_microseconds().unwrap_or(i64::MAX);
    let quiet = seen.into_iter().filter(|(_, micros)| latest - micros > lag).take(limit as usize);
    Ok(quiet
        .map(|(device, micros)| QuietDevice {
            device,
            last_seen: DateTime::from_timestamp_micros(micros).unwrap_or_default(),
        })
        .collect())
}

/// Microseconds since 1970 of a device's latest reading: one look into the key's index.
fn last_seen(dialect: Dialect) -> String {
    // The latest of each sensor is at the end of the key of the long layout.
    let last = "coalesce((SELECT max(r.ts) FROM iot_raw_data r WHERE r.device_id = device.id),
                         (SELECT max((SELECT max(v.ts) FROM iot_raw_values v
                                      WHERE v.device_id = device.id AND v.sensor_id = n.id)) FROM sensor n))";
    match dialect {
        Dialect::Postgres => format!("CAST(extract(epoch FROM {last}) * 1000000 AS bigint)"),
        Dialect::Sqlite => last.to_owned(),
    }
}

/// The `most` devices that have been quiet longest, with the seconds since their latest reading.
pub(super) async fn seconds_by_device(
    session: &Session<'_>,
    dialect: Dialect,
    at: DateTime<Utc>,
    most: u64,
) -> Result<Vec<(String, f64)>, DbErr> {
    let last_seen = last_seen(dialect);
    let sql = format!(
        "SELECT name, seen FROM (SELECT name, {last_seen} AS seen FROM device) AS devices
         WHERE seen IS NOT NULL ORDER BY seen, name LIMIT {most}"
    );
    let quiet_for = |micros: i64| (at.timestamp_micros().saturating_sub(micros).max(0) as f64) / 1e6;
    let rows = session.rows(sql).await?;
    rows.iter().map(|row| Ok((row.try_get_by_index(0)?, quiet_for(row.try_get_by_index(1)?)))).collect()
}

/// Number of files of `origin` by state.
///
/// # Errors
/// When the database can't be asked.
pub fn count_by_state(store: &Store, origin: Option<&str>) -> Result<Vec<(State, i64)>, StoreError> {
    let counts: Vec<(String, i64)> = store.read(async |session| {
        Entity::find()
            .select_only()
            .column(Column::State)
            .column_as(Expr::cust("count(*)"), "n")
            .filter(is_of(origin))
            .group_by(Column::State)
            .into_tuple()
            .all(session)
            .await
    })?;
    Ok(counts.into_iter().filter_map(|(name, n)| Some((State::of(&name)?, n))).collect())
}
