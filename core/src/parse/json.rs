//! JSON lines: one object per line, whose values are found by name and become the fields of a row.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fields::Place;
use super::line::Value;
use crate::contract::{ColumnName, Contract};

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

impl JsonFields {
    /// Those that `contract` names.
    pub(super) fn of(contract: &Contract) -> Self {
        let mut fields: Vec<JsonField> = Vec::new();
        for column in contract.columns() {
            if !fields.iter().any(|field| field.name == column.shown()) {
                fields.push(JsonField { name: column.shown().to_owned(), paths: paths(column) });
            }
        }
        Self { fields }
    }

    pub(super) fn names(&self) -> Vec<Vec<u8>> {
        self.fields.iter().map(|field| field.name.as_bytes().to_vec()).collect()
    }

    /// `None` where the line is no object.
    pub(super) fn values(&self, line: &[u8]) -> Option<Vec<Option<Value>>> {
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

/// The paths of the values in an object, as a contract may name them; the first `most`.
pub(crate) fn paths_in(line: &[u8], most: usize) -> Vec<String> {
    let mut paths = Vec::new();
    if let Ok(object) = serde_json::from_slice::<Entries<'_>>(line) {
        collect_paths(object, "", most, &mut paths);
    }
    paths
}

fn collect_paths(Entries(entries): Entries<'_>, above: &str, most: usize, paths: &mut Vec<String>) {
    for (key, value) in entries {
        if paths.len() == most {
            return;
        }
        let path = format!("{above}{key}");
        match serde_json::from_str::<Entries<'_>>(value.get()) {
            Ok(object) => collect_paths(object, &format!("{path}."), most, paths),
            Err(_) => paths.push(path),
        }
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
        below(line, value.get(), &within, values)?;
    }
    Some(())
}

/// Looks for what is wanted in a value, if it is an object, or an array, whose elements are named by their numbers from 0.
fn below(line: &str, raw: &str, wanted: &[(usize, &[String])], values: &mut [Option<Value>]) -> Option<()> {
    match raw.as_bytes().first() {
        _ if wanted.is_empty() => Some(()),
        Some(b'{') => object(line, raw, wanted, values),
        Some(b'[') => array(line, raw, wanted, values),
        _ => Some(()),
    }
}

fn array(line: &str, raw: &str, wanted: &[(usize, &[String])], values: &mut [Option<Value>]) -> Option<()> {
    let elements: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
    for (field, path) in wanted {
        let element = path.first().and_then(|number| number.parse::<usize>().ok()).and_then(|n| elements.get(n));
        match (element, path) {
            (Some(element), [_]) => values[*field] = value_of(line, element.get()),
            (Some(element), [_, rest @ ..]) => below(line, element.get(), &[(*field, rest)], values)?,
            _ => {}
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
        _ if raw.contains('\\') => {
            serde_json::from_str(raw).ok().map(|text: String| Value::Unescaped(text.into_bytes()))
        }
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
}
