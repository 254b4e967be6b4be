//! Entries by name and by identity, and how a scan enters them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use migration::OPEN;
use sea_orm::sea_query::{Expr, OnConflict, Value};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::entity::{ActiveModel, Column, Entity, Model as Entry};
use super::state::{Place, State};
use super::transition::{self, Of, instant, time_of};
use super::worker::Worker;
use crate::source::{Candidate, given_name};
use crate::store::{Session, Store, StoreError};

/// Entries asked for or written at once.
const AT_ONCE: usize = 500;

/// A candidate as `scan` found it.
#[derive(Debug)]
pub struct Registration {
    /// The file.
    pub candidate: Candidate,
    /// Its hash, `None` while it is still arriving.
    pub sha256: Option<String>,
    /// The entry that it continues, when it has one, with the claim number that was seen.
    pub known: Option<(i64, i64)>,
    /// What its name says about it, where this program gave it that name.
    pub descent: Descent,
}

/// Where a file comes from whose name this program gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Descent {
    /// The file whose rejected rows it corrects.
    pub parent: Option<i64>,
    /// The name that the contract is to see.
    pub judged_name: Option<String>,
}

/// The entries of files that lie in the inbox of `origin` under these names.
///
/// # Errors
/// When the database can't be asked.
pub fn in_inbox(store: &Store, origin: &str, sources: &[&str]) -> Result<HashMap<String, Entry>, StoreError> {
    let mut found = HashMap::new();
    for sources in sources.chunks(AT_ONCE) {
        let entries = store.read(async |session| {
            Entity::find()
                .filter(Column::Origin.eq(origin))
                .filter(Column::Place.eq(Place::Inbox.as_str()))
                .filter(Column::Source.is_in(sources.iter().copied()))
                .all(session)
                .await
        })?;
        found.extend(entries.into_iter().map(|e| (e.source.clone(), e)));
    }
    Ok(found)
}

/// Whether another entry than `entry` lies in the inbox under its delivered name: the name is that one's then, even while
/// its file is in hand and nothing is seen under it.
///
/// # Errors
/// When the database can't be asked.
pub fn is_name_taken(store: &Store, entry: &Entry) -> Result<bool, StoreError> {
    let others = store.read(async |session| {
        Entity::find()
            .filter(Column::Origin.eq(entry.origin.as_str()))
            .filter(Column::Place.eq(Place::Inbox.as_str()))
            .filter(Column::Source.eq(entry.source.as_str()))
            .filter(Column::Id.ne(entry.id))
            .count(session)
            .await
    })?;
    Ok(others > 0)
}

/// Writes what `scan` found. An entry that somebody has in hand meanwhile, or has changed, is left to him.
///
/// # Errors
/// When the database can't be written.
pub fn register(store: &Store, origin: &str, found: &[Registration], now: DateTime<Utc>) -> Result<(), StoreError> {
    let (known, new): (Vec<&Registration>, Vec<&Registration>) = found.iter().partition(|r| r.known.is_some());
    for r in known {
        let Some((id, claim_no)) = r.known else { continue };
        let transition = if r.sha256.is_some() { &transition::REFRESH_PENDING } else { &transition::REFRESH_ARRIVING };
        let given: [(Column, Value); 3] = [
            (Column::Size, r.candidate.stamp.size.into()),
            (Column::ModifiedAt, instant(time_of(r.candidate.stamp))),
            (Column::Sha256, r.sha256.clone().into()),
        ];
        let statement = transition.statement(Of::Free { id, claim_no }, &given, store.dialect());
        store.change(&statement)?;
    }
    new.chunks(AT_ONCE).try_for_each(|new| enter(store, origin, new, now))
}

/// An entry in the inbox keeps others of its name out until its file has moved. So where an entry gets in although the
/// file is gone, another worker has loaded and moved that file since it was listed: the entry is taken back unseen.
fn enter(store: &Store, origin: &str, new: &[&Registration], now: DateTime<Utc>) -> Result<(), StoreError> {
    let entries: Vec<ActiveModel> = new.iter().map(|r| active(origin, r, now)).collect();
    store.write(async |session| {
        Entity::insert_many(entries)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .try_insert()
            .exec_without_returning(session)
            .await?;
        let is_gone = |r: &&&Registration| r.candidate.path.symlink_metadata().is_err();
        let gone: Vec<&str> = new.iter().filter(is_gone).map(|r| r.candidate.source.as_str()).collect();
        if !gone.is_empty() {
            Entity::delete_many()
                .filter(Column::Origin.eq(origin))
                .filter(Column::Source.is_in(gone))
                .filter(Column::DiscoveredAt.eq(now))
                .filter(Column::State.is_in([State::Pending.as_str(), State::Arriving.as_str()]))
                .filter(Column::Place.eq(Place::Inbox.as_str()))
                .filter(Column::ClaimNo.eq(0))
                .exec(session)
                .await?;
        }
        Ok(())
    })
}

fn active(origin: &str, r: &Registration, now: DateTime<Utc>) -> ActiveModel {
    let state = if r.sha256.is_some() { State::Pending } else { State::Arriving };
    ActiveModel {
        origin: Set(origin.to_owned()),
        source: Set(r.candidate.source.clone()),
        judged_name: Set(r.descent.judged_name.clone()),
        size: Set(r.candidate.stamp.size),
        modified_at: Set(time_of(r.candidate.stamp)),
        sha256: Set(r.sha256.clone()),
        state: Set(state.as_str().to_owned()),
        place: Set(Place::Inbox.as_str().to_owned()),
        attempts: Set(0),
        claim_no: Set(0),
        recheck: Set(false),
        discovered_at: Set(now),
        parent_id: Set(r.descent.parent),
        ..Default::default()
    }
}

/// Enters a file that lies under no delivered name: what was appended to a loaded one, or a private name that nobody
/// knows, where the delivered name is taken. `worker` has it in hand until it has let go of it.
///
/// # Errors
/// When the database can't be written.
pub fn enter_held(
    store: &Store,
    worker: &Worker,
    origin: &str,
    source: &str,
    fixed: &crate::source::Fixed,
) -> Result<Entry, StoreError> {
    let now = store.now()?;
    store.write(async |session| {
        let entry = ActiveModel {
            origin: Set(origin.to_owned()),
            source: Set(source.to_owned()),
            size: Set(fixed.stamp.size),
            modified_at: Set(time_of(fixed.stamp)),
            sha256: Set(Some(fixed.sha256.clone())),
            state: Set(State::Pending.as_str().to_owned()),
            place: Set(Place::Held.as_str().to_owned()),
            attempts: Set(1),
            claim_no: Set(1),
            worker_id: Set(Some(worker.id)),
            recheck: Set(false),
            discovered_at: Set(now),
            ..Default::default()
        };
        let id = Entity::insert(entry).exec(session).await?.last_insert_id;
        Entity::find_by_id(id).one(session).await?.ok_or(sea_orm::DbErr::RecordNotInserted)
    })
}

/// Open or failed entries in the inbox that a scan did not find: gone where neither name exists.
///
/// # Errors
/// When the database can't be written.
pub fn seen_gone(store: &Store, entry: &Entry, why: &str) -> Result<bool, StoreError> {
    let of = Of::Free { id: entry.id, claim_no: entry.claim_no };
    let given = [(Column::Place, Place::Nowhere.as_str().into()), (Column::LastError, why.into())];
    let statement = transition::SEEN_GONE.statement(of, &given, store.dialect());
    Ok(store.change(&statement)? == 1)
}

/// Loaded files of `origin`, by identity; with `source`, those of that name alone.
///
/// # Errors
/// When the database can't be asked.
pub fn loaded_files(store: &Store, origin: &str, source: Option<&str>) -> Result<Vec<Entry>, StoreError> {
    store.read(async |session| {
        let mut query =
            Entity::find().filter(Column::State.eq(State::Loaded.as_str())).filter(Column::Origin.eq(origin));
        if let Some(source) = source {
            query = query.filter(Column::Source.eq(source));
        }
        query.order_by_asc(Column::Id).all(session).await
    })
}

/// Loaded files of `origin` that lie in the archive, the latest `limit` of them; those that came before `since` left out.
///
/// # Errors
/// When the database can't be asked.
pub fn archived_since(store: &Store, origin: &str, since: DateTime<Utc>, limit: u64) -> Result<Vec<Entry>, StoreError> {
    let mut latest = store.read(async |session| {
        Entity::find()
            .filter(Column::State.eq(State::Loaded.as_str()))
            .filter(Column::Place.eq(Place::Processed.as_str()))
            .filter(Column::Origin.eq(origin))
            .order_by_desc(Column::Id)
            .limit(limit)
            .all(session)
            .await
    })?;
    latest.retain(|entry| entry.archived_at.is_some_and(|at| at >= since));
    Ok(latest)
}

/// Entries of `origin` that were delivered under the name `source`, by identity.
///
/// # Errors
/// When the database can't be asked.
pub fn of_name(store: &Store, origin: &str, source: &str) -> Result<Vec<Entry>, StoreError> {
    store.read(async |session| {
        Entity::find()
            .filter(Column::Source.eq(source))
            .filter(Column::Origin.eq(origin))
            .order_by_asc(Column::Id)
            .all(session)
            .await
    })
}

/// Entries of `origin` in one of `states`, by identity.
///
/// # Errors
/// When the database can't be asked.
pub fn in_states(store: &Store, origin: &str, states: &[State]) -> Result<Vec<Entry>, StoreError> {
    store.read(async |session| {
        Entity::find()
            .filter(Column::State.is_in(states.iter().map(|state| state.as_str())))
            .filter(Column::Origin.eq(origin))
            .order_by_asc(Column::Id)
            .all(session)
            .await
    })
}

/// Entries of `origin` whose files are held, by identity.
///
/// # Errors
/// When the database can't be asked.
pub fn held(store: &Store, origin: &str) -> Result<Vec<Entry>, StoreError> {
    store.read(async |session| {
        Entity::find()
            .filter(Column::Place.eq(Place::Held.as_str()))
            .filter(Column::Origin.eq(origin))
            .order_by_asc(Column::Id)
            .all(session)
            .await
    })
}

/// The entry with this identity.
///
/// # Errors
/// When the database can't be asked.
pub fn entry(store: &Store, id: i64) -> Result<Option<Entry>, StoreError> {
    store.read(async |session| Entity::find_by_id(id).one(session).await)
}

/// What a file called `name` (without folder) with this content is, where this program gave it that name: the corrected
/// rows of another, or a file that was refused or archived beside another and now comes back.
///
/// # Errors
/// When the database can't be asked.
pub fn descent_of(store: &Store, name: &str, sha256: &str) -> Result<Descent, StoreError> {
    let Some(given) = given_name(name) else { return Ok(Descent::default()) };
    let of_hash = store.read(async |session| by_hash(session, given.hash).await)?;
    let known = match given.entry {
        Some(id) => of_hash.iter().find(|entry| entry.id == id),
        // A name that the first version gave, or one beside another content in processed/.
        None => of_hash.iter().find(|entry| entry.current() == State::Loaded).or(of_hash.first()),
    };
    Ok(match known {
        Some(parent) if given.is_rejected => {
            Descent { parent: Some(parent.id), judged_name: Some(parent.judged_path().to_owned()) }
        }
        // Its own hash confirms that the name is ours.
        Some(same) if same.sha256.as_deref() == Some(sha256) => {
            Descent { parent: None, judged_name: Some(same.judged_path().to_owned()) }
        }
        _ => Descent::default(),
    })
}

async fn by_hash(session: &Session<'_>, hash: &str) -> Result<Vec<Entry>, sea_orm::DbErr> {
    Entity::find().filter(Column::Sha256.starts_with(hash)).order_by_asc(Column::Id).all(session).await
}

/// Files of `origin` that wait for a step, `arriving` ones not counted.
///
/// # Errors
/// When the database can't be asked.
pub fn open_files(store: &Store, origin: &str) -> Result<u64, StoreError> {
    store.read(async |session| Entity::find().filter(waits(origin)).count(session).await)
}

/// The names of the first `most` of these files, in the order in which they came, each once.
///
/// # Errors
/// When the database can't be asked.
pub fn open_names(store: &Store, origin: &str, most: u64) -> Result<Vec<String>, StoreError> {
    store.read(async |session| {
        Entity::find()
            .select_only()
            .column(Column::Source)
            .filter(waits(origin))
            .group_by(Column::Source)
            .order_by_asc(Column::Id.min())
            .limit(most)
            .into_tuple()
            .all(session)
            .await
    })
}

/// The condition that a file of `origin` waits for a step.
fn waits(origin: &str) -> Condition {
    let open = [State::Pending, State::Validated, State::Aggregated].map(State::as_str);
    Condition::all().add(Expr::cust(OPEN)).add(Column::State.is_in(open)).add(Column::Origin.eq(origin))
}
