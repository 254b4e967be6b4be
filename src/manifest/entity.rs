//! The manifest as an entity. Private to this room: others get values that can be read, and transitions.

use sea_orm::entity::prelude::*;

use super::state::{Place, State};
use crate::source::Stamp;

/// One source file: how far it has come, where it lies and who has it in hand.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "manifest")]
pub struct Model {
    /// Identity.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The folder that it came to: the uuid in its marker.
    pub origin: String,
    /// Path below `data/`, as it was delivered.
    pub source: String,
    /// The path that the contract sees, where it is another than `source`; in the first version, its last part.
    pub judged_name: Option<String>,
    /// Bytes as stored.
    pub size: i64,
    /// Last change, to the microsecond.
    pub modified_at: DateTimeUtc,
    /// Hash (hex) of the bytes; `None` while they are not yet settled.
    pub sha256: Option<String>,
    /// See [`State`].
    pub state: String,
    /// See [`Place`].
    pub place: String,
    /// Path below the folder of its place; `None` for the inbox, and for what the first version put into the quarantine.
    pub place_name: Option<String>,
    /// Path below the folder of its goal, written ahead of the move.
    pub archive_name: Option<String>,
    /// What the names of its rejected rows and their reasons begin with, below `quarantine/`.
    pub quarantine_name: Option<String>,
    /// Number of its latest claim.
    pub claim_no: i64,
    /// The worker that has it in hand.
    pub worker_id: Option<i64>,
    /// Not to be taken up before.
    pub not_before: Option<DateTimeUtc>,
    /// Attempts that began since the last one that ended well.
    pub attempts: i32,
    /// What went wrong last, or why the file was set aside.
    pub last_error: Option<String>,
    /// The loaded file that has the same content.
    pub duplicate_of: Option<i64>,
    /// The file whose rejected rows this one corrects.
    pub parent_id: Option<i64>,
    /// Whether its rows are to be looked at again: a file that set some of them aside was taken out.
    pub recheck: bool,
    /// Hash of the contract that gave the verdicts.
    pub contract_hash: Option<String>,
    /// Version of the program's judge that gave them.
    pub judge: Option<i32>,
    /// Rows in the file.
    pub rows_total: Option<i64>,
    /// Rows in `iot_raw_data`.
    pub rows_loaded: Option<i64>,
    /// Rows that break the contract.
    pub rows_rejected: Option<i64>,
    /// Rows whose key came before.
    pub rows_duplicate: Option<i64>,
    /// Lines that are no rows.
    pub rows_skipped: Option<i64>,
    /// "Now" for the contract.
    pub discovered_at: DateTimeUtc,
    /// When its rows got their verdict.
    pub validated_at: Option<DateTimeUtc>,
    /// When its aggregates were stored.
    pub aggregated_at: Option<DateTimeUtc>,
    /// When its rows were committed.
    pub loaded_at: Option<DateTimeUtc>,
    /// When it had its place.
    pub archived_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

/// A worker's hold on an entry: whatever is done under it is done by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The entry.
    pub id: i64,
    /// The worker.
    pub worker: i64,
    /// The claim's number.
    pub no: i64,
}

impl Model {
    /// Size and time of the last change, as they were discovered.
    pub fn stamp(&self) -> Stamp {
        Stamp { size: self.size, modified_at: self.modified_at.timestamp_micros() }
    }

    /// The state; an unknown name counts as `failed`.
    pub fn current(&self) -> State {
        State::of(&self.state).unwrap_or(State::Failed)
    }

    /// The place; an unknown name counts as nowhere.
    pub fn lies(&self) -> Place {
        Place::of(&self.place).unwrap_or(Place::Nowhere)
    }

    /// Delivered name without its folders.
    pub fn file_name(&self) -> &str {
        self.source.rsplit('/').next().unwrap_or(&self.source)
    }

    /// The path that the contract sees.
    pub fn judged_path(&self) -> &str {
        self.judged_name.as_deref().unwrap_or(&self.source)
    }

    /// The claim under which this was read.
    pub fn claim(&self) -> Claim {
        Claim { id: self.id, worker: self.worker_id.unwrap_or_default(), no: self.claim_no }
    }
}
