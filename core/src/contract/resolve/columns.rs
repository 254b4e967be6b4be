//! Columns, and where the device stands.

use regex::Regex;

use super::super::declaration::{ColumnNames, DeviceTable, Match, TimestampColumn};
use super::super::model::{ColumnName, DeviceRule, MAX_DEVICE_BYTES};

/// A column, by default that of the name `default`.
pub(super) fn column(key: &str, names: Option<&ColumnNames>, default: &str) -> Result<ColumnName, String> {
    match names {
        None => Ok(ColumnName::Spelled(vec![default.to_owned()])),
        Some(ColumnNames::Name(name)) => Ok(ColumnName::Spelled(vec![name.clone()])),
        Some(ColumnNames::Spellings(names)) if names.is_empty() => Err(format!("{key}: names no column")),
        Some(ColumnNames::Spellings(names)) => Ok(ColumnName::Spelled(names.clone())),
        Some(ColumnNames::Match(pattern)) => matching(key, pattern),
    }
}

/// One of the columns of a timestamp.
pub(super) fn timestamp_column(column: &TimestampColumn) -> Result<ColumnName, String> {
    match column {
        TimestampColumn::Name(name) => Ok(ColumnName::Spelled(vec![name.clone()])),
        TimestampColumn::Match(pattern) => matching("contract.timestamp.column", pattern),
    }
}

fn matching(key: &str, Match { pattern }: &Match) -> Result<ColumnName, String> {
    Regex::new(pattern).map(ColumnName::Match).map_err(|e| format!("{key}.match: {e}"))
}

pub(super) fn device(rule: &DeviceTable) -> Result<DeviceRule, String> {
    match rule {
        DeviceTable::Column(names) => column("contract.device", Some(names), "device").map(DeviceRule::Column),
        DeviceTable::Value(v) if v.value.trim().is_empty() => Err("contract.device.value: must not be empty".into()),
        DeviceTable::Value(v) if v.value.contains(char::is_control) => {
            Err(format!("contract.device.value = {:?}: must be printable", v.value))
        }
        DeviceTable::Value(v) if v.value.len() > MAX_DEVICE_BYTES => {
            Err(format!("contract.device.value: longer than {MAX_DEVICE_BYTES} bytes"))
        }
        DeviceTable::Value(v) => Ok(DeviceRule::Value(v.value.clone())),
        DeviceTable::FromName(rule) => {
            with_device("contract.device.from_name", &rule.from_name).map(DeviceRule::FromName)
        }
        DeviceTable::FromPath(rule) => {
            with_device("contract.device.from_path", &rule.from_path).map(DeviceRule::FromPath)
        }
    }
}

fn with_device(key: &str, pattern: &str) -> Result<Regex, String> {
    let regex = Regex::new(pattern).map_err(|e| format!("{key}: {e}"))?;
    match regex.capture_names().any(|name| name == Some("device")) {
        true => Ok(regex),
        false => Err(format!("{key}: has no group (?<device>…)")),
    }
}
