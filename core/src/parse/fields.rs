//! Cuts rows into fields.

use std::ops::Range;

use super::line_end::{Here, LineEnds, without_cr};
use crate::contract::Delimiter;

/// Longest row in bytes; also how far an open quote is followed.
pub const MAX_ROW: usize = 1 << 20;

/// The fields of one row. Those beyond the header's are counted, not kept.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    len: usize,
    block: &'a [u8],
    unescaped: &'a [u8],
    places: &'a [Place],
}

/// Where a field's content stands: in the block, or (with doubled quotes undone) among the unescaped bytes, both of which
/// are far shorter than [`UNESCAPED`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    start: u32,
    end: u32,
}

/// Added to both ends of a place among the unescaped bytes.
const UNESCAPED: u32 = 1 << 31;

impl Place {
    pub(super) fn plain(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// The same, so many bytes further.
    pub(super) fn behind(self, bytes: usize) -> Self {
        Self::plain(self.start as usize + bytes, self.end as usize + bytes)
    }

    /// What stands there in the line that begins at 0.
    pub(super) fn of<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        &line[self.start as usize..self.end as usize]
    }

    /// The same without so many bytes at its end.
    pub(super) fn shorter(self, bytes: u32) -> Self {
        Self { end: self.end - bytes, ..self }
    }

    fn unescaped(start: usize, end: usize) -> Self {
        Self { start: start as u32 | UNESCAPED, end: end as u32 | UNESCAPED }
    }
}

impl<'a> Fields<'a> {
    /// Number of fields.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of fields whose content is there: those of the header, and one more.
    pub fn kept(&self) -> usize {
        self.places.len()
    }

    /// The content of field `index`, quotes undone; empty when there is no such field, or the header has none.
    #[inline]
    pub fn get(&self, index: usize) -> &'a [u8] {
        match self.places.get(index) {
            Some(p) if p.start < UNESCAPED => &self.block[p.start as usize..p.end as usize],
            Some(p) => &self.unescaped[(p.start ^ UNESCAPED) as usize..(p.end ^ UNESCAPED) as usize],
            None => &[],
        }
    }
}

/// Fields of consecutive rows of one block.
#[derive(Debug, Default)]
pub(super) struct FieldIndex {
    places: Vec<Place>,
    unescaped: Vec<u8>,
    /// How many fields the row has that was cut last.
    pub(super) counted: usize,
    /// Places that may be kept when that row's are.
    most: usize,
    /// Whether a field of it that is not kept holds something.
    surplus: bool,
}

/// How much there was of other rows when one began.
pub(super) struct RowStart {
    places: usize,
    unescaped: usize,
}

/// How a file's rows are cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    /// What separates fields.
    pub(super) delimiter: Delimiter,
    /// Number of the header's fields, of which a row's are kept, and one more; no limit until it is known.
    pub(super) width: usize,
    /// What ends a line.
    pub(super) line_ends: LineEnds,
    /// Whether a quoted field may hold line ends.
    pub(super) multiline: bool,
}

/// What stands at some place in some bytes.
pub(super) enum Split {
    /// A row that ends before `end`, over `lines` physical lines; the next begins at `next`. An empty line is a row of no
    /// bytes. One that the file's end ends is not `closed`.
    Row { end: usize, lines: u64, next: usize, closed: bool },
    /// A quoted field with text behind its closing quote, or open at the end of its line (of the file, where fields may
    /// hold line ends); or more than [`MAX_ROW`] bytes.
    Malformed,
    /// A line that ends before `end` and is not of the file's format; the next begins at `next`.
    Other { end: usize, next: usize },
    /// The row goes on behind the bytes.
    More,
}

enum FieldEnd {
    Delimiter(usize),
    Line(usize),
    File,
}

impl FieldIndex {
    /// A row's `len` fields, of which `kept` stand in `block`.
    #[inline]
    pub(super) fn fields<'a>(&'a self, len: usize, block: &'a [u8], kept: Range<usize>) -> Fields<'a> {
        Fields { len, block, unescaped: &self.unescaped, places: &self.places[kept] }
    }

    /// Number of fields that are kept.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.unescaped.clear();
    }

    /// Forgets what is known of the row before, of which `width` fields and one more may have been kept; gives what tells
    /// where the next one begins.
    pub(super) fn begin_row(&mut self, width: usize) -> RowStart {
        (self.counted, self.surplus) = (0, false);
        self.most = self.places.len().saturating_add(width).saturating_add(1);
        RowStart { places: self.places.len(), unescaped: self.unescaped.len() }
    }

    /// Takes the fields back that were added since, unless a row of some bytes was found.
    pub(super) fn end_row(&mut self, from: RowStart, is_row: bool, width: usize) {
        if !is_row {
            self.places.truncate(from.places);
            self.unescaped.truncate(from.unescaped);
            self.counted = 0;
        } else if self.counted > width {
            self.drop_surplus(from.places + width, width);
        }
    }

    /// Empty fields behind those of the header are no fields: a delimiter ends each line, or a spreadsheet filled it up.
    #[cold]
    fn drop_surplus(&mut self, kept: usize, width: usize) {
        if !self.surplus && self.places.get(kept).is_none_or(|place| place.start == place.end) {
            self.places.truncate(kept);
            self.counted = width;
        }
    }

    #[inline]
    pub(super) fn add(&mut self, place: Place) {
        self.counted += 1;
        if self.places.len() < self.most {
            self.places.push(place);
        } else {
            self.surplus |= place.start != place.end;
        }
    }

    /// Begins a row of so many fields, all of which are kept.
    pub(super) fn begin(&mut self, fields: usize) {
        (self.counted, self.surplus, self.most) = (0, false, self.places.len() + fields);
    }

    /// Adds a field whose doubled quotes are undone.
    pub(super) fn add_unescaped(&mut self, content: &[u8]) {
        let start = self.unescaped.len();
        self.unescaped.extend_from_slice(content);
        self.add(Place::unescaped(start, self.unescaped.len()));
    }

    /// Cuts the row that begins at `start` in `bytes`, which are the last of the file when `last`.
    pub(super) fn row(&mut self, bytes: &[u8], start: usize, delimiter: u8, multiline: bool, last: bool) -> Split {
        let (mut at, mut lines) = (start, 1);
        loop {
            let end = match bytes.get(at) {
                Some(b'"') => match self.quoted(bytes, at + 1, delimiter, multiline, last, &mut lines) {
                    Ok(end) => end,
                    Err(split) => return split,
                },
                Some(b' ') if delimiter != b' ' => match quote_behind_spaces(bytes, at) {
                    Some(quote) => {
                        at = quote;
                        continue;
                    }
                    None => self.unquoted(bytes, at, delimiter),
                },
                _ => self.unquoted(bytes, at, delimiter),
            };
            let (text, next, closed) = match end {
                FieldEnd::Delimiter(next) => {
                    at = next;
                    continue;
                }
                FieldEnd::Line(newline) => (&bytes[start..newline], newline + 1, true),
                FieldEnd::File if last => (&bytes[start..], bytes.len(), false),
                FieldEnd::File => return Split::More,
            };
            return Split::Row { end: start + without_cr(text).len(), lines, next, closed };
        }
    }

    fn unquoted(&mut self, bytes: &[u8], start: usize, delimiter: u8) -> FieldEnd {
        let rest = &bytes[start..];
        let found = rest.iter().position(|&b| b == delimiter || b == b'\n');
        let (text, end) = match found {
            Some(n) if rest[n] == b'\n' => (without_cr(&rest[..n]), FieldEnd::Line(start + n)),
            Some(n) => (&rest[..n], FieldEnd::Delimiter(start + n + 1)),
            None => (without_cr(rest), FieldEnd::File),
        };
        self.add(Place::plain(start, start + text.len()));
        end
    }

    fn quoted(
        &mut self,
        bytes: &[u8],
        start: usize,
        delimiter: u8,
        multiline: bool,
        last: bool,
        lines: &mut u64,
    ) -> Result<FieldEnd, Split> {
        let unfinished = if last { Split::Malformed } else { Split::More };
        let (mut from, mut search, mut escaped_from) = (start, start, None);
        loop {
            let Some(found) = memchr::memchr2(b'"', b'\n', &bytes[search..]) else { return Err(unfinished) };
            let quote = search + found;
            if bytes[quote] == b'\n' {
                if !multiline {
                    return Err(Split::Malformed);
                }
                *lines += 1;
                search = quote + 1;
                continue;
            }
            let (end, next) = match (bytes.get(quote + 1), bytes.get(quote + 2)) {
                (Some(b'"'), _) => {
                    escaped_from.get_or_insert(self.unescaped.len());
                    self.unescaped.extend_from_slice(&bytes[from.max(start)..=quote]);
                    (from, search) = (quote + 2, quote + 2);
                    continue;
                }
                (Some(&b), _) if b == delimiter => (quote, FieldEnd::Delimiter(quote + 2)),
                (Some(b'\n'), _) => (quote, FieldEnd::Line(quote + 1)),
                (Some(b'\r'), Some(b'\n')) => (quote, FieldEnd::Line(quote + 2)),
                _ => (quote, end_behind(bytes, quote + 1, delimiter, last)?),
            };
            let place = match escaped_from {
                None => Place::plain(start, end),
                Some(unescaped) => {
                    self.unescaped.extend_from_slice(&bytes[from..end]);
                    Place::unescaped(unescaped, self.unescaped.len())
                }
            };
            self.add(place);
            return Ok(next);
        }
    }
}

/// How the field ends that was closed by the quote before `at`, where spaces may follow: in some unusual way, or not at all.
#[cold]
fn end_behind(bytes: &[u8], at: usize, delimiter: u8, last: bool) -> Result<FieldEnd, Split> {
    let end = at + bytes[at..].iter().take_while(|b| **b == b' ').count();
    match bytes.get(end) {
        None if last => Ok(FieldEnd::File),
        None => Err(Split::More),
        Some(&b) if b == delimiter => Ok(FieldEnd::Delimiter(end + 1)),
        Some(b'\n') => Ok(FieldEnd::Line(end)),
        Some(b'\r') => match LineEnds::Lf.here(bytes, end, last) {
            Here::Yes(next) if bytes[next - 1] == b'\n' => Ok(FieldEnd::Line(next - 1)),
            Here::Yes(_) => Ok(FieldEnd::File),
            Here::More => Err(Split::More),
            Here::No => Err(Split::Malformed),
        },
        Some(_) => Err(Split::Malformed),
    }
}

/// Where a quote stands behind nothing but spaces.
#[cold]
fn quote_behind_spaces(bytes: &[u8], at: usize) -> Option<usize> {
    let quote = at + bytes[at..].iter().take_while(|b| **b == b' ').count();
    (bytes.get(quote) == Some(&b'"')).then_some(quote)
}
