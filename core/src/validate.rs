//! A row becomes a [`Reading`] or a [`Rejection`]. Pure: the verdict depends on the bytes and the contract alone.

use crate::contract::{
    Contract, DeviceRule, ExtraColumns, MAX_DEVICE_BYTES, Sensor, SensorType, TimestampParser, parse_float,
    parse_integer,
};
use crate::devices::DeviceIndex;
use crate::parse::{Problem, RawRow};
use crate::reading::{Batch, Cell, Position, Reading, Reason, Rejection, Rule, Verdict};

/// Version of the rules by which bytes become rows and rows get their verdict. It grows whenever the same file may come out
/// otherwise under the same contract: what an earlier version judged is told apart by it.
///
/// 1: the first version. 2: a leap second is `bad_timestamp`, and -0 is 0.
pub const JUDGE: i32 = 2;

/// Why a whole file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRejection {
    /// The rule that it breaks.
    pub rule: Rule,
    /// What is wrong, for people.
    pub message: String,
}

/// Where the contract's columns stand in one file.
#[derive(Debug, Clone)]
pub struct Layout {
    names: Vec<String>,
    timestamp: Vec<usize>,
    device: DeviceAt,
    sensors: Vec<usize>,
}

#[derive(Debug, Clone)]
enum DeviceAt {
    Field(usize),
    Fixed(String),
}

impl Layout {
    /// Finds the contract's columns in the header of the file called `file_name` (no folder).
    ///
    /// # Errors
    /// `missing_column` where one is absent or stands twice, `extra_column` where the contract forbids others.
    pub fn bind(contract: &Contract, header: &[Vec<u8>], file_name: &str) -> Result<Layout, FileRejection> {
        let names: Vec<String> = header.iter().map(|n| String::from_utf8_lossy(n).trim().to_owned()).collect();
        let find = |column: &str| position_of(&names, column);
        let timestamp: Vec<usize> = contract.timestamp.columns.iter().map(|c| find(c)).collect::<Result<_, _>>()?;
        let sensors: Vec<usize> = contract.sensors.iter().map(|s| find(&s.column)).collect::<Result<_, _>>()?;
        let device = match &contract.device {
            DeviceRule::Column(column) => DeviceAt::Field(find(column)?),
            DeviceRule::Value(value) => DeviceAt::Fixed(value.clone()),
            DeviceRule::FromName(regex) => DeviceAt::Fixed(device_from_name(regex, file_name)?),
        };
        let layout = Layout { names, timestamp, device, sensors };
        match (contract.extra_columns, layout.first_extra_column()) {
            (ExtraColumns::Reject, Some(name)) => Err(FileRejection {
                rule: Rule::ExtraColumn,
                message: format!("the header has a column \"{name}\" that the contract does not name"),
            }),
            _ => Ok(layout),
        }
    }

    fn first_extra_column(&self) -> Option<&str> {
        let used = |i: &usize| {
            self.timestamp.contains(i)
                || self.sensors.contains(i)
                || matches!(self.device, DeviceAt::Field(at) if at == *i)
        };
        (0..self.names.len()).find(|i| !used(i) && !self.names[*i].is_empty()).map(|i| self.names[i].as_str())
    }
}

fn position_of(names: &[String], column: &str) -> Result<usize, FileRejection> {
    let mut places = (0..names.len()).filter(|&i| names[i] == column);
    let refuse = |message| Err(FileRejection { rule: Rule::MissingColumn, message });
    match (places.next(), places.next()) {
        (Some(at), None) => Ok(at),
        (Some(first), Some(second)) => {
            refuse(format!("column \"{column}\" stands twice in the header (fields {} and {})", first + 1, second + 1))
        }
        _ => refuse(format!("the header has no column \"{column}\"; it has: {}", shorten(&names.join(", ")))),
    }
}

fn device_from_name(regex: &regex::Regex, file_name: &str) -> Result<String, FileRejection> {
    let device = regex.captures(file_name).and_then(|c| c.name("device")).map(|m| m.as_str().trim().to_owned());
    match device {
        Some(name) if !name.is_empty() && name.len() <= MAX_DEVICE_BYTES => Ok(name),
        _ => Err(FileRejection {
            rule: Rule::MissingColumn,
            message: format!("the file's name {file_name:?} gives no device by the pattern {}", regex.as_str()),
        }),
    }
}

/// Judges the rows of one file, one after the other.
pub struct Validator<'a> {
    contract: &'a Contract,
    layout: Layout,
    latest: i64,
    timestamps: TimestampParser<'a>,
    joined: Vec<u8>,
    /// Devices that have a reading; their names are known to be good.
    devices: DeviceIndex,
}

impl<'a> Validator<'a> {
    /// For a file discovered at `discovered_at` (microseconds since 1970-01-01 UTC), which stands for "now".
    pub fn new(contract: &'a Contract, layout: Layout, discovered_at: i64) -> Self {
        Self {
            contract,
            layout,
            latest: discovered_at.saturating_add(contract.max_future_micros),
            timestamps: TimestampParser::new(&contract.timestamp.format, contract.csv.decimal),
            joined: Vec::new(),
            devices: DeviceIndex::default(),
        }
    }

    /// Puts `row` into `batch`, as a reading or as a rejection.
    pub fn judge(&mut self, row: &RawRow<'_>, batch: &mut Batch) {
        let position = Position { line: row.line, start: batch.bytes.len() as u32, len: row.bytes.len() as u32 };
        batch.bytes.extend_from_slice(row.bytes);
        if row.continuation {
            batch.reject(Rejection { position, reasons: Vec::new(), verdict: Verdict::Continuation });
            return;
        }
        let (cells, text) = (batch.cells.len(), batch.text.len());
        let mut reasons = Vec::new();
        if let Some(reason) = self.malformed(row) {
            reasons.push(reason);
        } else if let Some((device, ts)) = self.read(row, batch, &mut reasons) {
            batch.readings.push(Reading { device, ts, cells: cells as u32, position });
            return;
        }
        batch.cells.truncate(cells);
        batch.text.truncate(text);
        batch.reject(Rejection { position, reasons, verdict: Verdict::Rejected });
    }

    fn malformed(&self, row: &RawRow<'_>) -> Option<Reason> {
        let (rule, message) = match row.problem {
            Some(Problem::UnclosedQuote) => {
                (Rule::UnclosedQuote, "a quoted field is not closed, or text follows its closing quote".to_owned())
            }
            Some(Problem::TooLong) => (Rule::TooLong, "the line is longer than 1 MiB".to_owned()),
            None if row.fields.len() != self.layout.names.len() => (
                Rule::FieldCount,
                format!("the row has {} fields, the header has {}", row.fields.len(), self.layout.names.len()),
            ),
            None => return None,
        };
        Some(Reason { column: String::new(), value: shorten(&String::from_utf8_lossy(row.bytes)), rule, message })
    }

    fn read(&mut self, row: &RawRow<'_>, batch: &mut Batch, reasons: &mut Vec<Reason>) -> Option<(u32, i64)> {
        let ts = self.timestamp(row, reasons);
        let device = self.device(row, reasons);
        let contract = self.contract;
        for (sensor, &at) in contract.sensors.iter().zip(&self.layout.sensors) {
            match value(contract, sensor, row.fields.get(at), &mut batch.text) {
                Ok(cell) => batch.cells.push(cell),
                Err((rule, message)) => reasons.push(reason(&sensor.column, row.fields.get(at), rule, message)),
            }
        }
        // A device is only registered by a row that is loaded.
        match (reasons.is_empty(), device, ts) {
            (true, Some(device), Some(ts)) => Some((self.device_index(device, batch), ts)),
            _ => None,
        }
    }

    fn timestamp(&mut self, row: &RawRow<'_>, reasons: &mut Vec<Reason>) -> Option<i64> {
        let field: &[u8] = match self.layout.timestamp.as_slice() {
            [at] => row.fields.get(*at).trim_ascii(),
            many => {
                self.joined.clear();
                for (i, at) in many.iter().enumerate() {
                    if i > 0 {
                        self.joined.push(b' ');
                    }
                    self.joined.extend_from_slice(row.fields.get(*at).trim_ascii());
                }
                self.joined.trim_ascii()
            }
        };
        let verdict = if self.contract.csv.null_values.contains(field) {
            Err((Rule::Missing, "the timestamp is missing".to_owned()))
        } else {
            match self.timestamps.parse(field) {
                Ok(ts) if ts > self.latest => {
                    Err((Rule::OutOfRange, "the timestamp lies too far after the file's discovery".to_owned()))
                }
                Ok(ts) => Ok(ts),
                Err(message) => Err((Rule::BadTimestamp, message)),
            }
        };
        let column = &self.contract.timestamp.columns;
        verdict.map_err(|(rule, message)| reasons.push(reason(&column.join(" "), field, rule, message))).ok()
    }

    fn device<'r>(&self, row: &RawRow<'r>, reasons: &mut Vec<Reason>) -> Option<DeviceName<'r>> {
        let DeviceAt::Field(at) = self.layout.device else { return Some(DeviceName::Fixed) };
        let field = row.fields.get(at).trim_ascii();
        if let Some(index) = self.devices.find(field) {
            return Some(DeviceName::Known(index));
        }
        let problem = if self.contract.csv.null_values.contains(field) || field.is_empty() {
            (Rule::Missing, "the device is missing".to_owned())
        } else if let Some(message) = no_text(field) {
            (Rule::NotUtf8, message.to_owned())
        } else if field.len() > MAX_DEVICE_BYTES {
            (Rule::TooLong, format!("a device name may have {MAX_DEVICE_BYTES} bytes, this one has {}", field.len()))
        } else {
            return Some(DeviceName::New(field));
        };
        reasons.push(reason(&self.layout.names[at], field, problem.0, problem.1));
        None
    }

    fn device_index(&mut self, device: DeviceName<'_>, batch: &mut Batch) -> u32 {
        let name: &[u8] = match (&device, &self.layout.device) {
            (DeviceName::Known(index), _) => return *index,
            (DeviceName::New(name), _) => name,
            (DeviceName::Fixed, DeviceAt::Fixed(name)) => name.as_bytes(),
            (DeviceName::Fixed, DeviceAt::Field(_)) => b"",
        };
        if let Some(index) = self.devices.find(name) {
            return index;
        }
        let name = String::from_utf8_lossy(name);
        batch.new_devices.push(&name);
        self.devices.add(&name)
    }
}

enum DeviceName<'r> {
    Known(u32),
    New(&'r [u8]),
    Fixed,
}

fn value(contract: &Contract, sensor: &Sensor, raw: &[u8], text: &mut String) -> Result<Cell, (Rule, String)> {
    let field = raw.trim_ascii();
    if contract.csv.null_values.contains(field) || field.is_empty() && sensor.kind != SensorType::Text {
        return match sensor.required {
            true => Err((Rule::Missing, "a value is required".to_owned())),
            false => Ok(Cell::Null),
        };
    }
    match sensor.kind {
        SensorType::Float => {
            let v = parse_float(field, contract.csv.decimal)
                .ok_or_else(|| (Rule::NotANumber, "not a finite number".to_owned()))?;
            // Not every database keeps the sign of a zero.
            in_range(sensor, v).map(|()| Cell::Float(v + 0.0))
        }
        SensorType::Integer => {
            let v = parse_integer(field, contract.csv.decimal)
                .ok_or_else(|| (Rule::NotANumber, "not a whole number of 64 bits".to_owned()))?;
            in_range(sensor, v as f64).map(|()| Cell::Integer(v))
        }
        SensorType::Boolean => parse_boolean(field)
            .map(Cell::Boolean)
            .ok_or_else(|| (Rule::NotABoolean, "not one of true/false, yes/no, on/off, t/f, y/n, 1/0".to_owned())),
        SensorType::Text => match (no_text(raw), std::str::from_utf8(raw)) {
            (None, Ok(value)) => {
                let start = text.len();
                text.push_str(value);
                Ok(Cell::Text(start as u32, value.len() as u32))
            }
            (message, _) => Err((Rule::NotUtf8, message.unwrap_or("not valid UTF-8").to_owned())),
        },
    }
}

#[inline]
fn in_range(sensor: &Sensor, value: f64) -> Result<(), (Rule, String)> {
    let unit = || sensor.unit.as_deref().map(|u| format!(" {u}")).unwrap_or_default();
    match (sensor.min, sensor.max) {
        (Some(min), _) if value < min => Err((Rule::OutOfRange, format!("below the minimum of {min}{}", unit()))),
        (_, Some(max)) if value > max => Err((Rule::OutOfRange, format!("above the maximum of {max}{}", unit()))),
        _ => Ok(()),
    }
}

fn parse_boolean(field: &[u8]) -> Option<bool> {
    // As nearly everyone writes them.
    match field {
        b"true" => return Some(true),
        b"false" => return Some(false),
        _ => {}
    }
    let is = |word: &&str| field.eq_ignore_ascii_case(word.as_bytes());
    if ["true", "1", "t", "yes", "y", "on"].iter().any(is) {
        Some(true)
    } else if ["false", "0", "f", "no", "n", "off"].iter().any(is) {
        Some(false)
    } else {
        None
    }
}

fn no_text(field: &[u8]) -> Option<&'static str> {
    if memchr::memchr(0, field).is_some() {
        Some("contains a NUL byte, which no database keeps in a text")
    } else if std::str::from_utf8(field).is_err() {
        Some("not valid UTF-8")
    } else {
        None
    }
}

fn reason(column: &str, field: &[u8], rule: Rule, message: String) -> Reason {
    Reason { column: column.to_owned(), value: shorten(&String::from_utf8_lossy(field)), rule, message }
}

/// The first 200 characters of `text`.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
