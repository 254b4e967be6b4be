//! Rejections → `quarantine/`: the rows byte for byte, and the reasons beside them.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::row_sink::Sink;
use crate::error::Error;
use crate::failpoint;
use crate::source::{durable_rename, split_name};
use iotpipe_core::reading::{Batch, Rejection, Verdict};
use iotpipe_core::validate::FileRejection;

/// `.tmp` and an identity of 64 bits behind a name.
const LONGEST_TEMPORARY_ENDING: usize = ".9223372036854775807.tmp".len();
/// Longest file name that common file systems take, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// The names in the quarantine that belong to one source file.
#[derive(Debug, Clone)]
pub struct QuarantineNames {
    /// `<stem>.<first 12 of sha256>.rejected.csv`.
    pub rejected: PathBuf,
    /// `<stem>.<first 12 of sha256>.reasons.csv`.
    pub reasons: PathBuf,
    /// `<stem>.<first 12 of sha256>.csv` (or `.csv.gz`, …): the file itself, when it is refused whole.
    pub refused: PathBuf,
    /// Identity of the file in the manifest, for temporary names: two files of the same name and content may be in hand
    /// at once.
    owner: i64,
}

impl QuarantineNames {
    /// For the file called `file_name` with this content, whose identity in the manifest is `owner`.
    pub fn new(folder: &Path, file_name: &str, sha256: &str, owner: i64) -> Self {
        let (stem, extension) = split_name(file_name);
        let hash = sha256.get(..12).unwrap_or(sha256);
        let name = |ending: &str| {
            // Room is kept for the temporary name, so that a stem of any length can be written.
            let room =
                MAX_NAME_BYTES.saturating_sub(hash.len() + ending.len() + ".".len() * 2 + LONGEST_TEMPORARY_ENDING);
            let mut end = stem.len().min(room);
            while !stem.is_char_boundary(end) {
                end -= 1;
            }
            folder.join(format!("{}.{hash}{ending}", &stem[..end]))
        };
        Self { rejected: name(".rejected.csv"), reasons: name(".reasons.csv"), refused: name(extension), owner }
    }

    /// Takes away what an earlier pass left of the file's rows, whole or half-written.
    ///
    /// # Errors
    /// When the quarantine can't be written.
    pub fn remove_rows(&self) -> Result<(), Error> {
        for path in [&self.rejected, &self.reasons] {
            for path in [path, &self.temporary(path)] {
                match fs::remove_file(path) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::storage(path)(e)),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn temporary(&self, path: &Path) -> PathBuf {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.with_file_name(format!(".{name}.{}.tmp", self.owner))
    }
}

/// Writes the rejections of one pass. Nothing is created for a file without any.
pub struct QuarantineSink {
    names: QuarantineNames,
    header: Vec<u8>,
    header_lines: u64,
    line_end: &'static [u8],
    open: Option<OpenFiles>,
    /// Whether there may be half-written files.
    begun: bool,
}

struct OpenFiles {
    rejected: BufWriter<File>,
    reasons: csv::Writer<File>,
    next_line: u64,
}

impl QuarantineSink {
    /// For the file that `names` belong to.
    pub fn new(names: QuarantineNames) -> Self {
        Self { names, header: Vec::new(), header_lines: 1, line_end: b"\n", open: None, begun: false }
    }

    fn create(&self) -> Result<OpenFiles, Error> {
        let rejected = self.names.temporary(&self.names.rejected);
        let mut writer = BufWriter::new(File::create(&rejected).map_err(Error::storage(&rejected))?);
        writer.write_all(&self.header).map_err(Error::storage(&rejected))?;
        let reasons = reasons_writer(&self.names)?;
        Ok(OpenFiles { rejected: writer, reasons, next_line: self.header_lines + 1 })
    }

    fn append(&mut self, row: &[u8], rejection: &Rejection) -> Result<(), Error> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => {
                self.begun = true;
                self.create()?
            }
        };
        let failed = Error::storage(&self.names.rejected);
        if rejection.verdict != Verdict::Continuation {
            open.rejected.write_all(self.line_end).map_err(failed)?;
            let (line, rejected_line) = (rejection.position.line.to_string(), open.next_line.to_string());
            for r in &rejection.reasons {
                let record = [&line, &rejected_line, &r.column, &r.value, r.rule.as_str(), &r.message];
                open.reasons.write_record(record).map_err(|e| csv_failure(&self.names.reasons, e))?;
            }
            open.next_line += 1;
        }
        open.next_line += memchr::memchr_iter(b'\n', row).count() as u64;
        open.rejected.write_all(row).map_err(Error::storage(&self.names.rejected))?;
        self.open = Some(open);
        Ok(())
    }
}

impl Sink for QuarantineSink {
    fn begin(&mut self, header: &[u8]) -> Result<(), Error> {
        // The header comes with its line ending when that is CRLF, so that rows are given back as they came.
        self.line_end = if header.ends_with(b"\r") { b"\r\n" } else { b"\n" };
        self.header = header.strip_suffix(b"\r").unwrap_or(header).to_vec();
        self.header_lines = 1 + memchr::memchr_iter(b'\n', header).count() as u64;
        Ok(())
    }

    fn write(&mut self, batch: &mut Batch, _devices: &[String]) -> Result<(), Error> {
        for rejection in &batch.rejections {
            self.append(batch.row(rejection.position), rejection)?;
        }
        Ok(())
    }

    /// Both files stand under their names before the step commits: a crash in between leaves files that the next
    /// attempt writes again, never a commit without its files.
    fn finish(&mut self) -> Result<(), Error> {
        let Some(mut open) = self.open.take() else { return self.names.remove_rows() };
        let failed = || Error::storage(&self.names.rejected);
        open.rejected.write_all(self.line_end).map_err(failed())?;
        let file = open.rejected.into_inner().map_err(|e| failed()(e.into_error()))?;
        file.sync_all().map_err(failed())?;
        failpoint::reach("rejected-synced");
        durable_rename(&self.names.temporary(&self.names.rejected), &self.names.rejected)?;
        failpoint::reach("rejected-renamed");
        finish_reasons(open.reasons, &self.names)?;
        self.begun = false;
        Ok(())
    }
}

impl Drop for QuarantineSink {
    fn drop(&mut self) {
        if self.begun {
            let _ = fs::remove_file(self.names.temporary(&self.names.rejected));
            let _ = fs::remove_file(self.names.temporary(&self.names.reasons));
        }
    }
}

/// Writes the `.reasons.csv` of a file that is refused whole, and takes away what an earlier pass left of its rows.
///
/// # Errors
/// When the quarantine can't be written.
pub fn write_file_reason(names: &QuarantineNames, refusal: &FileRejection) -> Result<(), Error> {
    names.remove_rows()?;
    let mut reasons = reasons_writer(names)?;
    reasons
        .write_record(["", "", "", "", refusal.rule.as_str(), &refusal.message])
        .map_err(|e| csv_failure(&names.reasons, e))?;
    finish_reasons(reasons, names)
}

fn reasons_writer(names: &QuarantineNames) -> Result<csv::Writer<File>, Error> {
    let path = &names.reasons;
    let file = File::create(names.temporary(path)).map_err(Error::storage(path))?;
    let mut writer = csv::Writer::from_writer(file);
    writer
        .write_record(["line", "rejected_line", "column", "value", "rule", "message"])
        .map_err(|e| csv_failure(path, e))?;
    Ok(writer)
}

fn finish_reasons(writer: csv::Writer<File>, names: &QuarantineNames) -> Result<(), Error> {
    let path = &names.reasons;
    let file = writer.into_inner().map_err(|e| Error::storage(path)(std::io::Error::other(e.to_string())))?;
    file.sync_all().map_err(Error::storage(path))?;
    failpoint::reach("reasons-synced");
    durable_rename(&names.temporary(path), path)?;
    failpoint::reach("reasons-renamed");
    Ok(())
}

fn csv_failure(path: &Path, error: csv::Error) -> Error {
    Error::storage(path)(std::io::Error::other(error))
}
