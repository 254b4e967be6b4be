//! Bytes become rows with their position. Pure: it takes a reader, never a path.
//!
//! Quoting follows RFC 4180, read strictly: behind a closing quote comes a delimiter or the end of the line. A quoted
//! field that breaks this, or is never closed, costs one physical line and no more: the next line is read afresh.

mod fields;

pub use fields::Fields;

use std::io::{self, Read};

use fields::{FieldIndex, Split};

/// Longest row in bytes; also how far an open quote is followed.
pub const MAX_ROW: usize = 1 << 20;
/// Bytes asked for at once.
const READ_SIZE: usize = 256 << 10;

/// Why a row could not be cut into fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// A quoted field that is not closed, or has text behind its closing quote.
    UnclosedQuote,
    /// A physical line longer than [`MAX_ROW`].
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

/// Cuts a file into rows, in memory that does not depend on the file.
pub struct RowReader<R> {
    reader: R,
    delimiter: u8,
    skip_lines: u64,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    /// Physical line that begins at `start`.
    line: u64,
    begun: bool,
    /// An overlong line goes on at `start`.
    overlong: bool,
    index: FieldIndex,
}

impl<R: Read> RowReader<R> {
    /// Reads rows whose fields are separated by `delimiter`, after `skip_lines` physical lines of preamble.
    pub fn new(reader: R, delimiter: u8, skip_lines: u64) -> Self {
        Self {
            reader,
            delimiter,
            skip_lines,
            buffer: vec![0; READ_SIZE],
            start: 0,
            end: 0,
            at_end: false,
            line: 1,
            begun: false,
            overlong: false,
            index: FieldIndex::default(),
        }
    }

    /// What the rows were read from.
    pub fn into_reader(self) -> R {
        self.reader
    }

    /// The header; `None` when there is none. To be called before [`RowReader::next_row`].
    ///
    /// # Errors
    /// Those of the reader.
    pub fn header(&mut self) -> io::Result<Option<Header>> {
        let mut bytes = Vec::new();
        self.skip_mark()?;
        for _ in 0..self.skip_lines {
            let Some((line, _)) = self.physical_line()? else { return Ok(None) };
            bytes.extend_from_slice(&self.buffer[line]);
            bytes.push(b'\n');
            if bytes.len() > MAX_ROW {
                return Ok(Some(Header { bytes, names: Vec::new(), problem: Some(Problem::TooLong) }));
            }
        }
        self.begun = true;
        let Some(row) = self.next_row()? else { return Ok(None) };
        bytes.extend_from_slice(row.bytes);
        let names = (0..row.fields.len()).map(|i| row.fields.get(i).to_vec()).collect();
        let (problem, end) = (row.problem, row.bytes.as_ptr_range().end);
        // The row's bytes end before its line ending: a CR there is kept, so that rows can be given back as they came.
        let after = end as usize - self.buffer.as_ptr() as usize;
        // Behind `end` the buffer may still hold what was read before.
        if problem.is_none() && self.buffer[..self.end].get(after) == Some(&b'\r') {
            bytes.push(b'\r');
        }
        Ok(Some(Header { bytes, names, problem }))
    }

    /// The next row, or `None` at the end of the file. Empty lines are no rows.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn next_row(&mut self) -> io::Result<Option<RawRow<'_>>> {
        if !self.begun {
            self.skip_mark()?;
            self.begun = true;
        }
        if self.overlong {
            return self.overlong_piece(true);
        }
        loop {
            if self.start == self.end && !self.fill()? {
                return Ok(None);
            }
            let split = self.index.split(&self.buffer[self.start..self.end], self.delimiter, self.at_end);
            match split {
                Split::Row { len, lines, next } => {
                    let (from, line) = (self.start, self.line);
                    self.start += next;
                    self.line += lines;
                    if len == 0 {
                        continue;
                    }
                    if len > MAX_ROW {
                        self.start = from;
                        self.line = line;
                        return self.first_line_alone();
                    }
                    return Ok(Some(self.row(line, from, len)));
                }
                Split::Malformed => return self.first_line_alone(),
                Split::More if self.end - self.start <= MAX_ROW + 1 && self.fill()? => {}
                // The limit is reached within one row: its first physical line decides what it is.
                Split::More => return self.first_line_alone(),
            }
        }
    }

    fn row(&self, line: u64, from: usize, len: usize) -> RawRow<'_> {
        let bytes = &self.buffer[from..from + len];
        RawRow { line, bytes, fields: self.index.fields(bytes), problem: None, continuation: false }
    }

    /// Gives the physical line at `start` as malformed, or its first piece when it is overlong.
    fn first_line_alone(&mut self) -> io::Result<Option<RawRow<'_>>> {
        loop {
            let window = &self.buffer[self.start..self.end];
            let newline = memchr::memchr(b'\n', &window[..window.len().min(MAX_ROW + 2)]);
            let len = match newline {
                Some(at) => at,
                None if window.len() <= MAX_ROW + 1 && self.fill()? => continue,
                None if self.end - self.start <= MAX_ROW => self.end - self.start,
                None => return self.overlong_piece(false),
            };
            let bytes_len = without_cr(&self.buffer[self.start..self.start + len]).len();
            if bytes_len > MAX_ROW {
                return self.overlong_piece(false);
            }
            let (from, line) = (self.start, self.line);
            self.start += len + usize::from(newline.is_some());
            self.line += 1;
            return Ok(Some(self.problem(line, from, bytes_len, Problem::UnclosedQuote, false)));
        }
    }

    /// Gives the next piece of an overlong line.
    fn overlong_piece(&mut self, continuation: bool) -> io::Result<Option<RawRow<'_>>> {
        while self.end - self.start < MAX_ROW && self.fill()? {}
        let window = &self.buffer[self.start..self.end];
        let piece = &window[..window.len().min(MAX_ROW)];
        let (from, line) = (self.start, self.line);
        let newline = memchr::memchr(b'\n', piece);
        let len = newline.unwrap_or(piece.len());
        self.overlong = newline.is_none() && (len < window.len() || !self.at_end);
        let bytes_len = if newline.is_some() { without_cr(&piece[..len]).len() } else { len };
        self.start += len + usize::from(newline.is_some());
        if newline.is_some() || !self.overlong {
            self.line += 1;
        }
        Ok(Some(self.problem(line, from, bytes_len, Problem::TooLong, continuation)))
    }

    fn problem(&self, line: u64, from: usize, len: usize, problem: Problem, continuation: bool) -> RawRow<'_> {
        let bytes = &self.buffer[from..from + len];
        RawRow { line, bytes, fields: Fields::none(), problem: Some(problem), continuation }
    }

    /// The range of the next physical line in the buffer, line ending excluded, and whether it had one.
    fn physical_line(&mut self) -> io::Result<Option<(std::ops::Range<usize>, bool)>> {
        let mut searched = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[self.start + searched..self.end]) {
                let from = self.start;
                self.start += searched + at + 1;
                self.line += 1;
                return Ok(Some((from..self.start - 1, true)));
            }
            searched = self.end - self.start;
            if searched > MAX_ROW || !self.fill()? {
                if searched == 0 {
                    return Ok(None);
                }
                let range = self.start..self.end;
                self.start = self.end;
                self.line += 1;
                return Ok(Some((range, false)));
            }
        }
    }

    fn skip_mark(&mut self) -> io::Result<()> {
        while self.end - self.start < 3 && self.fill()? {}
        if self.buffer[self.start..self.end].starts_with(b"\xef\xbb\xbf") {
            self.start += 3;
        }
        Ok(())
    }

    /// Reads on, moving what is left to the front; false at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        if self.at_end {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.at_end = true;
                    // The rest is looked at once more, now as the last of the file.
                    return Ok(self.end > self.start);
                }
                Ok(n) => {
                    self.end += n;
                    return Ok(true);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

fn without_cr(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

#[cfg(test)]
mod tests;
