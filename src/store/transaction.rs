//! What a step writes about one file, all in one commit.

use sea_orm::Statement;

use super::error::StoreError;
use iotpipe_core::aggregate::Aggregates;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::reading::Batch;

/// One transaction for one file or several, each in a part of its own. Dropped without a commit, nothing of it remains.
pub trait LoadTransaction {
    /// Begins the part of the file `file_id`.
    ///
    /// # Errors
    /// When the database is away.
    fn open_file(&mut self, file_id: i64) -> Result<(), StoreError>;

    /// Announces a batch, in the order in which they will be written: what can be done before the one ahead of it is
    /// through may begin.
    ///
    /// # Errors
    /// As for `write`.
    fn prepare(&mut self, _batch: &Batch, _devices: &DeviceNames) -> Result<(), StoreError> {
        Ok(())
    }

    /// Inserts the readings of `batch` into `iot_raw_data`, and moves those whose key exists to its rejections.
    ///
    /// # Errors
    /// When the database is away, full or busy.
    fn write(&mut self, batch: &mut Batch, devices: &DeviceNames) -> Result<(), StoreError>;

    /// Writes some of the open file's aggregates, whose devices are all in `devices`. The first part takes the place of
    /// those that are stored.
    ///
    /// # Errors
    /// As for `write`.
    fn write_aggregates(&mut self, part: &Aggregates, is_first: bool, devices: &DeviceNames) -> Result<(), StoreError>;

    /// Writes how far the open file has come, and ends its part. `transition` is the manifest's statement, which changes
    /// one row; `loaded` says whether the file's aggregates now count in the totals.
    ///
    /// # Errors
    /// [`StoreError::ClaimLost`] when it changed none: the manifest's row is no longer this worker's.
    fn close_file(&mut self, transition: &Statement, loaded: bool) -> Result<(), StoreError>;

    /// Runs a statement of the manifest in the same commit.
    ///
    /// # Errors
    /// As for `write`.
    fn execute(&mut self, statement: &str) -> Result<(), StoreError>;

    /// Takes back all that was written since `open_file`; nothing when no file is open.
    ///
    /// # Errors
    /// As for `write`.
    fn drop_file(&mut self) -> Result<(), StoreError>;

    /// Adds the aggregates of the files that are now loaded to the totals, and commits everything.
    ///
    /// # Errors
    /// As for `write`.
    fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
