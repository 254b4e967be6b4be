//! Readings → the file's aggregates, in bounded memory.

use std::io;
use std::path::{Path, PathBuf};

use super::row_sink::Sink;
use super::spill::Spill;
use crate::error::Error;
use iotpipe_core::aggregate::Aggregates;
use iotpipe_core::contract::Contract;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::parse::Header;
use iotpipe_core::reading::Batch;

/// Into so many parts what has no room is divided.
const PARTS: usize = 32;

/// Collects the aggregates of one pass, for the transaction that follows it. While there is memory for another window,
/// its figures are kept there; measurements of the windows behind wait on the disk, and are added up part by part. A
/// window's measurements are added in the order of the lines either way, so its figures are the same to the bit.
pub struct AggregateSink {
    aggregates: Aggregates,
    /// Where measurements wait.
    folder: PathBuf,
    spill: Option<Spill>,
    /// How often what stands here was divided.
    depth: u32,
}

impl AggregateSink {
    /// Of no readings yet. Takes about `bytes` of memory, and beyond that what is free in `folder`.
    pub fn new(contract: &Contract, folder: &Path, bytes: usize) -> Self {
        let aggregates = Aggregates::new(contract).within(bytes);
        Self { aggregates, folder: folder.to_owned(), spill: None, depth: 0 }
    }

    /// How many figures it has, at most.
    pub fn most(&self) -> usize {
        self.aggregates.len() + self.spill.as_ref().map_or(0, |spill| spill.added() * self.aggregates.width())
    }

    /// Where what has no room in memory waits.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Gives `take` all figures, some windows at a time; at least once.
    ///
    /// # Errors
    /// When what waits on the disk can't be read, and those of `take`.
    pub fn each_part(&self, take: &mut dyn FnMut(&Aggregates) -> Result<(), Error>) -> Result<(), Error> {
        take(&self.aggregates)?;
        let Some(spill) = &self.spill else { return Ok(()) };
        for number in 0..PARTS {
            let (aggregates, folder) = (self.aggregates.emptied(), self.folder.clone());
            let mut part = Self { aggregates, folder, spill: None, depth: self.depth + 1 };
            let add = |device, window, values: &[f64]| part.add(device, window, values);
            spill.read::<io::Error>(number, add).map_err(Error::storage(&self.folder))?;
            if !part.aggregates.is_empty() {
                part.each_part(take)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, device: u32, window: i64, values: &[f64]) -> io::Result<()> {
        let values = values.iter().map(|value| Some(*value).filter(|value| !value.is_nan()));
        match self.aggregates.add_values(device, window, values.clone()) {
            true => Ok(()),
            false => self.spill().add(device, window, values),
        }
    }

    fn spill(&mut self) -> &mut Spill {
        let (width, depth) = (self.aggregates.width(), self.depth);
        self.spill.get_or_insert_with(|| Spill::new(&self.folder, width, PARTS, depth))
    }

    fn add_batch(&mut self, batch: &Batch) -> io::Result<()> {
        let left = self.aggregates.add(batch);
        if left.is_empty() {
            return Ok(());
        }
        self.spill();
        let (Some(spill), aggregates) = (&mut self.spill, &self.aggregates) else { return Ok(()) };
        for reading in &left {
            let values = aggregates.values_of(batch, reading);
            spill.add(reading.device, aggregates.window_of(reading.ts), values)?;
        }
        Ok(())
    }
}

impl Sink for AggregateSink {
    fn begin(&mut self, _header: &Header) -> Result<(), Error> {
        Ok(())
    }

    fn write(&mut self, batch: &mut Batch, _devices: &DeviceNames) -> Result<(), Error> {
        self.add_batch(batch).map_err(Error::storage(&self.folder))
    }

    fn finish(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iotpipe_core::reading::{Cell, Position, Reading};
    use proptest::prelude::*;

    type Figures = (u32, i64, String, i64, u64, u64);

    /// All figures, to the bit, of readings (device, hour, value) with so much memory.
    fn figures(readings: &[(u32, i64, Option<f64>)], bytes: usize) -> Vec<Figures> {
        let contract = "[[contract.sensor]]\nname='a'\nrequired=false\n[[contract.sensor]]\nname='b'";
        let contract = Contract::from_toml(contract).unwrap();
        let mut sink = AggregateSink::new(&contract, &std::env::temp_dir(), bytes);
        for some in readings.chunks(7) {
            let mut batch = Batch::default();
            for (n, &(device, hour, value)) in some.iter().enumerate() {
                batch.cells.extend([value.map_or(Cell::Null, Cell::Float), Cell::Float(hour as f64)]);
                let position = Position { line: 2, start: 0, len: 0 };
                batch.readings.push(Reading { device, ts: hour * 3_600_000_000 + 5, cells: 2 * n as u32, position });
            }
            sink.write(&mut batch, &DeviceNames::default()).unwrap();
        }
        all_of(sink)
    }

    fn all_of(sink: AggregateSink) -> Vec<Figures> {
        let mut all = Vec::new();
        let mut take = |part: &Aggregates| {
            all.extend(part.rows().map(|row| {
                let (mean, m2) = (row.stats.mean().unwrap().to_bits(), row.stats.m2().unwrap().to_bits());
                (row.device, row.window_start, row.sensor.to_owned(), row.stats.count, mean, m2)
            }));
            Ok(())
        };
        sink.each_part(&mut take).unwrap();
        all.sort();
        all
    }

    /// The same of a row per value: sensors of numbers, a text between them.
    fn figures_of_measurements(readings: &[(u32, i64, Option<f64>)], bytes: usize) -> Vec<Figures> {
        let sensors = ["a", "t", "b"].map(|name| format!("[[contract.sensor]]\nname='{name}'\n"));
        let text = format!("[contract]\nlayout='long'\n{}type='text'\n{}{}", sensors[1], sensors[0], sensors[2]);
        let mut sink = AggregateSink::new(&Contract::from_toml(&text).unwrap(), &std::env::temp_dir(), bytes);
        for some in readings.chunks(7) {
            let mut batch = Batch::default();
            for &(device, hour, value) in some {
                let cells =
                    [(2, Cell::Float(hour as f64)), (0, Cell::Text(0, 0)), (1, value.map_or(Cell::Null, Cell::Float))];
                for (sensor, cell) in cells {
                    let position = Position { line: 2, start: 0, len: 0 };
                    let (ts, cells) = (hour * 3_600_000_000 + 5, batch.cells.len() as u32);
                    batch.cells.push(cell);
                    batch.sensors.push(sensor);
                    batch.readings.push(Reading { device, ts, cells, position });
                }
            }
            sink.write(&mut batch, &DeviceNames::default()).unwrap();
        }
        all_of(sink)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn figures_do_not_depend_on_the_memory(
            readings in prop::collection::vec((0u32..40, -3i64..3, prop::option::of(-1e6f64..1e6)), 1..600),
            bytes in 500usize..9_000,
        ) {
            let expected = figures(&readings, usize::MAX);
            prop_assert_eq!(&figures(&readings, bytes), &expected);
            prop_assert_eq!(&figures_of_measurements(&readings, bytes), &expected);
            prop_assert_eq!(&figures_of_measurements(&readings, usize::MAX), &expected);
        }
    }
}
