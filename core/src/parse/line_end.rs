//! Where lines end.

/// So many CRs may stand before an LF in a file where a CR alone ends a line, too: how far to look must have an end.
const MOST_RETURNS: usize = 16;

/// What ends a line in a file; its first line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// LF, and every CR before it. A CR anywhere else is text.
    Lf,
    /// LF with every CR before it, or a CR alone.
    Any,
}

/// A line's end: behind its text, and where the next line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineEnd {
    pub(super) at: usize,
    pub(super) next: usize,
}

/// Whether a line ends at some place.
pub(super) enum Here {
    No,
    /// The next line begins there.
    Yes(usize),
    /// The bytes behind decide.
    More,
}

impl LineEnds {
    /// By the end of a file's first line, which is given too; `None` while `bytes` do not hold it and are not the `last`.
    pub(super) fn of(bytes: &[u8], last: bool) -> Option<(LineEnds, Vec<u8>)> {
        let Some(at) = memchr::memchr2(b'\r', b'\n', bytes) else {
            return last.then(|| (LineEnds::Lf, b"\n".to_vec()));
        };
        match LineEnds::Lf.here(bytes, at, last) {
            Here::Yes(next) => Some((LineEnds::Lf, bytes[at..next].to_vec())),
            Here::No => Some((LineEnds::Any, b"\r".to_vec())),
            Here::More => None,
        }
    }

    /// The first line end in `bytes`; `None` where there is none, or where it can't be told before more bytes are there.
    pub(super) fn find(self, bytes: &[u8], last: bool) -> Option<LineEnd> {
        if self == LineEnds::Lf {
            let newline = memchr::memchr(b'\n', bytes)?;
            return Some(LineEnd { at: without_cr(&bytes[..newline]).len(), next: newline + 1 });
        }
        let at = memchr::memchr2(b'\r', b'\n', bytes)?;
        match self.here(bytes, at, last) {
            Here::Yes(next) => Some(LineEnd { at, next }),
            Here::No | Here::More => None,
        }
    }

    /// How many bytes at the end of `bytes`, in which no line end is found, may belong to one.
    pub(super) fn undecided(self, bytes: &[u8]) -> usize {
        let most = if self == LineEnds::Any { MOST_RETURNS } else { 1 };
        bytes.iter().rev().take(most).take_while(|b| **b == b'\r').count()
    }

    /// Whether a line ends at `at`.
    pub(super) fn here(self, bytes: &[u8], at: usize, last: bool) -> Here {
        let most = if self == LineEnds::Any { MOST_RETURNS } else { usize::MAX };
        let returns = bytes[at..].iter().take(most).take_while(|b| **b == b'\r').count();
        match (bytes.get(at + returns), returns, self) {
            (Some(b'\n'), ..) => Here::Yes(at + returns + 1),
            (_, 0, _) => Here::No,
            (None, ..) if !last => Here::More,
            // At the end of a file CRs are a line end that was cut.
            (None, _, LineEnds::Lf) => Here::Yes(at + returns),
            (_, _, LineEnds::Any) => Here::Yes(at + 1),
            (_, _, LineEnds::Lf) => Here::No,
        }
    }
}

/// A line without the CRs before its LF.
#[inline]
pub(super) fn without_cr(bytes: &[u8]) -> &[u8] {
    match bytes {
        [rest @ .., b'\r'] => all_without_cr(rest),
        bytes => bytes,
    }
}

#[cold]
fn all_without_cr(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b'\r'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_tells() {
        let of = |bytes: &[u8]| LineEnds::of(bytes, true).unwrap();
        assert_eq!(of(b"a\nb\r"), (LineEnds::Lf, b"\n".to_vec()));
        assert_eq!(of(b"a\r\nb"), (LineEnds::Lf, b"\r\n".to_vec()));
        assert_eq!(of(b"a\r\r\nb"), (LineEnds::Lf, b"\r\r\n".to_vec()));
        assert_eq!(of(b"a\rb\n"), (LineEnds::Any, b"\r".to_vec()));
        assert_eq!(of(b"a"), (LineEnds::Lf, b"\n".to_vec()));
        assert_eq!(LineEnds::of(b"a\r", false), None);
    }

    #[test]
    fn a_cr_at_the_end_of_what_is_there_may_go_on() {
        assert_eq!(LineEnds::Any.find(b"a\r", false), None);
        assert_eq!(LineEnds::Any.find(b"a\r\nb", false), Some(LineEnd { at: 1, next: 3 }));
        assert_eq!(LineEnds::Any.find(b"a\rb", false), Some(LineEnd { at: 1, next: 2 }));
        assert_eq!(LineEnds::Lf.find(b"a\rb\r\r\n", false), Some(LineEnd { at: 3, next: 6 }));
        assert_eq!((LineEnds::Any.undecided(b"a\r\r"), LineEnds::Lf.undecided(b"a\r\r")), (2, 1));
    }

    #[test]
    fn how_far_is_looked_has_an_end() {
        let many = b"\r".repeat(1 << 20);
        assert_eq!(LineEnds::Any.find(&many, false), Some(LineEnd { at: 0, next: 1 }));
        let most = [b"\r".repeat(MOST_RETURNS), b"\n".to_vec()].concat();
        assert_eq!(LineEnds::Any.find(&most, false), Some(LineEnd { at: 0, next: MOST_RETURNS + 1 }));
        assert_eq!(LineEnds::Any.find(&most[..MOST_RETURNS], false), None);
    }
}
