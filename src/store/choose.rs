//! Which of the two databases does the work: the only place that asks.

use iotpipe_core::contract::Contract;

use super::connection::{Backend, Store};
use super::error::StoreError;
use super::postgres::{PostgresLoad, PostgresSnapshot};
use super::schema;
use super::snapshot::Snapshot;
use super::sqlite::{SqliteLoad, SqliteSnapshot};
use super::transaction::LoadTransaction;
use super::window::WindowPin;

impl Store {
    /// Brings the schema up to date with the program and the contract's sensors.
    ///
    /// # Errors
    /// When a sensor's column exists with another type, the statistics are of other windows than the contract's and
    /// `pin` minds that, or the database refuses.
    pub fn migrate(&self, contract: &Contract, pin: WindowPin) -> Result<(), StoreError> {
        if self.is_migrated(contract, pin)? {
            return Ok(());
        }
        self.wait(schema::migrate(&self.db, contract, pin, self.is_embedded()))
    }

    /// Whether the schema is the one that the program and the contract need.
    ///
    /// # Errors
    /// When the database can't be asked, its schema is a newer one, or its statistics are of other windows.
    pub fn is_migrated(&self, contract: &Contract, pin: WindowPin) -> Result<bool, StoreError> {
        self.inspect(async |session| schema::is_current(session, contract, pin, self.is_embedded()).await)
    }

    /// Opens the transaction in which all that a step found out about some files is written.
    ///
    /// # Errors
    /// When the database is away or busy.
    pub fn begin<'a>(&'a self, contract: &'a Contract) -> Result<Box<dyn LoadTransaction + 'a>, StoreError> {
        Ok(match &self.backend {
            Backend::Postgres(_) => Box::new(PostgresLoad::begin(self, contract)?),
            Backend::Sqlite(path) => Box::new(SqliteLoad::begin(path, contract)?),
        })
    }

    /// Opens a view of the database as it stands now.
    ///
    /// # Errors
    /// When the database is away, or its statistics are being computed anew.
    pub fn snapshot(&self, contract: &Contract) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        self.expect_settled_statistics(contract.window_micros)?;
        let snapshot: Box<dyn Snapshot + '_> = match &self.backend {
            Backend::Postgres(_) => Box::new(PostgresSnapshot::begin(self)?),
            Backend::Sqlite(path) => Box::new(SqliteSnapshot::begin(path)?),
        };
        // Still so: nothing began in between.
        self.expect_settled_statistics(contract.window_micros)?;
        Ok(snapshot)
    }
}
