//! What stands before a file's rows: preamble, header, lines of units.

use std::io::{self, Read};
use std::ops::Range;

use super::fields::MAX_ROW;
use super::line_end::LineEnd;
use super::reader::{Cut, RowReader};
use super::row::{Header, Problem};
use crate::contract::CsvFormat;

/// With this begins a line that tells a spreadsheet the delimiter.
const SEPARATOR: &[u8] = b"sep=";
/// Bytes of such a line, quotes included.
const SEPARATOR_LINE: usize = 7;

impl<R: Read> RowReader<R> {
    /// The header, as `csv` describes it; `None` when there is none. To be called before [`RowReader::next_block`].
    ///
    /// # Errors
    /// Those of the reader.
    pub fn header(&mut self, csv: &CsvFormat) -> io::Result<Option<Header>> {
        self.begin()?;
        if let Some(named) = &self.named {
            let is_empty = self.at_end && self.start == self.end;
            let header = Header {
                names: named.names(),
                line_end: self.line_end.clone().unwrap_or_default(),
                encoding: self.encoding(),
                ..Header::default()
            };
            return Ok((!is_empty).then_some(header));
        }
        let mut header = Header { line_end: self.line_end.clone().unwrap_or_default(), ..Header::default() };
        for _ in 0..csv.skip_lines {
            if !self.skip_line(&mut header)? {
                return Ok(None);
            }
        }
        if self.is_separator_line()? {
            self.skip_line(&mut header)?;
        }
        let found = match &csv.header {
            Some(names) => {
                header.names = names.iter().map(|name| name.as_bytes().to_vec()).collect();
                true
            }
            None if header.problem.is_none() => self.header_row(&mut header)?,
            None => true,
        };
        if !found {
            return Ok(None);
        }
        self.dialect.width = header.names.len();
        for _ in 0..csv.skip_lines_after_header {
            if header.problem.is_some() || !self.skip_line(&mut header)? {
                break;
            }
        }
        header.encoding = self.encoding();
        // What ends its last line ends it before the first row, too.
        if header.bytes.ends_with(&header.line_end) {
            header.bytes.truncate(header.bytes.len() - header.line_end.len());
        }
        header.skipped += std::mem::take(&mut self.block.skipped);
        Ok(Some(header))
    }

    fn header_row(&mut self, header: &mut Header) -> io::Result<bool> {
        loop {
            match self.cut() {
                Cut::Row => break,
                Cut::More => self.fill()?,
                Cut::End => return Ok(false),
            }
        }
        let (Some(row), Some(place)) = (self.block.rows().last(), self.block.last()) else { return Ok(false) };
        header.bytes.extend_from_slice(row.bytes);
        header.bytes.extend_from_slice(&self.block.bytes[place.end()..self.start]);
        header.names = (0..row.fields.len()).map(|i| row.fields.get(i).to_vec()).collect();
        header.problem = row.problem.filter(|problem| *problem != Problem::Unterminated);
        header.lines += self.line - row.line;
        header.skipped += std::mem::take(&mut self.block.skipped);
        self.block.clear();
        Ok(true)
    }

    /// Takes the next physical line into the header's bytes; `false` at the end of the file.
    fn skip_line(&mut self, header: &mut Header) -> io::Result<bool> {
        let Some(line) = self.physical_line()? else { return Ok(false) };
        header.bytes.extend_from_slice(&self.block.bytes[line]);
        (header.lines, header.skipped) = (header.lines + 1, header.skipped + 1);
        if header.bytes.len() > MAX_ROW {
            header.problem = Some(Problem::TooLong);
        }
        Ok(true)
    }

    fn is_separator_line(&mut self) -> io::Result<bool> {
        while self.end - self.start < SEPARATOR_LINE && !self.at_end {
            self.fill()?;
        }
        let window = &self.block.bytes[self.start..self.end];
        let unquoted = window.strip_prefix(b"\"").unwrap_or(window);
        Ok(unquoted.get(..SEPARATOR.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(SEPARATOR)))
    }

    /// The range of the next physical line in the block, line ending included.
    fn physical_line(&mut self) -> io::Result<Option<Range<usize>>> {
        loop {
            let window = &self.block.bytes[self.start..self.end];
            let found = self.dialect.line_ends.find(window, self.at_end);
            if found.is_none() && window.len() <= MAX_ROW && !self.at_end {
                self.fill()?;
                continue;
            }
            if window.is_empty() {
                return Ok(None);
            }
            let len = found.map_or(window.len(), |LineEnd { next, .. }| next);
            let from = self.start;
            (self.start, self.line) = (from + len, self.line + 1);
            return Ok(Some(from..from + len));
        }
    }
}
