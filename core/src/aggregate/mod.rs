//! Readings become mergeable aggregates per device, sensor and window. Pure.

mod stats;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;

use crate::contract::Contract;
use crate::reading::{Batch, Reading};

pub use stats::{MAX_AVERAGED, Stats, TOLERANCE};

/// The aggregates of one file.
#[derive(Debug)]
pub struct Aggregates {
    window: i64,
    /// Index and name of each sensor that is aggregated.
    sensors: Vec<(usize, String)>,
    places: HashMap<(u32, i64), usize, RandomState>,
    stats: Vec<Stats>,
    /// The most places there may be.
    room: usize,
}

/// One line of a file's aggregates.
#[derive(Debug, Clone, Copy)]
pub struct AggregateRow<'a> {
    /// Index into the pass's list of devices.
    pub device: u32,
    /// Name of the sensor.
    pub sensor: &'a str,
    /// Start of the window, microseconds since 1970-01-01 UTC.
    pub window_start: i64,
    /// The figures; at least one value.
    pub stats: Stats,
}

impl Aggregates {
    /// Of no readings yet, in the windows of `contract`.
    pub fn new(contract: &Contract) -> Self {
        let sensors = contract.sensors.iter().enumerate().filter(|(_, s)| s.kind.is_aggregated());
        Self::of(contract.window_micros, sensors.map(|(i, s)| (i, s.name.clone())).collect())
    }

    /// Of no values yet of `sensors`, in windows of `window` microseconds.
    pub fn of_sensors(window: i64, sensors: impl IntoIterator<Item = String>) -> Self {
        Self::of(window, sensors.into_iter().enumerate().collect())
    }

    fn of(window: i64, sensors: Vec<(usize, String)>) -> Self {
        Self { window, sensors, places: HashMap::default(), stats: Vec::new(), room: usize::MAX }
    }

    /// Of the same sensors and windows, no readings yet.
    pub fn emptied(&self) -> Self {
        Self { room: self.room, ..Self::of(self.window, self.sensors.clone()) }
    }

    /// With room for about so many `bytes` of figures: what has no room is not added, and given back instead.
    pub fn within(mut self, bytes: usize) -> Self {
        // The table keeps half of its places free, at most.
        let place = self.sensors.len() * size_of::<Stats>() + 2 * size_of::<((u32, i64), usize)>();
        self.room = (bytes / place).max(1);
        self
    }

    /// How many sensors are aggregated.
    pub fn width(&self) -> usize {
        self.sensors.len()
    }

    /// Length of a window in microseconds.
    pub fn window(&self) -> i64 {
        self.window
    }

    /// The window of `ts` (microseconds since 1970-01-01 UTC), counted from that day on.
    pub fn window_of(&self, ts: i64) -> i64 {
        ts.div_euclid(self.window)
    }

    /// What `reading` of `batch` measured, a value per aggregated sensor.
    pub fn values_of<'b>(&'b self, batch: &'b Batch, reading: &'b Reading) -> impl Iterator<Item = Option<f64>> + 'b {
        let at = reading.cells as usize;
        let measured = batch.sensors.get(at).map(|sensor| *sensor as usize);
        self.sensors.iter().map(move |(sensor, _)| match measured {
            None => batch.cells[at + sensor].as_f64(),
            Some(measured) if measured == *sensor => batch.cells[at].as_f64(),
            Some(_) => None,
        })
    }

    /// Room that is taken, in values of [`Stats`].
    pub fn len(&self) -> usize {
        self.stats.len()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.stats.is_empty()
    }

    /// Adds what `device` measured in `window`: a value per sensor, or none. Says whether there was room.
    pub fn add_values(&mut self, device: u32, window: i64, values: impl Iterator<Item = Option<f64>>) -> bool {
        let Some(place) = self.place((device, window)) else { return false };
        for (stats, value) in self.stats[place..].iter_mut().zip(values) {
            if let Some(value) = value {
                stats.add(value);
            }
        }
        true
    }

    /// Adds the readings of `batch`; gives those for whose window there was no room.
    pub fn add(&mut self, batch: &Batch) -> Vec<Reading> {
        match batch.sensors.is_empty() {
            true => self.add_rows(batch),
            false => self.add_measurements(batch),
        }
    }

    fn add_rows(&mut self, batch: &Batch) -> Vec<Reading> {
        let mut left = Vec::new();
        let mut last = ((u32::MAX, i64::MIN), None);
        for reading in &batch.readings {
            let key = (reading.device, reading.ts.div_euclid(self.window));
            if last.0 != key {
                last = (key, self.place(key));
            }
            let Some(place) = last.1 else {
                left.push(*reading);
                continue;
            };
            for (offset, (sensor, _)) in self.sensors.iter().enumerate() {
                if let Some(value) = batch.cells[reading.cells as usize + sensor].as_f64() {
                    self.stats[place + offset].add(value);
                }
            }
        }
        left
    }

    /// The same where each reading is of one sensor.
    fn add_measurements(&mut self, batch: &Batch) -> Vec<Reading> {
        let mut offsets = vec![None; self.sensors.iter().map(|(sensor, _)| sensor + 1).max().unwrap_or(0)];
        self.sensors.iter().enumerate().for_each(|(offset, (sensor, _))| offsets[*sensor] = Some(offset));
        let mut left = Vec::new();
        let mut last = ((u32::MAX, i64::MIN), None);
        for reading in &batch.readings {
            let key = (reading.device, reading.ts.div_euclid(self.window));
            if last.0 != key {
                last = (key, self.place(key));
            }
            let Some(place) = last.1 else {
                left.push(*reading);
                continue;
            };
            let (sensor, cell) = batch.measurement(reading);
            if let (Some(Some(offset)), Some(value)) = (offsets.get(sensor as usize), cell.as_f64()) {
                self.stats[place + offset].add(value);
            }
        }
        left
    }

    fn place(&mut self, key: (u32, i64)) -> Option<usize> {
        let is_full = self.places.len() >= self.room;
        let (stats, width) = (&mut self.stats, self.sensors.len());
        match self.places.entry(key) {
            Entry::Occupied(place) => Some(*place.get()),
            Entry::Vacant(_) if is_full => None,
            Entry::Vacant(vacant) => {
                stats.resize(stats.len() + width, Stats::EMPTY);
                Some(*vacant.insert(stats.len() - width))
            }
        }
    }

    /// Every device, sensor and window that has a value, by device, window and sensor.
    pub fn rows(&self) -> impl Iterator<Item = AggregateRow<'_>> {
        let mut places: Vec<_> = self.places.iter().collect();
        places.sort_unstable();
        let of_place = move |(&(device, window), &place): (&(u32, i64), &usize)| {
            self.sensors.iter().enumerate().map(move |(offset, (_, sensor))| AggregateRow {
                device,
                sensor,
                window_start: window * self.window,
                stats: self.stats[place + offset],
            })
        };
        places.into_iter().flat_map(of_place).filter(|row| row.stats.count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Cell;

    #[test]
    fn a_window_without_a_value_has_no_row() {
        let contract = "[[contract.sensor]]\nname='a'\n[[contract.sensor]]\nname='b'\nrequired=false";
        let mut aggregates = Aggregates::new(&Contract::from_toml(contract).unwrap());
        let position = crate::reading::Position { line: 2, start: 0, len: 0 };
        let mut batch = Batch::default();
        batch.cells.extend([Cell::Float(1.0), Cell::Null]);
        batch.readings.push(Reading { device: 0, ts: 0, cells: 0, position });
        aggregates.add(&batch);
        let rows: Vec<_> = aggregates.rows().map(|row| (row.sensor.to_owned(), row.stats.count)).collect();
        assert_eq!(rows, [("a".to_owned(), 1)]);
    }

    #[test]
    fn what_has_no_room_is_given_back() {
        let contract = Contract::from_toml("[[contract.sensor]]\nname='a'").unwrap();
        let mut aggregates = Aggregates::new(&contract).within(1);
        let position = crate::reading::Position { line: 2, start: 0, len: 0 };
        let mut batch = Batch::default();
        for (n, (device, ts)) in [(0, 0), (1, 0), (0, 1), (0, 3_600_000_000), (1, 1)].into_iter().enumerate() {
            batch.cells.push(Cell::Float(n as f64));
            batch.readings.push(Reading { device, ts, cells: n as u32, position });
        }
        let left = aggregates.add(&batch);
        assert_eq!(left.iter().map(|r| (r.device, r.ts)).collect::<Vec<_>>(), [(1, 0), (0, 3_600_000_000), (1, 1)]);
        let rows: Vec<_> = aggregates.rows().map(|row| (row.device, row.window_start, row.stats.count)).collect();
        assert_eq!(rows, [(0, 0, 2)]);
        assert!(!aggregates.add_values(1, 0, [Some(1.0)].into_iter()));
        assert!(aggregates.add_values(0, 0, [None].into_iter()));
        assert_eq!(aggregates.values_of(&batch, &batch.readings[4]).collect::<Vec<_>>(), [Some(4.0)]);
    }
}
