//! The load transaction on PostgreSQL: binary COPY, a savepoint per file and per batch.

use std::collections::{HashMap, HashSet};

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, Postgres};

use super::binary_copy::{HEADER, TRAILER, encode_row};
use super::duplicate::{Earlier, set_aside};
use super::postgres_rows::{StoredRow, cells_of, stored_rows, time, values_of};
use super::transaction::{LoadTransaction, Mark, roll_up};
use super::{Store, StoreError};
use crate::aggregate::{AggregateRow, Aggregates};
use crate::contract::Contract;
use crate::manifest::State;
use crate::reading::Batch;

/// Bytes handed to the backend at once: it works on them while the next are encoded.
const COPY_CHUNK: usize = 256 << 10;
/// How often a batch is tried while other transactions commit the same keys.
const MAX_ROUNDS: usize = 5;
/// Aggregates per statement.
const AGGREGATES_AT_ONCE: usize = 20_000;

pub(super) struct PostgresLoad<'a> {
    store: &'a Store,
    contract: &'a Contract,
    transaction: sqlx::Transaction<'static, Postgres>,
    /// Dropped behind the transaction, whose rollback needs the runtime's context.
    _runtime: tokio::runtime::EnterGuard<'a>,
    /// Ids of the devices met so far, by name.
    known: HashMap<String, i32>,
    /// Statements that need no answer: they travel with the next one that does.
    unsent: String,
    file_id: i64,
    file_open: bool,
    /// Ids of the open file's devices, in the order of its pass.
    device_ids: Vec<i32>,
    /// Devices that the open file is the first to name.
    registered: Vec<String>,
    loaded: Vec<i64>,
    copy: String,
    buffer: Vec<u8>,
}

impl<'a> PostgresLoad<'a> {
    pub(super) fn begin(store: &'a Store, contract: &'a Contract) -> Result<Self, StoreError> {
        let transaction = store.wait(store.db.get_postgres_connection_pool().begin())?;
        let columns: String = contract.sensors.iter().map(|s| format!(", \"{}\"", s.name)).collect();
        let copy =
            format!("COPY iot_raw_data (device_id, ts, file_id, line_number{columns}) FROM STDIN (FORMAT binary)");
        Ok(Self {
            store,
            contract,
            transaction,
            _runtime: store.runtime.enter(),
            known: HashMap::new(),
            unsent: String::new(),
            file_id: 0,
            file_open: false,
            device_ids: Vec::new(),
            registered: Vec::new(),
            loaded: Vec::new(),
            copy,
            buffer: Vec::new(),
        })
    }

    /// In the file's own part of the transaction, so that a refused file leaves no device behind. Two files that meet
    /// the same new device at once wait for each other, that one time.
    fn register(&mut self, devices: &[String]) -> Result<(), StoreError> {
        let new: Vec<String> =
            devices[self.device_ids.len()..].iter().filter(|name| !self.known.contains_key(*name)).cloned().collect();
        if !new.is_empty() {
            self.send("")?;
            let transaction = &mut self.transaction;
            let found = self.store.wait(find_or_add_devices(transaction, &new))?;
            self.registered.extend(found.iter().map(|(name, _)| name.clone()));
            self.known.extend(found);
        }
        for name in &devices[self.device_ids.len()..] {
            let id = self.known.get(name).ok_or_else(|| StoreError::other(&self.store.place, "a device vanished"))?;
            self.device_ids.push(*id);
        }
        Ok(())
    }

    fn stored(&mut self, batch: &Batch, order: &[usize]) -> Result<HashMap<usize, StoredRow>, StoreError> {
        let keys: Vec<_> = order.iter().map(|&i| (i, self.device_ids[batch.readings[i].device as usize])).collect();
        self.store.wait(stored_rows(&mut self.transaction, self.contract, batch, &keys, self.file_id))
    }

    /// Sends what is unsent, and `statement`, in one message.
    fn send(&mut self, statement: &str) -> Result<(), StoreError> {
        self.unsent.push_str(statement);
        if self.unsent.is_empty() {
            return Ok(());
        }
        let text = AssertSqlSafe(std::mem::take(&mut self.unsent));
        let transaction = &mut self.transaction;
        self.store.wait(async { sqlx::raw_sql(text).execute(&mut **transaction).await.map(|_| ()) })
    }

    fn copy_in(&mut self, batch: &Batch, order: &[usize]) -> Result<(), sqlx::Error> {
        let (transaction, buffer) = (&mut self.transaction, &mut self.buffer);
        let (ids, file_id) = (&self.device_ids, self.file_id);
        let statement = self.copy.as_str();
        self.store.runtime.block_on(async {
            let connection: &mut PgConnection = transaction;
            let mut copy = connection.copy_in_raw(statement).await?;
            buffer.clear();
            buffer.extend_from_slice(HEADER);
            for &index in order {
                let reading = &batch.readings[index];
                let cells = cells_of(batch, reading, self.contract);
                encode_row(buffer, batch, reading, cells, ids[reading.device as usize], file_id);
                if buffer.len() >= COPY_CHUNK {
                    copy.send(buffer.as_slice()).await?;
                    buffer.clear();
                }
            }
            buffer.extend_from_slice(&TRAILER);
            copy.send(buffer.as_slice()).await?;
            copy.finish().await.map(|_| ())
        })
    }
}

impl LoadTransaction for PostgresLoad<'_> {
    fn open_file(&mut self, file_id: i64) -> Result<(), StoreError> {
        (self.file_id, self.file_open) = (file_id, true);
        self.device_ids.clear();
        self.registered.clear();
        self.unsent.push_str("SAVEPOINT file;");
        Ok(())
    }

    /// The batch goes in by one COPY. Only when a key exists is that COPY rolled back, the stored keys are looked up
    /// and set aside, and the rest is copied: another transaction may commit more of them meanwhile, hence the rounds.
    fn put(&mut self, batch: &mut Batch, devices: &[String]) -> Result<(), StoreError> {
        self.register(devices)?;
        if batch.readings.is_empty() {
            return Ok(());
        }
        let (mut order, repeats) = by_key(batch, &self.device_ids);
        let mut taken: HashMap<usize, StoredRow> = HashMap::new();
        let mut round = 0;
        loop {
            self.send("SAVEPOINT batch")?;
            match self.copy_in(batch, &order) {
                Ok(()) => break,
                Err(sqlx::Error::Database(e)) if e.is_unique_violation() && round < MAX_ROUNDS => {
                    self.send("ROLLBACK TO SAVEPOINT batch")?;
                    taken.extend(self.stored(batch, &order)?);
                    order.retain(|index| !taken.contains_key(index));
                    round += 1;
                }
                Err(e) => return Err(StoreError::classify(&self.store.place, e)),
            }
        }
        self.unsent.push_str("RELEASE SAVEPOINT batch;");
        let duplicates = self.duplicates(batch, &taken, &repeats);
        set_aside(batch, duplicates, devices, self.contract);
        Ok(())
    }

    fn put_aggregates(&mut self, aggregates: &Aggregates, devices: &[String]) -> Result<(), StoreError> {
        self.register(devices)?;
        self.send(&format!("DELETE FROM file_aggregates WHERE file_id = {}", self.file_id))?;
        let (transaction, file_id, ids) = (&mut self.transaction, self.file_id, &self.device_ids);
        let rows = aggregates.rows();
        self.store.wait(async {
            for rows in rows.chunks(AGGREGATES_AT_ONCE) {
                insert_aggregates(transaction, file_id, ids, rows).await?;
            }
            Ok::<_, sqlx::Error>(())
        })
    }

    fn close_file(&mut self, mark: &Mark<'_>) -> Result<(), StoreError> {
        self.send("")?;
        let statement = AssertSqlSafe(mark.statement("$7::timestamptz"));
        let (loaded, duplicate) = mark.loaded_and_duplicate();
        let (transaction, file_id) = (&mut self.transaction, self.file_id);
        let marked = self.store.wait(async {
            sqlx::query(statement)
                .bind(mark.state.as_str())
                .bind(mark.tally.total)
                .bind(loaded)
                .bind(mark.tally.rejected)
                .bind(duplicate)
                .bind(mark.contract_hash)
                .bind(mark.now)
                .bind(mark.worker)
                .bind(file_id)
                .execute(&mut **transaction)
                .await
        })?;
        if marked.rows_affected() != 1 {
            return Err(StoreError::ClaimLost);
        }
        if mark.state == State::Loaded {
            self.loaded.push(file_id);
        }
        self.file_open = false;
        self.unsent.push_str("RELEASE SAVEPOINT file;");
        Ok(())
    }

    fn drop_file(&mut self) -> Result<(), StoreError> {
        if !std::mem::take(&mut self.file_open) {
            return Ok(());
        }
        // Rolled back with the file that named them first.
        for name in self.registered.drain(..) {
            self.known.remove(&name);
        }
        self.send("ROLLBACK TO SAVEPOINT file; RELEASE SAVEPOINT file")
    }

    fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        self.send("")?;
        if !self.loaded.is_empty() {
            self.send(&roll_up(&self.loaded, "least", "greatest"))?;
        }
        self.store.wait(self.transaction.commit())
    }
}

impl PostgresLoad<'_> {
    fn duplicates(
        &self,
        batch: &Batch,
        taken: &HashMap<usize, StoredRow>,
        repeats: &[(usize, usize)],
    ) -> Vec<(usize, Earlier)> {
        let values = |index: usize| values_of(batch, index, self.contract);
        let first = taken.iter().map(|(&index, stored)| (index, stored.against(&values(index))));
        // A repeat of a row that was itself set aside repeats the stored one.
        let later = repeats.iter().map(|&(index, first)| match taken.get(&first) {
            Some(stored) => (index, stored.against(&values(index))),
            None => {
                let line = batch.readings[first].position.line as i64;
                let here = StoredRow { file_id: self.file_id, file: None, line, values: values(first) };
                (index, here.against(&values(index)))
            }
        });
        first.chain(later).collect()
    }
}

/// Readings in the order of the table's key, and those that repeat a key within the batch with the one that came first.
fn by_key(batch: &Batch, ids: &[i32]) -> (Vec<usize>, Vec<(usize, usize)>) {
    let key = |i: usize| (ids[batch.readings[i].device as usize], batch.readings[i].ts);
    let mut order: Vec<usize> = (0..batch.readings.len()).collect();
    order.sort_unstable_by_key(|&i| (key(i), i));
    let mut repeats = Vec::new();
    let mut first: Option<usize> = None;
    order.retain(|&i| match first {
        Some(f) if key(f) == key(i) => {
            repeats.push((i, f));
            false
        }
        _ => {
            first = Some(i);
            true
        }
    });
    (order, repeats)
}

/// Names with their ids.
async fn find_or_add_devices(
    transaction: &mut sqlx::Transaction<'static, Postgres>,
    names: &[String],
) -> Result<Vec<(String, i32)>, sqlx::Error> {
    let find = async |connection: &mut PgConnection, names: &[String]| {
        sqlx::query_as::<_, (String, i32)>("SELECT name, id FROM device WHERE name = ANY($1)")
            .bind(names)
            .fetch_all(connection)
            .await
    };
    let mut found = find(transaction, names).await?;
    if found.len() == names.len() {
        return Ok(found);
    }
    // In the order of the names, so that two files wait for each other instead of dying together.
    let known: HashSet<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let mut missing: Vec<String> = names.iter().filter(|name| !known.contains(name.as_str())).cloned().collect();
    missing.sort_unstable();
    sqlx::query("INSERT INTO device (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING")
        .bind(&missing)
        .execute(&mut **transaction)
        .await?;
    found.extend(find(transaction, &missing).await?);
    Ok(found)
}

async fn insert_aggregates(
    transaction: &mut sqlx::Transaction<'static, Postgres>,
    file_id: i64,
    ids: &[i32],
    rows: &[AggregateRow<'_>],
) -> Result<(), sqlx::Error> {
    let all = |value: fn(&AggregateRow<'_>) -> f64| rows.iter().map(value).collect::<Vec<f64>>();
    sqlx::query(
        "INSERT INTO file_aggregates (file_id, device_id, sensor, window_start, count, min, max, mean, m2)
         SELECT $1, * FROM unnest($2::int[], $3::text[], $4::timestamptz[], $5::bigint[], $6::float8[], $7::float8[],
                                  $8::float8[], $9::float8[])",
    )
    .bind(file_id)
    .bind(rows.iter().map(|r| ids[r.device as usize]).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.sensor.to_owned()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| time(r.window_start)).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.stats.count).collect::<Vec<_>>())
    .bind(all(|r| r.stats.min))
    .bind(all(|r| r.stats.max))
    .bind(all(|r| r.stats.mean))
    .bind(all(|r| r.stats.m2))
    .execute(&mut **transaction)
    .await
    .map(|_| ())
}
