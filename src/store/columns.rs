//! Where the values of each sensor stand, of this contract and of earlier ones.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryOrder, Statement};

use super::entity::sensor;
use super::layout;
use super::session::Session;

#[derive(FromQueryResult)]
struct Column {
    name: String,
    kind: String,
}

/// Columns of `iot_raw_data` and their types, empty when there is no such table.
pub(super) async fn columns(db: &impl ConnectionTrait, embedded: bool) -> Result<HashMap<String, String>, DbErr> {
    Ok(ordered_columns(db, embedded).await?.into_iter().map(|c| (c.name, c.kind)).collect())
}

async fn ordered_columns(db: &impl ConnectionTrait, embedded: bool) -> Result<Vec<Column>, DbErr> {
    let query = match embedded {
        false => {
            "SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS kind FROM pg_attribute a
             WHERE a.attrelid = to_regclass('iot_raw_data') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
        }
        true => "SELECT name, type AS kind FROM pragma_table_info('iot_raw_data') ORDER BY cid",
    };
    Column::find_by_statement(Statement::from_string(db.get_database_backend(), query)).all(db).await
}

/// The columns of `iot_raw_data` that are sensors, of this contract and of earlier ones.
pub(super) async fn sensor_columns(db: &impl ConnectionTrait, embedded: bool) -> Result<Vec<String>, DbErr> {
    let sensors = ordered_columns(db, embedded).await?.into_iter().filter(is_of_sensor);
    Ok(sensors.map(|column| column.name).collect())
}

fn is_of_sensor(column: &Column) -> bool {
    !["device_id", "ts", "file_id", "line_number"].contains(&column.name.as_str())
}

/// Where the values of a sensor stand.
pub(super) enum ValuesIn {
    /// In a column of `iot_raw_data`; of truth, where that is said.
    Column { is_boolean: bool },
    /// In the rows of `iot_raw_values` with this number.
    Rows { sensor_id: i32 },
}

/// The sensors whose values are aggregated, of this contract and of earlier ones.
pub(super) async fn aggregated_sensors(db: &Session<'_>, embedded: bool) -> Result<Vec<(String, ValuesIn)>, DbErr> {
    if layout::is_long(db).await? {
        let sensors = sensor::Entity::find().order_by_asc(sensor::Column::Id).all(db).await?;
        let sensors = sensors.into_iter().filter(|sensor| sensor.kind != "text");
        return Ok(sensors.map(|sensor| (sensor.name, ValuesIn::Rows { sensor_id: sensor.id })).collect());
    }
    let is_aggregated = |c: &Column| is_of_sensor(c) && AGGREGATED.contains(&c.kind.to_lowercase().as_str());
    let columns = ordered_columns(db, embedded).await?.into_iter().filter(is_aggregated);
    Ok(columns.map(|c| (c.name, ValuesIn::Column { is_boolean: c.kind.eq_ignore_ascii_case("boolean") })).collect())
}

/// The database's names of types that are aggregated.
const AGGREGATED: &[&str] = &["double precision", "real", "bigint", "integer", "boolean"];
