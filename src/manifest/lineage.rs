//! Files by name, and files that correct others.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::entity::Model as SourceFile;
use super::entity::{Column, Entity};
use super::state::State;
use crate::store::{Store, StoreError};

/// Loaded files, by identity; with `source`, those of that name alone.
///
/// # Errors
/// When the database can't be asked.
pub fn loaded_files(store: &Store, source: Option<&str>) -> Result<Vec<SourceFile>, StoreError> {
    store.read(async |db| {
        let mut query = Entity::find().filter(Column::State.eq(State::Loaded.as_str()));
        if let Some(source) = source {
            query = query.filter(Column::Source.eq(source));
        }
        query.order_by_asc(Column::Id).all(db).await
    })
}

/// The entry with this identity.
///
/// # Errors
/// When the database can't be asked.
pub fn entry(store: &Store, id: i64) -> Result<Option<SourceFile>, StoreError> {
    store.read(async |db| Entity::find_by_id(id).one(db).await)
}

/// Loaded files that hold corrected rows of `parent`.
///
/// # Errors
/// When the database can't be asked.
pub fn corrections_of(store: &Store, parent: i64) -> Result<Vec<SourceFile>, StoreError> {
    store.read(async |db| {
        Entity::find()
            .filter(Column::ParentId.eq(parent))
            .filter(Column::State.eq(State::Loaded.as_str()))
            .order_by_asc(Column::Id)
            .all(db)
            .await
    })
}

/// The file whose rejected rows a file called `name` holds, told by the hash in `<stem>.<first 12>.rejected.csv`.
///
/// # Errors
/// When the database can't be asked.
pub fn parent_of(store: &Store, name: &str) -> Result<Option<i64>, StoreError> {
    let Some(hash) = hash_in(name) else { return Ok(None) };
    let parent = store.read(async |db| {
        Entity::find().filter(Column::Sha256.starts_with(hash)).order_by_asc(Column::Id).all(db).await
    })?;
    let loaded = parent.iter().find(|file| file.current() == State::Loaded);
    Ok(loaded.or(parent.first()).map(|file| file.id))
}

fn hash_in(name: &str) -> Option<&str> {
    let (rest, _) = name.rsplit_once(".rejected.csv")?;
    let (_, hash) = rest.rsplit_once('.')?;
    (hash.len() == 12 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_in_a_name() {
        assert_eq!(hash_in("a.0123456789ab.rejected.csv"), Some("0123456789ab"));
        assert_eq!(hash_in("a.0123456789ab.rejected.cdef01234567.rejected.csv"), Some("cdef01234567"));
        assert_eq!(hash_in("a.0123456789ab.csv"), None);
        assert_eq!(hash_in("a.rejected.csv"), None);
        assert_eq!(hash_in("a.%_%_%_%_%_%_.rejected.csv"), None);
    }
}
