//! What a row becomes: a [`Reading`] or a [`Rejection`], the [`Batch`] in which both travel to the sinks, and
//! the [`Tally`] of them.

use crate::devices::DeviceNames;

/// A rule that a row or a file can break; `as_str` is its name in the quarantine and in the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// A required value is absent.
    Missing,
    /// Not a finite number.
    NotANumber,
    /// Neither true nor false.
    NotABoolean,
    /// The timestamp can't be read, or names a local time that does not exist or exists twice.
    BadTimestamp,
    /// Below `min`, above `max`, before `min_timestamp`, or too far in the future.
    OutOfRange,
    /// Not as many fields as the header.
    FieldCount,
    /// Bytes that are no text (invalid UTF-8, or NUL).
    NotUtf8,
    /// The row, or the device name, is longer than can be kept.
    TooLong,
    /// A quoted field that is never closed properly.
    UnclosedQuote,
    /// The device and timestamp of an earlier row.
    DuplicateKey,
    /// The header once more.
    HeaderAgain,
    /// The last line has no line end, and the contract asks for one.
    UnterminatedLine,
    /// A device name with control characters.
    BadDevice,
    /// A line that is no JSON object.
    NotJson,
    /// A line that is not InfluxDB line protocol.
    NotLineProtocol,
    /// A metric that no sensor of the contract names.
    UnknownMetric,
    /// File: a column of the contract is not in the header.
    MissingColumn,
    /// File: a column of the header is not in the contract, and the contract forbids that.
    ExtraColumn,
    /// File: the bytes can't be read to the end.
    Unreadable,
    /// File: more rows rejected than `max_rejected_ratio` allows.
    TooManyRejected,
    /// File: no header.
    Empty,
}

impl Rule {
    /// The rule's name, as users see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::Missing => "missing",
            Rule::NotANumber => "not_a_number",
            Rule::NotABoolean => "not_a_boolean",
            Rule::BadTimestamp => "bad_timestamp",
            Rule::OutOfRange => "out_of_range",
            Rule::FieldCount => "field_count",
            Rule::NotUtf8 => "not_utf8",
            Rule::TooLong => "too_long",
            Rule::UnclosedQuote => "unclosed_quote",
            Rule::DuplicateKey => "duplicate_key",
            Rule::HeaderAgain => "header_again",
            Rule::UnterminatedLine => "unterminated_line",
            Rule::BadDevice => "bad_device",
            Rule::NotJson => "not_json",
            Rule::NotLineProtocol => "not_line_protocol",
            Rule::UnknownMetric => "unknown_metric",
            Rule::MissingColumn => "missing_column",
            Rule::ExtraColumn => "extra_column",
            Rule::Unreadable => "unreadable",
            Rule::TooManyRejected => "too_many_rejected",
            Rule::Empty => "empty",
        }
    }
}

/// One broken rule of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// CSV column, empty where the whole row is meant.
    pub column: String,
    /// The offending text, shortened to 200 characters, invalid UTF-8 replaced, what can't be seen escaped.
    pub value: String,
    /// The rule.
    pub rule: Rule,
    /// What is wrong, for people.
    pub message: String,
}

/// Where a row stands in its file, and its bytes in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Physical line on which the row begins, from 1.
    pub line: u64,
    /// Start of the row's bytes in [`Batch::bytes`].
    pub start: u32,
    /// Length in bytes, line ending excluded.
    pub len: u32,
}

/// One value of a reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// A finite number.
    Float(f64),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// Text: start and length in [`Batch::text`].
    Text(u32, u32),
}

impl Cell {
    /// The value as it is aggregated; `None` for null and text. Integers above 2^53 are rounded.
    #[inline]
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Cell::Float(v) => Some(v),
            Cell::Integer(v) => Some(v as f64),
            Cell::Boolean(v) => Some(f64::from(u8::from(v))),
            Cell::Null | Cell::Text(..) => None,
        }
    }
}

/// One valid row. Its cells stand in [`Batch::cells`], one per sensor of the contract, in the contract's order; in the long
/// layout one, whose sensor stands in [`Batch::sensors`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Index into the pass's list of device names.
    pub device: u32,
    /// Microseconds since 1970-01-01 UTC.
    pub ts: i64,
    /// Index of the first cell.
    pub cells: u32,
    /// Line and bytes.
    pub position: Position,
}

/// One bad row, with every rule that it breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Line and bytes.
    pub position: Position,
    /// At least one, except for a continuation.
    pub reasons: Vec<Reason>,
    /// How the row counts.
    pub verdict: Verdict,
}

/// How a row that was set aside counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Breaks the contract.
    Rejected,
    /// The header once more: rejected, but nobody's error.
    Header,
    /// Repeats the key of an earlier row, with the same values or with others.
    Duplicate {
        /// Whether nothing but the delivery differs.
        same_values: bool,
    },
    /// No row of its own: more bytes of the overlong row before it.
    Continuation,
}

/// What the allocator needs for a reason's three texts beside their bytes, about.
const REASON_OVERHEAD: usize = 3 * 24;

/// Some consecutive rows of one file: the unit in which a pass hands rows to its sinks.
#[derive(Debug, Default)]
pub struct Batch {
    /// Valid rows, by line.
    pub readings: Vec<Reading>,
    /// Bad rows, by line.
    pub rejections: Vec<Rejection>,
    /// Cells of all readings.
    pub cells: Vec<Cell>,
    /// In the long layout, the sensor of each cell, as an index into those of the contract. Empty in the wide one.
    pub sensors: Vec<u32>,
    /// Text of all text cells.
    pub text: String,
    /// Bytes of all rows, so that a duplicate can be set aside as it stood.
    pub bytes: Vec<u8>,
    /// Names of devices first met in this batch; they continue the pass's list.
    pub new_devices: DeviceNames,
    /// Lines among the rows that are none.
    pub skipped: u64,
    /// What was told from the rows that people should know.
    pub remarks: Vec<String>,
    /// Memory that the rejected rows take beside their bytes.
    rejected: usize,
}

impl Batch {
    /// Adds a bad row.
    pub fn reject(&mut self, rejection: Rejection) {
        let text = |r: &Reason| r.column.len() + r.value.len() + r.message.len();
        let texts: usize = rejection.reasons.iter().map(|r| REASON_OVERHEAD + text(r)).sum();
        self.rejected += size_of::<Rejection>() + rejection.reasons.capacity() * size_of::<Reason>() + texts;
        self.rejections.push(rejection);
    }

    /// The bytes of the row at `position`.
    #[inline]
    pub fn row(&self, position: Position) -> &[u8] {
        &self.bytes[position.start as usize..][..position.len as usize]
    }

    /// The cells of `reading`, as many as its contract is wide.
    #[inline]
    pub fn cells_of(&self, reading: &Reading, width: usize) -> &[Cell] {
        &self.cells[reading.cells as usize..][..width]
    }

    /// What `reading` measured, in the long layout: the index of its sensor, and the value.
    #[inline]
    pub fn measurement(&self, reading: &Reading) -> (u32, Cell) {
        let at = reading.cells as usize;
        (self.sensors[at], self.cells[at])
    }

    /// An empty batch that can weigh `bytes` without asking for more memory, whatever its rows look like.
    pub fn with_room(bytes: usize) -> Batch {
        Batch {
            readings: Vec::with_capacity(bytes / size_of::<Reading>()),
            cells: Vec::with_capacity(bytes / size_of::<Cell>()),
            bytes: Vec::with_capacity(bytes),
            ..Batch::default()
        }
    }

    /// The text of a cell [`Cell::Text`].
    #[inline]
    pub fn text_of(&self, start: u32, len: u32) -> &str {
        &self.text[start as usize..start as usize + len as usize]
    }

    /// Empties the batch, keeping its memory.
    pub fn clear(&mut self) {
        self.readings.clear();
        self.rejections.clear();
        self.rejected = 0;
        self.cells.clear();
        self.sensors.clear();
        self.text.clear();
        self.bytes.clear();
        self.new_devices.clear();
        self.skipped = 0;
        self.remarks.clear();
    }

    /// Memory in use, in bytes, about.
    #[inline]
    pub fn weight(&self) -> usize {
        self.readings.len() * size_of::<Reading>()
            + self.cells.len() * size_of::<Cell>()
            + self.sensors.len() * size_of::<u32>()
            + self.text.len()
            + self.bytes.len()
            + self.rejected
    }
}

/// How many rows a pass saw, and where they went. Further bytes of an overlong row are no row.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// All rows: loaded, rejected and duplicate.
    pub total: i64,
    /// Readings that reached the sinks and stayed.
    pub loaded: i64,
    /// Rows that break the contract, headers within the file among them.
    pub rejected: i64,
    /// Headers within the file.
    pub headers: i64,
    /// Rows whose key came before.
    pub duplicate: i64,
    /// Those of them whose values differ.
    pub differing: i64,
    /// Lines that are no rows: what the contract skips, comments, empty lines, rows of nothing but delimiters.
    pub skipped: i64,
}

impl Tally {
    /// Adds the rows of `batch`, as they stand in it: those that a sink set aside count as it judged them.
    pub fn count(&mut self, batch: &Batch) {
        self.loaded += batch.readings.len() as i64;
        self.skipped += batch.skipped as i64;
        for rejection in &batch.rejections {
            match rejection.verdict {
                Verdict::Rejected => self.rejected += 1,
                Verdict::Header => (self.rejected, self.headers) = (self.rejected + 1, self.headers + 1),
                Verdict::Duplicate { same_values } => {
                    self.duplicate += 1;
                    self.differing += i64::from(!same_values);
                }
                Verdict::Continuation => {}
            }
        }
        self.total = self.loaded + self.rejected + self.duplicate;
    }

    /// Rows that break the contract, but for headers that come again.
    pub fn bad(&self) -> i64 {
        self.rejected - self.headers
    }

    /// Rows that are somebody's error: bad ones, and duplicates that differ.
    pub fn faulty(&self) -> i64 {
        self.bad() + self.differing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_of_an_overlong_row_is_no_row_of_a_tally() {
        let position = Position { line: 1, start: 0, len: 0 };
        let duplicate = |same_values| Verdict::Duplicate { same_values };
        let mut batch = Batch::default();
        batch.readings.push(Reading { device: 0, ts: 0, cells: 0, position });
        for verdict in [Verdict::Rejected, Verdict::Header, Verdict::Continuation, duplicate(true), duplicate(false)] {
            batch.reject(Rejection { position, reasons: Vec::new(), verdict });
        }
        batch.skipped = 3;
        let mut tally = Tally::default();
        tally.count(&batch);
        tally.count(&batch);
        let expected = Tally { total: 10, loaded: 2, rejected: 4, headers: 2, duplicate: 4, differing: 2, skipped: 6 };
        assert_eq!((tally, tally.bad(), tally.faulty()), (expected, 2, 4));
    }
}
