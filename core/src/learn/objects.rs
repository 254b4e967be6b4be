//! Lines whose values have names → columns.

use serde_json::Value;

use super::table::{Column, MOST_LINES};

/// The values of JSON objects, by their paths.
pub(super) fn columns_of_objects(lines: &[String]) -> Vec<Column> {
    let mut columns = Vec::new();
    let objects = lines.iter().take(MOST_LINES).filter_map(|line| serde_json::from_str::<Value>(line).ok());
    for (row, object) in objects.filter(Value::is_object).enumerate() {
        add(&object, "", row, &mut columns);
        fill(&mut columns, row + 1);
    }
    columns
}

fn add(value: &Value, path: &str, row: usize, columns: &mut Vec<Column>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, value)| add(value, &below(key), row, columns)),
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(n, value)| add(value, &below(&n.to_string()), row, columns));
        }
        Value::String(text) => put(columns, path, row, text),
        Value::Null => put(columns, path, row, ""),
        plain => put(columns, path, row, &plain.to_string()),
    }
}

/// The time, tags and fields of line protocol, by their keys.
pub(super) fn columns_of_lines(lines: &[String]) -> Vec<Column> {
    let mut columns = Vec::new();
    let lines = lines.iter().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).take(MOST_LINES);
    for (row, line) in lines.enumerate() {
        let (rest, time) = line.rsplit_once(' ').unwrap_or((line, ""));
        put(&mut columns, "time", row, time);
        let (key, fields) = rest.split_once(' ').unwrap_or((rest, ""));
        for pair in key.split(',').skip(1).chain(fields.split(',')) {
            if let Some((name, value)) = pair.split_once('=') {
                let is_whole = value.strip_suffix(['i', 'u']).is_some_and(|n| n.parse::<i64>().is_ok());
                let value = if is_whole { &value[..value.len() - 1] } else { value.trim_matches('"') };
                put(&mut columns, name, row, value);
            }
        }
        fill(&mut columns, row + 1);
    }
    columns
}

fn put(columns: &mut Vec<Column>, name: &str, row: usize, value: &str) {
    let at = columns.iter().position(|column| column.name == name).unwrap_or_else(|| {
        columns.push(Column { name: name.to_owned(), values: Vec::new() });
        columns.len() - 1
    });
    columns[at].values.resize(row, String::new());
    columns[at].values.push(value.to_owned());
}

fn fill(columns: &mut [Column], rows: usize) {
    columns.iter_mut().for_each(|column| column.values.resize(rows, String::new()));
}
