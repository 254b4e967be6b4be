//! Takes a file's rows and its share of the totals out again.

use sea_orm::{ConnectionTrait, DbErr};

use super::connection::Store;
use super::error::StoreError;
use super::rollup::{deviation, merged};
use super::window;

impl Store {
    /// Deletes all that `file_id` brought, if it is loaded, and gives the number of its rows; `None` when it is not.
    /// `transition` is the manifest's statement, which changes one row where it is.
    ///
    /// The totals that the file had a share in are added up anew from the other files: a smallest or largest value
    /// can't be subtracted. Deleting them first makes a load that adds to the same totals wait, so that neither misses
    /// the other.
    ///
    /// # Errors
    /// When the database is away or busy, or its statistics are being computed anew; nothing has changed then.
    pub fn unload(&self, file_id: i64, transition: &str) -> Result<Option<u64>, StoreError> {
        let keys = format!("SELECT device_id, sensor, window_start FROM file_aggregates WHERE file_id = {file_id}");
        let key_is_touched = format!("(device_id, sensor, window_start) IN ({keys})");
        let others = merged(&format!(
            "file_id <> {file_id} AND file_id IN (SELECT id FROM manifest WHERE state = 'loaded') AND {key_is_touched}"
        ));
        let totals = format!(
            "INSERT INTO sensor_aggregates (device_id, sensor, window_start, count, min, max, avg, m2, stddev)
             SELECT device_id, sensor, window_start, count, min, max, mean, m2, {} FROM ({others}) AS f",
            deviation("m2", "count")
        );
        self.write(async |transaction| {
            // Nobody begins to compute them anew meanwhile.
            let lock = format!("{} {}", window::PINNED, self.dialect().for_share());
            window::number(transaction, &lock).await?;
            let left = window::number(transaction, window::LEFT).await?.unwrap_or(0);
            if left > 0 {
                return Ok(Err(self.reaggregating(left)));
            }
            if transaction.change(transition).await? != 1 {
                return Ok::<_, DbErr>(Ok(None));
            }
            transaction.execute_unprepared(&format!("DELETE FROM sensor_aggregates WHERE {key_is_touched}")).await?;
            transaction.execute_unprepared(&totals).await?;
            transaction.execute_unprepared(&format!("DELETE FROM file_aggregates WHERE file_id = {file_id}")).await?;
            let sql = format!("DELETE FROM iot_raw_data WHERE file_id = {file_id}");
            let rows = transaction.execute_unprepared(&sql).await?.rows_affected();
            Ok(Ok(Some(rows)))
        })?
    }
}
