//! Cuts rows into fields.

use std::ops::Range;

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
struct Place {
    start: u32,
    end: u32,
}

/// Added to both ends of a place among the unescaped bytes.
const UNESCAPED: u32 = 1 << 31;

impl Place {
    fn plain(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
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
}

/// How a file's rows are cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    /// What separates fields.
    pub(super) delimiter: u8,
    /// Number of the header's fields, beyond which a row's are only counted; no limit until it is known.
    pub(super) width: usize,
}

/// What stands at some place in some bytes.
pub(super) enum Split {
    /// A row that ends before `end`, over `lines` physical lines; the next begins at `next`. An empty line is a row of no
    /// bytes.
    Row { end: usize, lines: u64, next: usize },
    /// A quoted field with text behind its closing quote, or open at the end of the file; or more than [`MAX_ROW`] bytes.
    Malformed,
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

    /// Adds the fields of the row that begins at `start` in `bytes`, which are the last of the file when `last`. None are
    /// added where there is no row, or an empty one.
    pub(super) fn split(&mut self, bytes: &[u8], start: usize, dialect: Dialect, last: bool) -> Split {
        let (places, unescaped) = (self.places.len(), self.unescaped.len());
        (self.counted, self.most) = (0, places.saturating_add(dialect.width));
        let split = match self.row(bytes, start, dialect.delimiter, last) {
            Split::Row { end, .. } if end - start > MAX_ROW => Split::Malformed,
            split => split,
        };
        if !matches!(split, Split::Row { end, .. } if end > start) {
            self.places.truncate(places);
            self.unescaped.truncate(unescaped);
            self.counted = 0;
        }
        split
    }

    fn add(&mut self, place: Place) {
        self.counted += 1;
        if self.places.len() < self.most {
            self.places.push(place);
        }
    }

    fn row(&mut self, bytes: &[u8], start: usize, delimiter: u8, last: bool) -> Split {
        let (mut at, mut lines) = (start, 1);
        loop {
            let end = if bytes.get(at) == Some(&b'"') {
                match self.quoted(bytes, at + 1, delimiter, last, &mut lines) {
                    Ok(end) => end,
                    Err(split) => return split,
                }
            } else {
                self.unquoted(bytes, at, delimiter)
            };
            let (text, next) = match end {
                FieldEnd::Delimiter(next) => {
                    at = next;
                    continue;
                }
                FieldEnd::Line(newline) => (&bytes[start..newline], newline + 1),
                FieldEnd::File if last => (&bytes[start..], bytes.len()),
                FieldEnd::File => return Split::More,
            };
            return Split::Row { end: start + without_cr(text).len(), lines, next };
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
        last: bool,
        lines: &mut u64,
    ) -> Result<FieldEnd, Split> {
        let unfinished = if last { Split::Malformed } else { Split::More };
        let (mut from, mut search, mut escaped_from) = (start, start, None);
        loop {
            let Some(found) = memchr::memchr2(b'"', b'\n', &bytes[search..]) else { return Err(unfinished) };
            let quote = search + found;
            if bytes[quote] == b'\n' {
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
                (Some(b'\r'), None) | (None, _) if !last => return Err(Split::More),
                (Some(b'\r'), None) | (None, _) => (quote, FieldEnd::File),
                _ => return Err(Split::Malformed),
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

pub(super) fn without_cr(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}
