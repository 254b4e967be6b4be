//! What stands in a file: its header and its rows, with the bytes as they came.

use std::borrow::Cow;

use super::fields::Fields;
use super::text::FileEncoding;

/// Why a row could not be cut into fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// A quoted field that is not closed, or has text behind its closing quote.
    UnclosedQuote,
    /// A physical line longer than [`MAX_ROW`](super::MAX_ROW).
    TooLong,
    /// No JSON object, in a file of them.
    NotJson,
    /// No line of InfluxDB line protocol, in a file of them.
    NotLineProtocol,
    /// The end of the file ends it, where the contract asks for a line end.
    Unterminated,
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

/// What stands before a file's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// All bytes up to the first row as UTF-8, preamble and lines of units included, a byte order mark not; without the
    /// last line end.
    pub bytes: Vec<u8>,
    /// Physical lines of these bytes.
    pub lines: u64,
    /// Lines up to the first row that are no header and no row.
    pub skipped: u64,
    /// How the file's first line ends, and so those of its rows that are given back.
    pub line_end: Vec<u8>,
    /// What the file is written in, where that is not UTF-8.
    pub encoding: Option<FileEncoding>,
    /// Names of the columns, as bytes.
    pub names: Vec<Vec<u8>>,
    /// Why there are no names.
    pub problem: Option<Problem>,
}

impl Header {
    /// Text of the file as the file writes it.
    pub fn as_delivered<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        self.encoding.map_or(Cow::Borrowed(text), |encoding| encoding.bytes_of(text))
    }

    /// Text of the file as it is read again where it was given back: the same, but for bytes that were no text.
    pub fn as_read_again<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        self.encoding.map_or(Cow::Borrowed(text), |encoding| encoding.read_again(text))
    }

    /// What ends a line: no line of the file holds it.
    pub fn line_end_bytes(&self) -> &'static [u8] {
        if self.line_end == b"\r" { b"\r\n" } else { b"\n" }
    }
}
