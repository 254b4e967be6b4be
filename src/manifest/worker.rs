//! Workers: one row per process, with a lease that it renews.
//!
//! A claim holds for as long as its worker's lease. The lease keeps two workers from doing the same work; it is never
//! what correctness rests on: that are the claims' numbers. A process that ended is seen at once by those that would see
//! it live: in the same boot and process namespace by its number, in the same boot and `data/` by its lock, from any
//! container. Any other is waited for, a minute at most.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr};

use crate::source::LifeLock;
use crate::store::{Dialect, Session, Store, StoreError};

/// How long a lease lasts unless it is renewed.
const LEASE: Duration = Duration::from_secs(60);
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(15);
/// A lease further ahead than this was given by a clock that went wrong, and counts as lapsed.
const LONGEST_LEASE: Duration = Duration::from_secs(120);
/// Rows of workers that lapsed this long ago are of no use to anybody.
const FORGOTTEN: Duration = Duration::from_secs(86_400);

/// A process that was suspended in the middle of a COPY counts as at work on the server, whose own time limits are for
/// those that are idle; the keys that it has written keep others waiting for as long as it is. What was not committed is
/// done again.
const END_LAPSED_SESSIONS: &str = "SELECT pg_terminate_backend(a.pid)
    FROM pg_stat_activity a JOIN worker w ON w.session = a.application_name
    WHERE a.datname = current_database() AND a.state <> 'idle' AND w.lease_until < clock_timestamp()";

/// What a process had under way on the server ends with it. It may not know yet: where a container's network went with
/// the container, no word came. Another role's sessions are not ours to end: the server's own time limits do.
const END_SESSIONS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND application_name IN ";

/// Where a process runs, and which of those there it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    host: String,
    /// Names this start of this machine: the same host name, and even the same process id, may be another's.
    boot: String,
    pid_ns: String,
    pid: i64,
    /// In clock ticks since boot: process ids are used again.
    start: String,
}

impl Process {
    fn own() -> Process {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let pid = std::process::id();
        let pid_ns =
            std::fs::read_link("/proc/self/ns/pid").map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
        Process {
            host: read("/proc/sys/kernel/hostname"),
            boot: read("/proc/sys/kernel/random/boot_id"),
            pid_ns,
            pid: i64::from(pid),
            start: start_of(i64::from(pid)).unwrap_or_default(),
        }
    }

    /// Whether this process would see `other` if it lived, and sees that it does not: by its number, or by its lock.
    fn sees_the_end_of(&self, other: &Process, own_lock: Option<&LifeLock>, their_lock: Option<&str>) -> bool {
        let same_boot = !self.boot.is_empty() && self.boot == other.boot;
        let is_let_go = || own_lock?.is_let_go(their_lock?);
        same_boot && is_let_go().unwrap_or_else(|| self.misses(other))
    }

    /// Whether no process has the number and start of `other`, where it would be seen.
    fn misses(&self, other: &Process) -> bool {
        let same_place = !self.boot.is_empty()
            && !self.pid_ns.is_empty()
            && (&self.boot, &self.pid_ns, &self.host) == (&other.boot, &other.pid_ns, &other.host);
        // Where /proc hides the processes of other users, the own one is seen and theirs are not.
        same_place && hides_nobody() && start_of(other.pid).is_none_or(|living| living != other.start)
    }
}

/// Start time of a living process: the 22nd field of /proc/<pid>/stat (proc(5)).
fn start_of(pid: i64) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19).map(str::to_owned)
}

/// Whether the first process of the namespace, which is somebody else's where `hidepid` is set, can be seen.
fn hides_nobody() -> bool {
    start_of(1).is_some()
}

/// This process in the database.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Its row.
    pub id: i64,
    ended: Arc<AtomicBool>,
    /// Held for as long as the process lives.
    life_lock: Arc<Option<LifeLock>>,
}

impl Worker {
    /// Enters this process, which works on the folder `data`, and takes out those whose end it can see.
    ///
    /// # Errors
    /// When the database can't be written.
    pub fn enter(store: &Store, data: &Path) -> Result<Worker, StoreError> {
        let (own, dialect) = (Process::own(), store.dialect());
        // Before its name can be read, so that nobody finds it free.
        let life_lock = LifeLock::take(data);
        let lock_name = life_lock.as_ref().map_or_else(|| "NULL".to_owned(), |lock| dialect.text(&lock.name()));
        let (id, left) = store.write(async |session| {
            session.execute_unprepared(dialect.without_waiting_for_the_disk()).await?;
            let left = forget_the_dead(session, &own, life_lock.as_ref(), dialect).await?;
            let insert = format!(
                "INSERT INTO worker (host, boot, pid_ns, pid, start, session, life_lock, lease_until)
                 VALUES ({}, {}, {}, {}, {}, {}, {lock_name}, {}) RETURNING id",
                dialect.text(&own.host),
                dialect.text(&own.boot),
                dialect.text(&own.pid_ns),
                own.pid,
                dialect.text(&own.start),
                dialect.text(store.session_name()),
                dialect.after(LEASE)
            );
            let rows = session.rows(insert).await?;
            let id = rows.first().map_or(Err(DbErr::RecordNotInserted), |row| row.try_get_by_index::<i64>(0))?;
            Ok((id, left))
        })?;
        end_sessions(store, &left);
        let worker = Worker { id, ended: Arc::default(), life_lock: Arc::new(life_lock) };
        worker.keep(store);
        Ok(worker)
    }

    /// Renews the lease until [`Worker::leave`], and ends the sessions of those whose lease lapsed.
    fn keep(&self, store: &Store) {
        let (renewal, database, ended) = (self.renewal(store.dialect()), store.background(), Arc::clone(&self.ended));
        let is_server = !store.is_embedded();
        store.spawn(async move {
            loop {
                tokio::time::sleep(RENEWAL).await;
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(e) = database.change(&renewal).await {
                    tracing::warn!("the lease could not be renewed: {e}");
                }
                if is_server && let Err(e) = database.change(END_LAPSED_SESSIONS).await {
                    tracing::warn!("sessions of workers that fell silent could not be ended: {e}");
                }
            }
        });
    }

    /// The statement that renews the lease. An embedded database's one writer can't renew it beside its own transaction,
    /// and nobody can take anything meanwhile; so its commit does.
    pub fn renewal(&self, dialect: Dialect) -> String {
        format!("UPDATE worker SET lease_until = {} WHERE id = {}", dialect.after(LEASE), self.id)
    }

    /// Takes this process out again. Best effort: where the database is away, the lease lapses by itself.
    pub fn leave(&self, store: &Store) {
        self.ended.store(true, Ordering::Relaxed);
        let leave =
            format!("{}DELETE FROM worker WHERE id = {}", store.dialect().without_waiting_for_the_disk(), self.id);
        let _ = store.change(&leave);
    }

    /// Takes out those whose end can be seen from here: what they had in hand is free at once.
    ///
    /// # Errors
    /// When the database can't be written.
    pub fn clear_dead(&self, store: &Store) -> Result<(), StoreError> {
        let (own, dialect) = (Process::own(), store.dialect());
        let own_lock = self.life_lock.as_ref().as_ref();
        let left = store.write(async |session| forget_the_dead(session, &own, own_lock, dialect).await)?;
        end_sessions(store, &left);
        Ok(())
    }
}

/// The numbers of those whose lease holds.
///
/// # Errors
/// When the database can't be asked.
pub fn living_workers(store: &Store) -> Result<Vec<i64>, StoreError> {
    let sql = format!("SELECT w.id FROM worker w WHERE {}", lives(store.dialect()));
    store.read(async |session| session.rows(sql).await?.iter().map(|row| row.try_get_by_index(0)).collect())
}

/// Takes out the rows of the dead; gives the names of the sessions that they had.
async fn forget_the_dead(
    session: &Session<'_>,
    own: &Process,
    own_lock: Option<&LifeLock>,
    dialect: Dialect,
) -> Result<Vec<String>, DbErr> {
    let (mut dead, mut left) = (Vec::new(), Vec::new());
    for row in session.rows("SELECT id, host, boot, pid_ns, pid, start, session, life_lock FROM worker").await? {
        let text = |i: usize| row.try_get_by_index::<String>(i);
        let process = Process {
            host: text(1)?,
            boot: text(2)?,
            pid_ns: text(3)?,
            pid: row.try_get_by_index::<i64>(4)?,
            start: text(5)?,
        };
        let their_lock = row.try_get_by_index::<Option<String>>(7)?;
        if own.sees_the_end_of(&process, own_lock, their_lock.as_deref()) {
            dead.push(row.try_get_by_index::<i64>(0)?.to_string());
            left.extend(Some(text(6)?).filter(|session| !session.is_empty()));
        }
    }
    let lapsed = lapsed_before(dialect, FORGOTTEN);
    let dead = if dead.is_empty() { lapsed } else { format!("id IN ({}) OR {lapsed}", dead.join(", ")) };
    session.execute_unprepared(&format!("DELETE FROM worker WHERE {dead}")).await?;
    Ok(left)
}

/// Best effort: where this role may not, whoever meets what they wrote waits until the server ends them.
fn end_sessions(store: &Store, names: &[String]) {
    let dialect = store.dialect();
    if names.is_empty() || dialect == Dialect::Sqlite {
        return;
    }
    let names: Vec<String> = names.iter().map(|name| dialect.text(name)).collect();
    if let Err(e) = store.write(async |session| session.rows(format!("{END_SESSIONS}({})", names.join(", "))).await) {
        tracing::warn!("sessions of workers that died could not be ended: {e}");
    }
}

fn lapsed_before(dialect: Dialect, age: Duration) -> String {
    match dialect {
        Dialect::Postgres => format!("lease_until < clock_timestamp() - interval '{} seconds'", age.as_secs()),
        Dialect::Sqlite => {
            format!("lease_until < strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now', '-{} seconds')", age.as_secs())
        }
    }
}

/// The condition that nobody alive has an entry in hand.
pub(super) fn is_free(dialect: Dialect) -> String {
    format!("(worker_id IS NULL OR worker_id NOT IN (SELECT w.id FROM worker w WHERE {}))", lives(dialect))
}

/// The condition that the lease of a worker `w` holds.
pub(super) fn lives(dialect: Dialect) -> String {
    format!("w.lease_until > {} AND w.lease_until < {}", dialect.now(), dialect.after(LONGEST_LEASE))
}

/// Somebody who has files in hand.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Holder {
    /// Host and process id.
    pub worker: String,
    /// Files in its hand that are not yet done.
    pub files: i64,
    /// Until when its claims hold unless it renews them.
    pub until: chrono::DateTime<chrono::Utc>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files = if self.files == 1 { "1 file is".to_owned() } else { format!("{} files are", self.files) };
        let until = self.until.format("%H:%M:%S UTC");
        write!(f, "{files} in the hands of {} until {until}, unless it renews its claim", self.worker)
    }
}

/// Who has files in hand: those of `origin`, or of all folders; the worker `own` left out.
///
/// # Errors
/// When the database can't be asked.
pub fn holders(store: &Store, origin: Option<&str>, own: Option<i64>) -> Result<Vec<Holder>, StoreError> {
    let dialect = store.dialect();
    let sql = format!(
        "SELECT w.host, w.pid, count(*), w.lease_until FROM manifest m JOIN worker w ON w.id = m.worker_id
         WHERE m.worker_id IS NOT NULL AND {} AND w.id <> {} AND {}
         GROUP BY w.id, w.host, w.pid, w.lease_until ORDER BY w.id",
        of_origin("m.origin", origin, dialect),
        own.unwrap_or(0),
        lives(dialect)
    );
    store.read(async |session| {
        let mut holders = Vec::new();
        for row in session.rows(sql).await? {
            let (host, pid): (String, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            let worker = format!("process {pid} on host {host}");
            holders.push(Holder { worker, files: row.try_get_by_index(2)?, until: row.try_get_by_index(3)? });
        }
        Ok(holders)
    })
}

/// The condition that the column `origin` is this one; none: any.
pub(super) fn of_origin(column: &str, origin: Option<&str>, dialect: Dialect) -> String {
    origin.map_or_else(|| "true".to_owned(), |origin| format!("{column} = {}", dialect.text(origin)))
}
