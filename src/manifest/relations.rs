//! Entries by what they have to do with each other, and all of them, some at a time.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::entity::{Column, Entity, Model as Entry};
use super::state::State;
use crate::store::{Store, StoreError};

/// Entries asked for at once.
const AT_ONCE: u64 = 500;

/// Files that hold corrected rows of `parent`, by identity, those that vanished left out.
///
/// # Errors
/// When the database can't be asked.
pub fn children_of(store: &Store, parent: i64) -> Result<Vec<Entry>, StoreError> {
    store.read(async |session| {
        Entity::find()
            .filter(Column::ParentId.eq(parent))
            .filter(Column::State.ne(State::Vanished.as_str()))
            .order_by_asc(Column::Id)
            .all(session)
            .await
    })
}

/// Entries with this content, by identity.
///
/// # Errors
/// When the database can't be asked.
pub fn of_content(store: &Store, sha256: &str) -> Result<Vec<Entry>, StoreError> {
    store.read(async |session| {
        Entity::find().filter(Column::Sha256.eq(sha256)).order_by_asc(Column::Id).all(session).await
    })
}

/// Calls `look_at` with each entry of `origin`, by identity. They are read some at a time, each lot as it stands then.
///
/// # Errors
/// When the database can't be asked, and those of `look_at`.
pub fn each_entry<E: From<StoreError>>(
    store: &Store,
    origin: &str,
    mut look_at: impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    let mut last = 0;
    loop {
        let some = store.read(async |session| {
            Entity::find()
                .filter(Column::Origin.eq(origin))
                .filter(Column::Id.gt(last))
                .order_by_asc(Column::Id)
                .limit(AT_ONCE)
                .all(session)
                .await
        })?;
        let Some(entry) = some.last() else { return Ok(()) };
        last = entry.id;
        some.into_iter().try_for_each(&mut look_at)?;
    }
}
