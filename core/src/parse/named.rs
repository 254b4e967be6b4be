//! Lines whose values have names, which become the fields of a row in the order of the contract.

use super::fields::{FieldIndex, MAX_ROW, Place, Split};
use super::json::JsonFields;
use super::line::{Line, Value};
use super::line_end::{LineEnd, LineEnds};
use super::line_protocol::LineFields;
use super::row::Problem;

/// How they are found.
#[derive(Debug, Clone)]
pub(super) enum NamedFields {
    Json(JsonFields),
    LineProtocol(LineFields),
}

impl NamedFields {
    pub(super) fn names(&self) -> Vec<Vec<u8>> {
        match self {
            NamedFields::Json(fields) => fields.names(),
            NamedFields::LineProtocol(fields) => fields.names(),
        }
    }

    /// What is wrong with a line that is none.
    pub(super) fn problem(&self) -> Problem {
        match self {
            NamedFields::Json(_) => Problem::NotJson,
            NamedFields::LineProtocol(_) => Problem::NotLineProtocol,
        }
    }

    /// Adds the values of the line that begins at `start`.
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
        let no_row = Split::Row { end: start, lines: 1, next, closed };
        if line.trim_ascii().is_empty() {
            return no_row;
        }
        let line = match self {
            NamedFields::Json(fields) => fields.values(line).map_or(Line::Malformed, Line::Values),
            NamedFields::LineProtocol(fields) => fields.values(line),
        };
        match line {
            Line::Malformed => Split::Other { end, next },
            Line::Unwanted => no_row,
            Line::Values(values) => {
                index.begin(values.len());
                for value in values {
                    match value {
                        None => index.add(Place::plain(start, start)),
                        Some(Value::Plain(place)) => index.add(place.behind(start)),
                        Some(Value::Unescaped(text)) => index.add_unescaped(&text),
                    }
                }
                Split::Row { end, lines: 1, next, closed }
            }
        }
    }
}
