//! Where the contract's columns stand in one file.

use regex::Regex;

use super::advice;
use crate::contract::{ColumnName, Contract, DeviceRule, ExtraColumns, MAX_DEVICE_BYTES, Sensor};
use crate::offences::Offences;
use crate::printable::printable;
use crate::reading::Rule;

/// Why a whole file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRejection {
    /// The rule that it breaks.
    pub rule: Rule,
    /// What is wrong, for people.
    pub message: String,
    /// What was set aside of it before, where its rows are why.
    pub offences: Box<Offences>,
}

impl FileRejection {
    /// For a reason that lies in no row.
    pub fn new(rule: Rule, message: String) -> Self {
        Self { rule, message, offences: Box::default() }
    }
}

/// Where the contract's columns stand in one file.
#[derive(Debug, Clone)]
pub struct Layout {
    pub(super) names: Vec<String>,
    /// Fields up to the last that has a name: what a row must have at least.
    pub(super) named: usize,
    pub(super) timestamp: Vec<usize>,
    pub(super) device: DeviceAt,
    /// Whether the values of a row have names: none of them is a header, or blank.
    pub(super) of_objects: bool,
    /// Where values stand: one place per sensor, [`ABSENT`] where the file has no such column; in the long layout one.
    pub(super) values: Vec<usize>,
    /// What was measured, in the long layout.
    pub(super) metric: Option<usize>,
}

/// The place of a column that a file does not have: no row has a field there.
pub(super) const ABSENT: usize = usize::MAX;

#[derive(Debug, Clone)]
pub(super) enum DeviceAt {
    Field(usize),
    Fixed(String),
}

impl Layout {
    /// Finds the contract's columns in the header of the file at `path` below the folder of its source.
    ///
    /// # Errors
    /// `missing_column` where one is absent or stands twice, `extra_column` where the contract forbids others.
    pub fn bind(contract: &Contract, header: &[Vec<u8>], path: &str) -> Result<Layout, FileRejection> {
        let names: Vec<String> = header.iter().map(|n| String::from_utf8_lossy(n).trim().to_owned()).collect();
        if contract.csv.header.is_none() && advice::is_a_row(&names) {
            return Err(missing(advice::no_header(contract, &names)));
        }
        let required = |column: &ColumnName| {
            position_of(&names, column)?.ok_or_else(|| missing(advice::not_found(contract, header, &names, column)))
        };
        let timestamp: Vec<usize> = contract.timestamp.columns.iter().map(required).collect::<Result<_, _>>()?;
        let (values, metric) = match &contract.long {
            Some(long) => (vec![required(&long.value)?], Some(required(&long.metric)?)),
            None => (sensor_columns(contract, header, &names, &required)?, None),
        };
        let device = match &contract.device {
            DeviceRule::Column(column) => DeviceAt::Field(required(column)?),
            DeviceRule::Value(value) => DeviceAt::Fixed(value.clone()),
            DeviceRule::FromName(regex) => {
                let name = path.rsplit('/').next().unwrap_or(path);
                DeviceAt::Fixed(device_from("name", "from_name", regex, name)?)
            }
            DeviceRule::FromPath(regex) => DeviceAt::Fixed(device_from("path", "from_path", regex, path)?),
        };
        let named = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        let layout = Layout { names, named, timestamp, device, of_objects: false, values, metric };
        let extra = layout.extra_columns().next().filter(|_| contract.extra_columns == ExtraColumns::Reject);
        match extra.map(printable) {
            Some(name) => Err(FileRejection::new(
                Rule::ExtraColumn,
                format!(
                    "the header has a column \"{name}\" that the contract does not name \
                     (contract.extra_columns = \"reject\")"
                ),
            )),
            None => Ok(layout),
        }
    }

    /// The same for rows whose values have names: their fields are those that the contract names.
    pub fn of_objects(self) -> Layout {
        Layout { of_objects: true, ..self }
    }

    /// Names of the columns that the contract does not name.
    pub fn extra_columns(&self) -> impl Iterator<Item = &str> {
        let used = |i: &usize| {
            self.timestamp.contains(i)
                || self.values.contains(i)
                || self.metric == Some(*i)
                || matches!(self.device, DeviceAt::Field(at) if at == *i)
        };
        (0..self.names.len()).filter(move |i| !used(i) && !self.names[*i].is_empty()).map(|i| self.names[i].as_str())
    }

    /// The same behind one column more, which has no name.
    pub(super) fn behind_unnamed(&self) -> Layout {
        let behind = |at: &usize| if *at == ABSENT { ABSENT } else { at + 1 };
        let names = std::iter::once(String::new()).chain(self.names.iter().cloned()).collect();
        Layout {
            names,
            named: self.named + 1,
            of_objects: self.of_objects,
            timestamp: self.timestamp.iter().map(behind).collect(),
            device: match &self.device {
                DeviceAt::Field(at) => DeviceAt::Field(at + 1),
                fixed => fixed.clone(),
            },
            values: self.values.iter().map(behind).collect(),
            metric: self.metric.map(|at| at + 1),
        }
    }
}

/// Where the column of each sensor stands; there is one of them at least.
fn sensor_columns(
    contract: &Contract,
    header: &[Vec<u8>],
    names: &[String],
    required: &impl Fn(&ColumnName) -> Result<usize, FileRejection>,
) -> Result<Vec<usize>, FileRejection> {
    let place = |sensor: &Sensor| match sensor.required {
        true => required(&sensor.column),
        false => optional(names, &sensor.column),
    };
    let places: Vec<usize> = contract.sensors.iter().map(place).collect::<Result<_, _>>()?;
    match (contract.sensors.first(), places.iter().all(|at| *at == ABSENT)) {
        (Some(first), true) => Err(missing(advice::not_found(contract, header, names, &first.column))),
        _ => Ok(places),
    }
}

fn missing(message: String) -> FileRejection {
    FileRejection::new(Rule::MissingColumn, message)
}

/// Where the one column stands that `column` means, if there is one.
fn position_of(names: &[String], column: &ColumnName) -> Result<Option<usize>, FileRejection> {
    let mut places = (0..names.len()).filter(|&i| column.fits(&names[i]));
    match (places.next(), places.next()) {
        (Some(first), Some(second)) => Err(missing(format!(
            "column \"{}\" stands twice in the header (fields {} and {}: {}, {}); csv.header gives the columns names of their \
             own (with csv.skip_lines, which skips the header)",
            printable(column.shown()),
            first + 1,
            second + 1,
            printable(&names[first]),
            printable(&names[second]),
        ))),
        (found, _) => Ok(found),
    }
}

/// As [`position_of`], where a file need not have the column. One that is spelled another way is no absent one.
fn optional(names: &[String], column: &ColumnName) -> Result<usize, FileRejection> {
    if let Some(at) = position_of(names, column)? {
        return Ok(at);
    }
    match advice::other_case(names, column).or_else(|| advice::looks_alike(names, column)) {
        None => Ok(ABSENT),
        Some(hint) => Err(missing(format!("the header has no column \"{}\"{hint}", printable(column.shown())))),
    }
}

fn device_from(what: &str, key: &str, regex: &Regex, text: &str) -> Result<String, FileRejection> {
    let device = regex.captures(text).and_then(|c| c.name("device")).map(|m| m.as_str().trim().to_owned());
    match device {
        Some(name) if !name.is_empty() && name.len() <= MAX_DEVICE_BYTES && !name.contains(char::is_control) => {
            Ok(name)
        }
        _ => {
            let hint = match key == "from_name" && regex.as_str().contains('/') {
                true => "; from_path sees the folders before the name",
                false => "",
            };
            Err(missing(format!(
                "the file's {what} {text:?} gives no device by contract.device.{key} = {:?}{hint}",
                regex.as_str()
            )))
        }
    }
}
