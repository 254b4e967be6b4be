//! `iot_raw_data`: the readings. The columns that every contract has; one per sensor stands beside them.

use sea_orm::entity::prelude::*;

/// A reading, its values left out.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "iot_raw_data")]
pub struct Model {
    /// Its device.
    #[sea_orm(primary_key, auto_increment = false)]
    pub device_id: i32,
    /// When it was measured: an instant in PostgreSQL, microseconds since 1970-01-01 UTC in SQLite.
    #[sea_orm(primary_key, auto_increment = false)]
    pub ts: DateTimeUtc,
    /// The entry of the file that it came from.
    pub file_id: i64,
    /// The physical line, from 1, on which its row begins.
    pub line_number: i64,
}

impl ActiveModelBehavior for ActiveModel {}
