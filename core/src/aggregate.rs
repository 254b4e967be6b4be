//! Readings become mergeable aggregates per device, sensor and window. Pure.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::contract::Contract;
use crate::reading::Batch;

/// Count, extremes, mean and sum of squared deviations of some values.
///
/// Values are added by Welford's method and sets merged by Chan, Golub and LeVeque, "Updating Formulae and a Pairwise
/// Algorithm for Computing Sample Variances" (1979), so that no precision is lost to the size of the mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stats {
    /// Number of values.
    pub count: i64,
    /// Smallest value, in the sensor's unit.
    pub min: f64,
    /// Largest value, in the sensor's unit.
    pub max: f64,
    /// Arithmetic mean, in the sensor's unit.
    pub mean: f64,
    /// Sum of squared deviations from the mean, in the unit squared.
    pub m2: f64,
}

impl Stats {
    /// Of no values.
    pub const EMPTY: Stats = Stats { count: 0, min: f64::INFINITY, max: f64::NEG_INFINITY, mean: 0.0, m2: 0.0 };

    /// Adds one value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.m2 += delta * (value - self.mean);
    }

    /// The aggregate of both sets of values.
    pub fn merge(self, other: Stats) -> Stats {
        if self.count == 0 || other.count == 0 {
            return if self.count == 0 { other } else { self };
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let delta = other.mean - self.mean;
        Stats {
            count: self.count + other.count,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            mean: self.mean + delta * b / (a + b),
            m2: self.m2 + other.m2 + delta * delta * a * b / (a + b),
        }
    }

    /// Whether both describe the same values: mean and squares to a billionth of the largest value.
    pub fn is_close_to(&self, other: &Stats) -> bool {
        let scale = self.min.abs().max(self.max.abs());
        (self.count, self.min, self.max) == (other.count, other.min, other.max)
            && (self.mean - other.mean).abs() <= 1e-9 * scale
            && (self.m2 - other.m2).abs() <= 1e-9 * scale * scale * self.count as f64
    }

    /// Sample standard deviation (n−1), `None` for fewer than two values.
    pub fn stddev(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.m2 / (self.count - 1) as f64).sqrt())
    }
}

/// The aggregates of one file.
#[derive(Debug)]
pub struct Aggregates {
    window: i64,
    /// Index and name of each sensor that is aggregated.
    sensors: Vec<(usize, String)>,
    places: HashMap<(u32, i64), usize, RandomState>,
    stats: Vec<Stats>,
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
        Self {
            window: contract.window_micros,
            sensors: sensors.map(|(i, s)| (i, s.name.clone())).collect(),
            places: HashMap::default(),
            stats: Vec::new(),
        }
    }

    /// Adds the readings of `batch`.
    pub fn add(&mut self, batch: &Batch) {
        let mut last = ((u32::MAX, i64::MIN), 0);
        for reading in &batch.readings {
            let key = (reading.device, reading.ts.div_euclid(self.window));
            if last.0 != key {
                last = (key, self.place(key));
            }
            for (offset, (sensor, _)) in self.sensors.iter().enumerate() {
                if let Some(value) = batch.cells[reading.cells as usize + sensor].as_f64() {
                    self.stats[last.1 + offset].add(value);
                }
            }
        }
    }

    fn place(&mut self, key: (u32, i64)) -> usize {
        let (stats, width) = (&mut self.stats, self.sensors.len());
        *self.places.entry(key).or_insert_with(|| {
            stats.resize(stats.len() + width, Stats::EMPTY);
            stats.len() - width
        })
    }

    /// Every device, sensor and window that has a value, by device, window and sensor.
    pub fn rows(&self) -> Vec<AggregateRow<'_>> {
        let mut places: Vec<_> = self.places.iter().collect();
        places.sort_unstable();
        let of_place = |(&(device, window), &place): (&(u32, i64), &usize)| {
            self.sensors.iter().enumerate().map(move |(offset, (_, sensor))| AggregateRow {
                device,
                sensor,
                window_start: window * self.window,
                stats: self.stats[place + offset],
            })
        };
        places.into_iter().flat_map(of_place).filter(|row| row.stats.count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> Stats {
        let mut stats = Stats::EMPTY;
        values.iter().for_each(|v| stats.add(*v));
        stats
    }

    fn close(a: f64, b: f64, scale: f64) -> bool {
        (a - b).abs() <= 1e-9 * scale.max(1.0)
    }

    proptest! {
        #[test]
        fn merging_in_any_order_is_adding_all(
            a in prop::collection::vec(-1e6f64..1e6, 0..50),
            b in prop::collection::vec(-1e6f64..1e6, 0..50),
        ) {
            let all: Vec<f64> = a.iter().chain(&b).copied().collect();
            let (one, two, whole) = (of(&a).merge(of(&b)), of(&b).merge(of(&a)), of(&all));
            prop_assert_eq!(one.count, whole.count);
            prop_assert_eq!((one.min, one.max), (whole.min, whole.max));
            for merged in [one, two] {
                prop_assert!(close(merged.mean, whole.mean, 1e6));
                prop_assert!(close(merged.m2, whole.m2, 1e14));
            }
        }

        #[test]
        fn the_deviation_is_the_textbook_one(values in prop::collection::vec(-1e3f64..1e3, 2..50)) {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
            let expected = (squares / (values.len() - 1) as f64).sqrt();
            prop_assert!(close(of(&values).stddev().unwrap(), expected, 1e3));
        }
    }

    #[test]
    fn one_value_has_no_deviation() {
        assert_eq!(of(&[3.0]).stddev(), None);
    }
}
