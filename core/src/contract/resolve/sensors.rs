//! `[[contract.sensor]]`.

use std::collections::HashSet;

use super::super::declaration::{CsvTable, SensorTable, SensorTypeName};
use super::super::model::{Sensor, SensorType};
use super::super::null_values::NullValues;
use super::{columns, csv};

/// Columns of `iot_raw_data` and `iot_readings` that a sensor can't take.
const OWN_COLUMNS: [&str; 6] = ["device_id", "device", "ts", "file_id", "file", "line_number"];
/// Columns that every table of PostgreSQL has already.
const COLUMNS_OF_THE_DATABASE: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

pub(super) fn sensors(files: &[SensorTable], csv: &CsvTable) -> Result<Vec<Sensor>, String> {
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
            sensor(file, csv)
        })
        .collect()
}

fn sensor(file: &SensorTable, csv: &CsvTable) -> Result<Sensor, String> {
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
    if file.strip_unit && !matches!(kind, SensorType::Float | SensorType::Integer) {
        return problem("strip_unit is for numbers");
    }
    let has_own_booleans = !file.true_values.is_empty() || !file.false_values.is_empty();
    if has_own_booleans && kind != SensorType::Boolean {
        return problem("true_values and false_values are for booleans");
    }
    if let Some(both) = file.true_values.iter().find(|text| file.false_values.contains(text)) {
        return problem(&format!("\"{both}\" is among true_values and among false_values"));
    }
    let null_values = match file.null_values.is_empty() {
        true => None,
        false => {
            let texts = csv.null_values.iter().chain(&file.null_values).cloned().collect();
            Some(NullValues::new(texts, csv::decimal(&csv.decimal)?))
        }
    };
    Ok(Sensor {
        name: name.clone(),
        column: columns::column(&format!("contract.sensor \"{name}\": column"), file.column.as_ref(), name)?,
        kind,
        unit: file.unit.clone(),
        min: file.min,
        max: file.max,
        required: file.required,
        null_values,
        strip_unit: file.strip_unit,
        booleans: has_own_booleans.then(|| [file.true_values.clone(), file.false_values.clone()]),
    })
}
