//! The load transaction on PostgreSQL: binary COPY, a savepoint per file and per batch.

use std::collections::VecDeque;

use futures_util::TryStreamExt;
use iotpipe_core::aggregate::Aggregates;
use iotpipe_core::contract::Contract;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::reading::Batch;
use sea_orm::Statement;
use sqlx::AssertSqlSafe;
use sqlx::postgres::Postgres;

use super::aggregates;
use super::connection;
use super::copy_stream::{CopyStream, is_conflict};
use super::devices::{self, Devices};
use super::prepared_statements::PreparedStatements;
use super::raw_table::RawTable;
use crate::store::connection::Store;
use crate::store::duplicate::{BecauseOf, Earlier, set_aside};
use crate::store::error::{Answer, Cause, StoreError};
use crate::store::layout;
use crate::store::rollup::{add_up_anew, roll_up};
use crate::store::transaction::{LoadTransaction, Totals};
use crate::store::window;

/// How often a batch is tried while other transactions commit the same keys.
const MAX_ROUNDS: usize = 5;

pub(in crate::store) struct PostgresLoad<'a> {
    store: &'a Store,
    contract: &'a Contract,
    table: RawTable,
    stream: CopyStream,
    /// Dropped behind the transaction, whose rollback needs the runtime's context.
    _runtime: tokio::runtime::EnterGuard<'a>,
    /// Batches that are not yet written. The first of them is being copied.
    prepared: VecDeque<Prepared>,
    devices: Devices,
    /// Statements that need no answer: they travel with the next one that does.
    unsent: String,
    /// From the second file on: a transaction of one pays for no statement twice.
    prepared_statements: Option<PreparedStatements>,
    file_id: i64,
    file_open: bool,
    loaded: Vec<i64>,
    /// Files whose totals are added up anew.
    anew: Vec<i64>,
    because_of: BecauseOf,
    /// Whether statistics were written, of windows as the contract has them.
    aggregated: bool,
}

/// A batch that is ready to be copied.
struct Prepared {
    /// Its readings in the order of the table's key, repeats left out.
    order: Vec<usize>,
    /// Readings that repeat a key of the batch, with the one that came first.
    repeats: Vec<(usize, usize)>,
    /// The COPY's bytes, until it begins.
    data: Vec<u8>,
}

impl<'a> PostgresLoad<'a> {
    pub(in crate::store) fn begin(store: &'a Store, contract: &'a Contract) -> Result<Self, StoreError> {
        let (transaction, table) = store.wait(async {
            let mut transaction = connection::begin(store.db.get_postgres_connection_pool()).await?;
            let table = RawTable::of(&mut transaction, contract).await?;
            Ok::<_, Cause>((transaction, table))
        })?;
        let copy = table.copy_statement(contract);
        Ok(Self {
            store,
            contract,
            table,
            stream: CopyStream::new(store.runtime.handle().clone(), transaction, copy),
            _runtime: store.runtime.enter(),
            prepared: VecDeque::new(),
            devices: Devices::default(),
            unsent: String::new(),
            prepared_statements: None,
            file_id: 0,
            file_open: false,
            loaded: Vec::new(),
            anew: Vec::new(),
            because_of: BecauseOf::default(),
            aggregated: false,
        })
    }

    fn register(&mut self, devices: &DeviceNames) -> Result<(), StoreError> {
        let unmet = self.devices.unmet(devices);
        if !unmet.is_empty() {
            self.send("")?;
            let reserved = &self.store.reserved_ids;
            for names in unmet.chunks(devices::AT_ONCE) {
                let found =
                    self.ask(async |transaction| devices::find_or_reserve(transaction, reserved, names).await)?;
                self.devices.meet(found);
            }
        }
        self.devices.register(devices);
        if self.devices.are_many() {
            let ahead = self.devices.take_new_in_file();
            self.write_devices(&ahead)?;
            self.store.reserved_ids.forget_all(&self.devices, &ahead);
            self.devices.forget_stored();
        }
        Ok(())
    }

    /// Writes the devices that are `new`, all at the end where they are not very many: see [`devices`].
    fn write_devices(&mut self, new: &[u32]) -> Result<(), StoreError> {
        for some in new.chunks(devices::AT_ONCE) {
            let (names, ids) = self.devices.names_and_ids(some);
            let taken = self.ask(async |transaction| devices::write(transaction, &names, &ids).await)?;
            let Some(first) = taken.first() else { continue };
            self.store.reserved_ids.forget(taken.iter().map(String::as_str));
            let reason = format!("another process was the first to name the device {first:?}");
            return Err(StoreError::Contention(Answer::without_code(&self.store.place, reason)));
        }
        Ok(())
    }

    /// Which of the readings at `indices` have a key that is stored.
    fn stored(
        &mut self,
        batch: &Batch,
        indices: impl Iterator<Item = usize>,
    ) -> Result<Vec<(usize, Earlier)>, StoreError> {
        let keys: Vec<_> = indices.map(|i| (i, self.devices.ids()[batch.readings[i].device as usize])).collect();
        let place = &self.store.place;
        let transaction = self.stream.transaction().map_err(|e| StoreError::classify(place, e))?;
        self.store.wait(self.table.find_stored(transaction, self.contract, batch, &keys, self.file_id))
    }

    /// Does `work` in the transaction, once the COPY under way has ended.
    fn ask<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut sqlx::Transaction<'static, Postgres>) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let place = &self.store.place;
        let transaction = self.stream.transaction().map_err(|e| StoreError::classify(place, e))?;
        self.store.wait(work(transaction))
    }

    /// Sends what is unsent, and `statement`, in one message; says how many rows the last of them changed.
    fn send(&mut self, statement: &str) -> Result<u64, StoreError> {
        self.unsent.push_str(statement);
        if self.unsent.is_empty() {
            return Ok(0);
        }
        let text = AssertSqlSafe(std::mem::take(&mut self.unsent));
        self.ask(async |transaction| {
            let mut results = sqlx::raw_sql(text).execute_many(&mut **transaction);
            let mut changed = 0;
            while let Some(result) = results.try_next().await? {
                changed = result.rows_affected();
            }
            Ok(changed)
        })
    }

    fn text_of(&mut self, statement: &Statement) -> String {
        match &mut self.prepared_statements {
            Some(prepared) => prepared.execute(statement),
            None => statement.to_string(),
        }
    }

    fn encode(&mut self, batch: &Batch, order: &[usize]) -> Vec<u8> {
        let mut data = self.stream.buffer();
        self.table.encode(&mut data, batch, order, (self.contract, self.devices.ids(), self.file_id));
        data
    }

    fn start_copy(&mut self, data: Vec<u8>) -> Result<(), StoreError> {
        let before = std::mem::take(&mut self.unsent);
        self.stream.prepare(before, data).map_err(|e| StoreError::classify(&self.store.place, e))
    }

    /// Waits for the end of the COPY under way.
    fn finish_copy(&mut self) -> Result<(), sqlx::Error> {
        let copied = self.stream.write();
        if copied.as_ref().is_ok() || copied.as_ref().is_err_and(is_conflict) {
            self.unsent.push_str("RELEASE SAVEPOINT batch;");
        }
        copied
    }
}

impl LoadTransaction for PostgresLoad<'_> {
    fn open_file(&mut self, file_id: i64) -> Result<(), StoreError> {
        self.prepared.clear();
        (self.file_id, self.file_open) = (file_id, true);
        self.devices.open_file();
        self.because_of.open_file();
        self.unsent.push_str("SAVEPOINT file;");
        Ok(())
    }

    fn prepare(&mut self, batch: &Batch, devices: &DeviceNames) -> Result<(), StoreError> {
        self.register(devices)?;
        let (order, repeats) = self.table.by_key(batch, self.devices.ids());
        let data = self.encode(batch, &order);
        self.prepared.push_back(Prepared { order, repeats, data });
        if self.prepared.len() == 1 { self.start_next() } else { Ok(()) }
    }

    /// The batch goes in by one COPY. Only when a key exists is that COPY rolled back, the stored keys are looked up
    /// and set aside, and the rest is copied: another transaction may commit more of them meanwhile, hence the rounds.
    fn write(&mut self, batch: &mut Batch, devices: &DeviceNames) -> Result<(), StoreError> {
        let Some(Prepared { mut order, repeats, .. }) = self.prepared.pop_front() else {
            return Err(StoreError::other(&self.store.place, "a batch came that was not prepared"));
        };
        let mut duplicates: Vec<(usize, Earlier)> = Vec::new();
        let mut taken = vec![false; batch.readings.len()];
        let mut round = 0;
        while !order.is_empty() {
            match self.finish_copy() {
                Ok(()) => break,
                Err(e) if is_conflict(&e) && round < MAX_ROUNDS => {
                    self.send("")?;
                    // Repeats too: they repeat the stored row then.
                    let indices = order.iter().copied().chain(repeats.iter().map(|&(index, _)| index));
                    let found = self.stored(batch, indices.filter(|&index| !taken[index]))?;
                    found.iter().for_each(|&(index, _)| taken[index] = true);
                    let line = |index: usize| batch.readings[index].position.line;
                    duplicates.extend(found.into_iter().filter(|(index, e)| !e.is_row(self.file_id, line(*index))));
                    order.retain(|&index| !taken[index]);
                    if !order.is_empty() {
                        let data = self.encode(batch, &order);
                        self.start_copy(data)?;
                    }
                    round += 1;
                }
                Err(e) => return Err(StoreError::classify(&self.store.place, e)),
            }
        }
        self.start_next()?;
        let repeats = repeats.into_iter().filter(|&(index, _)| !taken[index]);
        duplicates.extend(repeats.map(|(index, first)| (index, self.repeat(batch, index, first))));
        self.because_of.count(self.file_id, &duplicates);
        set_aside(batch, duplicates, devices, self.contract);
        Ok(())
    }

    fn write_aggregates(&mut self, part: &Aggregates, is_first: bool, devices: &DeviceNames) -> Result<(), StoreError> {
        self.register(devices)?;
        self.aggregated = true;
        let (file_id, ids) = (self.file_id, self.devices.ids().to_vec());
        if is_first {
            let text = self.text_of(&aggregates::delete(file_id));
            self.unsent.push_str(&(text + ";"));
        }
        match aggregates::as_statements(file_id, part, |device| ids[device as usize]) {
            Some(statements) => {
                for statement in &statements {
                    let text = self.text_of(statement);
                    self.unsent.push_str(&(text + ";"));
                }
            }
            None => {
                self.send("")?;
                self.ask(async |transaction| {
                    aggregates::insert(transaction, file_id, part, |device| ids[device as usize]).await
                })?;
            }
        }
        Ok(())
    }

    fn close_file(&mut self, transition: &Statement, totals: Totals) -> Result<(), StoreError> {
        let because_of = self.because_of.close_file(self.file_id);
        self.unsent.push_str(&because_of);
        if totals == Totals::Anew {
            self.send("")?;
            self.lock_totals()?;
        }
        let text = self.text_of(transition);
        if self.send(&text)? != 1 {
            return Err(StoreError::ClaimLost);
        }
        if self.prepared_statements.is_none() {
            let prepared = self.ask(async |transaction| PreparedStatements::of(transaction).await)?;
            self.prepared_statements = Some(prepared);
        }
        match totals {
            Totals::Unchanged => {}
            Totals::Added => self.loaded.push(self.file_id),
            Totals::Anew => self.anew.push(self.file_id),
        }
        self.devices.close_file();
        self.file_open = false;
        self.unsent.push_str("RELEASE SAVEPOINT file;");
        Ok(())
    }

    fn execute(&mut self, statement: &str) -> Result<(), StoreError> {
        self.send(statement).map(|_| ())
    }

    fn drop_file(&mut self) -> Result<(), StoreError> {
        if !std::mem::take(&mut self.file_open) {
            return Ok(());
        }
        self.stream.abandon();
        self.prepared.clear();
        // What was to be prepared may not have been sent.
        self.prepared_statements = None;
        self.send("ROLLBACK TO SAVEPOINT file; RELEASE SAVEPOINT file").map(|_| ())
    }

    fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        self.send("")?;
        if self.aggregated {
            self.expect_pins()?;
        }
        self.expect_loaded_before()?;
        let new = self.devices.take_new();
        self.write_devices(&new)?;
        for statement in std::mem::take(&mut self.anew).into_iter().flat_map(add_up_anew) {
            self.send(&statement)?;
        }
        if !self.loaded.is_empty() {
            self.send(&roll_up(&self.loaded, "least", "greatest"))?;
        }
        let Self { store, stream, devices, .. } = *self;
        stream.commit().map_err(|e| StoreError::classify(&store.place, e))?;
        store.reserved_ids.forget_all(&devices, &new);
        Ok(())
    }
}

impl PostgresLoad<'_> {
    /// At the end, since what is pinned stays locked from here to the commit: whoever changes it waits for this one.
    fn expect_pins(&mut self) -> Result<(), StoreError> {
        let sql = AssertSqlSafe(format!("{} FOR SHARE", layout::PINS));
        let pins: Vec<i64> = self
            .ask(async |transaction| sqlx::query_scalar(sql).persistent(false).fetch_all(&mut **transaction).await)?;
        layout::expect_pins(&pins, self.contract).map_err(StoreError::Schema)
    }

    /// Rows were set aside because of rows of these files: none of them may have been taken out since, nor be until the
    /// commit, or the rows would be in no table.
    fn expect_loaded_before(&mut self) -> Result<(), StoreError> {
        let Some(files) = self.because_of.files() else { return Ok(()) };
        let sql = format!("SELECT id FROM manifest WHERE id IN ({files}) AND state = 'loaded' FOR SHARE");
        let sql = AssertSqlSafe(sql);
        let loaded: Vec<i64> = self
            .ask(async |transaction| sqlx::query_scalar(sql).persistent(false).fetch_all(&mut **transaction).await)?;
        match loaded.len() == files.split(',').count() {
            true => Ok(()),
            false => {
                let reason = "a file that had some of its rows was taken out meanwhile".to_owned();
                Err(StoreError::Contention(Answer::without_code(&self.store.place, reason)))
            }
        }
    }

    /// Keeps everybody from adding to totals until the commit.
    fn lock_totals(&mut self) -> Result<(), StoreError> {
        let lock = AssertSqlSafe(format!("{} FOR UPDATE", window::PINNED));
        let left: i64 = self.ask(async |transaction| {
            sqlx::raw_sql(lock).execute(&mut **transaction).await?;
            sqlx::query_scalar(window::LEFT).persistent(false).fetch_one(&mut **transaction).await
        })?;
        if left > 0 { Err(self.store.reaggregating(left)) } else { Ok(()) }
    }

    fn start_next(&mut self) -> Result<(), StoreError> {
        match self.prepared.front_mut() {
            Some(next) if !next.order.is_empty() => {
                let data = std::mem::take(&mut next.data);
                self.start_copy(data)
            }
            _ => Ok(()),
        }
    }

    /// How the reading at `index` repeats the one at `first`.
    fn repeat(&self, batch: &Batch, index: usize, first: usize) -> Earlier {
        let differing = self.table.differing(batch, index, first, self.contract);
        let line = batch.readings[first].position.line as i64;
        Earlier { file_id: self.file_id, file: None, line, lines: None, differing, is_loaded: false }
    }
}

/// The pinned length of a window, in microseconds; it stays as it is until the transaction ends.
pub(super) async fn pinned_window(transaction: &mut sqlx::Transaction<'static, Postgres>) -> Result<i64, sqlx::Error> {
    let sql = AssertSqlSafe(format!("{} FOR SHARE", window::PINNED));
    sqlx::query_scalar(sql).persistent(false).fetch_one(&mut **transaction).await
}
