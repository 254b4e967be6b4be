//! [`Snapshot`] on PostgreSQL: a read-only transaction of the kind that sees one moment.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use sqlx::AssertSqlSafe;
use sqlx::postgres::Postgres;

use super::connection;
use super::raw_table::{RawTable, ids_of_sensors};
use crate::store::connection::Store;
use crate::store::duplicate::Earlier;
use crate::store::error::StoreError;
use crate::store::snapshot::{self, DeviceIds, FileRows, SampledRow, Snapshot, StoredAggregate};
use iotpipe_core::aggregate::Stats;
use iotpipe_core::contract::Contract;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::reading::Batch;

pub(in crate::store) struct PostgresSnapshot<'a> {
    store: &'a Store,
    transaction: sqlx::Transaction<'static, Postgres>,
    /// Dropped behind the transaction, whose rollback needs the runtime's context.
    _runtime: tokio::runtime::EnterGuard<'a>,
    ids: DeviceIds,
    sensors: HashMap<String, i32>,
}

impl<'a> PostgresSnapshot<'a> {
    pub(in crate::store) fn begin(store: &'a Store) -> Result<Self, StoreError> {
        let (transaction, ids, sensors) = store.wait(async {
            let pool = store.db.get_postgres_connection_pool();
            let mut transaction = pool.begin_with(connection::BEGIN_SNAPSHOT).await?;
            let mut ids = DeviceIds::default();
            let stored = sqlx::query_as::<_, (String, i32)>("SELECT name, id FROM device").persistent(false);
            let mut stored = stored.fetch(&mut *transaction);
            while let Some((name, id)) = stored.try_next().await? {
                ids.add(&name, id.into());
            }
            drop(stored);
            let sensors = ids_of_sensors(&mut transaction).await?;
            Ok::<_, sqlx::Error>((transaction, ids, sensors))
        })?;
        Ok(Self { store, transaction, _runtime: store.runtime.enter(), ids, sensors })
    }
}

impl Snapshot for PostgresSnapshot<'_> {
    fn find(
        &mut self,
        contract: &Contract,
        batch: &Batch,
        devices: &DeviceNames,
    ) -> Result<Vec<(usize, Earlier)>, StoreError> {
        let id = |device: u32| i32::try_from(self.ids.get(devices.get(device)?)?).ok();
        let keys: Vec<_> =
            batch.readings.iter().enumerate().filter_map(|(i, reading)| Some((i, id(reading.device)?))).collect();
        // No file has this identity: every row is given with the name of its file.
        let table = RawTable::with(contract, &self.sensors).map_err(StoreError::Schema)?;
        self.store.wait(table.find_stored(&mut self.transaction, contract, batch, &keys, 0))
    }

    fn entries(&mut self) -> Result<HashMap<i64, (String, i64)>, StoreError> {
        let query = sqlx::query_as::<_, (i64, String, i64)>(snapshot::ENTRIES).persistent(false);
        let entries = self.store.wait(query.fetch_all(&mut *self.transaction))?;
        Ok(entries.into_iter().map(|(id, state, claim_no)| (id, (state, claim_no))).collect())
    }

    fn set_aside_of(&mut self, file_id: i64) -> Result<Vec<(i64, i64, Option<bool>)>, StoreError> {
        let query = sqlx::query_as(snapshot::SET_ASIDE_OF).persistent(false).bind(file_id);
        self.store.wait(query.fetch_all(&mut *self.transaction))
    }

    fn orphans(&mut self) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query_scalar(snapshot::ORPHANS).persistent(false);
        let mut orphans: Vec<String> = self.store.wait(query.fetch_all(&mut *self.transaction))?;
        let kept = sqlx::query_as(snapshot::CONTRACTS).persistent(false);
        let kept = self.store.wait(kept.fetch_all(&mut *self.transaction))?;
        orphans.extend(snapshot::false_contracts(kept));
        Ok(orphans)
    }

    fn rows_by_file(&mut self) -> Result<Vec<FileRows>, StoreError> {
        let query = sqlx::query_as::<_, (i64, Option<String>, i64)>(snapshot::ROWS_BY_FILE).persistent(false);
        let rows = self.store.wait(query.fetch_all(&mut *self.transaction))?;
        Ok(rows.into_iter().map(|(file_id, state, rows)| FileRows { file_id, state, rows }).collect())
    }

    fn rows_of(&mut self, file_id: i64) -> Result<Vec<(i64, String)>, StoreError> {
        let query = AssertSqlSafe(snapshot::rows_of(|ts| format!("CAST({ts} AS text)")));
        self.store.wait(sqlx::query_as(query).persistent(false).bind(file_id).fetch_all(&mut *self.transaction))
    }

    fn count_aggregates(&mut self, file_id: i64) -> Result<i64, StoreError> {
        let query = sqlx::query_scalar(snapshot::COUNT_AGGREGATES).persistent(false).bind(file_id);
        self.store.wait(query.fetch_one(&mut *self.transaction))
    }

    fn device_id(&self, name: &str) -> Option<i64> {
        self.ids.get(name)
    }

    fn aggregates_of(&mut self, file_id: i64, take: &mut dyn FnMut(StoredAggregate)) -> Result<(), StoreError> {
        type Row = (i32, String, String, i64, i64, f64, f64, Option<f64>, Option<f64>);
        let micros = "CAST(extract(epoch FROM file_aggregates.window_start) * 1000000 AS bigint)";
        let query = sqlx::query_as::<_, Row>(AssertSqlSafe(snapshot::aggregates_of(micros))).persistent(false);
        let rows = query.bind(file_id).fetch(&mut *self.transaction);
        let each = rows.try_for_each(|(device_id, device, sensor, window_start, count, min, max, mean, m2)| {
            let (device_id, stats) = (device_id.into(), Stats::stored(count, min, max, mean, m2));
            take(StoredAggregate { device_id, device, sensor, window_start, stats });
            std::future::ready(Ok(()))
        });
        self.store.wait(each)
    }

    fn rejections_of(&mut self, file_id: i64) -> Result<Vec<(String, String, i64)>, StoreError> {
        let query = sqlx::query_as(snapshot::REJECTIONS_OF).persistent(false).bind(file_id);
        self.store.wait(query.fetch_all(&mut *self.transaction))
    }

    fn sample_of(&mut self, file_id: i64) -> Result<Vec<SampledRow>, StoreError> {
        let query = sqlx::query_as(snapshot::SAMPLE_OF).persistent(false).bind(file_id);
        let rows: Vec<(i64, String, String, String)> = self.store.wait(query.fetch_all(&mut *self.transaction))?;
        Ok(rows.into_iter().map(|(line, rule, column, value)| SampledRow { line, rule, column, value }).collect())
    }

    fn drifted_totals(&mut self) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query_scalar(AssertSqlSafe(snapshot::drifted_totals())).persistent(false);
        self.store.wait(query.fetch_all(&mut *self.transaction))
    }
}
