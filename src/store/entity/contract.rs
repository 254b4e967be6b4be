//! `contract`: the contracts by which files were judged.

use sea_orm::entity::prelude::*;

/// A contract.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "contract")]
pub struct Model {
    /// Hash (hex) of its settings.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hash: String,
    /// Its declaration with every default written out, as TOML.
    pub body: String,
}

impl ActiveModelBehavior for ActiveModel {}
