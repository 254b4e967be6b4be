//! `contract.layout`.

use super::super::declaration::{ContractTable, ExtraColumnsName, LayoutName, UnknownMetricsName};
use super::super::metrics::Metrics;
use super::super::model::{ColumnName, LongRows, Sensor};
use super::columns::column;

/// How rows of one measurement are read, where the contract says that they are.
pub(super) fn rows(contract: &ContractTable, sensors: &[Sensor]) -> Result<Option<LongRows>, String> {
    if contract.layout == LayoutName::Wide {
        let of_long = [
            ("metric", contract.metric.is_some()),
            ("value", contract.value.is_some()),
            ("unknown_metrics", contract.unknown_metrics.is_some()),
        ];
        return match of_long.into_iter().find(|(_, is_given)| *is_given) {
            Some((key, _)) => {
                Err(format!("contract.{key}: is for rows of one measurement, contract.layout = \"long\""))
            }
            None => Ok(None),
        };
    }
    let metrics = metrics(sensors).map_err(|spelling| {
        format!("contract.sensor: two sensors have the metric \"{spelling}\"; a row of the long layout measures one")
    })?;
    Ok(Some(LongRows {
        metric: column("contract.metric", contract.metric.as_ref(), "metric")?,
        value: column("contract.value", contract.value.as_ref(), "value")?,
        skips_unknown: match (contract.unknown_metrics, contract.extra_columns) {
            (Some(UnknownMetricsName::Ignore), _) | (None, ExtraColumnsName::Ignore) => true,
            (Some(UnknownMetricsName::Reject), _) | (None, ExtraColumnsName::Reject) => false,
        },
        metrics,
    }))
}

/// Each means its sensor by its spellings, or by its name where nothing else is spelled so.
///
/// # Errors
/// The spelling that two of them have.
fn metrics(sensors: &[Sensor]) -> Result<Metrics, String> {
    let mut metrics = Metrics::default();
    for (index, sensor) in (0..).zip(sensors) {
        match &sensor.column {
            ColumnName::Match(pattern) => metrics.fit(pattern, index),
            ColumnName::Spelled(spellings) => {
                if let Some(taken) = spellings.iter().find(|spelling| !metrics.spell(spelling, index)) {
                    return Err(taken.clone());
                }
            }
        }
    }
    for (index, sensor) in (0..).zip(sensors) {
        metrics.spell(&sensor.name, index);
    }
    Ok(metrics)
}

#[cfg(test)]
mod tests {
    use super::super::super::{Contract, MetricOf};
    use super::*;

    fn of(sensors: &str) -> Result<Metrics, String> {
        let contract = Contract::from_toml(&format!("[contract]\nlayout = 'long'\n{sensors}"));
        contract.map(|c| c.long.unwrap().metrics).map_err(|e| e.to_string())
    }

    #[test]
    fn a_metric_means_the_sensor_that_spells_it() {
        let found = of("[[contract.sensor]]\nname = 'temp'\ncolumn = ['Temp (C)', ' t ']\n
             [[contract.sensor]]\nname = 't2'\ncolumn = 'temp'\n
             [[contract.sensor]]\nname = 'pm'\ncolumn = { match = '^pm' }\n
             [[contract.sensor]]\nname = 'pm10'\ncolumn = { match = '10$' }")
        .unwrap();
        for (metric, expected) in [
            ("Temp (C)", MetricOf::Sensor(0)),
            ("t", MetricOf::Sensor(0)),
            ("temp", MetricOf::Sensor(1)),
            ("t2", MetricOf::Sensor(1)),
            ("pm2.5", MetricOf::Sensor(2)),
            ("no10", MetricOf::Sensor(3)),
            ("pm10", MetricOf::Sensor(3)),
            ("pm_10", MetricOf::Several(2, 3)),
            ("Temp", MetricOf::Unknown),
            ("", MetricOf::Unknown),
        ] {
            assert_eq!(found.find(metric.as_bytes()), expected, "{metric}");
        }
        assert_eq!(found.find(b"\xff"), MetricOf::Unknown);
    }

    #[test]
    fn a_spelling_means_one_sensor() {
        let two = "[[contract.sensor]]\nname = 'a'\ncolumn = 'x'\n[[contract.sensor]]\nname = 'b'\ncolumn = ['y', 'x']";
        assert!(of(two).unwrap_err().contains("\"x\""));
    }

    #[test]
    fn keys_of_the_long_layout_are_refused_in_the_wide_one() {
        for (key, value) in [("metric", "m"), ("value", "v"), ("unknown_metrics", "ignore")] {
            let error = Contract::from_toml(&format!("[contract]\n{key} = '{value}'")).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains("layout = \"long\""), "{error}");
        }
    }

    #[test]
    fn unknown_metrics_go_with_extra_columns_unless_said_otherwise() {
        for (keys, skips) in [
            ("", true),
            ("extra_columns = 'reject'", false),
            ("unknown_metrics = 'reject'", false),
            ("extra_columns = 'reject'\nunknown_metrics = 'ignore'", true),
        ] {
            let contract = Contract::from_toml(&format!("[contract]\nlayout = 'long'\n{keys}")).unwrap();
            assert_eq!(contract.long.unwrap().skips_unknown, skips, "{keys}");
        }
    }

    #[test]
    fn a_reading_has_one_cell() {
        assert_eq!(Contract::from_toml("[contract]\nlayout = 'long'").unwrap().width(), 1);
        assert_eq!(Contract::from_toml("").unwrap().width(), 7);
    }
}
