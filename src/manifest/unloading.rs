//! Taking a file out: what changes in the manifest, for it and for those that were set aside because of it.

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, sea_query::Expr};

use super::entity::{Column, Entity, Model as Entry};
use super::state::State;
use super::transition::{self, Of};
use super::worker::is_free;
use crate::store::{Store, StoreError, Unloading};

/// The files that were set aside because of another: whole, or some of their rows.
#[derive(Debug, Default)]
pub struct SetAside {
    /// Those of the same content.
    pub whole: Vec<Entry>,
    /// Those of which it has some rows, or may have: what earlier versions loaded does not say.
    pub in_part: Vec<Entry>,
}

/// The files that were set aside because of `entry`.
///
/// # Errors
/// When the database can't be asked.
pub fn set_aside_because_of(store: &Store, entry: &Entry) -> Result<SetAside, StoreError> {
    let (whole, in_part) = (whole(store, entry), in_part(entry));
    store.read(async |session| {
        let which = |condition: &str, state: State| {
            let condition = Condition::all().add(Expr::cust(condition.to_owned()));
            Entity::find().filter(condition).filter(Column::State.eq(state.as_str())).order_by_asc(Column::Id)
        };
        Ok(SetAside {
            whole: which(&whole, State::Duplicate).all(session).await?,
            in_part: which(&in_part, State::Loaded).all(session).await?,
        })
    })
}

/// The first version did not note whose content a duplicate has.
fn whole(store: &Store, entry: &Entry) -> String {
    let sha256 = store.dialect().text(entry.sha256.as_deref().unwrap_or_default());
    format!("(duplicate_of = {} OR duplicate_of IS NULL AND sha256 = {sha256})", entry.id)
}

fn in_part(entry: &Entry) -> String {
    let id = entry.id;
    format!(
        "id <> {id} AND (id IN (SELECT file_id FROM set_aside WHERE because_of = {id}) OR judge IS NULL AND rows_duplicate > 0)"
    )
}

/// The statements by which a loaded file is taken out: with `again` it is pending where it lies; with `only`, those that
/// were set aside because of it stay as they are.
pub fn unloading(store: &Store, entry: &Entry, again: bool, only: bool, why: &str) -> Unloading {
    let dialect = store.dialect();
    let transition = if again { &transition::UNLOAD_AGAIN } else { &transition::UNLOAD };
    let of = Of::Free { id: entry.id, claim_no: entry.claim_no };
    let (whole, in_part) = (whole(store, entry), in_part(entry));
    let taken = format!("{:?} was taken out", entry.source);
    let others = match only {
        true => Vec::new(),
        false => vec![
            transition::RETAKE.statement(Of::Which(&whole), &[(Column::LastError, taken.into())], dialect),
            transition::DOUBT.statement(Of::Which(&in_part), &[], dialect),
        ],
    };
    let duplicates = if only { "false".to_owned() } else { format!("state = 'duplicate' AND {whole}") };
    Unloading {
        file_id: entry.id,
        in_hand: format!(
            "SELECT NOT ({} AND place = 'processed') FROM manifest WHERE id = {} OR ({duplicates}) ORDER BY id {}",
            is_free(dialect),
            entry.id,
            dialect.for_update()
        ),
        transition: transition.statement(of, &[(Column::LastError, why.into())], dialect),
        others,
    }
}

/// Loaded files of `origin` whose rows are to be looked at again, by identity: not those that wait.
///
/// # Errors
/// When the database can't be asked.
pub fn to_recheck(store: &Store, origin: &str) -> Result<Vec<i64>, StoreError> {
    store.read(async |session| {
        let entries = Entity::find()
            .filter(Expr::cust("recheck AND place = 'processed'"))
            .filter(Column::State.eq(State::Loaded.as_str()))
            .filter(Column::Origin.eq(origin))
            .order_by_asc(Column::Id)
            .all(session)
            .await?;
        Ok(entries.into_iter().map(|entry| entry.id).collect())
    })
}
