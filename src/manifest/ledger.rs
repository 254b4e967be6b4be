//! The manifest's entries outside a file's own transaction.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};

use super::entity::Model as SourceFile;
use super::entity::{ActiveModel, Column, Entity};
use super::state::State;
use crate::source::{Candidate, Stamp};
use crate::store::{Store, StoreError};

/// Entries asked for or written at once.
const AT_ONCE: usize = 500;
/// Failed attempts after which a file is given up.
const MAX_ATTEMPTS: i32 = 5;
/// Wait after the first failed attempt; it doubles with each.
const BACKOFF: Duration = Duration::from_secs(5);

/// A candidate as `scan` found it.
pub struct Registration {
    /// The file.
    pub candidate: Candidate,
    /// Its hash, `None` while it is still arriving.
    pub sha256: Option<String>,
    /// The entry that it continues, when it has one.
    pub known: Option<i64>,
    /// The file whose rejected rows it corrects.
    pub parent: Option<i64>,
}

/// The entries of files that lie in `data/` under these names.
///
/// # Errors
/// When the database can't be asked.
pub fn in_place(store: &Store, sources: &[&str]) -> Result<HashMap<String, SourceFile>, StoreError> {
    let mut found = HashMap::new();
    for sources in sources.chunks(AT_ONCE) {
        let entries = store.read(async |db| {
            Entity::find()
                .filter(Column::ArchivedAt.is_null())
                .filter(Column::Source.is_in(sources.iter().copied()))
                .all(db)
                .await
        })?;
        found.extend(entries.into_iter().map(|e| (e.source.clone(), e)));
    }
    Ok(found)
}

/// Writes what `scan` found. A file that another scan has entered meanwhile is left to it.
///
/// # Errors
/// When the database can't be written.
pub fn register(store: &Store, found: Vec<Registration>, now: DateTime<Utc>) -> Result<(), StoreError> {
    let (known, new): (Vec<_>, Vec<_>) = found.into_iter().partition(|r| r.known.is_some());
    for r in known {
        let Some(id) = r.known else { continue };
        store.write(async |db| {
            Entity::update_many()
                .set(active(&r, now))
                .filter(Column::Id.eq(id))
                .filter(Column::ClaimedBy.is_null())
                .exec(db)
                .await
        })?;
    }
    new.chunks(AT_ONCE).try_for_each(|new| enter(store, new, now))
}

/// An entry in place keeps others of its name out until its file has moved. So where an entry gets in although the file
/// is gone, another worker has loaded and moved that file since it was listed: the entry is taken back unseen.
fn enter(store: &Store, new: &[Registration], now: DateTime<Utc>) -> Result<(), StoreError> {
    let entries: Vec<ActiveModel> = new.iter().map(|r| active(r, now)).collect();
    store.write(async |transaction| {
        Entity::insert_many(entries)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .try_insert()
            .exec_without_returning(transaction)
            .await?;
        let is_gone = |r: &&Registration| r.candidate.path.symlink_metadata().is_err();
        let gone: Vec<&str> = new.iter().filter(is_gone).map(|r| r.candidate.source.as_str()).collect();
        if !gone.is_empty() {
            Entity::delete_many()
                .filter(Column::Source.is_in(gone))
                .filter(Column::DiscoveredAt.eq(now))
                .filter(Column::State.is_in([State::Pending.as_str(), State::Arriving.as_str()]))
                .filter(Column::ArchivedAt.is_null())
                .filter(Column::ClaimedBy.is_null())
                .exec(transaction)
                .await?;
        }
        Ok(())
    })
}

fn active(r: &Registration, now: DateTime<Utc>) -> ActiveModel {
    let state = if r.sha256.is_some() { State::Pending } else { State::Arriving };
    ActiveModel {
        source: Set(r.candidate.source.clone()),
        size: Set(r.candidate.stamp.size),
        modified_at: Set(time(r.candidate.stamp)),
        sha256: Set(r.sha256.clone()),
        state: Set(state.as_str().to_owned()),
        attempts: Set(0),
        last_error: Set(None),
        discovered_at: Set(now),
        parent_id: Set(r.parent),
        validated_at: Set(None),
        aggregated_at: Set(None),
        ..Default::default()
    }
}

fn time(stamp: Stamp) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(stamp.modified_at).unwrap_or_default()
}

impl SourceFile {
    /// Size and time of the last change, as they were discovered.
    pub fn stamp(&self) -> Stamp {
        Stamp { size: self.size, modified_at: self.modified_at.timestamp_micros() }
    }

    /// The state; an unknown name counts as `failed`.
    pub fn current(&self) -> State {
        State::of(&self.state).unwrap_or(State::Failed)
    }

    /// Name without its folders.
    pub fn file_name(&self) -> &str {
        self.source.rsplit('/').next().unwrap_or(&self.source)
    }
}

/// Files whose work is done but that have not left `data/`: a move was interrupted.
///
/// # Errors
/// When the database can't be asked.
pub fn unmoved(store: &Store) -> Result<Vec<SourceFile>, StoreError> {
    store.read(async |db| {
        Entity::find()
            .filter(Column::ArchivedAt.is_null())
            .filter(Column::State.is_in(["loaded", "duplicate", "rejected"]))
            .order_by_asc(Column::Id)
            .all(db)
            .await
    })
}

/// The files have left `data/` (or what lies there now is another).
///
/// # Errors
/// When the database can't be written.
pub fn archived(store: &Store, files: &[SourceFile], now: DateTime<Utc>) -> Result<(), StoreError> {
    let ids: Vec<i64> = files.iter().map(|file| file.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    store.write(async |db| {
        let gone = ActiveModel { archived_at: Set(Some(now)), ..Default::default() };
        Entity::update_many().set(gone).filter(Column::Id.is_in(ids)).exec(db).await.map(|_| ())
    })
}

/// The file is set aside as `duplicate` or `rejected`: what earlier steps stored of it goes with the same commit.
///
/// # Errors
/// When the database can't be written.
pub fn mark_aside(store: &Store, file: &SourceFile, worker: &str, state: State, why: &str) -> Result<(), StoreError> {
    store.write(async |transaction| {
        let aside = ActiveModel {
            state: Set(state.as_str().to_owned()),
            last_error: Set(Some(why.to_owned())),
            claimed_by: Set(None),
            lease_until: Set(None),
            contract_hash: Set(None),
            rows_total: Set(None),
            rows_rejected: Set(None),
            validated_at: Set(None),
            aggregated_at: Set(None),
            ..Default::default()
        };
        Entity::update_many()
            .set(aside)
            .filter(Column::Id.eq(file.id))
            .filter(Column::ClaimedBy.eq(worker))
            .exec(transaction)
            .await?;
        let sql = "DELETE FROM file_aggregates WHERE file_id = $1";
        let delete = Statement::from_sql_and_values(transaction.get_database_backend(), sql, [file.id.into()]);
        transaction.execute_raw(delete).await?;
        Ok(())
    })
}

/// The file's bytes are no longer those that were discovered: the next scan fixes them anew.
///
/// # Errors
/// When the database can't be written.
pub fn send_back(store: &Store, id: i64, why: &str) -> Result<(), StoreError> {
    let back = ActiveModel {
        state: Set(State::Pending.as_str().to_owned()),
        sha256: Set(None),
        last_error: Set(Some(why.to_owned())),
        claimed_by: Set(None),
        lease_until: Set(None),
        ..Default::default()
    };
    update(store, id, back)
}

/// The file is set aside as `failed`. With `gone`, its name is free for another.
///
/// # Errors
/// When the database can't be written.
pub fn give_up(store: &Store, id: i64, why: &str, gone: Option<DateTime<Utc>>) -> Result<(), StoreError> {
    let failed = ActiveModel {
        state: Set(State::Failed.as_str().to_owned()),
        last_error: Set(Some(why.to_owned())),
        claimed_by: Set(None),
        lease_until: Set(None),
        archived_at: Set(gone),
        ..Default::default()
    };
    update(store, id, failed)
}

/// The attempt failed: the file is let go, and taken again after a wait that doubles each time; `failed` in the end.
///
/// # Errors
/// When the database can't be written.
pub fn retry_later(store: &Store, file: &SourceFile, why: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    let attempts = file.attempts + 1;
    if attempts >= MAX_ATTEMPTS {
        return give_up(store, file.id, &format!("given up after {attempts} attempts: {why}"), None);
    }
    let wait = BACKOFF * 2u32.saturating_pow(file.attempts.max(0) as u32);
    let later = ActiveModel {
        attempts: Set(attempts),
        last_error: Set(Some(why.to_owned())),
        claimed_by: Set(None),
        lease_until: Set(Some(now + wait)),
        ..Default::default()
    };
    update(store, file.id, later)
}

/// Lets go of the claims that `worker` still has on `files`, changing nothing else.
///
/// # Errors
/// When the database can't be written.
pub fn release(store: &Store, files: &[SourceFile], worker: &str) -> Result<(), StoreError> {
    let ids: Vec<i64> = files.iter().map(|file| file.id).collect();
    let free = ActiveModel { claimed_by: Set(None), lease_until: Set(None), ..Default::default() };
    store.write(async |db| {
        Entity::update_many()
            .set(free)
            .filter(Column::Id.is_in(ids))
            .filter(Column::ClaimedBy.eq(worker))
            .exec(db)
            .await
            .map(|_| ())
    })
}

fn update(store: &Store, id: i64, change: ActiveModel) -> Result<(), StoreError> {
    store.write(async |db| Entity::update_many().set(change).filter(Column::Id.eq(id)).exec(db).await.map(|_| ()))
}

/// Files that wait for a step, `arriving` ones not counted.
///
/// # Errors
/// When the database can't be asked.
pub fn open_files(store: &Store) -> Result<u64, StoreError> {
    let open = [State::Pending, State::Validated, State::Aggregated].map(State::as_str);
    store.read(async |db| Entity::find().filter(Column::State.is_in(open)).count(db).await)
}

/// Number of files by state.
///
/// # Errors
/// When the database can't be asked.
pub fn count_by_state(store: &Store) -> Result<Vec<(State, i64)>, StoreError> {
    let counts: Vec<(String, i64)> = store.read(async |db| {
        Entity::find()
            .select_only()
            .column(Column::State)
            .column_as(Expr::cust("count(*)"), "n")
            .filter(Condition::all())
            .group_by(Column::State)
            .into_tuple()
            .all(db)
            .await
    })?;
    Ok(counts.into_iter().filter_map(|(name, n)| Some((State::of(&name)?, n))).collect())
}
