//! JSON lines: one object per line, whose values are found by name and become the fields of a row.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fields::{FieldIndex, MAX_ROW, Place, Split};
use super::line_end::{LineEnd, LineEnds};
use crate::contract::{ColumnName, Contract, DeviceRule};

/// What a source file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Fields between delimiters, under a header.
    Csv,
    /// An object per line.
    JsonLines,
}

impl FileFormat {
    /// By the ending of a file's name, compressed or not.
    pub fn of(name: &str) -> FileFormat {
        let lower = name.to_ascii_lowercase();
        let bare = [".gz", ".zst"].iter().find_map(|ending| lower.strip_suffix(ending)).unwrap_or(&lower);
        match [".jsonl", ".ndjson"].iter().any(|ending| bare.ends_with(ending)) {
            true => FileFormat::JsonLines,
            false => FileFormat::Csv,
        }
    }
}

/// The values of a contract, in the order in which they become fields.
#[derive(Debug, Clone)]
pub(super) struct JsonFields {
    fields: Vec<JsonField>,
}

/// One of them.
#[derive(Debug, Clone)]
struct JsonField {
    name: String,
    /// The keys that lead to it from the outside in, for each of its spellings: as one name, and cut at its points.
    paths: Vec<Vec<String>>,
}

/// Where a value stands.
#[derive(Debug, Clone)]
enum Value {
    Plain(Place),
    /// A text without its escapes.
    Text(String),
}

impl JsonFields {
    /// Those that `contract` names.
    pub(super) fn of(contract: &Contract) -> Self {
        let device = match &contract.device {
            DeviceRule::Column(column) => Some(column),
            _ => None,
        };
        let sensors = contract.sensors.iter().map(|sensor| &sensor.column);
        let mut fields: Vec<JsonField> = Vec::new();
        for column in contract.timestamp.columns.iter().chain(device).chain(sensors) {
            if !fields.iter().any(|field| field.name == column.shown()) {
                fields.push(JsonField { name: column.shown().to_owned(), paths: paths(column) });
            }
        }
        Self { fields }
    }

    pub(super) fn names(&self) -> Vec<Vec<u8>> {
        self.fields.iter().map(|field| field.name.as_bytes().to_vec()).collect()
    }

    /// Adds the values of the object in the line that begins at `start`.
    pub(super) fn split(
        &self,
        index: &mut FieldIndex,
        bytes: &[u8],
        start: usize,
        line_ends: LineEnds,
        last: bool,
    ) -> Split {
        let found = line_ends.find(&bytes[start..], last);
        let (end, next) = match found {
            Some(LineEnd { at, next }) => (start + at, start + next),
            None if last => (bytes.len(), bytes.len()),
            None => return Split::More,
        };
        if end - start > MAX_ROW {
            return Split::Malformed;
        }
        let line = &bytes[start..end];
        let closed = found.is_some();
        if line.trim_ascii().is_empty() {
            return Split::Row { end: start, lines: 1, next, closed };
        }
        match self.values(line) {
            None => Split::NoObject { end, next },
            Some(values) => {
                index.begin(values.len());
                for value in values {
                    match value {
                        None => index.add(Place::plain(start, start)),
                        Some(Value::Plain(place)) => index.add(place.behind(start)),
                        Some(Value::Text(text)) => index.add_unescaped(text.as_bytes()),
                    }
                }
                Split::Row { end, lines: 1, next, closed }
            }
        }
    }

    /// `None` where the line is no object.
    fn values(&self, line: &[u8]) -> Option<Vec<Option<Value>>> {
        let text = std::str::from_utf8(line).ok()?;
        let mut values = vec![None; self.fields.len()];
        let all: Vec<(usize, &[String])> =
            self.fields.iter().enumerate().flat_map(|(i, f)| f.paths.iter().map(move |p| (i, p.as_slice()))).collect();
        object(text, text, &all, &mut values)?;
        Some(values)
    }
}

/// Why a line is no object.
pub(crate) fn no_object(line: &[u8]) -> String {
    match std::str::from_utf8(line).map(serde_json::from_str::<Entries<'_>>) {
        Err(_) => "not valid UTF-8".to_owned(),
        Ok(Err(e)) => format!("not one JSON object: {e}"),
        Ok(Ok(_)) => "not one JSON object".to_owned(),
    }
}

fn paths(column: &ColumnName) -> Vec<Vec<String>> {
    let spellings = match column {
        ColumnName::Spelled(spellings) => spellings.as_slice(),
        ColumnName::Match(_) => &[],
    };
    let both = |name: &String| {
        let nested = name.contains('.').then(|| name.split('.').map(str::to_owned).collect());
        std::iter::once(vec![name.clone()]).chain(nested)
    };
    spellings.iter().flat_map(both).collect()
}

/// Looks in the object `raw`, which stands in `line`, for what is wanted. Of equal keys the last counts.
fn object(line: &str, raw: &str, wanted: &[(usize, &[String])], values: &mut [Option<Value>]) -> Option<()> {
    let Entries(entries) = serde_json::from_str(raw).ok()?;
    for (key, value) in entries {
        let mut within = Vec::new();
        for (field, path) in wanted {
            match path {
                [last] if *last == key => values[*field] = value_of(line, value.get()),
                [first, rest @ ..] if *first == key => within.push((*field, rest)),
                _ => {}
            }
        }
        if !within.is_empty() && value.get().starts_with('{') {
            object(line, value.get(), &within, values)?;
        }
    }
    Some(())
}

/// A string without its quotes, anything else as it is written; nothing for null.
fn value_of(line: &str, raw: &str) -> Option<Value> {
    let start = raw.as_ptr() as usize - line.as_ptr() as usize;
    match raw {
        "null" => None,
        _ if !raw.starts_with('"') => Some(Value::Plain(Place::plain(start, start + raw.len()))),
        _ if raw.contains('\\') => serde_json::from_str(raw).ok().map(Value::Text),
        _ => Some(Value::Plain(Place::plain(start + 1, start + raw.len() - 1))),
    }
}

/// An object's keys and values in their order.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    entries.push((key.0, map.next_value()?));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::super::{RowBlock, RowReader};
    use super::*;
    use proptest::prelude::*;

    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let n = self.0.len().min(self.1).min(buffer.len());
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    /// The fields of each row, joined; `!` for one that is no object.
    fn rows(file: &[u8], size: usize) -> Vec<String> {
        let contract = Contract::from_toml(
            "[contract]\ntimestamp = { column = 'ts', format = 'unix_seconds' }\ndevice = 'who'\n
             [[contract.sensor]]\nname = 't'\ncolumn = ['t', 'payload.temp']\n",
        );
        let contract = contract.unwrap();
        let mut reader = RowReader::json_lines(Pieces(file, size), &contract).with_block_bytes(size);
        let header = reader.header(&contract.csv).unwrap().unwrap();
        assert_eq!(header.names, [&b"ts"[..], b"who", b"t"]);
        let (mut seen, mut block) = (Vec::new(), RowBlock::default());
        while let Some(next) = reader.next_block(block).unwrap() {
            seen.extend(next.rows().map(|row| {
                match row.problem {
                    Some(_) => "!".to_owned(),
                    None => (0..3)
                        .map(|i| String::from_utf8_lossy(row.fields.get(i)).into_owned())
                        .collect::<Vec<_>>()
                        .join("|"),
                }
            }));
            block = next;
        }
        seen
    }

    #[test]
    fn values_are_found_by_name_and_by_path() {
        let file = b"{\"ts\":1.5e3,\"who\":\"a\",\"t\":21}\r\n\n{\"who\":\"b\\u00e9\\n\",\"payload\":{\"x\":1,\"temp\":-2.5},\"ts\":\"7\"}\r\n\
            {\"ts\":1,\"who\":null,\"t\":true,\"payload\":[]}\r\n[1]\r\n{\"ts\":1} x\r\n{\"ts\":\r\n{}\r\n{\"payload.temp\":3,\"t\":4,\"t\":5}";
        for size in [3, 64, 4096] {
            assert_eq!(
                rows(file, size),
                ["1.5e3|a|21", "7|bé\n|-2.5", "1||true", "!", "!", "!", "||", "||5"],
                "{size}"
            );
        }
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(
            ts in any::<f64>().prop_filter("a number of JSON", |v| v.is_finite()),
            who in "\\PC{0,8}",
            temp in any::<i64>(),
            more in "[a-z\"\\\\{}:,]{0,8}",
        ) {
            let value = serde_json::json!({ "more": more, "payload": { "temp": temp, more.clone(): [more] }, "who": who, "ts": ts });
            let line = value.to_string();
            let expected = format!("{}|{who}|{temp}", value["ts"]);
            prop_assert_eq!(rows(line.as_bytes(), 16), [expected]);
        }

        #[test]
        fn what_is_no_object_is_told_as_serde_json_tells(line in "[{}\\[\\]\":,a1 ]{1,12}") {
            let is_object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&line).is_ok();
            let blank = line.trim().is_empty();
            prop_assert_eq!(rows(line.as_bytes(), 16).first().is_some_and(|row| row != "!"), is_object && !blank);
        }
    }

    #[test]
    fn told_by_the_name() {
        for (name, expected) in [
            ("a.jsonl", FileFormat::JsonLines),
            ("A.NDJSON.gz", FileFormat::JsonLines),
            ("a.jsonl.zst", FileFormat::JsonLines),
            ("a.json", FileFormat::Csv),
            ("jsonl", FileFormat::Csv),
        ] {
            assert_eq!(FileFormat::of(name), expected, "{name}");
        }
    }
}
