//! Names of files: their endings, and those that this program gives.

use std::path::Path;

/// Longest file name that common file systems take, in bytes.
pub const MAX_NAME_BYTES: usize = 255;
/// What the names of files in hand begin with; it hides them from every scan's pattern.
const PRIVATE: &str = ".iotpipe-";
/// What the names of unfinished copies begin with.
const UNFINISHED: &str = ".iotpipe-copy-";

/// `x.csv.gz` → (`x`, `.csv.gz`); a name without a known ending gets `.csv`.
pub fn split_name(name: &str) -> (&str, &str) {
    let lower = name.to_ascii_lowercase();
    let bare = [".gz", ".zst"].iter().find_map(|packed| lower.strip_suffix(packed)).unwrap_or(&lower);
    let stem = [".csv", ".jsonl", ".ndjson", ".lp"].iter().find_map(|ending| bare.strip_suffix(ending));
    match stem.filter(|stem| !stem.is_empty()) {
        Some(stem) => name.split_at(stem.len()),
        None => (name, ".csv"),
    }
}

/// `text`, cut to `bytes` bytes at most, between characters.
pub fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The name of an entry's file while the claim `claim_no` has it in hand. The number keeps out a worker that lost its
/// claim: the name that it knows does not exist any more.
pub fn private_name(id: i64, claim_no: i64, delivered: &str) -> String {
    let begin = format!("{PRIVATE}{id}.{claim_no}.");
    let rest = cut(delivered, MAX_NAME_BYTES - begin.len());
    begin + rest
}

/// Entry, claim and the rest of a private name.
pub fn parse_private_name(name: &str) -> Option<(i64, i64, &str)> {
    let (id, rest) = name.strip_prefix(PRIVATE)?.split_once('.')?;
    let (claim_no, delivered) = rest.split_once('.')?;
    Some((id.parse().ok()?, claim_no.parse().ok()?, delivered))
}

/// Whether this program gave `path` its name, for as long as the file is in hand.
pub fn is_private(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(PRIVATE.as_bytes()))
}

/// The name of what a claim has not finished writing; `what` tells several apart.
pub fn unfinished_name(id: i64, claim_no: i64, what: &str) -> String {
    format!("{UNFINISHED}{id}.{claim_no}.{what}")
}

/// Names beside each other for one entry and content: `<stem>.<first 12 of sha256>-<id>`, with room for `ending`.
pub fn own_stem(file_name: &str, sha256: &str, id: i64, longest_ending: usize) -> String {
    let (stem, _) = split_name(file_name);
    let own = format!(".{}-{id}", sha256.get(..12).unwrap_or(sha256));
    cut(stem, MAX_NAME_BYTES.saturating_sub(own.len() + longest_ending)).to_owned() + &own
}

/// A name that this program gave, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenName<'n> {
    /// The first 12 digits of a content's hash.
    pub hash: &'n str,
    /// The entry, where the name says it.
    pub entry: Option<i64>,
    /// Whether it is that of rejected rows.
    pub is_rejected: bool,
}

/// Takes apart `<stem>.<first 12>[-<id>][.rejected].csv`; `None` for any other name.
pub fn given_name(name: &str) -> Option<GivenName<'_>> {
    let (stem, _) = split_name(name);
    let (stem, is_rejected) = match stem.strip_suffix(".rejected") {
        Some(stem) => (stem, true),
        None => (stem, false),
    };
    let (_, own) = stem.rsplit_once('.')?;
    let (hash, entry) = match own.split_once('-') {
        Some((hash, id)) => (hash, Some(id.parse().ok()?)),
        None => (own, None),
    };
    let is_hash = hash.len() == 12 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    is_hash.then_some(GivenName { hash, entry, is_rejected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_names_are_read_back_and_fit() {
        let long = "ä".repeat(200) + ".csv";
        for name in ["a.csv", "a.b.c.csv.gz", long.as_str()] {
            let private = private_name(7, 12, name);
            assert!(private.len() <= MAX_NAME_BYTES, "{}", private.len());
            let (id, claim_no, rest) = parse_private_name(&private).unwrap();
            assert!((id, claim_no) == (7, 12) && name.starts_with(rest));
        }
        assert_eq!(parse_private_name(&unfinished_name(7, 12, "part")), None);
        assert_eq!(parse_private_name(".iotpipe"), None);
    }

    #[test]
    fn endings() {
        for (name, stem, ending) in [
            ("x.csv.gz", "x", ".csv.gz"),
            ("x.LP", "x", ".LP"),
            ("a.b.ndjson.zst", "a.b", ".ndjson.zst"),
            ("x.gz", "x.gz", ".csv"),
            (".csv", ".csv", ".csv"),
            ("x.txt", "x.txt", ".csv"),
        ] {
            assert_eq!(split_name(name), (stem, ending), "{name}");
        }
    }

    #[test]
    fn names_that_were_given() {
        let parts = |name| given_name(name).map(|given| (given.hash, given.entry, given.is_rejected));
        assert_eq!(parts("a.0123456789ab-7.rejected.csv"), Some(("0123456789ab", Some(7), true)));
        assert_eq!(parts("a.0123456789ab.rejected.csv"), Some(("0123456789ab", None, true)));
        assert_eq!(parts("a.0123456789ab-7.csv"), Some(("0123456789ab", Some(7), false)));
        assert_eq!(parts("a.0123456789ab-7.rejected.jsonl"), Some(("0123456789ab", Some(7), true)));
        assert_eq!(parts("a.0123456789ab.csv.gz"), Some(("0123456789ab", None, false)));
        assert_eq!(parts("a.rejected.csv"), None);
        assert_eq!(parts("a.0123456789ab-x.csv"), None);
        assert_eq!(parts("a.%_%_%_%_%_%_.rejected.csv"), None);
        assert_eq!(
            given_name(&(own_stem(&("x".repeat(300) + ".csv"), "0123456789abcdef", 9, 20) + ".csv")).unwrap().entry,
            Some(9)
        );
    }
}
