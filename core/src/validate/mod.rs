//! Rows become readings or rejections.

mod advice;
mod layout;
mod metric;
mod odd_rows;
mod row_advice;
mod value;

use crate::contract::{Contract, LongRows, MAX_DEVICE_BYTES, Sensor, TimestampParser};
use crate::devices::DeviceIndex;
use crate::parse::{Problem, RawRow, no_object, paths_in};
use crate::printable::excerpt;
use crate::reading::{Batch, Position, Reading, Reason, Rejection, Rule, Verdict};
pub use advice::header_in_line;
use layout::{ABSENT, DeviceAt};
pub use layout::{FileRejection, Layout};
use metric::metric_of;
use odd_rows::{OddRow, Surroundings};
pub use row_advice::advice_on_rows;
use value::{no_text, value};

/// Version of the rules by which bytes become rows and rows get their verdict. It grows whenever the same file may come out
/// otherwise under the same contract: what an earlier version judged is told apart by it.
///
/// 1: the first version. 2: a leap second is `bad_timestamp`, and -0 is 0. 3: line ends, headers within a file, rows of
/// nothing but delimiters, digits that nothing keeps apart, leap seconds at the end of a day, texts told by content. 4: spaces
/// behind a closing quote, numbers and times as programs write them that follow a language's habits.
pub const JUDGE: i32 = 4;

/// What a first row may be whose time has nearly no digits.
const UNITS: &str = "; units below the header? csv.skip_lines_after_header skips them";
/// Paths of an object that a message shows.
const SHOWN_PATHS: usize = 20;

/// Judges the rows of one file, one after the other.
pub struct Validator<'a> {
    contract: &'a Contract,
    layout: Layout,
    /// Path of the file, for a header that comes again.
    path: String,
    latest: i64,
    timestamps: TimestampParser<'a>,
    joined: Vec<u8>,
    units_remarked: bool,
    /// Devices that have a reading; their names are known to be good.
    devices: DeviceIndex,
}

impl<'a> Validator<'a> {
    /// For the file at `path`, discovered at `discovered_at` (microseconds since 1970-01-01 UTC), which stands for "now".
    pub fn new(contract: &'a Contract, layout: Layout, path: &str, discovered_at: i64) -> Self {
        Self {
            contract,
            layout,
            path: path.to_owned(),
            latest: discovered_at.saturating_add(contract.max_future_micros),
            timestamps: TimestampParser::new(&contract.timestamp.formats, contract.csv.numbers.decimal),
            joined: Vec::new(),
            units_remarked: false,
            devices: DeviceIndex::default(),
        }
    }

    /// Puts `row` into `batch`, as a reading or as a rejection; a row of nothing but delimiters is counted.
    pub fn judge(&mut self, row: &RawRow<'_>, batch: &mut Batch) {
        let position = Position { line: row.line, start: batch.bytes.len() as u32, len: row.bytes.len() as u32 };
        batch.bytes.extend_from_slice(row.bytes);
        if row.continuation {
            batch.reject(Rejection { position, reasons: Vec::new(), verdict: Verdict::Continuation });
            return;
        }
        let mut reasons = Vec::new();
        if let Some(reason) = self.malformed(row) {
            reasons.push(reason);
        } else if self.accept(row, position, batch, &mut reasons) {
            return;
        }
        self.look_again(row, position, reasons, batch);
    }

    /// Takes the row as a reading; `false`, with the reasons, when it is none.
    fn accept(&mut self, row: &RawRow<'_>, position: Position, batch: &mut Batch, reasons: &mut Vec<Reason>) -> bool {
        let (cells, text) = (batch.cells.len(), batch.text.len());
        if let Some((device, ts)) = self.read(row, batch, reasons) {
            batch.readings.push(Reading { device, ts, cells: cells as u32, position });
            return true;
        }
        batch.cells.truncate(cells);
        batch.sensors.truncate(cells);
        batch.text.truncate(text);
        false
    }

    /// A row that is no reading may be no row, or a header, or tell that all rows have a field more.
    #[cold]
    fn look_again(&mut self, row: &RawRow<'_>, position: Position, mut reasons: Vec<Reason>, batch: &mut Batch) {
        let mut verdict = Verdict::Rejected;
        let surroundings = Surroundings {
            contract: self.contract,
            layout: &self.layout,
            path: &self.path,
            header_fits: !self.devices.names().is_empty(),
        };
        match surroundings.odd_row(row) {
            Some(OddRow::Blank | OddRow::Unwanted) => {
                batch.bytes.truncate(position.start as usize);
                batch.skipped += 1;
                return;
            }
            Some(OddRow::Header(layout)) => {
                self.layout = layout;
                verdict = Verdict::Header;
                reasons = vec![whole_row(row, Rule::HeaderAgain, "the header, once more".to_owned())];
            }
            Some(OddRow::BehindUnnamed(shifted)) => {
                let plain = std::mem::replace(&mut self.layout, shifted);
                if self.accept(row, position, batch, &mut Vec::new()) {
                    batch.remarks.push(format!(
                        "line {}: the rows have a field more than the header, so their first column has no name",
                        row.line
                    ));
                    return;
                }
                self.layout = plain;
            }
            None => {
                self.say_what_the_object_has(row, &mut reasons);
                self.remark_on_units(row, &reasons, batch);
            }
        }
        batch.reject(Rejection { position, reasons, verdict });
    }

    /// Says once, as the reason does, that the first rows may be no rows.
    fn remark_on_units(&mut self, row: &RawRow<'_>, reasons: &[Reason], batch: &mut Batch) {
        let is_units = |reason: &Reason| reason.rule == Rule::BadTimestamp && reason.message.ends_with(UNITS);
        if !self.units_remarked && reasons.iter().any(is_units) {
            self.units_remarked = true;
            batch.remarks.push(format!("line {} is no reading{UNITS}", row.line));
        }
    }

    /// Before the first reading, a value that is missing in an object may stand there under another path.
    fn say_what_the_object_has(&self, row: &RawRow<'_>, reasons: &mut [Reason]) {
        let missing = reasons.iter_mut().find(|reason| reason.rule == Rule::Missing);
        if let (Some(reason), true, true) = (missing, self.layout.of_objects, self.devices.names().is_empty()) {
            let paths = paths_in(row.bytes, SHOWN_PATHS).join(", ");
            reason.message = format!("{}; the object has {}", reason.message, excerpt(paths.as_bytes()));
        }
    }

    fn malformed(&self, row: &RawRow<'_>) -> Option<Reason> {
        let (rule, message) = match row.problem {
            Some(Problem::UnclosedQuote) => {
                let hint = if self.contract.csv.multiline { "" } else { " (see csv.multiline)" };
                let message = format!("a quoted field is not closed, or text follows its closing quote{hint}");
                (Rule::UnclosedQuote, message)
            }
            Some(Problem::NotJson) => (Rule::NotJson, no_object(row.bytes) + self.other_lines(row.bytes)),
            Some(Problem::NotLineProtocol) => (
                Rule::NotLineProtocol,
                "not a line such as `weather,device=roof temp=21.5,rain=0i 1700000000`".to_owned(),
            ),
            Some(Problem::TooLong) => (Rule::TooLong, "the line is longer than 1 MiB".to_owned()),
            Some(Problem::Unterminated) => (
                Rule::UnterminatedLine,
                "the last line has no line end: it may have been cut (csv.final_newline = \"required\")".to_owned(),
            ),
            None if (self.layout.named..=self.layout.names.len()).contains(&row.fields.len()) => return None,
            None => (
                Rule::FieldCount,
                format!("the row has {} fields, the header has {}", row.fields.len(), self.layout.names.len()),
            ),
        };
        Some(whole_row(row, rule, message))
    }

    /// Before the first reading: what a file may be whose lines are no objects.
    fn other_lines(&self, line: &[u8]) -> &'static str {
        if !self.devices.names().is_empty() {
            return "";
        }
        match line.trim_ascii() {
            [b'[', ..] | [b'{', .., b','] => " (a list of objects: `jq -c '.[]'` makes lines of it)",
            b"{" => " (an object over several lines: `jq -c .` makes one of them)",
            [b'{', ..] | [b'"' | b'}' | b']', ..] => "",
            [b'#', ..] | [b'/', b'/', ..] => " (csv.comment skips lines that begin so)",
            _ => " (source.format = \"csv\" reads fields between delimiters)",
        }
    }

    fn read(&mut self, row: &RawRow<'_>, batch: &mut Batch, reasons: &mut Vec<Reason>) -> Option<(u32, i64)> {
        let ts = self.timestamp(row, reasons);
        let device = self.device(row, reasons);
        let contract = self.contract;
        let sensors = match &contract.long {
            None => contract.sensors.as_slice(),
            Some(long) => self.measured(long, row, batch, reasons),
        };
        for (sensor, &at) in sensors.iter().zip(&self.layout.values) {
            match value(contract, sensor, row.fields.get(at), &mut batch.text) {
                Ok(cell) => batch.cells.push(cell),
                Err((rule, message)) => {
                    let message = if contract.long.is_some() { format!("{}: {message}", sensor.name) } else { message };
                    reasons.push(reason(self.column(at), row.fields.get(at), rule, message));
                }
            }
        }
        // A device is only registered by a row that is loaded.
        match (reasons.is_empty(), device, ts) {
            (true, Some(device), Some(ts)) => Some((self.device_index(device, batch), ts)),
            _ => None,
        }
    }

    /// The one sensor of a row of the long layout; none, with the reason, where its metric means none.
    fn measured(
        &self,
        long: &LongRows,
        row: &RawRow<'_>,
        batch: &mut Batch,
        reasons: &mut Vec<Reason>,
    ) -> &'a [Sensor] {
        let at = self.layout.metric.unwrap_or(ABSENT);
        let field = row.fields.get(at).trim_ascii();
        match metric_of(self.contract, long, field) {
            Ok(index) => {
                batch.sensors.push(index);
                std::slice::from_ref(&self.contract.sensors[index as usize])
            }
            Err((rule, message)) => {
                reasons.push(reason(self.column(at), field, rule, message));
                &[]
            }
        }
    }

    /// The name of a column, as the file has it.
    fn column(&self, at: usize) -> &str {
        self.layout.names.get(at).map_or("", String::as_str)
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
                Ok(ts) if ts > self.latest => Err((
                    Rule::OutOfRange,
                    "the timestamp lies too far after the file's discovery (contract.max_future)".to_owned(),
                )),
                Ok(ts) if ts < self.contract.timestamp.earliest => Err((Rule::OutOfRange, self.too_early())),
                Ok(ts) => Ok(ts),
                Err(message) => Err((Rule::BadTimestamp, message + self.units_perhaps(field))),
            }
        };
        let columns = || {
            let names: Vec<&str> = self.layout.timestamp.iter().map(|at| self.column(*at)).collect();
            names.join(" ")
        };
        verdict.map_err(|(rule, message)| reasons.push(reason(&columns(), field, rule, message))).ok()
    }

    /// Before the first reading, a time of nearly no digits is likely none.
    #[cold]
    fn units_perhaps(&self, field: &[u8]) -> &'static str {
        let digits = field.iter().filter(|byte| byte.is_ascii_digit()).count();
        match self.devices.names().is_empty() && digits < 3 {
            true => UNITS,
            false => "",
        }
    }

    #[cold]
    fn too_early(&self) -> String {
        format!(
            "the timestamp lies before {} (contract.min_timestamp): was the clock set, and is the format's unit right?",
            self.contract.timestamp.earliest_text
        )
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
        } else if String::from_utf8_lossy(field).contains(char::is_control) {
            (Rule::BadDevice, "a device name may have no control characters".to_owned())
        } else {
            return Some(DeviceName::New(field));
        };
        reasons.push(reason(self.column(at), field, problem.0, problem.1));
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

#[cold]
fn reason(column: &str, field: &[u8], rule: Rule, message: String) -> Reason {
    Reason { column: crate::printable::printable(column), value: excerpt(field), rule, message }
}

fn whole_row(row: &RawRow<'_>, rule: Rule, message: String) -> Reason {
    Reason { column: String::new(), value: excerpt(row.bytes), rule, message }
}
