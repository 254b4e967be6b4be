//! `sensor_aggregates`: the totals over all loaded files.

use sea_orm::entity::prelude::*;

/// The values of one device, sensor and window.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sensor_aggregates")]
pub struct Model {
    /// The device.
    #[sea_orm(primary_key, auto_increment = false)]
    pub device_id: i32,
    /// Name of the sensor.
    #[sea_orm(primary_key, auto_increment = false)]
    pub sensor: String,
    /// Start of the window: an instant in PostgreSQL, microseconds since 1970-01-01 UTC in SQLite.
    #[sea_orm(primary_key, auto_increment = false)]
    pub window_start: DateTimeUtc,
    /// Number of values.
    pub count: i64,
    /// Smallest value, in the sensor's unit.
    pub min: f64,
    /// Largest value, in the sensor's unit.
    pub max: f64,
    /// Arithmetic mean, in the sensor's unit; none where a value lies beyond ±1e100.
    pub avg: Option<f64>,
    /// Sum of squared deviations from the mean, in the unit squared; none where a value lies beyond ±1e100.
    pub m2: Option<f64>,
    /// Sample standard deviation (n−1), in the sensor's unit; none for one value, and where one lies beyond ±1e100.
    pub stddev: Option<f64>,
}

impl ActiveModelBehavior for ActiveModel {}
