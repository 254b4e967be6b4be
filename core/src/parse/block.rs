//! Rows that were cut together, with the bytes in which they stand.

use super::fields::FieldIndex;
use super::row::{Problem, RawRow};

/// Bytes in a block: few enough for the processor's cache, enough for a hand-over between threads to cost little.
pub(super) const BLOCK_BYTES: usize = 128 << 10;
/// Fields after which a block is full, whatever its bytes.
const MOST_FIELDS: usize = 64 << 10;

/// Some consecutive rows of one file. Its memory can be used again for others.
#[derive(Debug, Default)]
pub struct RowBlock {
    /// How much of it is the file's only the reader knows.
    pub(super) bytes: Vec<u8>,
    pub(super) index: FieldIndex,
    rows: Vec<RowPlace>,
    /// Lines before, between and behind the rows that are none: empty ones and comments.
    pub(super) skipped: u64,
}

/// Where a row stands in its block.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowPlace {
    line: u64,
    start: u32,
    end: u32,
    /// Number of its fields.
    fields: u32,
    /// Behind the last that is kept, among those of the block.
    kept_end: u32,
    problem: Option<Problem>,
    continuation: bool,
}

impl RowPlace {
    /// A row that was cut into fields.
    #[inline]
    pub(super) fn good(line: u64, start: usize, end: usize) -> Self {
        let (start, end) = (start as u32, end as u32);
        Self { line, start, end, fields: 0, kept_end: 0, problem: None, continuation: false }
    }

    /// One that was not.
    #[inline]
    pub(super) fn bad(line: u64, start: usize, end: usize, problem: Problem, continuation: bool) -> Self {
        Self { problem: Some(problem), continuation, ..Self::good(line, start, end) }
    }

    /// The same row with a problem that it has beside its fields.
    pub(super) fn with(self, problem: Problem) -> Self {
        Self { problem: Some(problem), ..self }
    }

    /// Behind its last byte, in the block.
    #[inline]
    pub(super) fn end(&self) -> usize {
        self.end as usize
    }
}

impl RowBlock {
    /// The rows, in the order of the file.
    #[inline]
    pub fn rows(&self) -> impl Iterator<Item = RawRow<'_>> {
        let mut kept_end = 0;
        self.rows.iter().map(move |row| {
            let kept = kept_end..row.kept_end as usize;
            kept_end = kept.end;
            RawRow {
                line: row.line,
                bytes: &self.bytes[row.start as usize..row.end()],
                fields: self.index.fields(row.fields as usize, &self.bytes, kept),
                problem: row.problem,
                continuation: row.continuation,
            }
        })
    }

    /// Lines among the rows that are none: empty ones and comments.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Without its rows, for others to come; and without its memory, when that grew for a long row.
    pub fn emptied(mut self) -> Self {
        if self.bytes.len() > BLOCK_BYTES {
            return Self::default();
        }
        self.clear();
        self
    }

    /// Adds the row that was cut last.
    #[inline]
    pub(super) fn push(&mut self, row: RowPlace) {
        let (fields, kept_end) = (std::mem::take(&mut self.index.counted) as u32, self.index.len() as u32);
        self.rows.push(RowPlace { fields, kept_end, ..row });
    }

    #[inline]
    pub(super) fn last(&self) -> Option<&RowPlace> {
        self.rows.last()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether a row more is welcome.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.index.len() < MOST_FIELDS
    }

    /// Forgets the rows; the bytes stay.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.index.clear();
        self.skipped = 0;
    }
}
