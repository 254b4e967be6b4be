//! Claims: which worker has a file in hand.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement, Value};

use super::entity::Model as SourceFile;
use super::entity::{ActiveModel, Column, Entity};
use super::state::State;
use crate::store::{Store, StoreError};

/// How long a claim lasts unless it is renewed.
const LEASE: Duration = Duration::from_secs(300);
/// Files that may share a commit, and the bytes before the last of them: enough that the commit costs each of them
/// little, few enough that the others see theirs soon.
const GROUP_FILES: usize = 256;
const GROUP_BYTES: usize = 1 << 20;
/// How often it is looked for files that another worker's claim has locked for a moment, and the longest wait between
/// two looks.
const LOOKS: usize = 100;
const NEXT_LOOK: Duration = Duration::from_millis(10);
/// How often a claim is renewed.
const RENEWAL: Duration = Duration::from_secs(60);

/// Names this process so that no other, on any machine, has the same name, and so that its end can be told from the
/// same machine: host, process namespace, process id, start of the process.
pub fn worker_name() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let host = read("/proc/sys/kernel/hostname").trim().replace('/', "_");
    let pid = std::process::id();
    format!("{host}/{}/{pid}/{}", namespace(), start_of(pid).unwrap_or_default())
}

fn namespace() -> String {
    std::fs::read_link("/proc/self/ns/pid").map(|p| p.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Start time of a living process, in clock ticks since boot: the 22nd field of /proc/<pid>/stat (proc(5)).
fn start_of(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19).map(str::to_owned)
}

/// Takes the next files that can be brought to `target`, none when there are none for now: one file of any size, or
/// several small ones that may share a commit. With `only`, that file alone.
///
/// Two workers can't take the same: PostgreSQL skips rows that another is about to take, SQLite has one writer.
///
/// # Errors
/// When the database can't be asked.
pub fn claim(
    store: &Store,
    worker: &str,
    target: State,
    only: Option<i64>,
    now: DateTime<Utc>,
) -> Result<Vec<SourceFile>, StoreError> {
    let free = |now: &str| {
        let states: Vec<String> = target.reached_from().iter().map(|s| format!("'{}'", s.as_str())).collect();
        let only = only.map(|id| format!("AND id = {id}")).unwrap_or_default();
        format!(
            "state IN ({}) AND sha256 IS NOT NULL AND (lease_until IS NULL OR lease_until < {now}) {only}",
            states.join(", ")
        )
    };
    let skip = if store.is_embedded() { "" } else { "FOR UPDATE SKIP LOCKED" };
    let take = format!(
        "UPDATE manifest SET claimed_by = $1, lease_until = $2 WHERE id IN (
             SELECT id FROM (
                 SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM (
                     SELECT id, size FROM manifest WHERE {}
                     ORDER BY id LIMIT {GROUP_FILES} {skip}) AS free) AS weighed
             WHERE before < {GROUP_BYTES}) RETURNING *",
        free("$3")
    );
    let look = format!("SELECT * FROM manifest WHERE {} LIMIT 1", free("$1"));
    let until = now + if store.is_embedded() { Duration::from_secs(86_400) } else { LEASE };
    let mut looks = 1;
    loop {
        let mut files = answer(store, &take, vec![worker.into(), until.into(), now.into()])?;
        let locked = || Ok(!answer(store, &look, vec![now.into()])?.is_empty());
        if !files.is_empty() || store.is_embedded() || looks == LOOKS || !locked()? {
            files.sort_unstable_by_key(|file| file.id);
            return Ok(files);
        }
        // Another worker, about to take some, has locked all that this one could have taken.
        std::thread::sleep(NEXT_LOOK.mul_f64(rand::random()));
        looks += 1;
    }
}

fn answer(store: &Store, sql: &str, values: Vec<Value>) -> Result<Vec<SourceFile>, StoreError> {
    store.write(async |db| {
        let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
        Entity::find().from_raw_sql(statement).all(db).await
    })
}

/// Renews the claim on `files` for as long as the returned guard lives. An embedded database needs none: nobody can
/// claim while its one writer's lock is held, and the end of a worker is seen at once on its own machine.
pub fn keep_claim(store: &Store, files: &[SourceFile], worker: &str) -> impl Drop + use<> {
    let (db, worker) = (store.connection(), worker.to_owned());
    let ids: Vec<i64> = files.iter().map(|file| file.id).collect();
    let renewal = (!store.is_embedded()).then(|| {
        store.spawn(async move {
            loop {
                tokio::time::sleep(RENEWAL).await;
                let renewed = Entity::update_many()
                    .set(ActiveModel { lease_until: Set(Some(Utc::now() + LEASE)), ..Default::default() })
                    .filter(Column::Id.is_in(ids.iter().copied()))
                    .filter(Column::ClaimedBy.eq(worker.as_str()))
                    .exec(&db)
                    .await;
                if let Err(e) = renewed {
                    tracing::warn!("the claims on {} files could not be renewed: {e}", ids.len());
                }
            }
        })
    });
    Renewal(renewal)
}

struct Renewal(Option<tokio::task::JoinHandle<()>>);

impl Drop for Renewal {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Frees the files of workers of this machine that are no more, so that a crash costs no wait for their lease; and those
/// of `worker` itself, which has none in hand when it calls: it could not let go of them while the database was away.
///
/// # Errors
/// When the database can't be asked.
pub fn release_dead(store: &Store, worker: &str) -> Result<(), StoreError> {
    let Some((place, _)) = worker.rsplit_once('/').and_then(|(rest, _)| rest.rsplit_once('/')) else { return Ok(()) };
    let claimed: Vec<SourceFile> =
        store.read(async |db| Entity::find().filter(Column::ClaimedBy.is_not_null()).all(db).await)?;
    for file in claimed {
        let Some(holder) = &file.claimed_by else { continue };
        if holder != worker && lives_elsewhere_or_still(holder, place) {
            continue;
        }
        store.write(async |db| {
            let free = ActiveModel { claimed_by: Set(None), lease_until: Set(None), ..Default::default() };
            Entity::update_many()
                .set(free)
                .filter(Column::Id.eq(file.id))
                .filter(Column::ClaimedBy.eq(holder.as_str()))
                .exec(db)
                .await
        })?;
    }
    Ok(())
}

fn lives_elsewhere_or_still(holder: &str, place: &str) -> bool {
    let Some((pid, start)) =
        holder.strip_prefix(place).and_then(|r| r.strip_prefix('/')).and_then(|r| r.split_once('/'))
    else {
        return true;
    };
    pid.parse().ok().and_then(start_of).is_some_and(|living| living == start)
}
