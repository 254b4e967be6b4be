//! Bytes as they should be ↔ a file as it is, line by line: where they differ, and whether lines were changed or added.

use std::io::{self, BufRead};

/// How they compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    /// Byte for byte.
    Same,
    /// Lines that may be changed are, from this one on, or some are missing.
    Changed(u64),
    /// There are more lines, or one was changed that may not, from this one on.
    Other(u64),
}

/// Is given the bytes that should be there, in pieces.
pub(super) struct LineComparison<R> {
    found: R,
    line: u64,
    /// Whether the line at hand has differed.
    differs: bool,
    at_end: bool,
    first: Option<u64>,
    is_other: bool,
    is_short: bool,
    /// The last byte of what ends a line.
    pub(super) line_end: u8,
    /// Whether a difference in what comes now may be a change that was meant.
    pub(super) may_change: bool,
}

impl<R: BufRead> LineComparison<R> {
    pub(super) fn new(found: R) -> Self {
        Self {
            found,
            line: 1,
            differs: false,
            at_end: false,
            first: None,
            is_other: false,
            is_short: false,
            line_end: b'\n',
            may_change: true,
        }
    }

    /// Compares the next `expected` bytes.
    pub(super) fn compare(&mut self, expected: &[u8]) -> io::Result<()> {
        let line_end = self.line_end;
        for piece in expected.split_inclusive(|byte| *byte == line_end) {
            match piece.strip_suffix(&[line_end]) {
                Some(text) => {
                    self.compare_text(text)?;
                    self.end_line()?;
                }
                None => self.compare_text(piece)?,
            }
        }
        Ok(())
    }

    /// All that should be there was given.
    pub(super) fn end(mut self) -> io::Result<Compared> {
        if !self.found.fill_buf()?.is_empty() {
            (self.is_other, self.is_short) = (true, false);
            self.note();
        }
        Ok(match self.first {
            None => Compared::Same,
            // Where some were taken away, those behind them stand elsewhere.
            Some(line) if self.is_other && !self.is_short => Compared::Other(line),
            Some(line) => Compared::Changed(line),
        })
    }

    fn note(&mut self) {
        self.differs = true;
        self.first.get_or_insert(self.line);
    }

    fn compare_text(&mut self, mut text: &[u8]) -> io::Result<()> {
        while !text.is_empty() && !self.differs {
            let found = self.found.fill_buf()?;
            let n = found.len().min(text.len());
            let same = (0..n).take_while(|&i| found[i] == text[i]).count();
            self.at_end = found.is_empty();
            if same < n || n == 0 {
                self.found.consume(same);
                self.differ();
                return Ok(());
            }
            self.found.consume(n);
            text = &text[n..];
        }
        Ok(())
    }

    /// A line that is missing was taken away; another text in its place is a change.
    fn differ(&mut self) {
        self.is_other |= !self.may_change && !self.at_end;
        self.note();
    }

    fn end_line(&mut self) -> io::Result<()> {
        if !self.differs && self.found.fill_buf()?.first() != Some(&self.line_end) {
            self.at_end = self.found.fill_buf()?.is_empty();
            self.differ();
        }
        loop {
            let found = self.found.fill_buf()?;
            match memchr::memchr(self.line_end, found) {
                Some(at) => {
                    self.found.consume(at + 1);
                    break;
                }
                None if found.is_empty() => {
                    self.is_short = true;
                    break;
                }
                None => {
                    let n = found.len();
                    self.found.consume(n);
                }
            }
        }
        self.line += 1;
        self.differs = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(expected: &str, found: &str, may_change: bool) -> Compared {
        let mut comparison = LineComparison::new(found.as_bytes());
        comparison.may_change = may_change;
        expected.as_bytes().chunks(3).for_each(|piece| comparison.compare(piece).unwrap());
        comparison.end().unwrap()
    }

    #[test]
    fn changed_lines_and_more_lines_are_told_apart() {
        assert_eq!(compared("a\nb\n", "a\nb\n", false), Compared::Same);
        assert_eq!(compared("a\nbcdefgh\n", "a\nbcdXfgh\n", true), Compared::Changed(2));
        assert_eq!(compared("a\nbcdefgh\n", "a\nbcdXfgh\n", false), Compared::Other(2));
        assert_eq!(compared("a\nb\nc\n", "a\nb, longer\nc\n", true), Compared::Changed(2));
        assert_eq!(compared("a\nb\n", "a\n", true), Compared::Changed(2));
        assert_eq!(compared("a\n", "a\nb\n", true), Compared::Other(2));
        assert_eq!(compared("a\nb\n", "", true), Compared::Changed(1));
        assert_eq!(compared("a\nb\nc\n", "a\nc\n", false), Compared::Changed(2));
    }
}
