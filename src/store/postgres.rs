//! A file's transaction on PostgreSQL: binary COPY, a savepoint per batch.

use std::collections::HashMap;

use sqlx::postgres::{PgConnection, Postgres};
use sqlx::{AssertSqlSafe, Row, ValueRef};

use super::duplicate::{Earlier, set_aside};
use super::transaction::{LoadTransaction, Mark, roll_up};
use super::{Store, StoreError};
use crate::aggregate::{AggregateRow, Aggregates};
use crate::contract::Contract;
use crate::reading::{Batch, Cell, Reading};

/// PostgreSQL counts its microseconds from 2000-01-01 UTC.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;
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
    file_id: i64,
    device_ids: Vec<i32>,
    copy: String,
    buffer: Vec<u8>,
}

impl<'a> PostgresLoad<'a> {
    pub(super) fn begin(store: &'a Store, file_id: i64, contract: &'a Contract) -> Result<Self, StoreError> {
        let transaction = store.wait(store.db.get_postgres_connection_pool().begin())?;
        let columns: String = contract.sensors.iter().map(|s| format!(", \"{}\"", s.name)).collect();
        let copy =
            format!("COPY iot_raw_data (device_id, ts, file_id, line_number{columns}) FROM STDIN (FORMAT binary)");
        Ok(Self {
            store,
            contract,
            transaction,
            _runtime: store.runtime.enter(),
            file_id,
            device_ids: Vec::new(),
            copy,
            buffer: Vec::new(),
        })
    }

    /// In the file's own transaction, so that a refused file leaves no device behind. Two files that meet the same new
    /// device at once wait for each other, that one time.
    fn register(&mut self, devices: &[String]) -> Result<(), StoreError> {
        let new = &devices[self.device_ids.len()..];
        if new.is_empty() {
            return Ok(());
        }
        let transaction = &mut self.transaction;
        let ids: HashMap<String, i32> = self.store.wait(async {
            sqlx::query(
                "INSERT INTO device (name) SELECT DISTINCT unnest($1::text[]) AS n ORDER BY n ON CONFLICT DO NOTHING",
            )
            .bind(new)
            .execute(&mut **transaction)
            .await?;
            let rows = sqlx::query_as::<_, (String, i32)>("SELECT name, id FROM device WHERE name = ANY($1)")
                .bind(new)
                .fetch_all(&mut **transaction)
                .await?;
            Ok::<_, sqlx::Error>(rows.into_iter().collect())
        })?;
        for name in new {
            let id = ids.get(name).ok_or_else(|| StoreError::other(&self.store.place, "a device vanished"))?;
            self.device_ids.push(*id);
        }
        Ok(())
    }

    fn copy_in(&mut self, batch: &Batch, order: &[usize]) -> Result<(), sqlx::Error> {
        let (transaction, buffer) = (&mut self.transaction, &mut self.buffer);
        let (ids, file_id) = (&self.device_ids, self.file_id);
        let statement = self.copy.as_str();
        self.store.runtime.block_on(async {
            let connection: &mut PgConnection = transaction;
            let mut copy = connection.copy_in_raw(statement).await?;
            buffer.clear();
            buffer.extend_from_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
            for &index in order {
                let reading = &batch.readings[index];
                let cells = cells_of(batch, reading, self.contract);
                encode_row(buffer, batch, reading, cells, ids[reading.device as usize], file_id);
                if buffer.len() >= COPY_CHUNK {
                    copy.send(buffer.as_slice()).await?;
                    buffer.clear();
                }
            }
            buffer.extend_from_slice(&(-1i16).to_be_bytes());
            copy.send(buffer.as_slice()).await?;
            copy.finish().await.map(|_| ())
        })
    }

    fn statement(&mut self, text: &'static str) -> Result<(), StoreError> {
        let transaction = &mut self.transaction;
        self.store.wait(async { sqlx::raw_sql(text).execute(&mut **transaction).await.map(|_| ()) })
    }

    /// The stored rows that have the keys of `order`: reading → (file, line, values as they are encoded).
    fn stored(&mut self, batch: &Batch, order: &[usize]) -> Result<HashMap<usize, Stored>, StoreError> {
        let columns: String = self.contract.sensors.iter().map(|s| format!(", r.\"{}\"", s.name)).collect();
        // LATERAL with a limit: one look into the key's index for each row, whatever the planner thinks of the table.
        let query = format!(
            "SELECT k.n, r.file_id, r.line_number, m.source{columns}
             FROM unnest($1::bigint[], $2::int[], $3::timestamptz[]) AS k (n, device_id, ts)
             CROSS JOIN LATERAL (SELECT * FROM iot_raw_data i
                                 WHERE i.device_id = k.device_id AND i.ts = k.ts LIMIT 1) r
             LEFT JOIN manifest m ON m.id = r.file_id"
        );
        let numbers: Vec<i64> = order.iter().map(|&i| i as i64).collect();
        let ids: Vec<i32> = order.iter().map(|&i| self.device_ids[batch.readings[i].device as usize]).collect();
        let times: Vec<_> = order.iter().map(|&i| time(batch.readings[i].ts)).collect();
        let (transaction, width, own) = (&mut self.transaction, self.contract.sensors.len(), self.file_id);
        self.store.wait(async {
            let rows = sqlx::query(AssertSqlSafe(query))
                .bind(numbers)
                .bind(ids)
                .bind(times)
                .fetch_all(&mut **transaction)
                .await?;
            let mut stored = HashMap::with_capacity(rows.len());
            for row in rows {
                let file = match row.try_get::<i64, _>(1)? == own {
                    true => None,
                    false => Some(row.try_get::<Option<String>, _>(3)?.unwrap_or_else(|| "an unknown file".into())),
                };
                let value = |i| {
                    let raw = row.try_get_raw(4 + i)?;
                    let bytes = if raw.is_null() { None } else { raw.as_bytes().ok().map(<[u8]>::to_vec) };
                    Ok(bytes)
                };
                let values = (0..width).map(value).collect::<Result<Vec<_>, sqlx::Error>>()?;
                let index = row.try_get::<i64, _>(0)? as usize;
                stored.insert(index, Stored { file, line: row.try_get(2)?, values });
            }
            Ok::<_, sqlx::Error>(stored)
        })
    }
}

/// A row of the table, its values in PostgreSQL's binary form.
struct Stored {
    file: Option<String>,
    line: i64,
    values: Vec<Option<Vec<u8>>>,
}

impl LoadTransaction for PostgresLoad<'_> {
    /// The batch goes in by one COPY. Only when a key exists is that COPY rolled back, the stored keys are looked up
    /// and set aside, and the rest is copied: another transaction may commit more of them meanwhile, hence the rounds.
    fn put(&mut self, batch: &mut Batch, devices: &[String]) -> Result<(), StoreError> {
        self.register(devices)?;
        if batch.readings.is_empty() {
            return Ok(());
        }
        let (mut order, repeats) = by_key(batch, &self.device_ids);
        let mut taken: HashMap<usize, Stored> = HashMap::new();
        let mut round = 0;
        loop {
            self.statement("SAVEPOINT batch")?;
            match self.copy_in(batch, &order) {
                Ok(()) => break,
                Err(sqlx::Error::Database(e)) if e.is_unique_violation() && round < MAX_ROUNDS => {
                    self.statement("ROLLBACK TO SAVEPOINT batch")?;
                    taken.extend(self.stored(batch, &order)?);
                    order.retain(|index| !taken.contains_key(index));
                    round += 1;
                }
                Err(e) => return Err(StoreError::classify(&self.store.place, e)),
            }
        }
        self.statement("RELEASE SAVEPOINT batch")?;
        let duplicates = self.duplicates(batch, &taken, &repeats);
        set_aside(batch, duplicates, devices, self.contract);
        Ok(())
    }

    fn put_aggregates(
        &mut self,
        aggregates: &Aggregates,
        devices: &[String],
        add_to_totals: bool,
    ) -> Result<(), StoreError> {
        self.register(devices)?;
        let (transaction, file_id, ids) = (&mut self.transaction, self.file_id, &self.device_ids);
        let rows = aggregates.rows();
        self.store.wait(async {
            sqlx::query("DELETE FROM file_aggregates WHERE file_id = $1")
                .bind(file_id)
                .execute(&mut **transaction)
                .await?;
            for rows in rows.chunks(AGGREGATES_AT_ONCE) {
                insert_aggregates(transaction, file_id, ids, rows).await?;
            }
            if add_to_totals {
                let statement = AssertSqlSafe(roll_up("least", "greatest"));
                sqlx::query(statement).bind(file_id).execute(&mut **transaction).await?;
            }
            Ok::<_, sqlx::Error>(())
        })
    }

    fn commit(mut self: Box<Self>, mark: &Mark<'_>) -> Result<(), StoreError> {
        let statement = AssertSqlSafe(mark.statement(&format!("'{}'::timestamptz", mark.now)));
        let (loaded, duplicate) = mark.loaded_and_duplicate();
        let transaction = &mut self.transaction;
        let marked = self.store.wait(async {
            sqlx::query(statement)
                .bind(mark.state.as_str())
                .bind(mark.tally.total)
                .bind(loaded)
                .bind(mark.tally.rejected)
                .bind(duplicate)
                .bind(mark.contract_hash)
                .bind(mark.worker)
                .bind(self.file_id)
                .execute(&mut **transaction)
                .await
        })?;
        if marked.rows_affected() != 1 {
            return Err(StoreError::ClaimLost);
        }
        self.store.wait(self.transaction.commit())
    }
}

impl PostgresLoad<'_> {
    fn duplicates(
        &self,
        batch: &Batch,
        taken: &HashMap<usize, Stored>,
        repeats: &[(usize, usize)],
    ) -> Vec<(usize, Earlier)> {
        let values = |index: usize| {
            let encode = |cell: &Cell| encode_cell(*cell, batch);
            cells_of(batch, &batch.readings[index], self.contract).iter().map(encode).collect::<Vec<_>>()
        };
        let differing =
            |a: &[Option<Vec<u8>>], b: &[Option<Vec<u8>>]| (0..a.len()).filter(|&i| a[i] != b[i]).collect::<Vec<_>>();
        let against = |index: usize, stored: &Stored| Earlier {
            file: stored.file.clone(),
            line: stored.line,
            differing: differing(&values(index), &stored.values),
        };
        let first = taken.iter().map(|(&index, stored)| (index, against(index, stored)));
        // A repeat of a row that was itself set aside repeats the stored one.
        let later = repeats.iter().map(|&(index, first)| match taken.get(&first) {
            Some(stored) => (index, against(index, stored)),
            None => {
                let line = batch.readings[first].position.line as i64;
                (index, Earlier { file: None, line, differing: differing(&values(index), &values(first)) })
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

fn cells_of<'b>(batch: &'b Batch, reading: &Reading, contract: &Contract) -> &'b [Cell] {
    &batch.cells[reading.cells..reading.cells + contract.sensors.len()]
}

/// One tuple of the binary COPY format (PostgreSQL's manual, COPY, "Binary Format").
fn encode_row(buffer: &mut Vec<u8>, batch: &Batch, reading: &Reading, cells: &[Cell], device_id: i32, file_id: i64) {
    buffer.extend_from_slice(&(4 + cells.len() as i16).to_be_bytes());
    field(buffer, &device_id.to_be_bytes());
    field(buffer, &(reading.ts - POSTGRES_EPOCH_MICROS).to_be_bytes());
    field(buffer, &file_id.to_be_bytes());
    field(buffer, &(reading.position.line as i64).to_be_bytes());
    for cell in cells {
        match *cell {
            Cell::Null => buffer.extend_from_slice(&(-1i32).to_be_bytes()),
            Cell::Float(v) => field(buffer, &v.to_be_bytes()),
            Cell::Integer(v) => field(buffer, &v.to_be_bytes()),
            Cell::Boolean(v) => field(buffer, &[u8::from(v)]),
            Cell::Text(start, len) => field(buffer, &batch.text.as_bytes()[start..start + len]),
        }
    }
}

fn field(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    buffer.extend_from_slice(bytes);
}

fn encode_cell(cell: Cell, batch: &Batch) -> Option<Vec<u8>> {
    match cell {
        Cell::Null => None,
        Cell::Float(v) => Some(v.to_be_bytes().to_vec()),
        Cell::Integer(v) => Some(v.to_be_bytes().to_vec()),
        Cell::Boolean(v) => Some(vec![u8::from(v)]),
        Cell::Text(start, len) => Some(batch.text.as_bytes()[start..start + len].to_vec()),
    }
}

fn time(micros: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default()
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
