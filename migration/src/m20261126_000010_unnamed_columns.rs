//! Columns that files have and no contract names: each is noticed once.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = "CREATE TABLE unnamed_column (name text NOT NULL PRIMARY KEY, file_id bigint NOT NULL)";
        manager.get_connection().execute_unprepared(table).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP TABLE unnamed_column").await?;
        Ok(())
    }
}
