//! Flags, environment and `iotpipe.toml` become one checked [`Config`]; nobody else reads any of them.

mod file;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::contract::{
    Ambiguous, Contract, CsvFormat, Decimal, DeviceRule, ExtraColumns, NullValues, Sensor, SensorType, TimestampFormat,
    TimestampRule,
};
use file::{AmbiguousFile, ConfigFile, ContractFile, DeviceFile, ExtraColumnsFile, OneOrMany, SensorFile};

/// The commented file that `init` writes; it says what the built-in defaults say.
pub const TEMPLATE: &str = include_str!("template.toml");

/// Everything a command needs to know, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The four folders.
    pub paths: Paths,
    /// Glob below `paths.data`.
    pub pattern: glob::Pattern,
    /// How long a file must have been still before it is taken.
    pub settle: Duration,
    /// `sqlite://…` or `postgres://…`; may hold a password, so it is never printed.
    pub database_url: String,
    /// Whether any command brings a PostgreSQL schema up to date.
    pub auto_migrate: bool,
    /// The shape of a reading.
    pub contract: Contract,
}

/// Folders; created when missing.
#[derive(Debug, Clone)]
pub struct Paths {
    /// Where files arrive.
    pub data: PathBuf,
    /// Where loaded files go.
    pub processed: PathBuf,
    /// Where bad rows and refused files go.
    pub quarantine: PathBuf,
    /// Where the logs go.
    pub logs: PathBuf,
}

/// A configuration that will never work as asked.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ConfigError {
    place: String,
    message: String,
}

impl Config {
    /// Reads `path` (or takes the built-in defaults where it is `None`) and lets `database_url` override the file's.
    ///
    /// # Errors
    /// When the file can't be read or parsed (line and key are named), or a value makes no sense.
    pub fn resolve(path: Option<&Path>, database_url: Option<String>) -> Result<Config, ConfigError> {
        let place = path.map_or_else(|| "built-in configuration".to_owned(), |p| p.display().to_string());
        let text = match path {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|e| ConfigError { place: place.clone(), message: format!("can't be read: {e}") })?,
        };
        Self::from_text(&text, database_url).map_err(|message| ConfigError { place, message })
    }

    /// As [`Config::resolve`], from the text of a file.
    ///
    /// # Errors
    /// Says what is wrong, where it can with line and key.
    pub fn from_text(text: &str, database_url: Option<String>) -> Result<Config, String> {
        let file: ConfigFile = toml::from_str(text).map_err(|e| e.to_string())?;
        let hash = contract_hash(&file)?;
        Ok(Config {
            pattern: glob::Pattern::new(&file.source.pattern).map_err(|e| format!("source.pattern: {e}"))?,
            settle: duration("source.settle", &file.source.settle)?,
            database_url: database_url.unwrap_or(file.database.url),
            auto_migrate: file.database.auto_migrate,
            paths: Paths {
                data: file.paths.data.into(),
                processed: file.paths.processed.into(),
                quarantine: file.paths.quarantine.into(),
                logs: file.paths.logs.into(),
            },
            contract: Contract {
                csv: CsvFormat {
                    delimiter: one_byte("csv.delimiter", &file.csv.delimiter)?,
                    decimal: decimal(&file.csv.decimal)?,
                    skip_lines: file.csv.skip_lines,
                    null_values: NullValues::new(file.csv.null_values.clone()),
                },
                timestamp: timestamp(&file.contract)?,
                device: device(&file.contract.device)?,
                sensors: sensors(&file.contract.sensor)?,
                extra_columns: match file.contract.extra_columns {
                    ExtraColumnsFile::Ignore => ExtraColumns::Ignore,
                    ExtraColumnsFile::Reject => ExtraColumns::Reject,
                },
                max_rejected_ratio: ratio(file.contract.max_rejected_ratio)?,
                max_future_micros: micros("contract.max_future", &file.contract.max_future)?,
                window_micros: match micros("aggregate.window", &file.aggregate.window)? {
                    0 => return Err("aggregate.window: must be longer than 0".into()),
                    window => window,
                },
                hash,
            },
        })
    }
}

/// The parts of the file that decide a verdict.
#[derive(serde::Serialize)]
struct VerdictParts<'a> {
    csv: &'a file::CsvFile,
    contract: &'a ContractFile,
    aggregate: &'a file::AggregateFile,
}

fn contract_hash(file: &ConfigFile) -> Result<String, String> {
    let parts = VerdictParts { csv: &file.csv, contract: &file.contract, aggregate: &file.aggregate };
    let text = toml::to_string(&parts).map_err(|e| e.to_string())?;
    Ok(hex(&Sha256::digest(text.as_bytes())))
}

/// Lower-case hexadecimal text of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn duration(key: &str, text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|e| format!("{key} = \"{text}\": {e} (write it as 500ms, 2s, 1h, 1d)"))
}

fn micros(key: &str, text: &str) -> Result<i64, String> {
    i64::try_from(duration(key, text)?.as_micros()).map_err(|_| format!("{key} = \"{text}\": too long"))
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

fn timestamp(contract: &ContractFile) -> Result<TimestampRule, String> {
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
                    AmbiguousFile::Reject => Ambiguous::Reject,
                    AmbiguousFile::Earliest => Ambiguous::Earliest,
                    AmbiguousFile::Latest => Ambiguous::Latest,
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

fn device(rule: &DeviceFile) -> Result<DeviceRule, String> {
    match rule {
        DeviceFile::Column(name) => Ok(DeviceRule::Column(name.clone())),
        DeviceFile::Value(v) if v.value.trim().is_empty() => Err("contract.device.value: must not be empty".into()),
        DeviceFile::Value(v) => Ok(DeviceRule::Value(v.value.clone())),
        DeviceFile::FromName(rule) => {
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
const RESERVED: [&str; 6] = ["device_id", "device", "ts", "file_id", "file", "line_number"];

fn sensors(files: &[SensorFile]) -> Result<Vec<Sensor>, String> {
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

fn sensor(file: &SensorFile) -> Result<Sensor, String> {
    let name = &file.name;
    let problem = |what: &str| Err(format!("contract.sensor \"{name}\": {what}"));
    let valid = name.bytes().enumerate().all(|(i, b)| matches!(b, b'a'..=b'z' | b'_') || i > 0 && b.is_ascii_digit());
    if name.is_empty() || !valid || name.len() > 63 {
        return problem("a name is a database column: a-z, 0-9 and _, not a digit first, at most 63 characters");
    }
    if RESERVED.contains(&name.as_str()) {
        return problem("this name is one of iotpipe's own columns; choose another and keep the CSV's in `column`");
    }
    let kind = match file.kind {
        file::SensorTypeFile::Float => SensorType::Float,
        file::SensorTypeFile::Integer => SensorType::Integer,
        file::SensorTypeFile::Boolean => SensorType::Boolean,
        file::SensorTypeFile::Text => SensorType::Text,
    };
    let ranged = file.min.is_some() || file.max.is_some();
    if ranged && !matches!(kind, SensorType::Float | SensorType::Integer) {
        return problem("min and max are for numbers");
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
    fn the_template_says_what_the_defaults_say() {
        let built_in = Config::from_text("", None).unwrap();
        let template = Config::from_text(TEMPLATE, None).unwrap();
        assert_eq!(built_in.contract.hash, template.contract.hash);
        assert_eq!(built_in.database_url, template.database_url);
        assert_eq!(built_in.settle, template.settle);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = Config::from_text("[contract]\nmax_rejectd_ratio = 0.5\n", None).unwrap_err();
        assert!(error.contains("line 2") && error.contains("max_rejectd_ratio"), "{error}");
    }

    #[test]
    fn two_sensors_of_one_name_are_refused() {
        let error =
            Config::from_text("[[contract.sensor]]\nname='a'\n[[contract.sensor]]\nname='a'\n", None).unwrap_err();
        assert_eq!(error, "contract.sensor: two sensors are named \"a\"");
    }
}
