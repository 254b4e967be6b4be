//! A file, read once from front to back and cut into blocks of rows.

use std::io::{self, Read};
use std::ops::Range;

use super::block::{BLOCK_BYTES, RowBlock, RowPlace};
use super::fields::{Dialect, MAX_ROW, Split, without_cr};
use super::row::{Header, Problem};

/// Cuts a file into rows, in memory that does not depend on the file.
pub struct RowReader<R> {
    reader: R,
    dialect: Dialect,
    skip_lines: u64,
    block_bytes: usize,
    /// The rows that are being cut, and the bytes behind them.
    block: RowBlock,
    /// What is not cut yet stands between `start` and `end`.
    start: usize,
    end: usize,
    at_end: bool,
    /// Physical line that begins at `start`.
    line: u64,
    begun: bool,
    /// An overlong line goes on at `start`.
    overlong: bool,
}

/// What became of the bytes that are there.
enum Cut {
    /// A row more in the block.
    Row,
    /// No whole row is left; the file goes on.
    More,
    /// Nothing is left.
    End,
}

impl<R: Read> RowReader<R> {
    /// Reads rows whose fields are separated by `delimiter`, after `skip_lines` physical lines of preamble.
    pub fn new(reader: R, delimiter: u8, skip_lines: u64) -> Self {
        Self {
            reader,
            dialect: Dialect { delimiter, width: usize::MAX },
            skip_lines,
            block_bytes: BLOCK_BYTES,
            block: RowBlock::default(),
            start: 0,
            end: 0,
            at_end: false,
            line: 1,
            begun: false,
            overlong: false,
        }
    }

    /// With blocks of so many bytes, at least one: where they end must not change what the rows are.
    pub fn with_block_bytes(self, block_bytes: usize) -> Self {
        Self { block_bytes: block_bytes.max(1), ..self }
    }

    /// Whether the file has been read to its end. Its last rows may still have to be asked for.
    pub fn at_end(&self) -> bool {
        self.at_end
    }

    /// The header; `None` when there is none. To be called before [`RowReader::next_block`].
    ///
    /// # Errors
    /// Those of the reader.
    pub fn header(&mut self) -> io::Result<Option<Header>> {
        let mut bytes = Vec::new();
        self.skip_mark()?;
        for _ in 0..self.skip_lines {
            let Some(line) = self.physical_line()? else { return Ok(None) };
            bytes.extend_from_slice(&self.block.bytes[line]);
            bytes.push(b'\n');
            if bytes.len() > MAX_ROW {
                return Ok(Some(Header { bytes, names: Vec::new(), problem: Some(Problem::TooLong) }));
            }
        }
        loop {
            match self.cut() {
                Cut::Row => break,
                Cut::More => self.fill()?,
                Cut::End => return Ok(None),
            }
        }
        let (Some(row), Some(place)) = (self.block.rows().last(), self.block.last()) else { return Ok(None) };
        bytes.extend_from_slice(row.bytes);
        let names: Vec<Vec<u8>> = (0..row.fields.len()).map(|i| row.fields.get(i).to_vec()).collect();
        let problem = row.problem;
        self.dialect.width = names.len();
        // The row's bytes end before its line ending: a CR there is kept, so that rows can be given back as they came.
        if problem.is_none() && self.block.bytes[place.end()..self.start].starts_with(b"\r") {
            bytes.push(b'\r');
        }
        self.block.clear();
        Ok(Some(Header { bytes, names, problem }))
    }

    /// The next rows, or `None` at the end of the file. Empty lines are no rows. The memory of `used`, a block whose rows
    /// are no longer needed, serves those that come next.
    ///
    /// # Errors
    /// Those of the reader. The rows before them have been given.
    pub fn next_block(&mut self, used: RowBlock) -> io::Result<Option<RowBlock>> {
        self.skip_mark()?;
        loop {
            match self.cut() {
                Cut::Row if self.block.has_room() => {}
                Cut::More if self.block.is_empty() => self.fill()?,
                Cut::End if self.block.is_empty() => return Ok(None),
                Cut::Row | Cut::More | Cut::End => return Ok(Some(self.hand_over(used))),
            }
        }
    }

    /// Gives the rows that were cut away; what stands behind them goes on in the memory of `used`.
    fn hand_over(&mut self, used: RowBlock) -> RowBlock {
        let mut following = used.emptied();
        let rest = &self.block.bytes[self.start..self.end];
        if !self.at_end || !rest.is_empty() {
            following.bytes.resize(self.block_bytes.max(rest.len()), 0);
            following.bytes[..rest.len()].copy_from_slice(rest);
        }
        (self.start, self.end) = (0, rest.len());
        std::mem::replace(&mut self.block, following)
    }

    /// Cuts one more row out of the bytes that are there.
    fn cut(&mut self) -> Cut {
        if self.overlong {
            return self.overlong_piece(true);
        }
        while self.start < self.end {
            let bytes = &self.block.bytes[..self.end];
            let (from, line) = (self.start, self.line);
            match self.block.index.split(bytes, from, self.dialect, self.at_end) {
                Split::Row { end, lines, next } => {
                    (self.start, self.line) = (next, line + lines);
                    if end > from {
                        self.block.push(RowPlace::good(line, from, end));
                        return Cut::Row;
                    }
                }
                Split::More if self.end - from <= MAX_ROW + 1 => return Cut::More,
                // Either it is no row, or the limit is reached within one: its first physical line decides what it is.
                Split::Malformed | Split::More => return self.first_line_alone(),
            }
        }
        if self.at_end { Cut::End } else { Cut::More }
    }

    /// Takes the physical line at `start` as malformed, or its first piece when it is overlong.
    fn first_line_alone(&mut self) -> Cut {
        let window = &self.block.bytes[self.start..self.end];
        let newline = memchr::memchr(b'\n', &window[..window.len().min(MAX_ROW + 2)]);
        let line = match newline {
            Some(at) => &window[..at],
            None if window.len() <= MAX_ROW + 1 && !self.at_end => return Cut::More,
            None => window,
        };
        let text = if newline.is_some() || self.at_end { without_cr(line) } else { line };
        if text.len() > MAX_ROW {
            return self.overlong_piece(false);
        }
        let (from, next) = (self.start, self.start + line.len() + usize::from(newline.is_some()));
        self.block.push(RowPlace::bad(self.line, from, from + text.len(), Problem::UnclosedQuote, false));
        (self.start, self.line) = (next, self.line + 1);
        Cut::Row
    }

    /// Takes the next piece of an overlong line.
    fn overlong_piece(&mut self, continuation: bool) -> Cut {
        let window = &self.block.bytes[self.start..self.end];
        if window.len() < MAX_ROW && !self.at_end {
            return Cut::More;
        }
        let piece = &window[..window.len().min(MAX_ROW)];
        let newline = memchr::memchr(b'\n', piece);
        let text = newline.map_or(piece, |at| without_cr(&piece[..at]));
        self.overlong = newline.is_none() && (piece.len() < window.len() || !self.at_end);
        let (from, next) = (self.start, self.start + newline.map_or(piece.len(), |at| at + 1));
        self.block.push(RowPlace::bad(self.line, from, from + text.len(), Problem::TooLong, continuation));
        (self.start, self.line) = (next, self.line + u64::from(!self.overlong));
        Cut::Row
    }

    /// The range of the next physical line in the block, line ending excluded.
    fn physical_line(&mut self) -> io::Result<Option<Range<usize>>> {
        let mut searched = 0;
        loop {
            let window = &self.block.bytes[self.start..self.end];
            let newline = memchr::memchr(b'\n', &window[searched..]).map(|at| searched + at);
            searched = window.len();
            if newline.is_none() && searched <= MAX_ROW && !self.at_end {
                self.fill()?;
                continue;
            }
            if searched == 0 {
                return Ok(None);
            }
            let (from, len) = (self.start, newline.unwrap_or(searched));
            self.start += len + usize::from(newline.is_some());
            self.line += 1;
            return Ok(Some(from..from + len));
        }
    }

    /// Skips a byte order mark, where the file begins.
    fn skip_mark(&mut self) -> io::Result<()> {
        while !self.begun && self.end < 3 && !self.at_end {
            self.fill()?;
        }
        if !self.begun && self.block.bytes[..self.end].starts_with(b"\xef\xbb\xbf") {
            self.start = 3;
        }
        self.begun = true;
        Ok(())
    }

    /// Reads until the block is full, or to the end of the file. To be called while the block has no rows: what is left
    /// moves to its front.
    fn fill(&mut self) -> io::Result<()> {
        let bytes = &mut self.block.bytes;
        bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == bytes.len() {
            bytes.resize((2 * self.end).max(self.block_bytes), 0);
        }
        while self.end < bytes.len() && !self.at_end {
            match self.reader.read(&mut bytes[self.end..]) {
                Ok(n) => (self.end, self.at_end) = (self.end + n, n == 0),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}
