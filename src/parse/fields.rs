//! Cuts one row into fields.

/// The fields of one row.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    row: &'a [u8],
    unescaped: &'a [u8],
    places: &'a [Place],
}

/// Where a field's content stands: in the row, or (with doubled quotes undone) among the unescaped bytes.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
    unescaped: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn none() -> Self {
        Self { row: &[], unescaped: &[], places: &[] }
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The content of field `index`, quotes undone; empty when there is no such field.
    pub fn get(&self, index: usize) -> &'a [u8] {
        match self.places.get(index) {
            Some(p) if p.unescaped => &self.unescaped[p.start..p.end],
            Some(p) => &self.row[p.start..p.end],
            None => &[],
        }
    }
}

/// Fields of the current row; its memory is used again for each.
#[derive(Debug, Default)]
pub(super) struct FieldIndex {
    places: Vec<Place>,
    unescaped: Vec<u8>,
}

/// What stands at the beginning of some bytes.
pub(super) enum Split {
    /// A row of `len` bytes over `lines` physical lines; the next begins at `next`. An empty line has `len` 0.
    Row { len: usize, lines: u64, next: usize },
    /// A quoted field with text behind its closing quote, or open at the end of the file.
    Malformed,
    /// The row goes on behind these bytes.
    More,
}

enum FieldEnd {
    Delimiter(usize),
    Line(usize),
    File,
}

impl FieldIndex {
    pub(super) fn fields<'a>(&'a self, row: &'a [u8]) -> Fields<'a> {
        Fields { row, unescaped: &self.unescaped, places: &self.places }
    }

    /// Splits the row at the beginning of `bytes`, which are the last of the file when `last`.
    pub(super) fn split(&mut self, bytes: &[u8], delimiter: u8, last: bool) -> Split {
        self.places.clear();
        self.unescaped.clear();
        let (mut at, mut lines) = (0, 1);
        loop {
            let end = if bytes.get(at) == Some(&b'"') {
                match self.quoted(bytes, at + 1, delimiter, last, &mut lines) {
                    Ok(end) => end,
                    Err(split) => return split,
                }
            } else {
                self.unquoted(bytes, at, delimiter)
            };
            match end {
                FieldEnd::Delimiter(next) => at = next,
                FieldEnd::Line(newline) => {
                    let len = newline - usize::from(newline > 0 && bytes[newline - 1] == b'\r');
                    return Split::Row { len, lines, next: newline + 1 };
                }
                FieldEnd::File if last => {
                    let len = bytes.len() - usize::from(bytes.last() == Some(&b'\r'));
                    return Split::Row { len, lines, next: bytes.len() };
                }
                FieldEnd::File => return Split::More,
            }
        }
    }

    fn unquoted(&mut self, bytes: &[u8], start: usize, delimiter: u8) -> FieldEnd {
        let place = |end: usize| Place { start, end, unescaped: false };
        let rest = &bytes[start..];
        match rest.iter().position(|&b| b == delimiter || b == b'\n') {
            Some(n) if rest[n] == b'\n' => {
                let end = start + n;
                let end_of_text = end - usize::from(n > 0 && bytes[end - 1] == b'\r');
                self.places.push(place(end_of_text));
                FieldEnd::Line(end)
            }
            Some(n) => {
                self.places.push(place(start + n));
                FieldEnd::Delimiter(start + n + 1)
            }
            None => {
                self.places.push(place(bytes.len() - usize::from(rest.last() == Some(&b'\r'))));
                FieldEnd::File
            }
        }
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
            self.places.push(match escaped_from {
                None => Place { start, end, unescaped: false },
                Some(unescaped) => {
                    self.unescaped.extend_from_slice(&bytes[from..end]);
                    Place { start: unescaped, end: self.unescaped.len(), unescaped: true }
                }
            });
            return Ok(next);
        }
    }
}
