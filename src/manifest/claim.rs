//! Claims: which worker has a file in hand. Each raises the entry's number, and counts the attempt when it begins: a crash,
//! a kill for memory and an error that nobody foresaw then end like any other.

use std::time::Duration;

use migration::{OPEN, UNPLACED};
use sea_orm::{EntityTrait, Statement};

use super::entity::{Entity, Model as Entry};
use super::state::State;
use super::transition::MAX_ATTEMPTS;
use super::worker::{Worker, is_free};
use crate::store::{Dialect, Store, StoreError};

/// Files that may share a commit, and the bytes before the last of them: enough that the commit costs each of them
/// little, few enough that the others see theirs soon.
const GROUP_FILES: usize = 256;
const GROUP_BYTES: usize = 1 << 20;
/// How often it is looked for files that another worker's claim has locked for a moment, and the longest wait between
/// two looks.
const LOOKS: usize = 100;
const NEXT_LOOK: Duration = Duration::from_millis(10);
/// A wait further ahead than this was given by a clock that went wrong, and counts as over.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(2 * 3600);

/// Which entries a claim is after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Files that can be brought to this state: one of any size, or several small ones that may share a commit.
    Reach(State),
    /// Open files that are held between steps, whatever their attempts.
    Held,
    /// Closed files that are not yet where they belong.
    Place,
    /// Files whose last attempt began and never ended.
    Expired,
}

impl Work {
    fn condition(self) -> String {
        match self {
            Work::Reach(target) => {
                format!("{} AND sha256 IS NOT NULL AND attempts < {MAX_ATTEMPTS}", is_in(target.reached_from()))
            }
            Work::Held => {
                format!("{} AND place = 'held'", is_in(&[State::Pending, State::Validated, State::Aggregated]))
            }
            Work::Place => UNPLACED.to_owned(),
            Work::Expired => format!(
                "{} AND attempts >= {MAX_ATTEMPTS}",
                is_in(&[State::Pending, State::Validated, State::Aggregated])
            ),
        }
    }
}

/// Some of the open states: in the words of the index, and which.
fn is_in(states: &[State]) -> String {
    let states: Vec<String> = states.iter().map(|state| format!("'{}'", state.as_str())).collect();
    format!("{OPEN} AND state IN ({})", states.join(", "))
}

fn due(dialect: Dialect) -> String {
    format!("(not_before IS NULL OR not_before <= {} OR not_before > {})", dialect.now(), dialect.after(LONGEST_WAIT))
}

/// Whether there may be something to recover: other workers, whose end is to be looked for; files in hand, or not where
/// they belong, or whose attempts ended without a word. One look instead of many, where there mostly is nothing.
///
/// # Errors
/// When the database can't be asked.
pub fn is_anything_left(store: &Store, worker: &Worker) -> Result<bool, StoreError> {
    let (expired, id) = (Work::Expired.condition(), worker.id);
    let sql = format!(
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM worker WHERE id <> {id})
         OR EXISTS (SELECT 1 FROM manifest WHERE worker_id IS NOT NULL)
         OR EXISTS (SELECT 1 FROM manifest WHERE {UNPLACED}) OR EXISTS (SELECT 1 FROM manifest WHERE {expired})"
    );
    store.read(async |session| Ok(!session.rows(sql).await?.is_empty()))
}

/// Takes the next files of `origin` that there is `work` on, none when there are none for now. With `only`, that file alone.
///
/// Two workers can't take the same: PostgreSQL skips rows that another is about to take, SQLite has one writer. A file
/// whose last attempt did not end is taken alone, so that it takes nobody with it.
///
/// # Errors
/// When the database can't be asked.
pub fn claim(
    store: &Store,
    worker: &Worker,
    origin: &str,
    work: Work,
    only: Option<i64>,
) -> Result<Vec<Entry>, StoreError> {
    let dialect = store.dialect();
    let only = only.map(|id| format!(" AND id = {id}")).unwrap_or_default();
    let free = format!(
        "origin = {} AND {} AND {} AND {}{only}",
        dialect.text(origin),
        work.condition(),
        due(dialect),
        is_free(dialect)
    );
    let take = format!(
        "UPDATE manifest SET worker_id = {}, claim_no = claim_no + 1, attempts = attempts + 1 WHERE id IN (
             SELECT id FROM (
                 SELECT id, attempts, sum(size) OVER (ORDER BY id) - size AS before, row_number() OVER (ORDER BY id) AS n,
                        first_value(attempts) OVER (ORDER BY id) AS attempts_of_first
                 FROM (SELECT id, size, attempts FROM manifest WHERE {free}
                       ORDER BY id LIMIT {GROUP_FILES} {}) AS free) AS weighed
             WHERE n = 1 OR (before < {GROUP_BYTES} AND attempts = 0 AND attempts_of_first = 0)) RETURNING *",
        worker.id,
        dialect.skip_locked()
    );
    let look = format!("SELECT * FROM manifest WHERE {free} LIMIT 1");
    for attempt in 1.. {
        let mut entries = changed(store, &take)?;
        let locked = || Ok(!seen(store, &look)?.is_empty());
        if !entries.is_empty() || store.is_embedded() || attempt == LOOKS || !locked()? {
            entries.sort_unstable_by_key(|entry| entry.id);
            return Ok(entries);
        }
        // Another worker, about to take some, has locked all that this one could have taken.
        std::thread::sleep(NEXT_LOOK.mul_f64(rand::random()));
    }
    Ok(Vec::new())
}

fn changed(store: &Store, sql: &str) -> Result<Vec<Entry>, StoreError> {
    store.write(async |session| {
        Entity::find().from_raw_sql(Statement::from_string(store.dialect().backend(), sql)).all(session).await
    })
}

fn seen(store: &Store, sql: &str) -> Result<Vec<Entry>, StoreError> {
    store.read(async |session| {
        Entity::find().from_raw_sql(Statement::from_string(store.dialect().backend(), sql)).all(session).await
    })
}
