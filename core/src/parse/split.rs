//! A row, cut in the way of its dialect.

use super::fields::{Dialect, FieldIndex, MAX_ROW, Split};
use super::line_end::LineEnds;
use super::loose;
use crate::contract::Delimiter;

/// Adds the fields of the row that begins at `start` in `bytes`, which are the last of the file when `last`. None are added
/// where there is no row, or an empty one.
#[inline]
pub(super) fn split(index: &mut FieldIndex, bytes: &[u8], start: usize, dialect: &Dialect, last: bool) -> Split {
    let before = index.begin_row(dialect.width);
    let split = match (dialect.delimiter, dialect.line_ends) {
        (Delimiter::Byte(delimiter), LineEnds::Lf) => index.row(bytes, start, delimiter, dialect.multiline, last),
        _ => loose::row(index, bytes, start, dialect, last),
    };
    let split = match split {
        Split::Row { end, .. } if end - start > MAX_ROW => Split::Malformed,
        split => split,
    };
    index.end_row(before, matches!(split, Split::Row { end, .. } if end > start), dialect.width);
    split
}
