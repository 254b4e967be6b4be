//! What was measured, in a row of the long layout.

use crate::contract::{ColumnName, Contract, LongRows, MetricOf, Sensor};
use crate::printable::printable;
use crate::reading::Rule;

/// The index of the sensor that `metric` means, from which spaces were trimmed.
///
/// # Errors
/// The rule that it breaks, and why, for people.
#[inline]
pub(super) fn metric_of(contract: &Contract, long: &LongRows, metric: &[u8]) -> Result<u32, (Rule, String)> {
    match long.metrics.find(metric) {
        MetricOf::Sensor(index) => Ok(index),
        other => Err(no_sensor(contract, other, metric)),
    }
}

/// Whether the contract has rows of this metric skipped.
pub(super) fn is_unwanted(contract: &Contract, metric: &[u8]) -> bool {
    let is_missing = metric.is_empty() || contract.csv.null_values.contains(metric);
    !is_missing
        && contract.long.as_ref().is_some_and(|l| l.skips_unknown && l.metrics.find(metric) == MetricOf::Unknown)
}

#[cold]
fn no_sensor(contract: &Contract, found: MetricOf, metric: &[u8]) -> (Rule, String) {
    if let MetricOf::Several(one, other) = found {
        let [one, other] = [one, other].map(|index| &contract.sensors[index as usize].name);
        return (Rule::UnknownMetric, format!("the metric fits two sensors, {one} and {other}"));
    }
    if metric.is_empty() || contract.csv.null_values.contains(metric) {
        return (Rule::Missing, "the metric is missing".to_owned());
    }
    let hint = match contract.sensors.iter().find_map(|sensor| other_case(sensor, metric)) {
        Some(spelling) => format!("; \"{}\" differs by its case alone", printable(spelling)),
        None => String::new(),
    };
    let message =
        format!("no sensor of the contract has this metric (see `column` and contract.unknown_metrics){hint}");
    (Rule::UnknownMetric, message)
}

/// A spelling of `sensor` that differs from the metric by its case alone.
fn other_case<'s>(sensor: &'s Sensor, metric: &[u8]) -> Option<&'s str> {
    let metric = std::str::from_utf8(metric).ok()?.to_lowercase();
    let spellings = match &sensor.column {
        ColumnName::Spelled(spellings) => spellings.as_slice(),
        ColumnName::Match(_) => &[],
    };
    spellings.iter().chain([&sensor.name]).map(|spelling| spelling.trim()).find(|s| s.to_lowercase() == metric)
}
