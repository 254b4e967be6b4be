//! JSON lines: one object per line, whose values are found by name and become the fields of a row.

use std::borrow::Cow;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::fields::Place;
use super::line::Value;
use crate::contract::{ColumnName, Contract};

/// The values of a contract, in the order in which they become fields.
#[derive(Debug, Clone)]
pub(super) struct JsonFields {
    names: Vec<String>,
    paths: Vec<Path>,
}

/// Where the value of a field may stand.
#[derive(Debug, Clone)]
struct Path {
    field: usize,
    /// From the outside in; numbers from 0 lead through arrays.
    keys: Vec<String>,
}

impl JsonFields {
    /// Those that `contract` names: each spelling as one name, and cut at its points.
    pub(super) fn of(contract: &Contract) -> Self {
        let mut fields = Self { names: Vec::new(), paths: Vec::new() };
        for column in contract.columns() {
            if !fields.names.iter().any(|name| name == column.shown()) {
                let field = fields.names.len();
                fields.names.push(column.shown().to_owned());
                fields.paths.extend(paths(column).into_iter().map(|keys| Path { field, keys }));
            }
        }
        fields
    }

    pub(super) fn names(&self) -> Vec<Vec<u8>> {
        self.names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }

    /// `None` where the line is no object.
    pub(super) fn values(&self, line: &[u8]) -> Option<Vec<Option<Value>>> {
        let line = std::str::from_utf8(line).ok()?;
        let mut values = vec![None; self.names.len()];
        Within { fields: self, line, above: &[] }.object(line, &mut values)?;
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

/// A value of a line, and the keys that lead to it.
#[derive(Clone, Copy)]
struct Within<'a> {
    fields: &'a JsonFields,
    line: &'a str,
    above: &'a [String],
}

impl<'a> Within<'a> {
    /// What is wanted in here, with the keys that are left; the first of these is looked for among its own.
    fn wanted(self) -> impl Iterator<Item = (&'a Path, &'a [String])> {
        self.fields.paths.iter().filter_map(move |path| match path.keys.strip_prefix(self.above)? {
            [] => None,
            left => Some((path, left)),
        })
    }

    /// The value behind the next of the keys of `path`.
    fn below(self, path: &'a Path) -> Self {
        Self { above: &path.keys[..=self.above.len()], ..self }
    }

    /// Looks in an object for what is wanted. Of equal keys the last counts.
    fn object(self, raw: &str, values: &mut [Option<Value>]) -> Option<()> {
        let mut json = serde_json::Deserializer::from_str(raw);
        json.deserialize_map(Object { within: self, values }).and_then(|()| json.end()).ok()
    }

    fn array(self, raw: &str, values: &mut [Option<Value>]) -> Option<()> {
        let elements: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
        for (path, left) in self.wanted() {
            let element = left[0].parse::<usize>().ok().and_then(|n| elements.get(n));
            match (element, left) {
                (Some(element), [_]) => values[path.field] = value_of(self.line, element.get()),
                (Some(element), _) => self.below(path).any(element.get(), values)?,
                _ => {}
            }
        }
        Some(())
    }

    /// Looks in a value that may hold others.
    fn any(self, raw: &str, values: &mut [Option<Value>]) -> Option<()> {
        match raw.as_bytes().first() {
            Some(b'{') => self.object(raw, values),
            Some(b'[') => self.array(raw, values),
            _ => Some(()),
        }
    }
}

/// Takes what is wanted out of an object as it is read; all else is skipped, and kept nowhere.
struct Object<'a, 'v> {
    within: Within<'a>,
    values: &'v mut [Option<Value>],
}

impl<'de> Visitor<'de> for Object<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            let raw = map.next_value::<&'de RawValue>()?.get();
            let mut holder = None;
            for (path, left) in self.within.wanted().filter(|(_, left)| left[0] == key) {
                match left {
                    [_] => self.values[path.field] = value_of(self.within.line, raw),
                    _ => holder = Some(path),
                }
            }
            if let Some(path) = holder {
                let read = self.within.below(path).any(raw, self.values);
                read.ok_or_else(|| A::Error::custom("an object or array that can't be read"))?;
            }
        }
        Ok(())
    }
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
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    entries.push((key.0, map.next_value()?));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(All)
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
