//! What stands in a file: its header and its rows, with the bytes as they came.

use super::fields::Fields;

/// Why a row could not be cut into fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// A quoted field that is not closed, or has text behind its closing quote.
    UnclosedQuote,
    /// A physical line longer than [`MAX_ROW`](super::MAX_ROW).
    TooLong,
}

/// One row.
#[derive(Debug)]
pub struct RawRow<'a> {
    /// Physical line on which it begins, from 1.
    pub line: u64,
    /// Its bytes, without the line ending.
    pub bytes: &'a [u8],
    /// Its fields, unquoted; none when there is a problem.
    pub fields: Fields<'a>,
    /// Why it has no fields.
    pub problem: Option<Problem>,
    /// Whether these are more bytes of the overlong row before it.
    pub continuation: bool,
}

/// The first row of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// All bytes up to its end, preamble included, a byte order mark not; without the final LF.
    pub bytes: Vec<u8>,
    /// Names of the columns, as bytes.
    pub names: Vec<Vec<u8>>,
    /// Why there are no names.
    pub problem: Option<Problem>,
}
