//! What a step writes about one file, all in one commit.

use sea_orm::Statement;

use super::error::StoreError;
use super::layout::delete_rows;
use super::rollup;
use iotpipe_core::aggregate::Aggregates;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::reading::Batch;

/// What the end of a file's part means for the totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Totals {
    /// Its aggregates don't count, or not yet.
    Unchanged,
    /// Its aggregates are added.
    Added,
    /// Those that its aggregates had or have a share in are added up anew.
    Anew,
}

/// One transaction for one file or several, each in a part of its own. Dropped without a commit, nothing of it remains.
pub trait LoadTransaction {
    /// Begins the part of the file `file_id`.
    ///
    /// # Errors
    /// When the database is away.
    fn open_file(&mut self, file_id: i64) -> Result<(), StoreError>;

    /// Begins the part of a file that is loaded: its rows are looked at again. With `replaced`, they are taken out first.
    ///
    /// # Errors
    /// When the database is away or busy.
    fn open_again(&mut self, file_id: i64, replaced: bool) -> Result<(), StoreError> {
        self.open_file(file_id)?;
        self.execute(&rollup::set_by(file_id))?;
        self.execute(&format!("DELETE FROM set_aside WHERE file_id = {file_id}"))?;
        match replaced {
            true => delete_rows(file_id).iter().try_for_each(|statement| self.execute(statement)),
            false => Ok(()),
        }
    }

    /// Announces a batch, in the order in which they will be written: what can be done before the one ahead of it is
    /// through may begin.
    ///
    /// # Errors
    /// As for `write`.
    fn prepare(&mut self, _batch: &Batch, _devices: &DeviceNames) -> Result<(), StoreError> {
        Ok(())
    }

    /// Inserts the readings of `batch` into the table of their layout, and moves those whose key exists to its rejections. One that is
    /// stored from this very line stays.
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
    /// one row.
    ///
    /// # Errors
    /// [`StoreError::ClaimLost`] when it changed none: the manifest's row is no longer this worker's.
    /// [`StoreError::Reaggregating`] where totals can't be added up anew now.
    fn close_file(&mut self, transition: &Statement, totals: Totals) -> Result<(), StoreError>;

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
    /// As for `write`; [`StoreError::Contention`] where a file was taken out meanwhile that set rows of these aside.
    fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
