//! One field → one value.

use crate::contract::{Contract, Sensor, SensorType, Suffix, parse_float, parse_integer};
use crate::reading::{Cell, Rule};

/// The value of `sensor` in a field; text goes into `text`.
///
/// # Errors
/// The rule that it breaks, and why, for people.
#[inline]
pub(super) fn value(
    contract: &Contract,
    sensor: &Sensor,
    raw: &[u8],
    text: &mut String,
) -> Result<Cell, (Rule, String)> {
    let field = raw.trim_ascii();
    let nulls = sensor.null_values.as_ref().unwrap_or(&contract.csv.null_values);
    if nulls.contains(field) || field.is_empty() && sensor.kind != SensorType::Text {
        return null(sensor);
    }
    match sensor.kind {
        SensorType::Float => {
            let v = match parse_float(field, contract.csv.numbers.decimal) {
                Some(v) => v,
                None => dressed(contract, sensor, field, parse_float)
                    .ok_or_else(|| (Rule::NotANumber, not_a_number(contract, sensor, "a finite number", field)))?,
            };
            if nulls.contains_number(v) {
                return null(sensor);
            }
            // Not every database keeps the sign of a zero.
            if is_in_range(sensor, v) { Ok(Cell::Float(v + 0.0)) } else { Err(out_of_range(sensor, v)) }
        }
        SensorType::Integer => {
            let v = match parse_integer(field, contract.csv.numbers.decimal) {
                Some(v) => v,
                None => dressed(contract, sensor, field, parse_integer)
                    .ok_or_else(|| (Rule::NotANumber, no_whole_number(contract, sensor, field)))?,
            };
            if nulls.contains_number(v as f64) {
                return null(sensor);
            }
            if is_in_range(sensor, v as f64) { Ok(Cell::Integer(v)) } else { Err(out_of_range(sensor, v as f64)) }
        }
        SensorType::Boolean => boolean(contract, sensor, field).map(Cell::Boolean),
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

fn null(sensor: &Sensor) -> Result<Cell, (Rule, String)> {
    match sensor.required {
        true => Err((Rule::Missing, "a value is required".to_owned())),
        false => Ok(Cell::Null),
    }
}

/// A number in the dress of people or spreadsheets, where the contract knows that dress.
#[cold]
fn dressed<T>(
    contract: &Contract,
    sensor: &Sensor,
    field: &[u8],
    parse: fn(&[u8], crate::contract::Decimal) -> Option<T>,
) -> Option<T> {
    let suffix = match (sensor.strip_unit, &sensor.unit) {
        (false, _) => Suffix::None,
        (true, Some(unit)) => Suffix::Unit(unit),
        (true, None) => Suffix::Any,
    };
    let plain = contract.csv.numbers.plain(field, suffix)?;
    parse(plain.as_bytes(), contract.csv.numbers.decimal)
}

#[cold]
fn no_whole_number(contract: &Contract, sensor: &Sensor, field: &[u8]) -> String {
    let what = "a whole number of 64 bits";
    match parse_float(field, contract.csv.numbers.decimal) {
        Some(_) => format!("not {what} (type = \"float\" reads it)"),
        None => not_a_number(contract, sensor, what, field),
    }
}

/// Says too which key of the contract might read it.
#[cold]
fn not_a_number(contract: &Contract, sensor: &Sensor, what: &str, field: &[u8]) -> String {
    let has = |byte| memchr::memchr(byte, field).is_some();
    let digits = field.iter().any(u8::is_ascii_digit);
    let begin = std::str::from_utf8(field).ok().and_then(|text| text.chars().next()).unwrap_or_default();
    let ends_otherwise = field.last().is_some_and(|b| !b.is_ascii_digit() && *b != b'.');
    let hint = match (field, contract.csv.numbers.decimal.byte()) {
        (b"true" | b"false" | b"on" | b"off" | b"True" | b"False" | b"TRUE" | b"FALSE" | b"ON" | b"OFF", _) => {
            " (type = \"boolean\" reads it)"
        }
        _ if matches!(begin, '\'' | '‘' | '“' | '„' | '«') => {
            " (only \" is a quote: this one is a part of the field)"
        }
        _ if matches!(begin, '{' | '[') => " (a path leads into an object or a list: column = \"a.b\", \"a.0\")",
        _ if begin == '=' => " (a spreadsheet's formula, not its value)",
        (b"-" | b"--" | b"---" | b"?", _) => " (if it means \"no value\": see csv.null_values)",
        _ if !digits => " (if it means \"no value\": see csv.null_values; type = \"text\" reads any text)",
        (_, b'.') if has(b',') && has(b'.') && contract.csv.numbers.thousands.is_none() => " (see csv.thousands)",
        (_, b'.') if has(b',') => " (see csv.decimal and csv.thousands)",
        (_, b',') if has(b'.') => " (see csv.decimal and csv.thousands)",
        _ if ends_otherwise && sensor.strip_unit => " (behind it stands another unit than the sensor's)",
        _ if ends_otherwise => " (see strip_unit)",
        _ if contract.csv.numbers.thousands.is_none() && are_groups(field) => " (see csv.thousands)",
        _ => "",
    };
    format!("not {what}{hint}")
}

/// Digits, and spaces or apostrophes before the last three of them.
fn are_groups(field: &[u8]) -> bool {
    let text = String::from_utf8_lossy(field);
    let mut groups = text.split(|c: char| c.is_whitespace() || matches!(c, '\'' | '’'));
    let is_first = groups.next().is_some_and(|first| first.ends_with(|c: char| c.is_ascii_digit()));
    let mut behind = groups.peekable();
    is_first
        && behind.peek().is_some()
        && behind.all(|group| group.bytes().take(3).filter(u8::is_ascii_digit).count() == 3)
}

#[inline]
fn is_in_range(sensor: &Sensor, value: f64) -> bool {
    sensor.min.is_none_or(|min| value >= min) && sensor.max.is_none_or(|max| value <= max)
}

#[cold]
fn out_of_range(sensor: &Sensor, value: f64) -> (Rule, String) {
    let unit = sensor.unit.as_deref().map(|u| format!(" {u}")).unwrap_or_default();
    let message = match (sensor.min, sensor.max) {
        (Some(min), _) if value < min => format!("below the minimum of {min}{unit}"),
        (_, max) => format!("above the maximum of {}{unit}", max.unwrap_or(f64::INFINITY)),
    };
    (Rule::OutOfRange, message)
}

#[inline]
fn boolean(contract: &Contract, sensor: &Sensor, field: &[u8]) -> Result<bool, (Rule, String)> {
    // As nearly everyone writes them.
    match (field, &sensor.booleans) {
        (b"true", None) => Ok(true),
        (b"false", None) => Ok(false),
        (field, own) => other_boolean(contract, own.as_ref(), field),
    }
}

fn other_boolean(contract: &Contract, own: Option<&[Vec<String>; 2]>, field: &[u8]) -> Result<bool, (Rule, String)> {
    let is = |word: &str| field.eq_ignore_ascii_case(word.as_bytes());
    if let Some([own_true, own_false]) = own {
        if own_true.iter().any(|word| is(word)) {
            return Ok(true);
        }
        if own_false.iter().any(|word| is(word)) {
            return Ok(false);
        }
    }
    if ["true", "1", "t", "yes", "y", "on"].into_iter().any(is) {
        return Ok(true);
    }
    if ["false", "0", "f", "no", "n", "off"].into_iter().any(is) {
        return Ok(false);
    }
    match parse_float(field, contract.csv.numbers.decimal) {
        Some(1.0) => Ok(true),
        Some(0.0) => Ok(false),
        _ => Err((
            Rule::NotABoolean,
            "not one of true/false, yes/no, on/off, t/f, y/n, 1/0 (see true_values and false_values)".to_owned(),
        )),
    }
}

/// Why these bytes are no text that every database keeps.
pub(super) fn no_text(field: &[u8]) -> Option<&'static str> {
    if memchr::memchr(0, field).is_some() {
        Some("contains a NUL byte, which no database keeps in a text")
    } else if std::str::from_utf8(field).is_err() {
        Some("not valid UTF-8")
    } else {
        None
    }
}
