//! The quarantine as it should be ↔ the quarantine as it is.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::findings::Findings;
use super::quarantine::QuarantineNames;
use crate::error::Error;
use crate::source::open_file;
use iotpipe_core::reading::Rule;

/// A folder in which a second pass writes what the quarantine should hold. It goes when this is dropped.
pub struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    /// In `quarantine`, since there is room for the same again, hidden and named after the worker `owner`.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn new(quarantine: &Path, owner: i64) -> Result<Self, Error> {
        let folder = quarantine.join(format!(".verify.{owner}"));
        fs::create_dir_all(&folder).map_err(Error::storage(&folder))?;
        Ok(Self { folder })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A broken rule as `reasons.csv` has it, apart from its message.
#[derive(Debug, PartialEq, Eq)]
struct Reason {
    line: u64,
    rejected_line: u64,
    rest: [String; 3],
}

/// Says where `actual` is not what it should be. Streams both; messages are not compared, since those of duplicates
/// name a file that may have been taken out since.
///
/// # Errors
/// When a file can't be read.
pub fn compare_quarantine(
    expected: &QuarantineNames,
    actual: &QuarantineNames,
    findings: &mut Findings,
) -> Result<(), Error> {
    compare_reasons(&expected.reasons, &actual.reasons, findings)?;
    match (open(&expected.rejected)?, open(&actual.rejected)?) {
        (None, None) => {}
        (None, Some(_)) => findings.add(format!("{} holds rows that are no bad ones", actual.rejected.display())),
        (Some(_), None) => findings.add(format!("{} is gone", actual.rejected.display())),
        (Some(expected), Some(found)) => {
            if let Some(line) = first_difference(expected, found).map_err(Error::source(&actual.rejected))? {
                findings.add(format!("{} differs from its line {line} on", actual.rejected.display()));
            }
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<Option<BufReader<File>>, Error> {
    match open_file(path) {
        Ok(file) => Ok(Some(BufReader::with_capacity(1 << 16, file))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::source(path)(e)),
    }
}

fn first_difference(mut a: impl BufRead, mut b: impl BufRead) -> io::Result<Option<u64>> {
    let mut line = 1;
    loop {
        let (left, right) = (a.fill_buf()?, b.fill_buf()?);
        let n = left.len().min(right.len());
        if n == 0 {
            return Ok((left.len() != right.len()).then_some(line));
        }
        let same = (0..n).take_while(|&i| left[i] == right[i]).count();
        line += memchr::memchr_iter(b'\n', &left[..same]).count() as u64;
        if same < n {
            return Ok(Some(line));
        }
        a.consume(n);
        b.consume(n);
    }
}

fn compare_reasons(expected: &Path, actual: &Path, findings: &mut Findings) -> Result<(), Error> {
    let (mut expected, mut found) = (reasons(expected)?, reasons(actual)?);
    let (mut want, mut have) = (expected.next(), found.next());
    loop {
        let order = match (&want, &have) {
            (None, None) => return Ok(()),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(w), Some(h)) => w.line.cmp(&h.line),
        };
        match (order, &want, &have) {
            (std::cmp::Ordering::Less, Some(w), _) => {
                findings.add(match w.rest[2] == Rule::DuplicateKey.as_str() {
                    true => format!("line {} is neither in the database nor in {}", w.line, actual.display()),
                    false => format!("line {} ({}) is not in {}", w.line, w.rest[2], actual.display()),
                });
                want = expected.next();
            }
            (std::cmp::Ordering::Greater, _, Some(h)) => {
                findings.add(format!("{} has line {} ({}), which is no bad row", actual.display(), h.line, h.rest[2]));
                have = found.next();
            }
            _ => {
                if want != have {
                    let line = want.as_ref().map_or(0, |w| w.line);
                    findings.add(format!("{} gives other reasons for line {line}", actual.display()));
                }
                (want, have) = (expected.next(), found.next());
            }
        }
    }
}

fn reasons(path: &Path) -> Result<impl Iterator<Item = Reason> + use<>, Error> {
    let records = open(path)?.map(|file| csv::Reader::from_reader(file).into_records());
    Ok(records.into_iter().flatten().map_while(Result::ok).map(|record| {
        let text = |i: usize| record.get(i).unwrap_or_default();
        Reason {
            line: text(0).parse().unwrap_or(0),
            rejected_line: text(1).parse().unwrap_or(0),
            rest: [2, 3, 4].map(|i| text(i).to_owned()),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs() {
        let line = |a: &str, b: &str| first_difference(a.as_bytes(), b.as_bytes()).unwrap();
        assert_eq!(line("a\nb\n", "a\nb\n"), None);
        assert_eq!(line("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(line("a\nb\n", "a\n"), Some(2));
        assert_eq!(line("", "a"), Some(1));
    }
}
