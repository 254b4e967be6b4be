//! The schema, for both databases. Columns per sensor, and the view over them, are added by the program itself,
//! since they follow the contract.

mod m20261124_000001_create_schema;
mod m20261124_000002_index_manifest;
mod m20261126_000003_own_files;
mod m20261126_000004_statistics;
mod m20261126_000007_rejections;
mod m20261126_000008_long_layout;
mod m20261126_000010_unnamed_columns;
mod m20261127_000011_life_locks;

pub use m20261126_000003_own_files::{OPEN, UNPLACED};
pub use sea_orm_migration::prelude::*;

/// All migrations, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261124_000001_create_schema::Migration),
            Box::new(m20261124_000002_index_manifest::Migration),
            Box::new(m20261126_000003_own_files::Migration),
            Box::new(m20261126_000004_statistics::Migration),
            Box::new(m20261126_000007_rejections::Migration),
            Box::new(m20261126_000008_long_layout::Migration),
            Box::new(m20261126_000010_unnamed_columns::Migration),
            Box::new(m20261127_000011_life_locks::Migration),
        ]
    }
}
