//! What every step asks of the manifest, found without a look at each entry: a manifest of a million files is normal.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE INDEX manifest_claimed ON manifest (claimed_by) WHERE claimed_by IS NOT NULL;
                 CREATE INDEX manifest_troubled ON manifest (id) WHERE last_error IS NOT NULL;
                 CREATE INDEX manifest_parent ON manifest (parent_id) WHERE parent_id IS NOT NULL;",
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(
                "DROP INDEX manifest_claimed; DROP INDEX manifest_troubled; DROP INDEX manifest_parent;",
            )
            .await?;
        Ok(())
    }
}
