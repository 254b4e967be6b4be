//! `sensor`: what the long layout measures, each sensor once.

use sea_orm::entity::prelude::*;

/// A sensor.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sensor")]
pub struct Model {
    /// Identity.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// Its name in the contract, unique.
    #[sea_orm(unique)]
    pub name: String,
    /// Its type: `float`, `integer`, `boolean` or `text`.
    #[sea_orm(column_name = "type")]
    pub kind: String,
}

impl ActiveModelBehavior for ActiveModel {}
