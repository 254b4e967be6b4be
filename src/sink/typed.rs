//! Whether somebody has typed into a file of rejected rows: a correction is never overwritten.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::source::{Stamp, stamp_of};
use iotpipe_core::reading::{Batch, Position, Verdict};

/// Looks for the lines of an earlier file of rejected rows among those of the source, which pass by in the same order. What
/// an earlier pass wrote is among them, also where other rows were set aside then; what somebody typed is not.
pub(super) struct Typed {
    lines: BufReader<File>,
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
    /// Over what lies under `path`; `None` where nothing does.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, Error> {
        let file = match File::open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(Error::storage(path))?,
        };
        let stamp = Stamp::of(&file.metadata().map_err(Error::storage(path))?);
        let lines = BufReader::new(file);
        let mut typed = Self { lines, line: None, row: Vec::new(), is_other: false, path: path.to_owned(), stamp };
        typed.advance().map_err(Error::storage(path))?;
        Ok(Some(typed))
    }

    /// The header comes first, line by line.
    pub(super) fn begin(&mut self, header: &[u8]) -> io::Result<()> {
        for line in header.split(|byte| *byte == b'\n') {
            self.is_other |= self.line.as_deref() != Some(without_return(line));
            self.advance()?;
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
        while self.line.as_ref().is_some_and(Vec::is_empty) {
            self.advance()?;
        }
        let was_written_to = stamp_of(&self.path).is_ok_and(|now| now != self.stamp);
        Ok(self.is_other || self.line.is_some() || was_written_to)
    }

    fn end_row(&mut self) -> io::Result<()> {
        let row = std::mem::take(&mut self.row);
        for line in row.split(|byte| *byte == b'\n') {
            if !line.is_empty() && self.line.as_deref() == Some(without_return(line)) {
                self.advance()?;
            }
        }
        self.row = row;
        self.row.clear();
        Ok(())
    }

    fn advance(&mut self) -> io::Result<()> {
        let mut line = Vec::new();
        let n = self.lines.read_until(b'\n', &mut line)?;
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        self.line = (n > 0).then(|| without_return(text).to_vec());
        Ok(())
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
