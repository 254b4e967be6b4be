//! `device`: names of devices, each once.

use sea_orm::entity::prelude::*;

/// A device.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "device")]
pub struct Model {
    /// Identity.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// Its name, unique.
    #[sea_orm(unique)]
    pub name: String,
}

impl ActiveModelBehavior for ActiveModel {}
