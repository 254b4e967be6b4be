//! Why rows were set aside, where a query finds it: counts for every file, and a bounded sample of the rows.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE TABLE file_rejections (
                     file_id bigint NOT NULL, rule text NOT NULL, column_name text NOT NULL, count bigint NOT NULL,
                     PRIMARY KEY (file_id, rule, column_name));
                 CREATE TABLE rejection_sample (
                     file_id bigint NOT NULL, line_number bigint NOT NULL, rule text NOT NULL, column_name text NOT NULL,
                     value text NOT NULL, message text NOT NULL);
                 CREATE INDEX rejection_sample_file ON rejection_sample (file_id);
                 CREATE VIEW rejected_rows AS
                     SELECT m.source AS file, s.line_number, s.rule, s.column_name, s.value, s.message, s.file_id
                     FROM rejection_sample s JOIN manifest m ON m.id = s.file_id;",
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared("DROP VIEW rejected_rows; DROP TABLE rejection_sample; DROP TABLE file_rejections;")
            .await?;
        Ok(())
    }
}
