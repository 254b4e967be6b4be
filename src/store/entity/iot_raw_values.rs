//! `iot_raw_values`: the readings of the long layout, one measurement a row.

use sea_orm::entity::prelude::*;

/// A measurement.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "iot_raw_values")]
pub struct Model {
    /// Its device.
    #[sea_orm(primary_key, auto_increment = false)]
    pub device_id: i32,
    /// What was measured.
    #[sea_orm(primary_key, auto_increment = false)]
    pub sensor_id: i32,
    /// When it was measured: an instant in PostgreSQL, microseconds since 1970-01-01 UTC in SQLite.
    #[sea_orm(primary_key, auto_increment = false)]
    pub ts: DateTimeUtc,
    /// The number, in the sensor's unit; 1 and 0 for true and false.
    pub value: Option<f64>,
    /// The entry of the file that it came from.
    pub file_id: i64,
    /// The physical line, from 1, on which its row begins.
    pub line_number: i64,
    /// The whole number, where no 64-bit float is the same.
    pub whole: Option<i64>,
    /// The text, of a sensor of texts.
    pub text: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
