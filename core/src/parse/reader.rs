//! A file, read once from front to back and cut into blocks of rows.

use std::io::{self, Read};

use super::block::{BLOCK_BYTES, RowBlock, RowPlace};
use super::fields::{Dialect, MAX_ROW, Split};
use super::json::JsonFields;
use super::line_end::{LineEnd, LineEnds};
use super::line_protocol::LineFields;
use super::named::NamedFields;
use super::row::Problem;
use super::split::split;
use super::text::{FileEncoding, TextReader};
use crate::contract::{Contract, CsvFormat};

/// Cuts a file into rows, in memory that does not depend on the file.
pub struct RowReader<R> {
    pub(super) reader: TextReader<R>,
    pub(super) dialect: Dialect,
    /// What lines begin with that are no rows.
    comments: Vec<Vec<u8>>,
    /// What is looked for where values have names.
    pub(super) named: Option<NamedFields>,
    final_newline_required: bool,
    block_bytes: usize,
    /// The rows that are being cut, and the bytes behind them.
    pub(super) block: RowBlock,
    /// What is not cut yet stands between `start` and `end`.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) at_end: bool,
    /// Physical line that begins at `start`.
    pub(super) line: u64,
    /// How the file's first line ends; `None` until it is known.
    pub(super) line_end: Option<Vec<u8>>,
    /// An overlong line goes on at `start`.
    overlong: bool,
    /// A comment longer than the block goes on there.
    in_comment: bool,
}

/// What became of the bytes that are there.
pub(super) enum Cut {
    /// A row more in the block.
    Row,
    /// No whole row is left; the file goes on.
    More,
    /// Nothing is left.
    End,
}

impl<R: Read> RowReader<R> {
    /// Reads the rows of a file that is written as `csv` says.
    pub fn new(reader: R, csv: &CsvFormat) -> Self {
        let dialect =
            Dialect { delimiter: csv.delimiter, width: usize::MAX, line_ends: LineEnds::Lf, multiline: csv.multiline };
        Self {
            reader: TextReader::new(reader, csv.encoding),
            dialect,
            comments: csv.comments.iter().map(|text| text.as_bytes().to_vec()).collect(),
            named: None,
            final_newline_required: csv.final_newline_required,
            block_bytes: BLOCK_BYTES,
            block: RowBlock::default(),
            start: 0,
            end: 0,
            at_end: false,
            line: 1,
            line_end: None,
            overlong: false,
            in_comment: false,
        }
    }

    /// Reads a file of one JSON object per line: the fields of its rows are the values that `contract` names.
    pub fn json_lines(reader: R, contract: &Contract) -> Self {
        Self { named: Some(NamedFields::Json(JsonFields::of(contract))), ..Self::new(reader, &contract.csv) }
    }

    /// Reads a file of InfluxDB line protocol: the same of its tags and fields. Lines that begin with `#` are comments.
    pub fn line_protocol(reader: R, contract: &Contract) -> Self {
        let named = Some(NamedFields::LineProtocol(LineFields::of(contract)));
        Self { named, comments: vec![b"#".to_vec()], ..Self::new(reader, &contract.csv) }
    }

    /// With blocks of so many bytes, at least one: where they end must not change what the rows are.
    pub fn with_block_bytes(self, block_bytes: usize) -> Self {
        Self { block_bytes: block_bytes.max(1), ..self }
    }

    /// Whether the file has been read to its end. Its last rows may still have to be asked for.
    pub fn at_end(&self) -> bool {
        self.at_end
    }

    /// What the file is written in, where that is not UTF-8; known behind its header.
    pub fn encoding(&self) -> Option<FileEncoding> {
        self.reader.encoding()
    }

    /// The next rows, or `None` at the end of the file. Empty lines and comments are no rows; they are counted. The memory
    /// of `used`, a block whose rows are no longer needed, serves those that come next.
    ///
    /// # Errors
    /// Those of the reader. The rows before them have been given.
    pub fn next_block(&mut self, used: RowBlock) -> io::Result<Option<RowBlock>> {
        self.begin()?;
        loop {
            match self.cut() {
                Cut::Row if self.block.has_room() => {}
                Cut::More if self.block.is_empty() => self.fill()?,
                Cut::End if self.block.is_empty() && self.block.skipped == 0 => return Ok(None),
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
    pub(super) fn cut(&mut self) -> Cut {
        if self.overlong {
            return self.overlong_piece(true);
        }
        while self.start < self.end {
            if !self.comments.is_empty() {
                match self.skip_comment() {
                    Some(true) => continue,
                    Some(false) => {}
                    None => return Cut::More,
                }
            }
            let bytes = &self.block.bytes[..self.end];
            let (from, line) = (self.start, self.line);
            let found = match &self.named {
                None => split(&mut self.block.index, bytes, from, &self.dialect, self.at_end),
                Some(named) => named.split(&mut self.block.index, bytes, from, self.dialect.line_ends, self.at_end),
            };
            match found {
                Split::Row { end, lines, next, closed } => {
                    (self.start, self.line) = (next, line + lines);
                    if end > from {
                        let row = RowPlace::good(line, from, end);
                        self.block.push(if closed { row } else { self.unterminated(row) });
                        return Cut::Row;
                    }
                    self.block.skipped += 1;
                }
                Split::Other { end, next } => {
                    (self.start, self.line) = (next, line + 1);
                    let problem = self.named.as_ref().map_or(Problem::UnclosedQuote, NamedFields::problem);
                    self.block.push(RowPlace::bad(line, from, end, problem, false));
                    return Cut::Row;
                }
                Split::More if self.end - from <= MAX_ROW + 1 => return Cut::More,
                // Either it is no row, or the limit is reached within one: its first physical line decides what it is.
                Split::Malformed | Split::More => return self.first_line_alone(),
            }
        }
        if self.at_end { Cut::End } else { Cut::More }
    }

    /// A row that the end of the file ends, as the contract sees it.
    fn unterminated(&self, row: RowPlace) -> RowPlace {
        if self.final_newline_required { row.with(Problem::Unterminated) } else { row }
    }

    /// Skips what is a comment at `start`; whether there was one, or `None` where more bytes must tell.
    fn skip_comment(&mut self) -> Option<bool> {
        let rest = &self.block.bytes[self.start..self.end];
        if !self.in_comment {
            if !self.comments.iter().any(|comment| rest.starts_with(comment)) {
                let may_go_on = !self.at_end && self.comments.iter().any(|comment| comment.starts_with(rest));
                return (!may_go_on).then_some(false);
            }
            self.block.skipped += 1;
        }
        match self.dialect.line_ends.find(rest, self.at_end) {
            Some(LineEnd { next, .. }) => {
                (self.start, self.line, self.in_comment) = (self.start + next, self.line + 1, false);
            }
            None => {
                let kept = if self.at_end { 0 } else { self.dialect.line_ends.undecided(rest) };
                (self.start, self.in_comment) = (self.end - kept, !self.at_end);
            }
        }
        if self.in_comment { None } else { Some(true) }
    }

    /// Takes the physical line at `start` as malformed, or its first piece when it is overlong.
    fn first_line_alone(&mut self) -> Cut {
        let window = &self.block.bytes[self.start..self.end];
        let reach = window.len().min(MAX_ROW + 2);
        let found = self.dialect.line_ends.find(&window[..reach], self.at_end && reach == window.len());
        let LineEnd { at, next } = match found {
            Some(end) => end,
            None if window.len() <= MAX_ROW + 1 && !self.at_end => return Cut::More,
            None => LineEnd { at: window.len(), next: window.len() },
        };
        if at > MAX_ROW {
            return self.overlong_piece(false);
        }
        let from = self.start;
        self.block.push(RowPlace::bad(self.line, from, from + at, Problem::UnclosedQuote, false));
        (self.start, self.line) = (from + next, self.line + 1);
        Cut::Row
    }

    /// Takes the next piece of an overlong line.
    fn overlong_piece(&mut self, continuation: bool) -> Cut {
        let window = &self.block.bytes[self.start..self.end];
        if window.len() < MAX_ROW && !self.at_end {
            return Cut::More;
        }
        let piece = &window[..window.len().min(MAX_ROW)];
        let is_last = self.at_end && piece.len() == window.len();
        let (text, next) = match self.dialect.line_ends.find(piece, is_last) {
            Some(LineEnd { at, next }) => (at, Some(next)),
            None if !is_last => (piece.len() - self.dialect.line_ends.undecided(piece), None),
            None => (piece.len(), None),
        };
        self.overlong = next.is_none() && !is_last;
        let (from, behind) = (self.start, self.start + next.unwrap_or(text));
        self.block.push(RowPlace::bad(self.line, from, from + text, Problem::TooLong, continuation));
        (self.start, self.line) = (behind, self.line + u64::from(!self.overlong));
        Cut::Row
    }

    /// Skips a byte order mark, and tells from the first line how lines end, where the file begins.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        if self.line_end.is_some() {
            return Ok(());
        }
        while self.end < 3 && !self.at_end {
            self.fill()?;
        }
        if self.block.bytes[..self.end].starts_with(b"\xef\xbb\xbf") {
            self.start = 3;
        }
        loop {
            let window = &self.block.bytes[self.start..self.end];
            let seen = &window[..window.len().min(MAX_ROW)];
            let is_last = self.at_end || seen.len() == MAX_ROW;
            if let Some((line_ends, line_end)) = LineEnds::of(seen, is_last) {
                (self.dialect.line_ends, self.line_end) = (line_ends, Some(line_end));
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// Reads until the block is full, or to the end of the file. To be called while the block has no rows: what is left
    /// moves to its front.
    pub(super) fn fill(&mut self) -> io::Result<()> {
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
