//! Rows in a rarer dress: separated by runs of spaces and tabs, or lines that end in CR. Slower than the way of
//! [`fields`](super::fields), and beside it.

use super::fields::{Dialect, FieldIndex, Place, Split};
use super::line_end::Here;
use crate::contract::Delimiter;

/// What comes behind a field.
enum Behind {
    /// A field that begins there.
    Field(usize),
    /// The end of the line: behind its text, and where the next line begins.
    Line(usize, usize),
    More,
}

/// Cuts the row that begins at `start`.
pub(super) fn row(index: &mut FieldIndex, bytes: &[u8], start: usize, dialect: &Dialect, last: bool) -> Split {
    let (mut at, mut lines) = (start, 1);
    if dialect.delimiter == Delimiter::Whitespace {
        at = behind_blanks(bytes, at);
        match end_of_line(bytes, at, dialect, last) {
            Some(Behind::Line(_, next)) => return Split::Row { end: start, lines, next, closed: next > at },
            Some(_) => return Split::More,
            None => {}
        }
    }
    loop {
        let quote = match dialect.delimiter {
            Delimiter::Byte(b' ') => at,
            _ => behind_spaces(bytes, at),
        };
        let behind = match bytes.get(quote) {
            Some(b'"') => match quoted(index, bytes, quote + 1, dialect, last, &mut lines) {
                Ok(behind) => behind,
                Err(split) => return split,
            },
            _ => unquoted(index, bytes, at, dialect, last),
        };
        match behind {
            Behind::Field(next) => at = next,
            Behind::Line(end, next) => return Split::Row { end, lines, next, closed: next > end },
            Behind::More => return Split::More,
        }
    }
}

fn behind_blanks(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count()
}

fn behind_spaces(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..].iter().take_while(|b| **b == b' ').count()
}

/// Whether the line ends at `at`, as the file does when it ends there.
fn end_of_line(bytes: &[u8], at: usize, dialect: &Dialect, last: bool) -> Option<Behind> {
    if at == bytes.len() {
        return Some(if last { Behind::Line(at, at) } else { Behind::More });
    }
    match dialect.line_ends.here(bytes, at, last) {
        Here::Yes(next) => Some(Behind::Line(at, next)),
        Here::More => Some(Behind::More),
        Here::No => None,
    }
}

/// What stands at `at`, where a field has ended; `None` where it has not.
fn behind(bytes: &[u8], at: usize, dialect: &Dialect, last: bool) -> Option<Behind> {
    if let Some(end) = end_of_line(bytes, at, dialect, last) {
        return Some(end);
    }
    match dialect.delimiter {
        Delimiter::Byte(delimiter) => (bytes[at] == delimiter).then_some(Behind::Field(at + 1)),
        Delimiter::Whitespace => {
            let next = behind_blanks(bytes, at);
            match (next > at).then(|| end_of_line(bytes, next, dialect, last)) {
                None => None,
                Some(None) => Some(Behind::Field(next)),
                // Blanks at the end of a line belong to its bytes, and separate nothing.
                Some(Some(end)) => Some(end),
            }
        }
    }
}

fn unquoted(index: &mut FieldIndex, bytes: &[u8], start: usize, dialect: &Dialect, last: bool) -> Behind {
    let mut at = start;
    loop {
        if let Some(behind) = behind(bytes, at, dialect, last) {
            index.add(Place::plain(start, at));
            return behind;
        }
        at += 1;
    }
}

/// The field whose first byte behind the quote is at `start`.
fn quoted(
    index: &mut FieldIndex,
    bytes: &[u8],
    start: usize,
    dialect: &Dialect,
    last: bool,
    lines: &mut u64,
) -> Result<Behind, Split> {
    let unfinished = || if last { Split::Malformed } else { Split::More };
    let mut content = Vec::new();
    let (mut at, mut escaped) = (start, false);
    loop {
        match bytes.get(at) {
            None => return Err(unfinished()),
            Some(b'"') if bytes.get(at + 1) == Some(&b'"') => {
                (escaped, at) = (true, at + 2);
                content.push(b'"');
            }
            Some(b'"') if at + 1 == bytes.len() && !last => return Err(Split::More),
            Some(b'"') => break,
            Some(b'\r' | b'\n') => match dialect.line_ends.here(bytes, at, last) {
                Here::More => return Err(unfinished()),
                Here::Yes(_) if !dialect.multiline => return Err(Split::Malformed),
                Here::Yes(next) => {
                    *lines += 1;
                    content.extend_from_slice(&bytes[at..next]);
                    at = next;
                }
                Here::No => {
                    content.push(bytes[at]);
                    at += 1;
                }
            },
            Some(&byte) => {
                content.push(byte);
                at += 1;
            }
        }
    }
    match escaped {
        true => index.add_unescaped(&content),
        false => index.add(Place::plain(start, at)),
    }
    let end = match dialect.delimiter {
        Delimiter::Byte(b' ') | Delimiter::Whitespace => at + 1,
        Delimiter::Byte(_) => behind_spaces(bytes, at + 1),
    };
    behind(bytes, end, dialect, last).ok_or(Split::Malformed)
}
