//! Which data folders the manifest knows, and whose an entry is.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::entity::{Column, Entity, Model as Entry};
use super::state::Place;
use crate::store::{Store, StoreError};

/// Archived files by which a folder is known again.
const ENOUGH: u64 = 100;

/// Every data folder of which there are entries.
///
/// # Errors
/// When the database can't be asked.
pub fn origins(store: &Store) -> Result<Vec<String>, StoreError> {
    store.read(async |session| {
        let distinct = Entity::find().select_only().column(Column::Origin).distinct();
        distinct.filter(Column::Origin.ne("")).into_tuple().all(session).await
    })
}

/// Where the files of `origin` lie that were put away last, below the folders of their places.
///
/// # Errors
/// When the database can't be asked.
pub fn latest_archived(store: &Store, origin: &str) -> Result<Vec<(Place, String)>, StoreError> {
    let entries: Vec<Entry> = store.read(async |session| {
        Entity::find()
            .filter(Column::Origin.eq(origin))
            .filter(Column::Place.is_in([Place::Processed.as_str(), Place::Quarantine.as_str()]))
            .filter(Column::PlaceName.is_not_null())
            .order_by_desc(Column::Id)
            .limit(ENOUGH)
            .all(session)
            .await
    })?;
    Ok(entries.into_iter().filter_map(|entry| Some((entry.lies(), entry.place_name?))).collect())
}

/// Makes the entries of the folder `theirs` those of the folder `ours`, as far as they lie in an archive; with an empty
/// `theirs`, all those of the first version, which told folders not apart. Says how many.
///
/// # Errors
/// When the database can't be written.
pub fn take_in_origin(store: &Store, theirs: &str, ours: &str) -> Result<u64, StoreError> {
    let dialect = store.dialect();
    let which = if theirs.is_empty() { "true" } else { "place IN ('processed', 'quarantine', 'none')" };
    let sql = format!(
        "UPDATE manifest SET origin = {} WHERE origin = {} AND {which}",
        dialect.text(ours),
        dialect.text(theirs)
    );
    store.change(&sql)
}
