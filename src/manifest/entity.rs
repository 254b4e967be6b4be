//! The manifest as an entity.

use sea_orm::entity::prelude::*;

/// One source file and how far it has come.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "manifest")]
pub struct Model {
    /// Identity.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Path below `data/`.
    pub source: String,
    /// Bytes as stored.
    pub size: i64,
    /// Last change, to the microsecond.
    pub modified_at: DateTimeUtc,
    /// Hash (hex) of the bytes; `None` while they are not yet settled.
    pub sha256: Option<String>,
    /// See [`crate::manifest::State`].
    pub state: String,
    /// Hash of the contract that gave the verdicts.
    pub contract_hash: Option<String>,
    /// Rows in the file.
    pub rows_total: Option<i64>,
    /// Rows in `iot_raw_data`.
    pub rows_loaded: Option<i64>,
    /// Rows that break the contract.
    pub rows_rejected: Option<i64>,
    /// Rows whose key came before.
    pub rows_duplicate: Option<i64>,
    /// Attempts that failed.
    pub attempts: i32,
    /// What went wrong last, or why the file was set aside.
    pub last_error: Option<String>,
    /// The worker that has it.
    pub claimed_by: Option<String>,
    /// Until when the claim, or the wait before the next attempt, lasts.
    pub lease_until: Option<DateTimeUtc>,
    /// "Now" for the contract.
    pub discovered_at: DateTimeUtc,
    /// When its rows got their verdict.
    pub validated_at: Option<DateTimeUtc>,
    /// When its aggregates were stored.
    pub aggregated_at: Option<DateTimeUtc>,
    /// When its rows were committed.
    pub loaded_at: Option<DateTimeUtc>,
    /// When it had left `data/`.
    pub archived_at: Option<DateTimeUtc>,
    /// The file whose rejected rows this one corrects.
    pub parent_id: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
