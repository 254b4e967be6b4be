//! Statistics computed anew on PostgreSQL: one session reads the rows, sorted, as of one moment; another writes.

use std::sync::atomic::Ordering;

use sqlx::postgres::{PgRow, Postgres};
use sqlx::{AssertSqlSafe, Row, Transaction};

use super::aggregates::{delete as delete_aggregates, insert as insert_aggregates};
use super::connection;
use super::load::pinned_window;
use crate::store::connection::Store;
use crate::store::error::{Cause, StoreError};
use crate::store::reaggregate::{FileInHand, Group, Work};
use crate::store::rollup::roll_up;
use crate::store::window;
use iotpipe_core::aggregate::Aggregates;

/// How often a transaction is tried while loads are in its way.
const ROUNDS: usize = 12;

pub(in crate::store) fn reaggregate(
    store: &Store,
    work: &Work<'_>,
    done: &mut dyn FnMut(u64),
) -> Result<(), StoreError> {
    // Behind the transaction, whose rollback needs the runtime's context.
    let _runtime = store.runtime.enter();
    let (mut rows, files) = store.wait(RowsInOrder::begin(store, work))?;
    let mut row = store.wait(rows.next())?;
    let mut group = Group::default();
    for file_id in files {
        let (mut file, mut large) = (FileInHand::of_no_rows(work), None);
        while let Some(of_file) = row.take_if(|row| row.try_get(0).is_ok_and(|id: i64| id == file_id)) {
            let (device, ts, values) =
                values_of(&of_file, work.sensors.len()).map_err(|e| StoreError::classify(&store.place, e))?;
            if file.is_full_before(device, ts) {
                if work.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let part = file.take();
                large = Some(store.wait(add_part(store, work, large, file_id, &part))?);
            }
            file.add(device, ts, values.into_iter());
            row = store.wait(rows.next())?;
        }
        if let Some(large) = large {
            let written = store.wait(async {
                let large = add_part(store, work, Some(large), file_id, &file.take()).await?;
                large.commit().await
            })?;
            done(written);
            continue;
        }
        group.push(file_id, file.take());
        if group.is_full() {
            if work.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            write(store, work, &std::mem::take(&mut group), done)?;
        }
    }
    write(store, work, &group, done)
}

/// A cursor over the rows, so that neither side has all of them in memory.
struct RowsInOrder {
    transaction: Transaction<'static, Postgres>,
    fetched: std::vec::IntoIter<PgRow>,
}

impl RowsInOrder {
    /// Gives the files that are left, too, as of the same moment.
    async fn begin(store: &Store, work: &Work<'_>) -> Result<(Self, Vec<i64>), sqlx::Error> {
        let mut transaction = store.db.get_postgres_connection_pool().begin_with(connection::BEGIN_SNAPSHOT).await?;
        let files = sqlx::query_scalar("SELECT file_id FROM to_reaggregate ORDER BY file_id")
            .persistent(false)
            .fetch_all(&mut *transaction)
            .await?;
        let micros = |ts: &str| format!("CAST(extract(epoch FROM {ts}) * 1000000 AS bigint)");
        // Truth becomes a float by way of a whole number.
        let rows = work.rows(micros, |sensor, is_boolean| match is_boolean {
            true => format!("r.\"{sensor}\"::integer::float8"),
            false => format!("r.\"{sensor}\"::float8"),
        });
        let declare = format!("DECLARE rows_in_order NO SCROLL CURSOR FOR {rows}");
        sqlx::raw_sql(AssertSqlSafe(declare)).execute(&mut *transaction).await?;
        Ok((Self { transaction, fetched: Vec::new().into_iter() }, files))
    }

    async fn next(&mut self) -> Result<Option<PgRow>, sqlx::Error> {
        if self.fetched.len() == 0 {
            let fetch = sqlx::query("FETCH 5000 FROM rows_in_order").persistent(false);
            self.fetched = fetch.fetch_all(&mut *self.transaction).await?.into_iter();
        }
        Ok(self.fetched.next())
    }
}

fn values_of(row: &PgRow, sensors: usize) -> Result<(u32, i64, Vec<Option<f64>>), sqlx::Error> {
    let values = (0..sensors).map(|i| row.try_get(3 + i)).collect::<Result<_, _>>()?;
    let ts: chrono::DateTime<chrono::Utc> = row.try_get(2)?;
    Ok((row.try_get::<i32, _>(1)?.cast_unsigned(), ts.timestamp_micros(), values))
}

fn write(store: &Store, work: &Work<'_>, group: &Group, done: &mut dyn FnMut(u64)) -> Result<(), StoreError> {
    if group.files.is_empty() {
        return Ok(());
    }
    for round in 1.. {
        match store.wait(commit(store, work, group)) {
            Ok(written) => {
                done(written);
                break;
            }
            Err(error) if error.is_contention() && round < ROUNDS => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Gives the number of files that were written: another process may have done some of them.
async fn commit(store: &Store, work: &Work<'_>, group: &Group) -> Result<u64, Cause> {
    let mut rewriting = Rewriting::begin(store, work, &group.ids()).await?;
    for (file_id, aggregates) in &group.files {
        rewriting.add(*file_id, aggregates).await?;
    }
    rewriting.commit().await
}

/// Adds a part of a file that has very many, in its transaction; the first one begins it.
async fn add_part(
    store: &Store,
    work: &Work<'_>,
    begun: Option<Rewriting>,
    file_id: i64,
    part: &Aggregates,
) -> Result<Rewriting, Cause> {
    let mut rewriting = match begun {
        Some(rewriting) => rewriting,
        None => Rewriting::begin(store, work, &file_id.to_string()).await?,
    };
    rewriting.add(file_id, part).await?;
    Ok(rewriting)
}

/// A transaction that takes files off the list and writes their statistics.
struct Rewriting {
    transaction: Transaction<'static, Postgres>,
    taken: Vec<i64>,
}

impl Rewriting {
    /// Takes the files `ids` off the list, those of them that are on it, and deletes what they had.
    async fn begin(store: &Store, work: &Work<'_>, ids: &str) -> Result<Self, Cause> {
        let mut transaction = connection::begin(store.db.get_postgres_connection_pool()).await?;
        let pinned = pinned_window(&mut transaction).await?;
        if pinned != work.micros {
            return Err(Cause::Schema(window::other(pinned, work.micros)));
        }
        let take = format!("DELETE FROM to_reaggregate WHERE file_id IN ({ids}) RETURNING file_id");
        let taken: Vec<i64> =
            sqlx::query_scalar(AssertSqlSafe(take)).persistent(false).fetch_all(&mut *transaction).await?;
        for file_id in &taken {
            sqlx::raw_sql(AssertSqlSafe(delete_aggregates(*file_id).to_string())).execute(&mut *transaction).await?;
        }
        Ok(Self { transaction, taken })
    }

    async fn add(&mut self, file_id: i64, aggregates: &Aggregates) -> Result<(), Cause> {
        if self.taken.contains(&file_id) {
            insert_aggregates(&mut self.transaction, file_id, aggregates, |device| device.cast_signed()).await?;
        }
        Ok(())
    }

    /// Adds them to the totals; gives their number.
    async fn commit(mut self) -> Result<u64, Cause> {
        if !self.taken.is_empty() {
            let statement = AssertSqlSafe(roll_up(&self.taken, "least", "greatest"));
            sqlx::raw_sql(statement).execute(&mut *self.transaction).await?;
        }
        self.transaction.commit().await?;
        Ok(self.taken.len() as u64)
    }
}
