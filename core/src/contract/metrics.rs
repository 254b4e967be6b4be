//! What a metric of the long layout means.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use regex::Regex;

/// Which sensor a metric means: that of which it is a spelling, or the name where nothing else is spelled so, or that
/// whose pattern it fits.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    spelled: HashMap<Vec<u8>, u32, RandomState>,
    patterns: Vec<(Regex, u32)>,
}

/// What a metric means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricOf {
    /// The sensor at this index of the contract's.
    Sensor(u32),
    /// None.
    Unknown,
    /// These two, whose patterns it fits.
    Several(u32, u32),
}

impl Metrics {
    /// Has a spelling mean the sensor `index`; `false` where it means another.
    pub(super) fn spell(&mut self, spelling: &str, index: u32) -> bool {
        let bytes = spelling.trim().as_bytes().to_vec();
        *self.spelled.entry(bytes).or_insert(index) == index
    }

    /// Has what fits `pattern` mean the sensor `index`.
    pub(super) fn fit(&mut self, pattern: &Regex, index: u32) {
        self.patterns.push((pattern.clone(), index));
    }

    /// What `metric` means, from which spaces were trimmed.
    #[inline]
    pub fn find(&self, metric: &[u8]) -> MetricOf {
        match self.spelled.get(metric) {
            Some(index) => MetricOf::Sensor(*index),
            None if self.patterns.is_empty() => MetricOf::Unknown,
            None => self.fitting(metric),
        }
    }

    fn fitting(&self, metric: &[u8]) -> MetricOf {
        let Ok(text) = std::str::from_utf8(metric) else { return MetricOf::Unknown };
        let mut fitting = self.patterns.iter().filter(|(pattern, _)| pattern.is_match(text)).map(|(_, index)| *index);
        match (fitting.next(), fitting.next()) {
            (None, _) => MetricOf::Unknown,
            (Some(one), None) => MetricOf::Sensor(one),
            (Some(one), Some(other)) => MetricOf::Several(one, other),
        }
    }
}
