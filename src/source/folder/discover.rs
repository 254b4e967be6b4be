//! Which files lie under `data/`.

use std::io;
use std::path::{Path, PathBuf};

use super::super::stamp::Stamp;
use super::names::parse_private_name;
use super::pattern::{is_never_taken, is_taken};

/// A file that the pattern takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Path below `data/`, as the manifest names it.
    pub source: String,
    /// Path to open.
    pub path: PathBuf,
    /// Size and time of the last change.
    pub stamp: Stamp,
}

impl Candidate {
    /// Name without its folders.
    pub fn file_name(&self) -> &str {
        self.source.rsplit('/').next().unwrap_or(&self.source)
    }
}

/// A file under a private name: in somebody's hand, or left by somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrayFile {
    /// Path below `data/`.
    pub source: String,
    /// Path to open.
    pub path: PathBuf,
    /// The entry that the name says.
    pub id: i64,
    /// The claim that it says.
    pub claim_no: i64,
    /// The delivered name, cut where it was too long.
    pub delivered: String,
}

/// What a look at the folder found.
#[derive(Debug, Default)]
pub struct Discovery {
    /// Files to take, by source.
    pub candidates: Vec<Candidate>,
    /// Files under private names.
    pub strays: Vec<StrayFile>,
    /// What was met and can't be taken, in words.
    pub problems: Vec<String>,
    /// What may surprise, in words.
    pub remarks: Vec<String>,
}

/// Lists the files under `data` that one of `patterns` takes. Symbolic links are not followed: nothing outside the folder is read.
///
/// # Errors
/// When the folder itself can't be listed.
pub fn discover(data: &Path, patterns: &[glob::Pattern]) -> io::Result<Discovery> {
    let (mut found, mut unmatched) = (Discovery::default(), Vec::new());
    let hidden = |e: &walkdir::DirEntry| {
        let name = e.file_name().as_encoded_bytes();
        e.depth() > 0 && name.starts_with(b".") && (e.file_type().is_dir() || !name.starts_with(b".iotpipe-"))
    };
    for entry in walkdir::WalkDir::new(data).sort_by_file_name().into_iter().filter_entry(|e| !hidden(e)) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(e) if e.depth() == 0 => return Err(e.into()),
            Err(e) if e.io_error().is_some_and(|e| e.kind() == io::ErrorKind::NotFound) => continue,
            Err(e) => {
                found.problems.push(format!("{e}"));
                continue;
            }
        };
        let relative = entry.path().strip_prefix(data).unwrap_or(entry.path());
        if let Some(stray) = stray(&entry, relative) {
            found.strays.push(stray);
            continue;
        }
        if entry.depth() == 0 {
            continue;
        }
        if !is_taken(relative, patterns) {
            if entry.file_type().is_file() && !is_never_taken(relative) {
                unmatched.push(relative.to_owned());
            }
            continue;
        }
        if entry.file_type().is_symlink() {
            found.problems.push(format!("{relative:?} is a symbolic link: not followed; put the file itself there"));
        } else if entry.file_type().is_dir() {
            found.remarks.push(format!("{relative:?} is a folder with the name of a file: looked into, not read"));
        } else if !entry.file_type().is_file() {
            found.problems.push(format!("{relative:?} is neither a file nor a folder: left where it is"));
        } else if let Some(source) = relative.to_str() {
            // A file that went away between the listing and this line is no longer a candidate.
            if let Ok(metadata) = entry.metadata() {
                let stamp = Stamp::of(&metadata);
                found.candidates.push(Candidate { source: source.to_owned(), path: entry.into_path(), stamp });
            }
        } else {
            found.problems.push(format!("{relative:?} has a name that is not UTF-8: left where it is; rename it"));
        }
    }
    found.remarks.extend(unmatched_remark(&unmatched));
    Ok(found)
}

/// Names files that the pattern does not take: it may be the pattern that is wrong.
fn unmatched_remark(unmatched: &[PathBuf]) -> Option<String> {
    let packed =
        |path: &&PathBuf| path.extension().is_some_and(|e| ["zip", "bz2", "xz", "7z", "lz4"].iter().any(|p| e == *p));
    let example = unmatched.first()?;
    let (files, verb) = if unmatched.len() == 1 { ("file", "does") } else { ("files", "do") };
    let hint = unmatched
        .iter()
        .find(packed)
        .map_or_else(String::new, |path| format!("; {path:?} must be unpacked: only gzip and zstd are read"));
    Some(format!("{} {files} {verb} not match source.pattern, for example {example:?}{hint}", unmatched.len()))
}

fn stray(entry: &walkdir::DirEntry, relative: &Path) -> Option<StrayFile> {
    let (id, claim_no, delivered) = parse_private_name(entry.file_name().to_str()?)?;
    let source = relative.to_str()?.to_owned();
    let path = entry.path().to_owned();
    entry.file_type().is_file().then(|| StrayFile { source, path, id, claim_no, delivered: delivered.to_owned() })
}
