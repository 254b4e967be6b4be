//! A [`Declaration`] is checked, once, and becomes a [`Contract`].

use std::collections::HashSet;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::declaration::{
    AggregateTable, AmbiguousName, ContractTable, CsvTable, Declaration, DeviceTable, ExtraColumnsName, OneOrMany,
    SensorTable, SensorTypeName,
};
use super::model::{
    Contract, CsvFormat, DeviceRule, ExtraColumns, LONGEST_WINDOW, MAX_DEVICE_BYTES, NullValues, Sensor, SensorType,
    TimestampRule,
};
use super::number::Decimal;
use super::timestamp::{Ambiguous, TimestampFormat};

/// A declaration that makes no sense: the key and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidContract(String);

impl Contract {
    /// Checks `declaration`.
    ///
    /// # Errors
    /// Names the key and what it takes.
    pub fn resolve(declaration: &Declaration) -> Result<Contract, InvalidContract> {
        resolve(declaration).map_err(InvalidContract)
    }

    /// As [`Contract::resolve`], from the text of the tables `[csv]`, `[contract]` and `[aggregate]`. An empty text is the
    /// contract of the public "Environmental Sensor Telemetry" data set.
    ///
    /// # Errors
    /// Names line and key of what can't be read.
    pub fn from_toml(text: &str) -> Result<Contract, InvalidContract> {
        let declaration: Declaration = toml::from_str(text).map_err(|e| InvalidContract(e.to_string()))?;
        Self::resolve(&declaration)
    }
}

fn resolve(declaration: &Declaration) -> Result<Contract, String> {
    let Declaration { csv, contract, aggregate } = declaration;
    let body = body(declaration)?;
    Ok(Contract {
        csv: CsvFormat {
            delimiter: one_byte("csv.delimiter", &csv.delimiter)?,
            decimal: decimal(&csv.decimal)?,
            skip_lines: csv.skip_lines,
            null_values: NullValues::new(csv.null_values.clone()),
        },
        timestamp: timestamp(contract)?,
        device: device(&contract.device)?,
        sensors: sensors(&contract.sensor)?,
        extra_columns: match contract.extra_columns {
            ExtraColumnsName::Ignore => ExtraColumns::Ignore,
            ExtraColumnsName::Reject => ExtraColumns::Reject,
        },
        max_rejected_ratio: ratio(contract.max_rejected_ratio)?,
        max_future_micros: micros("contract.max_future", &contract.max_future)?,
        window_micros: window(&aggregate.window)?,
        hash: hash(&body),
        body,
    })
}

/// Every setting that decides a verdict. The windows' length decides none, and is pinned in the database: it counts
/// as the default, so that statistics which were computed anew still belong to the contract that judged the rows.
fn body(declaration: &Declaration) -> Result<String, String> {
    #[derive(serde::Serialize)]
    struct Judged<'d> {
        csv: &'d CsvTable,
        contract: &'d ContractTable,
        aggregate: AggregateTable,
    }
    let Declaration { csv, contract, aggregate: _ } = declaration;
    toml::to_string(&Judged { csv, contract, aggregate: AggregateTable::default() }).map_err(|e| e.to_string())
}

fn hash(body: &str) -> String {
    Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn duration(key: &str, text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|e| format!("{key} = \"{text}\": {e} (write it as 500ms, 2s, 1h, 1d)"))
}

fn micros(key: &str, text: &str) -> Result<i64, String> {
    i64::try_from(duration(key, text)?.as_micros()).map_err(|_| format!("{key} = \"{text}\": too long"))
}

fn window(text: &str) -> Result<i64, String> {
    let key = "aggregate.window";
    match duration(key, text)? {
        length if length.as_micros() == 0 => Err(format!("{key} = \"{text}\": must be a microsecond or longer")),
        length if length > LONGEST_WINDOW => Err(format!("{key} = \"{text}\": too long, the most is 1000 years")),
        _ => micros(key, text),
    }
}

fn one_byte(key: &str, text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [b'"' | b'\n' | b'\r'] => Err(format!("{key}: a quote or a line end can't separate fields")),
        [byte] => Ok(*byte),
        _ => Err(format!("{key} = \"{text}\": must be one ASCII character")),
    }
}

fn decimal(text: &str) -> Result<Decimal, String> {
    match text {
        "." => Ok(Decimal::Point),
        "," => Ok(Decimal::Comma),
        _ => Err(format!("csv.decimal = \"{text}\": must be \".\" or \",\"")),
    }
}

fn ratio(value: f64) -> Result<f64, String> {
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(format!("contract.max_rejected_ratio = {value}: must be between 0 and 1"))
    }
}

fn timestamp(contract: &ContractTable) -> Result<TimestampRule, String> {
    let rule = &contract.timestamp;
    let columns = match &rule.column {
        OneOrMany::One(name) => vec![name.clone()],
        OneOrMany::Many(names) if names.is_empty() => return Err("contract.timestamp.column: names no column".into()),
        OneOrMany::Many(names) => names.clone(),
    };
    let zone_unused = |format| match rule.zone {
        Some(_) => Err(format!("contract.timestamp.zone: {} carries its own zone", rule.format)),
        None => Ok(format),
    };
    let format = match rule.format.as_str() {
        "unix_seconds" => zone_unused(TimestampFormat::UnixSeconds)?,
        "unix_millis" => zone_unused(TimestampFormat::UnixMillis)?,
        "unix_micros" => zone_unused(TimestampFormat::UnixMicros)?,
        "unix_nanos" => zone_unused(TimestampFormat::UnixNanos)?,
        "rfc3339" => zone_unused(TimestampFormat::Rfc3339)?,
        pattern if pattern.contains('%') => {
            let zone = rule.zone.as_deref().unwrap_or("UTC");
            TimestampFormat::Pattern {
                pattern: pattern.to_owned(),
                zone: jiff::tz::TimeZone::get(zone)
                    .map_err(|e| format!("contract.timestamp.zone = \"{zone}\": {e}"))?,
                ambiguous: match rule.ambiguous {
                    AmbiguousName::Reject => Ambiguous::Reject,
                    AmbiguousName::Earliest => Ambiguous::Earliest,
                    AmbiguousName::Latest => Ambiguous::Latest,
                },
            }
        }
        other => {
            return Err(format!(
                "contract.timestamp.format = \"{other}\": must be unix_seconds, unix_millis, unix_micros, unix_nanos, \
                 rfc3339 or a pattern such as %Y-%m-%d %H:%M:%S"
            ));
        }
    };
    format.check().map_err(|e| format!("contract.timestamp.format = \"{}\": {e}", rule.format))?;
    Ok(TimestampRule { columns, format })
}

fn device(rule: &DeviceTable) -> Result<DeviceRule, String> {
    match rule {
        DeviceTable::Column(name) => Ok(DeviceRule::Column(name.clone())),
        DeviceTable::Value(v) if v.value.trim().is_empty() => Err("contract.device.value: must not be empty".into()),
        DeviceTable::Value(v) if v.value.contains(char::is_control) => {
            Err(format!("contract.device.value = {:?}: must be printable", v.value))
        }
        DeviceTable::Value(v) if v.value.len() > MAX_DEVICE_BYTES => {
            Err(format!("contract.device.value: longer than {MAX_DEVICE_BYTES} bytes"))
        }
        DeviceTable::Value(v) => Ok(DeviceRule::Value(v.value.clone())),
        DeviceTable::FromName(rule) => {
            let regex = regex::Regex::new(&rule.from_name).map_err(|e| format!("contract.device.from_name: {e}"))?;
            if regex.capture_names().any(|name| name == Some("device")) {
                Ok(DeviceRule::FromName(regex))
            } else {
                Err("contract.device.from_name: has no group (?<device>…)".into())
            }
        }
    }
}

/// Columns of `iot_raw_data` and `iot_readings` that a sensor can't take.
const OWN_COLUMNS: [&str; 6] = ["device_id", "device", "ts", "file_id", "file", "line_number"];
/// Columns that every table of PostgreSQL has already.
const COLUMNS_OF_THE_DATABASE: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

fn sensors(files: &[SensorTable]) -> Result<Vec<Sensor>, String> {
    if files.is_empty() {
        return Err("contract.sensor: at least one is needed".into());
    }
    let mut names = HashSet::new();
    files
        .iter()
        .map(|file| {
            if !names.insert(file.name.as_str()) {
                return Err(format!("contract.sensor: two sensors are named \"{}\"", file.name));
            }
            sensor(file)
        })
        .collect()
}

fn sensor(file: &SensorTable) -> Result<Sensor, String> {
    let name = &file.name;
    let problem = |what: &str| Err(format!("contract.sensor \"{name}\": {what}"));
    let valid = name.bytes().enumerate().all(|(i, b)| matches!(b, b'a'..=b'z' | b'_') || i > 0 && b.is_ascii_digit());
    if name.is_empty() || !valid || name.len() > 63 {
        return problem("a name is a database column: a-z, 0-9 and _, not a digit first, at most 63 characters");
    }
    if OWN_COLUMNS.contains(&name.as_str()) {
        return problem("this name is one of iotpipe's own columns; choose another and keep the CSV's in `column`");
    }
    if COLUMNS_OF_THE_DATABASE.contains(&name.as_str()) {
        return problem("a database keeps this name for itself; choose another and keep the CSV's in `column`");
    }
    let kind = match file.kind {
        SensorTypeName::Float => SensorType::Float,
        SensorTypeName::Integer => SensorType::Integer,
        SensorTypeName::Boolean => SensorType::Boolean,
        SensorTypeName::Text => SensorType::Text,
    };
    let ranged = file.min.is_some() || file.max.is_some();
    if ranged && !matches!(kind, SensorType::Float | SensorType::Integer) {
        return problem("min and max are for numbers");
    }
    if file.min.into_iter().chain(file.max).any(|limit| !limit.is_finite()) {
        return problem("min and max are finite numbers; leave out the one that does not matter");
    }
    if let (Some(min), Some(max)) = (file.min, file.max)
        && min > max
    {
        return problem("min is above max");
    }
    Ok(Sensor {
        name: name.clone(),
        column: file.column.clone().unwrap_or_else(|| name.clone()),
        kind,
        unit: file.unit.clone(),
        min: file.min,
        max: file.max,
        required: file.required,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sensors_of_one_name_are_refused() {
        let error = Contract::from_toml("[[contract.sensor]]\nname='a'\n[[contract.sensor]]\nname='a'\n").unwrap_err();
        assert_eq!(error.to_string(), "contract.sensor: two sensors are named \"a\"");
    }

    #[test]
    fn the_length_of_windows_decides_no_verdict() {
        let hash = |toml: &str| Contract::from_toml(toml).unwrap().hash;
        assert_eq!(hash("[aggregate]\nwindow = '1d'"), hash(""));
        assert_ne!(hash("[contract]\nmax_future = '2d'"), hash(""));
    }

    #[test]
    fn a_contract_is_made_again_of_its_body() {
        for toml in [
            "",
            "[csv]\ndecimal = ','\ndelimiter = ';'\nnull_values = ['-200', '', '\\\"x']",
            "[contract]\ntimestamp = { column = ['Date', 'Time'], format = '%F %T', zone = 'Europe/Rome', ambiguous = 'latest' }",
            "[contract]\ndevice = { from_name = '^(?<device>.+)_' }\n[[contract.sensor]]\nname='a'\ntype='integer'\nmin=-1",
            "[contract]\ndevice = { value = 'p' }\nextra_columns = 'reject'\n[aggregate]\nwindow = '1d'",
        ] {
            let contract = Contract::from_toml(toml).unwrap();
            let again = Contract::from_toml(&contract.body).unwrap();
            assert_eq!((again.hash, &again.body), (contract.hash, &contract.body), "{toml}");
        }
    }

    #[test]
    fn the_hash_is_that_of_the_first_version() {
        let first = "04957d1b7ccd5614d54e06fb9ed45fa5f5e77ee6c37ce2cb15bb25101af6c73b";
        assert_eq!(Contract::from_toml("").unwrap().hash, first);
    }
}
