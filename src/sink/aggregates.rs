//! Readings → the file's aggregates.

use std::collections::HashMap;

use super::findings::Findings;
use super::row_sink::Sink;
use crate::error::Error;
use crate::store::StoredAggregate;
use iotpipe_core::aggregate::{Aggregates, Stats};
use iotpipe_core::contract::Contract;
use iotpipe_core::parse::Header;
use iotpipe_core::reading::Batch;

/// Batches of which the first version may have merged a file's aggregates.
const EARLIER_PARTS: i64 = 1000;

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
    fn begin(&mut self, _header: &Header) -> Result<(), Error> {
        Ok(())
    }

    fn write(&mut self, batch: &mut Batch, devices: &[String]) -> Result<(), Error> {
        self.aggregates.add(batch);
        self.devices.extend_from_slice(&devices[self.devices.len()..]);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Says where `stored` is not what a second pass found: bit for bit, where the present program stored it; what an earlier
/// one added up may differ in the last digits.
pub fn compare_aggregates(
    found: &AggregateSink,
    stored: &[StoredAggregate],
    to_the_bit: bool,
    findings: &mut Findings,
) {
    let is_same = |stored: &Stats, found: &Stats| match to_the_bit {
        true => stored.is_same_as(found),
        false => stored.is_close_to(found, EARLIER_PARTS),
    };
    let key = |row: &StoredAggregate| (row.device.clone(), row.sensor.clone(), row.window_start);
    let mut stored: HashMap<_, Stats> = stored.iter().map(|row| (key(row), row.stats)).collect();
    for row in found.aggregates.rows() {
        let device = found.devices.get(row.device as usize).cloned().unwrap_or_default();
        let same = stored
            .remove(&(device.clone(), row.sensor.to_owned(), row.window_start))
            .is_some_and(|stats| is_same(&stats, &row.stats));
        if !same {
            findings.add(format!("the aggregate of {device} {} does not fit its rows", row.sensor));
        }
    }
    for (device, sensor, _) in stored.into_keys() {
        findings.add(format!("there is an aggregate of {device} {sensor} for which the file has no rows"));
    }
}
