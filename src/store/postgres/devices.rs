//! Devices on PostgreSQL: an id is reserved when a name is met, and the rows of new devices are written last.
//!
//! Two transactions that meet the same new devices would otherwise wait for each other's commit, and die together when
//! they meet them in another order. The order of the names at the end keeps those who write them apart, and a file that
//! is refused leaves no device behind.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

/// Ids that this process has reserved for names that are not committed yet: its transactions use the same ones.
#[derive(Debug, Default)]
pub(in crate::store) struct ReservedIds(Mutex<HashMap<String, i32>>);

impl ReservedIds {
    fn of(&self, names: &[String]) -> HashMap<String, i32> {
        self.with(|ids| names.iter().filter_map(|name| Some((name.clone(), *ids.get(name)?))).collect())
    }

    /// Reserves `ids` for `names`; a name that another thread reserved meanwhile keeps that id.
    fn reserve(&self, names: Vec<String>, ids: Vec<i32>) -> HashMap<String, i32> {
        let reserve = |all: &mut HashMap<String, i32>| {
            names.into_iter().zip(ids).map(|(name, id)| (name.clone(), *all.entry(name).or_insert(id))).collect()
        };
        self.with(reserve)
    }

    /// Forgets names that are committed, by whomever.
    pub(super) fn forget<'n>(&self, names: impl IntoIterator<Item = &'n String>) {
        self.with(|ids| {
            for name in names {
                ids.remove(name);
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, i32>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The id of a device.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeviceId {
    id: i32,
    /// Whether the table has it. Otherwise it is reserved.
    stored: bool,
}

/// The devices of one transaction.
#[derive(Debug, Default)]
pub(super) struct Devices {
    /// Those met so far, by name.
    met: HashMap<String, DeviceId>,
    /// Ids of the open file's devices, in the order of its pass.
    ids: Vec<i32>,
    /// Those that the open file names and the table does not have.
    new_in_file: Vec<(String, i32)>,
    /// The same of the files before it that were not dropped.
    new: BTreeMap<String, i32>,
}

impl Devices {
    pub(super) fn open_file(&mut self) {
        self.ids.clear();
        self.new_in_file.clear();
    }

    pub(super) fn close_file(&mut self) {
        self.new.extend(self.new_in_file.drain(..));
    }

    /// Ids of the open file's devices, in the order of its pass.
    pub(super) fn ids(&self) -> &[i32] {
        &self.ids
    }

    /// Names among `devices`, those of the open file so far, that the transaction has not met.
    pub(super) fn unmet(&self, devices: &[String]) -> Vec<String> {
        devices[self.ids.len()..].iter().filter(|name| !self.met.contains_key(*name)).cloned().collect()
    }

    pub(super) fn meet(&mut self, found: HashMap<String, DeviceId>) {
        self.met.extend(found);
    }

    /// Gives the open file's `devices` their ids; all of them have been met.
    pub(super) fn register(&mut self, devices: &[String]) {
        for name in &devices[self.ids.len()..] {
            let DeviceId { id, stored } = self.met[name];
            self.ids.push(id);
            if !stored {
                self.new_in_file.push((name.clone(), id));
            }
        }
    }

    /// Takes out what must be written before the commit, in the order of the names.
    pub(super) fn take_new(&mut self) -> (Vec<String>, Vec<i32>) {
        std::mem::take(&mut self.new).into_iter().unzip()
    }
}

/// Finds the ids of `names`, and reserves some for those that nobody knows.
pub(super) async fn find_or_reserve(
    connection: &mut PgConnection,
    reserved: &ReservedIds,
    names: Vec<String>,
) -> Result<HashMap<String, DeviceId>, sqlx::Error> {
    // Before the look at the table: what is forgotten from now on is committed, and found there.
    let reserved_before = reserved.of(&names);
    let stored: Vec<(String, i32)> = sqlx::query_as("SELECT name, id FROM device WHERE name = ANY($1)")
        .persistent(false)
        .bind(&names)
        .fetch_all(&mut *connection)
        .await?;
    let mut found: HashMap<String, DeviceId> = in_state(reserved_before, false).collect();
    found.extend(in_state(stored, true));
    let unknown: Vec<String> = names.into_iter().filter(|name| !found.contains_key(name)).collect();
    if !unknown.is_empty() {
        let ids = unused_ids(connection, unknown.len()).await?;
        found.extend(in_state(reserved.reserve(unknown, ids), false));
    }
    Ok(found)
}

/// `n` ids that no device has. They come from rows that are inserted and taken back: the table's sequence never gives
/// them again, and may be closed to a role that is allowed to insert.
async fn unused_ids(connection: &mut PgConnection, n: usize) -> Result<Vec<i32>, sqlx::Error> {
    let mut attempt = connection.begin().await?;
    let mut ids: Vec<i32> = Vec::with_capacity(n);
    // Some may have been given to devices by hand.
    while ids.len() < n {
        let more = sqlx::query_scalar::<_, i32>(
            "INSERT INTO device (name) SELECT gen_random_uuid()::text FROM generate_series(1, $1)
             ON CONFLICT DO NOTHING RETURNING id",
        );
        ids.extend(more.persistent(false).bind((n - ids.len()) as i64).fetch_all(&mut *attempt).await?);
    }
    attempt.rollback().await?;
    Ok(ids)
}

fn in_state(ids: impl IntoIterator<Item = (String, i32)>, stored: bool) -> impl Iterator<Item = (String, DeviceId)> {
    ids.into_iter().map(move |(name, id)| (name, DeviceId { id, stored }))
}

/// Writes new devices; gives the names for which another process was first, with another id.
pub(super) async fn write(
    connection: &mut PgConnection,
    names: &[String],
    ids: &[i32],
) -> Result<Vec<String>, sqlx::Error> {
    let new = "unnest($1::integer[], $2::text[]) AS new (id, name)";
    let insert = AssertSqlSafe(format!("INSERT INTO device (id, name) SELECT * FROM {new} ON CONFLICT DO NOTHING"));
    let inserted = sqlx::query(insert).persistent(false).bind(ids).bind(names).execute(&mut *connection).await?;
    if inserted.rows_affected() == names.len() as u64 {
        return Ok(Vec::new());
    }
    let taken = AssertSqlSafe(format!(
        "SELECT name FROM {new} WHERE NOT EXISTS (SELECT FROM device d WHERE d.name = new.name AND d.id = new.id)"
    ));
    sqlx::query_scalar(taken).persistent(false).bind(ids).bind(names).fetch_all(connection).await
}
