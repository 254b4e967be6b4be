//! Devices on PostgreSQL: an id is reserved when a name is met, and the rows of new devices are written last.
//!
//! Two transactions that meet the same new devices would otherwise wait for each other's commit, and die together when
//! they meet them in another order. The order of the names at the end keeps those who write them apart, and a file that
//! is refused leaves no device behind. A file that names very many devices writes them ahead, some at a time, and forgets
//! them: memory has its bounds. Another that meets the same ones then waits, or is tried again.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use iotpipe_core::devices::{DeviceIndex, DeviceNames};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

/// Devices in one statement.
pub(super) const AT_ONCE: usize = 10_000;
/// With more devices than this in mind, those that are new are written ahead.
const MANY: usize = 100_000;

/// Ids that this process has reserved for names that are not committed yet: its transactions use the same ones.
#[derive(Debug, Default)]
pub(in crate::store) struct ReservedIds(Mutex<Reserved>);

#[derive(Debug, Default)]
struct Reserved {
    names: DeviceIndex,
    /// By the number of the name; none where it was forgotten.
    ids: Vec<Option<i32>>,
    remembered: usize,
}

impl ReservedIds {
    fn of(&self, names: &[String]) -> Vec<(String, i32)> {
        self.with(|all| names.iter().filter_map(|name| Some((name.clone(), all.id_of(name)?))).collect())
    }

    /// Reserves `ids` for `names`; a name that another thread reserved meanwhile keeps that id.
    fn reserve(&self, names: Vec<String>, ids: Vec<i32>) -> Vec<(String, i32)> {
        self.with(|all| names.into_iter().zip(ids).map(|(name, id)| (all.reserve(&name, id), name)).map(swap).collect())
    }

    /// Forgets names that are committed, by whomever.
    pub(super) fn forget<'n>(&self, names: impl IntoIterator<Item = &'n str>) {
        self.with(|all| names.into_iter().for_each(|name| all.forget(name)));
    }

    /// The same of those whose `numbers` are given.
    pub(super) fn forget_all(&self, devices: &Devices, numbers: &[u32]) {
        self.forget(numbers.iter().filter_map(|number| devices.met.names().get(*number)));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Reserved) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn swap<A, B>((a, b): (A, B)) -> (B, A) {
    (b, a)
}

impl Reserved {
    fn id_of(&self, name: &str) -> Option<i32> {
        self.ids[self.names.find(name.as_bytes())? as usize]
    }

    fn reserve(&mut self, name: &str, id: i32) -> i32 {
        let number = match self.names.find(name.as_bytes()) {
            Some(number) => number,
            None => {
                self.ids.push(None);
                self.names.add(name)
            }
        };
        let place = &mut self.ids[number as usize];
        self.remembered += usize::from(place.is_none());
        *place.get_or_insert(id)
    }

    fn forget(&mut self, name: &str) {
        if let Some(number) = self.names.find(name.as_bytes())
            && self.ids[number as usize].take().is_some()
        {
            self.remembered -= 1;
        }
        if self.remembered == 0 {
            self.names.clear();
            self.ids.clear();
        }
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
    /// Those met so far, but for those that were forgotten.
    met: DeviceIndex,
    /// Their ids, by their numbers.
    met_ids: Vec<DeviceId>,
    /// Ids of the open file's devices, in the order of its pass.
    ids: Vec<i32>,
    /// Numbers of those that the open file names and the table does not have.
    new_in_file: Vec<u32>,
    /// The same of the files before it that were not dropped.
    new: Vec<u32>,
}

impl Devices {
    pub(super) fn open_file(&mut self) {
        self.ids.clear();
        self.new_in_file.clear();
    }

    pub(super) fn close_file(&mut self) {
        self.new.append(&mut self.new_in_file);
    }

    /// Ids of the open file's devices, in the order of its pass.
    pub(super) fn ids(&self) -> &[i32] {
        &self.ids
    }

    /// Names among `devices`, those of the open file so far, that the transaction has not met.
    pub(super) fn unmet(&self, devices: &DeviceNames) -> Vec<String> {
        let is_unmet = |name: &&str| self.met.find(name.as_bytes()).is_none();
        devices.from(self.ids.len()).filter(is_unmet).map(str::to_owned).collect()
    }

    pub(super) fn meet(&mut self, found: Vec<(String, DeviceId)>) {
        for (name, id) in found {
            if self.met.find(name.as_bytes()).is_none() {
                self.met.add(&name);
                self.met_ids.push(id);
            }
        }
    }

    /// Gives the open file's `devices` their ids; all of them have been met.
    pub(super) fn register(&mut self, devices: &DeviceNames) {
        for name in devices.from(self.ids.len()) {
            let Some(number) = self.met.find(name.as_bytes()) else { return };
            let DeviceId { id, stored } = self.met_ids[number as usize];
            self.ids.push(id);
            if !stored {
                self.new_in_file.push(number);
            }
        }
    }

    /// Whether it is time to forget some.
    pub(super) fn are_many(&self) -> bool {
        self.met_ids.len() > MANY
    }

    /// Takes out those that only the open file names: each once, in the order of the names.
    pub(super) fn take_new_in_file(&mut self) -> Vec<u32> {
        let of_earlier_files: HashSet<u32> = self.new.iter().copied().collect();
        let mut new = std::mem::take(&mut self.new_in_file);
        new.retain(|number| !of_earlier_files.contains(number));
        self.in_order(new)
    }

    /// Takes out what must be written before the commit: each once, in the order of the names.
    pub(super) fn take_new(&mut self) -> Vec<u32> {
        let new = std::mem::take(&mut self.new);
        self.in_order(new)
    }

    fn in_order(&self, mut numbers: Vec<u32>) -> Vec<u32> {
        numbers.sort_unstable_by(|a, b| self.met.names().get(*a).cmp(&self.met.names().get(*b)));
        numbers.dedup();
        numbers
    }

    /// Names and ids of `numbers`.
    pub(super) fn names_and_ids(&self, numbers: &[u32]) -> (Vec<String>, Vec<i32>) {
        let name_and_id = |&number: &u32| {
            (self.met.names().get(number).unwrap_or_default().to_owned(), self.met_ids[number as usize].id)
        };
        numbers.iter().map(name_and_id).unzip()
    }

    /// Forgets all that the table has by now. What earlier files named, and is not written yet, stays.
    pub(super) fn forget_stored(&mut self) {
        let (names, ids) = self.names_and_ids(&self.new);
        self.met.clear();
        self.met_ids.clear();
        self.new.clear();
        for (name, id) in names.iter().zip(ids) {
            self.new.push(self.met.add(name));
            self.met_ids.push(DeviceId { id, stored: false });
        }
    }
}

/// Finds the ids of `names`, and reserves some for those that nobody knows.
pub(super) async fn find_or_reserve(
    connection: &mut PgConnection,
    reserved: &ReservedIds,
    names: &[String],
) -> Result<Vec<(String, DeviceId)>, sqlx::Error> {
    // Before the look at the table: what is forgotten from now on is committed, and found there.
    let reserved_before = reserved.of(names);
    let stored: Vec<(String, i32)> = sqlx::query_as("SELECT name, id FROM device WHERE name = ANY($1)")
        .persistent(false)
        .bind(names)
        .fetch_all(&mut *connection)
        .await?;
    // Of a name that is in both, the table's id is the one: it comes first.
    let mut found: Vec<(String, DeviceId)> = in_state(stored, true).chain(in_state(reserved_before, false)).collect();
    let known: HashSet<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let unknown: Vec<String> = names.iter().filter(|name| !known.contains(name.as_str())).cloned().collect();
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
