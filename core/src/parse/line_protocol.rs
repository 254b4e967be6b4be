//! InfluxDB line protocol (its reference, "Line protocol"): `measurement,tag=value field=21.5,other=3i 1700000000`. The time,
//! tags and fields of a line become the fields of a row, by their keys; `_measurement` is the measurement's name.

use super::fields::Place;
use super::line::{Line, Value};
use crate::contract::{ColumnName, Contract, DeviceRule};

/// The key under which a measurement is found.
const MEASUREMENT: &[u8] = b"_measurement";

/// The values of a contract, in the order in which they become fields.
#[derive(Debug, Clone)]
pub(super) struct LineFields {
    columns: Vec<ColumnName>,
    /// How many of them, in front, are the time: the first is the one of the line.
    times: usize,
    /// Behind these stand those of sensors.
    before_sensors: usize,
}

impl LineFields {
    /// Those that `contract` names.
    pub(super) fn of(contract: &Contract) -> Self {
        let device = match &contract.device {
            DeviceRule::Column(column) => Some(column),
            _ => None,
        };
        let mut columns: Vec<ColumnName> = contract.timestamp.columns.clone();
        let times = columns.len();
        columns.extend(device.cloned());
        let before_sensors = columns.len();
        for sensor in &contract.sensors {
            if columns[before_sensors..].iter().all(|column| column.shown() != sensor.column.shown()) {
                columns.push(sensor.column.clone());
            }
        }
        Self { columns, times, before_sensors }
    }

    pub(super) fn names(&self) -> Vec<Vec<u8>> {
        self.columns.iter().map(|column| column.shown().as_bytes().to_vec()).collect()
    }

    /// What a line without its end holds.
    pub(super) fn values(&self, line: &[u8]) -> Line {
        let mut values = vec![None; self.columns.len()];
        match self.read(&mut Scanner { line, at: 0 }, &mut values) {
            None => Line::Malformed,
            Some(false) => Line::Unwanted,
            Some(true) => Line::Values(values),
        }
    }

    /// Says whether one of the line's fields is a sensor's.
    fn read(&self, line: &mut Scanner<'_>, values: &mut [Option<Value>]) -> Option<bool> {
        let measurement = line.until(b", ")?;
        self.put(values, MEASUREMENT, &measurement);
        while line.takes(b',') {
            self.pair(line, values, false)?;
        }
        line.spaces()?;
        let mut is_wanted = self.pair(line, values, true)?;
        while line.takes(b',') {
            is_wanted |= self.pair(line, values, true)?;
        }
        if line.rest().is_empty() {
            return Some(is_wanted);
        }
        line.spaces()?;
        let time = line.rest().trim_ascii_end();
        let digits = time.strip_prefix(b"-").unwrap_or(time);
        if !time.is_empty() && (digits.is_empty() || !digits.iter().all(u8::is_ascii_digit)) {
            return None;
        }
        if self.times > 0 && !time.is_empty() {
            values[0] = Some(Value::Plain(Place::plain(line.at, line.at + time.len())));
        }
        Some(is_wanted)
    }

    /// `key=value`, of a tag or of a field; whether it is a sensor's.
    fn pair(&self, line: &mut Scanner<'_>, values: &mut [Option<Value>], is_field: bool) -> Option<bool> {
        let key = line.until(b",= ")?;
        if !line.takes(b'=') {
            return None;
        }
        let value = match is_field && line.rest().starts_with(b"\"") {
            true => line.text()?,
            false => line.until(b", ")?,
        };
        let value = if is_field { without_suffix(line.line, value) } else { value };
        Some(self.put(values, key.bytes(line.line), &value))
    }

    fn put(&self, values: &mut [Option<Value>], key: &[u8], value: &Value) -> bool {
        let mut is_sensors = false;
        for (n, (place, column)) in values.iter_mut().zip(&self.columns).enumerate().skip(1) {
            let is_it = spellings(column).iter().any(|spelling| spelling.as_bytes() == key);
            if is_it {
                *place = Some(value.clone());
                is_sensors |= n >= self.before_sensors;
            }
        }
        is_sensors
    }
}

/// A pattern finds nothing: there is no header whose names it could fit.
fn spellings(column: &ColumnName) -> &[String] {
    match column {
        ColumnName::Spelled(spellings) => spellings,
        ColumnName::Match(_) => &[],
    }
}

impl Value {
    fn bytes<'a>(&'a self, line: &'a [u8]) -> &'a [u8] {
        match self {
            Value::Plain(place) => place.of(line),
            Value::Unescaped(text) => text,
        }
    }
}

/// A whole number without what says that it is one: `3i`, `3u`.
fn without_suffix(line: &[u8], value: Value) -> Value {
    let Value::Plain(place) = value else { return value };
    match place.of(line) {
        [digits @ .., b'i' | b'u'] if digits.last().is_some_and(u8::is_ascii_digit) => Value::Plain(place.shorter(1)),
        _ => value,
    }
}

/// A line, read from front to back.
struct Scanner<'l> {
    line: &'l [u8],
    at: usize,
}

impl<'l> Scanner<'l> {
    fn rest(&self) -> &'l [u8] {
        &self.line[self.at..]
    }

    /// Takes `byte`, if it comes next.
    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.rest().first() == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes one space or more.
    fn spaces(&mut self) -> Option<()> {
        let spaces = self.rest().iter().take_while(|byte| **byte == b' ').count();
        self.at += spaces;
        (spaces > 0).then_some(())
    }

    /// Takes some bytes up to one of `ends` behind no backslash, or to the end.
    fn until(&mut self, ends: &[u8]) -> Option<Value> {
        let (from, mut is_escaped) = (self.at, false);
        while let Some(byte) = self.line.get(self.at).filter(|byte| !ends.contains(byte)) {
            let escapes = *byte == b'\\' && self.line.get(self.at + 1).is_some_and(|next| b",= ".contains(next));
            is_escaped |= escapes;
            self.at += 1 + usize::from(escapes);
        }
        let found = &self.line[from..self.at];
        match (found.is_empty(), is_escaped) {
            (true, _) => None,
            (false, false) => Some(Value::Plain(Place::plain(from, self.at))),
            (false, true) => Some(Value::Unescaped(unescaped(found, b",= "))),
        }
    }

    /// Takes a text in quotes.
    fn text(&mut self) -> Option<Value> {
        let from = self.at + 1;
        let mut end = from;
        while *self.line.get(end)? != b'"' {
            end += if self.line[end] == b'\\' { 2 } else { 1 };
        }
        self.at = end + 1;
        let text = &self.line[from..end];
        Some(match memchr::memchr(b'\\', text) {
            None => Value::Plain(Place::plain(from, end)),
            Some(_) => Value::Unescaped(unescaped(text, b"\"\\")),
        })
    }
}

/// Without the backslashes before one of `escaped`.
fn unescaped(text: &[u8], escaped: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match bytes.peek() {
            Some(next) if byte == b'\\' && escaped.contains(next) => plain.extend(bytes.next()),
            _ => plain.push(byte),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::RowReader;
    use super::*;
    use proptest::prelude::*;

    /// The fields of each row, joined; `!` for one that is none. The last says how many lines were skipped.
    fn rows(file: &str) -> Vec<String> {
        let contract = Contract::from_toml(
            "[contract]\ntimestamp = { column = 'time', format = 'unix_nanos' }\ndevice = 'host'\n
             [[contract.sensor]]\nname = 't'\ncolumn = ['t', 'temp C']\n[[contract.sensor]]\nname = 'kind'\ncolumn = '_measurement'\n
             [[contract.sensor]]\nname = 'note'",
        );
        let contract = contract.unwrap();
        let mut reader = RowReader::line_protocol(file.as_bytes(), &contract);
        let header = reader.header(&contract.csv).unwrap().unwrap();
        assert_eq!(header.names, [&b"time"[..], b"host", b"t", b"_measurement", b"note"]);
        let mut seen = Vec::new();
        let block = reader.next_block(Default::default()).unwrap().unwrap();
        seen.extend(block.rows().map(|row| match row.problem {
            Some(_) => "!".to_owned(),
            None => {
                (0..5).map(|i| String::from_utf8_lossy(row.fields.get(i)).into_owned()).collect::<Vec<_>>().join("|")
            }
        }));
        seen.push(block.skipped().to_string());
        seen
    }

    #[test]
    fn lines_as_the_reference_has_them() {
        for (line, expected) in [
            ("air,host=a t=21.5 1700000000", "1700000000|a|21.5|air|"),
            ("air,zone=1,host=a x=1,t=3i,y=2u -5", "-5|a|3|air|"),
            ("air t=-1e3", "||-1e3|air|"),
            ("my\\ air,host=a\\,\\ b\\=c temp\\ C=1 7 ", "7|a, b=c|1|my air|"),
            ("a\\b,host=x\\y t=t", "|x\\y|t|a\\b|"),
            ("air note=\"a \\\"b\\\", = \\\\ \\n\",t=1   9", "9||1|air|a \"b\", = \\ \\n"),
            ("air,t=5,t=6 t=7,t=8 1", "1||8|air|"),
            ("air note=\"\" 1", "1|||air|"),
        ] {
            assert_eq!(rows(line), [expected, "0"], "{line}");
        }
    }

    #[test]
    fn lines_of_which_no_field_is_asked_for() {
        let lines = "mem,host=a,t=5 used=1 1\n# a comment\n\nair,host=a t=1 1\nair,nothing=1 x=\"t=1\" 1\n";
        assert_eq!(rows(lines), ["1|a|1|air|", "4"]);
    }

    #[test]
    fn lines_that_are_none() {
        for line in [
            "air",
            "air,host t=1",
            "air,host= t=1",
            ",host=a t=1",
            "air t=1 now",
            "air t=1 1 2",
            "air t=",
            "air =1",
            "air t=1,",
            "air note=\"open",
            "air note=\"a\"b",
            "air  ",
            "air t=1 -",
            "air, t=1",
            "{\"t\":1}",
        ] {
            assert_eq!(rows(line), ["!", "0"], "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read_back(host in "[a-z,= \"]{1,8}", note in "[a-z,= \"\\\\]{0,8}", t in any::<i64>(), time in any::<i64>()) {
            let tag = host.replace(',', "\\,").replace('=', "\\=").replace(' ', "\\ ");
            let text = note.replace('\\', "\\\\").replace('"', "\\\"");
            let line = format!("air,host={tag} note=\"{text}\",t={t}i {time}\n");
            prop_assert_eq!(rows(&line), [format!("{time}|{host}|{t}|air|{note}"), "0".to_owned()]);
        }

        #[test]
        fn no_line_makes_it_panic(line in "[a,= \"\\\\1i]{1,16}") {
            rows(&line);
        }
    }
}
