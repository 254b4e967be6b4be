//! Readings → the file's aggregates.

use super::Sink;
use crate::aggregate::Aggregates;
use crate::contract::Contract;
use crate::error::Error;
use crate::reading::Batch;

/// Collects the aggregates of one pass, for the transaction that follows it.
pub struct AggregateSink {
    /// The figures so far.
    pub aggregates: Aggregates,
    /// Names of the devices in them.
    pub devices: Vec<String>,
}

impl AggregateSink {
    /// Of no readings yet.
    pub fn new(contract: &Contract) -> Self {
        Self { aggregates: Aggregates::new(contract), devices: Vec::new() }
    }
}

impl Sink for AggregateSink {
    fn begin(&mut self, _header: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn take(&mut self, batch: &mut Batch, devices: &[String]) -> Result<(), Error> {
        self.aggregates.add(batch);
        self.devices.extend_from_slice(&devices[self.devices.len()..]);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
