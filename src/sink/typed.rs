//! Whether somebody has typed into a file of rejected rows: a correction is never overwritten.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::source::{Stamp, open_file, stamp_of};
use iotpipe_core::parse::{Header, text_of};
use iotpipe_core::reading::{Batch, Position, Verdict};

/// Looks for the lines of an earlier file of rejected rows among those of the source, which pass by in the same order. What
/// an earlier pass wrote is among them, also where other rows were set aside then; what somebody typed is not. Both are
/// compared as text, whatever the files are written in; empty lines are none.
pub(super) struct Typed {
    lines: Lines<BufReader<Box<dyn Read>>>,
    /// What the source is written in.
    header: Header,
    /// The line that is looked for; `None` behind the last.
    line: Option<Vec<u8>>,
    /// The row at hand: an overlong one comes in pieces.
    row: Vec<u8>,
    is_other: bool,
    /// The file as it was opened.
    path: PathBuf,
    stamp: Stamp,
}

impl Typed {
    /// Over what lies under `path`, which begins as the source does; `None` where nothing lies there.
    pub(super) fn open(path: &Path, header: &Header) -> Result<Option<Self>, Error> {
        let file = match open_file(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(Error::storage(path))?,
        };
        let stamp = Stamp::of(&file.metadata().map_err(Error::storage(path))?);
        let reader = BufReader::new(text_of(file, header.encoding));
        let mut typed = Self {
            lines: Lines { reader, ends: header.line_end_bytes() },
            header: header.clone(),
            line: None,
            row: Vec::new(),
            is_other: false,
            path: path.to_owned(),
            stamp,
        };
        typed.begin().map_err(Error::storage(path))?;
        Ok(Some(typed))
    }

    /// The header comes first, line by line.
    fn begin(&mut self) -> io::Result<()> {
        self.line = self.lines.next()?;
        let header = std::mem::take(&mut self.header.bytes);
        for line in lines_of(&self.header.as_read_again(&header), self.lines.ends) {
            self.is_other |= self.line.as_deref() != Some(line);
            self.line = self.lines.next()?;
        }
        Ok(())
    }

    /// The next rows of the source, as they were judged.
    pub(super) fn see(&mut self, batch: &Batch) -> io::Result<()> {
        let readings = batch.readings.iter().map(|reading| (reading.position, false));
        let rejections = batch.rejections.iter().map(|r| (r.position, r.verdict == Verdict::Continuation));
        let mut rows: Vec<(Position, bool)> = readings.chain(rejections).collect();
        rows.sort_by_key(|(position, _)| position.start);
        for (position, continues) in rows {
            if !continues {
                self.end_row()?;
            }
            self.row.extend_from_slice(batch.row(position));
        }
        Ok(())
    }

    /// Whether it holds a line that the source has not.
    pub(super) fn end(mut self) -> io::Result<bool> {
        self.end_row()?;
        let was_written_to = stamp_of(&self.path).is_ok_and(|now| now != self.stamp);
        Ok(self.is_other || self.line.is_some() || was_written_to)
    }

    fn end_row(&mut self) -> io::Result<()> {
        let mut row = std::mem::take(&mut self.row);
        for line in lines_of(&self.header.as_read_again(&row), self.lines.ends) {
            if self.line.as_deref() == Some(line) {
                self.line = self.lines.next()?;
            }
        }
        row.clear();
        self.row = row;
        Ok(())
    }
}

/// The lines of a text that are not empty, without what ends them.
fn lines_of<'t>(text: &'t [u8], ends: &'static [u8]) -> impl Iterator<Item = &'t [u8]> {
    text.split(|byte| ends.contains(byte)).map(without_returns).filter(|line| !line.is_empty())
}

/// The same of a file.
struct Lines<R> {
    reader: R,
    /// Each of these bytes ends a line.
    ends: &'static [u8],
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            let bytes = self.reader.fill_buf()?;
            let end = bytes.iter().position(|byte| self.ends.contains(byte));
            let (taken, is_over) = (end.unwrap_or(bytes.len()), end.is_some() || bytes.is_empty());
            line.extend_from_slice(&bytes[..taken]);
            let at_end = bytes.is_empty();
            self.reader.consume(taken + usize::from(end.is_some()));
            if !is_over {
                continue;
            }
            line.truncate(without_returns(&line).len());
            match (line.is_empty(), at_end) {
                (false, _) => return Ok(Some(line)),
                (true, true) => return Ok(None),
                (true, false) => {}
            }
        }
    }
}

fn without_returns(line: &[u8]) -> &[u8] {
    let returns = line.iter().rev().take_while(|byte| **byte == b'\r').count();
    &line[..line.len() - returns]
}
