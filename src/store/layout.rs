//! Whether the readings have a column per sensor or a row per measurement, which everyone on a database must agree about:
//! a key of device and time says nothing against one of device, sensor and time.
//!
//! `setting` pins it. It changes where no row is stored; a load looks at it before its commit, and keeps it as it is until
//! then.

use std::collections::HashMap;

use iotpipe_core::contract::{Contract, Sensor, SensorType};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, Set};

use super::entity::sensor;
use super::error::Cause;
use super::window::{self, number};

const WIDE: i64 = 0;
const LONG: i64 = 1;

const PINNED: &str = "SELECT value FROM setting WHERE name = 'layout'";
/// What a load looks at before its commit: the layout, then the length of windows.
pub(super) const PINS: &str = "SELECT value FROM setting WHERE name IN ('layout', 'window_micros') ORDER BY name";

/// The layout of `contract` as it is pinned.
pub(super) fn of(contract: &Contract) -> i64 {
    if contract.long.is_some() { LONG } else { WIDE }
}

/// Whether the layout of `contract` is the pinned one.
pub(super) async fn is_pinned(db: &impl ConnectionTrait, contract: &Contract) -> Result<bool, DbErr> {
    Ok(number(db, PINNED).await? == Some(of(contract)))
}

/// Whether the readings have a row per measurement.
pub(super) async fn is_long(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    Ok(number(db, PINNED).await? == Some(LONG))
}

/// Pins the layout of `contract` where no row is stored in another; says whether it was another.
pub(super) async fn pin(db: &impl ConnectionTrait, contract: &Contract) -> Result<bool, Cause> {
    let wanted = of(contract);
    if is_pinned(db, contract).await? {
        return Ok(false);
    }
    // A load that has looked at it ends first; one that looks later sees this.
    db.execute_unprepared(&format!("UPDATE setting SET value = {wanted} WHERE name = 'layout'")).await?;
    let other = if wanted == LONG { "iot_raw_data" } else { "iot_raw_values" };
    // Rows that were set aside may yet be stored, where those that came first are taken out.
    let stored = format!(
        "SELECT (SELECT count(*) FROM (SELECT 1 FROM {other} LIMIT 1) r)
              + (SELECT count(*) FROM (SELECT 1 FROM set_aside LIMIT 1) s)"
    );
    match number(db, &stored).await? {
        Some(0) => Ok(true),
        _ => Err(Cause::Schema(mismatch(wanted))),
    }
}

/// Whether `pins`, which [`PINS`] gave, are those of `contract`.
pub(super) fn expect_pins(pins: &[i64], contract: &Contract) -> Result<(), String> {
    match *pins {
        [layout, _] if layout != of(contract) => Err(mismatch(of(contract))),
        [_, window] if window == contract.window_micros => Ok(()),
        _ => Err(window::other(pins.last().copied().unwrap_or_default(), contract.window_micros)),
    }
}

/// The table of the readings that `contract` declares.
pub(crate) fn readings_table(contract: &Contract) -> &'static str {
    if contract.long.is_some() { "iot_raw_values" } else { "iot_raw_data" }
}

/// The statements that take out the rows of a file, whichever layout they have.
pub(super) fn delete_rows(file_id: i64) -> [String; 2] {
    ["iot_raw_data", "iot_raw_values"].map(|table| format!("DELETE FROM {table} WHERE file_id = {file_id}"))
}

/// That the database does not have the layout `wanted`.
pub(super) fn mismatch(wanted: i64) -> String {
    let (stored, wanted) = match wanted {
        LONG => ("a column per sensor (contract.layout = \"wide\")", "long"),
        _ => ("a row per measurement (contract.layout = \"long\")", "wide"),
    };
    format!(
        "the readings in the database have {stored}, the contract says layout = \"{wanted}\"; give it a database of its \
         own, or a schema: postgres://…?options=-csearch_path%3Diotpipe; or take the loaded files out first \
         (`iotpipe unload`)"
    )
}

/// Gives each sensor of the long layout its number; says whether one of whole numbers is to hold others, too.
pub(super) async fn register(db: &impl ConnectionTrait, contract: &Contract) -> Result<bool, Cause> {
    let known = known(db).await?;
    let mut widened = false;
    for sensor in &contract.sensors {
        let wanted = kind(sensor);
        match known.get(&sensor.name).map(String::as_str) {
            Some(found) if found == wanted => {}
            None => {
                let row = sensor::ActiveModel {
                    name: Set(sensor.name.clone()),
                    kind: Set(wanted.to_owned()),
                    ..Default::default()
                };
                sensor::Entity::insert(row).exec_without_returning(db).await?;
            }
            Some("integer") if sensor.kind == SensorType::Float => {
                let row = sensor::ActiveModel { kind: Set(wanted.to_owned()), ..Default::default() };
                sensor::Entity::update_many().set(row).filter(sensor::Column::Name.eq(&sensor.name)).exec(db).await?;
                widened = true;
            }
            Some(found) => {
                return Err(Cause::Schema(format!(
                    "the values of {} are of type {found}, but the contract says {wanted}; give the sensor another name",
                    sensor.name
                )));
            }
        }
    }
    Ok(widened)
}

/// Whether each sensor of the long layout has its number.
pub(super) async fn is_registered(db: &impl ConnectionTrait, contract: &Contract) -> Result<bool, DbErr> {
    let known = known(db).await?;
    Ok(contract.sensors.iter().all(|sensor| known.get(&sensor.name).is_some_and(|found| found == kind(sensor))))
}

async fn known(db: &impl ConnectionTrait) -> Result<HashMap<String, String>, DbErr> {
    let sensors = sensor::Entity::find().all(db).await?;
    Ok(sensors.into_iter().map(|sensor| (sensor.name, sensor.kind)).collect())
}

/// The type of a sensor, as the contract writes it.
fn kind(sensor: &Sensor) -> &'static str {
    match sensor.kind {
        SensorType::Float => "float",
        SensorType::Integer => "integer",
        SensorType::Boolean => "boolean",
        SensorType::Text => "text",
    }
}
