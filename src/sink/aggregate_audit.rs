//! The aggregates that a second pass found, against those that are stored.

use std::collections::HashMap;
use std::io;

use super::aggregates::AggregateSink;
use super::findings::Findings;
use super::spill::Spill;
use crate::error::Error;
use crate::store::{Snapshot, StoredAggregate};
use iotpipe_core::aggregate::Stats;
use iotpipe_core::devices::DeviceNames;

/// Batches of which the first version may have merged a file's aggregates.
const EARLIER_PARTS: i64 = 1000;
/// Aggregates that are compared at once, about; they take some 100 bytes each.
const AT_ONCE: usize = 100_000;
/// The most parts: each side keeps a block of each in memory.
const MOST_PARTS: usize = 128;

/// Says where what is stored of `file_id` is not what a second pass `found`: bit for bit, where the present program stored
/// it; what an earlier one added up may differ in the last digits. Each side is read once and, where there is much of it,
/// divided on the disk by device and window; then part is compared with part.
///
/// # Errors
/// When the database can't be asked, what was found not be read, or the disk is full.
pub fn compare_aggregates(
    found: &AggregateSink,
    devices: &DeviceNames,
    snapshot: &mut dyn Snapshot,
    file_id: i64,
    to_the_bit: bool,
    findings: &mut Findings,
) -> Result<(), Error> {
    let most = usize::try_from(snapshot.count_aggregates(file_id)?).unwrap_or(usize::MAX).max(found.most());
    let parts = (1 + most / AT_ONCE).min(MOST_PARTS);
    let mut comparison = Comparison { found, devices, to_the_bit, parts, sensors: Sensors::default() };
    let stored = comparison.stored(snapshot, file_id, findings)?;
    let found_anew = comparison.found_anew()?;
    let compare = |part| comparison.compare(part, &stored, &found_anew, findings);
    (0..parts).try_for_each(compare).map_err(Error::storage(found.folder()))
}

struct Comparison<'a> {
    found: &'a AggregateSink,
    devices: &'a DeviceNames,
    to_the_bit: bool,
    parts: usize,
    sensors: Sensors,
}

impl Comparison<'_> {
    fn no_figures(&self) -> Figures {
        Figures(Spill::new(self.found.folder(), Figures::WIDTH, self.parts, 0))
    }

    /// What is stored of devices that the file has. Of others it has no rows.
    fn stored(&mut self, snapshot: &mut dyn Snapshot, file_id: i64, findings: &mut Findings) -> Result<Figures, Error> {
        let numbered = (0..).zip(self.devices.from(0));
        let mut by_id: Vec<(i64, u32)> =
            numbered.filter_map(|(number, name)| Some((snapshot.device_id(name)?, number))).collect();
        by_id.sort_unstable();
        let (mut figures, mut added) = (self.no_figures(), Ok(()));
        snapshot.aggregates_of(file_id, &mut |row: StoredAggregate| match by_id
            .binary_search_by_key(&row.device_id, |(id, _)| *id)
        {
            Err(_) => findings.add(no_rows_for(&row.device, &row.sensor)),
            Ok(at) if added.is_ok() => {
                let sensor = self.sensors.number(&row.sensor);
                added = figures.add((by_id[at].1, row.window_start, sensor), &row.stats);
            }
            Ok(_) => {}
        })?;
        added.map_err(Error::storage(self.found.folder())).map(|()| figures)
    }

    fn found_anew(&mut self) -> Result<Figures, Error> {
        let mut figures = self.no_figures();
        self.found.each_part(&mut |some| {
            for row in some.rows() {
                let key = (row.device, row.window_start, self.sensors.number(row.sensor));
                figures.add(key, &row.stats).map_err(Error::storage(self.found.folder()))?;
            }
            Ok(())
        })?;
        Ok(figures)
    }

    fn compare(&self, part: usize, stored: &Figures, found: &Figures, findings: &mut Findings) -> io::Result<()> {
        let mut by_key = HashMap::new();
        stored.read(part, |key, stats| {
            by_key.insert(key, stats);
        })?;
        found.read(part, |key, stats| {
            if !by_key.remove(&key).is_some_and(|stored| self.is_same(&stored, &stats)) {
                let (device, sensor) = self.names(key);
                findings.add(format!("the aggregate of {device} {sensor} does not fit its rows"));
            }
        })?;
        for key in by_key.into_keys() {
            let (device, sensor) = self.names(key);
            findings.add(no_rows_for(device, sensor));
        }
        Ok(())
    }

    fn is_same(&self, stored: &Stats, found: &Stats) -> bool {
        match self.to_the_bit {
            true => stored.is_same_as(found),
            false => stored.is_close_to(found, EARLIER_PARTS),
        }
    }

    fn names(&self, (device, _, sensor): Key) -> (&str, &str) {
        (self.devices.get(device).unwrap_or_default(), self.sensors.name(sensor))
    }
}

fn no_rows_for(device: &str, sensor: &str) -> String {
    format!("there is an aggregate of {device} {sensor} for which the file has no rows")
}

/// Number of the device in the file, start of the window (microseconds since 1970-01-01 UTC), number of the sensor.
type Key = (u32, i64, u32);

/// Figures by their keys, in parts.
struct Figures(Spill);

impl Figures {
    /// The sensor's number, count, minimum, maximum, mean and sum of squared deviations.
    const WIDTH: usize = 6;

    fn add(&mut self, (device, window_start, sensor): Key, stats: &Stats) -> io::Result<()> {
        // Counts of rows of one file are far below 2^53, up to which a float has every whole number.
        let (sensor, count) = (f64::from(sensor), stats.count as f64);
        let values = [Some(sensor), Some(count), Some(stats.min), Some(stats.max), stats.mean(), stats.m2()];
        self.0.add(device, window_start, values.into_iter())
    }

    fn read(&self, part: usize, mut take: impl FnMut(Key, Stats)) -> io::Result<()> {
        self.0.read(part, |device, window_start, values| {
            if let &[sensor, count, min, max, mean, m2] = values {
                let stats = Stats::stored(count as i64, min, max, Some(mean), Some(m2));
                take((device, window_start, sensor as u32), stats);
            }
            Ok(())
        })
    }
}

/// Names of sensors, numbered in the order in which they came.
#[derive(Default)]
struct Sensors {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Sensors {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", String::as_str)
    }
}
