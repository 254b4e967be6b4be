//! Rejections → `quarantine/`: the rows byte for byte, and the reasons beside them.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::row_sink::Sink;
use super::typed::Typed;
use crate::error::Error;
use crate::failpoint;
use crate::source::{durable_rename, unfinished_name};
use crate::store::StoreError;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::offences::Offence;
use iotpipe_core::parse::{FileEncoding, FileFormat, Header};
use iotpipe_core::reading::{Batch, Rejection, Verdict};
use iotpipe_core::validate::FileRejection;

/// The names in the quarantine that belong to one entry's rows.
#[derive(Debug, Clone)]
pub struct QuarantineNames {
    /// What both names begin with, as the manifest records it.
    pub stem: String,
    /// `<stem>.rejected.csv`, or `.jsonl`, or `.lp`.
    pub rejected: PathBuf,
    /// `<stem>.reasons.csv`.
    pub reasons: PathBuf,
    /// The entry and its claim, for names of unfinished files.
    owner: (i64, i64),
    /// How many claims before this one ended without a word, and may have left unfinished files.
    earlier: i64,
}

impl QuarantineNames {
    /// Below `folder`, with names that begin with `stem`, for rows of this format, written by an entry (identity, claim) before which
    /// `earlier` claims ended without a word.
    pub fn new(folder: &Path, stem: &str, format: FileFormat, (id, claim_no): (i64, i64), earlier: i64) -> Self {
        Self {
            stem: stem.to_owned(),
            rejected: folder.join(format!("{stem}.rejected.{}", format.ending())),
            reasons: folder.join(format!("{stem}.reasons.csv")),
            owner: (id, claim_no),
            earlier,
        }
    }

    /// Takes away what an earlier pass left of the file's rows, whole or half-written.
    ///
    /// # Errors
    /// When the quarantine can't be written.
    pub fn remove_rows(&self) -> Result<(), Error> {
        for path in [&self.rejected, &self.reasons] {
            remove(path)?;
        }
        self.remove_unfinished()
    }

    /// Takes away what earlier claims did not finish writing.
    fn remove_unfinished(&self) -> Result<(), Error> {
        let (_, claim_no) = self.owner;
        for claim_no in (claim_no - self.earlier).max(0)..claim_no {
            for path in [&self.rejected, &self.reasons] {
                remove(&self.unfinished_of(path, claim_no))?;
            }
        }
        Ok(())
    }

    fn temporary(&self, path: &Path) -> PathBuf {
        self.unfinished_of(path, self.owner.1)
    }

    fn unfinished_of(&self, path: &Path, claim_no: i64) -> PathBuf {
        let what = if path == self.rejected { "rejected" } else { "reasons" };
        path.with_file_name(unfinished_name(self.owner.0, claim_no, what))
    }
}

/// `cell` behind an apostrophe where a spreadsheet would take it for a formula. Numbers are none. The rejected rows stay as
/// they came.
fn inert(cell: &str) -> Cow<'_, str> {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
    if is_formula { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::storage(path)(e)),
        _ => Ok(()),
    }
}

/// Writes the rejections of one pass. Nothing is created for a file without any.
pub struct QuarantineSink {
    names: QuarantineNames,
    header: Header,
    open: Option<OpenFiles>,
    /// Whether there may be half-written files.
    begun: bool,
    /// The name under which the file is held, where the names are those of an entry at work.
    held: Option<PathBuf>,
    /// What lies under the name of the rejected rows, until it is known whether somebody has typed into it.
    earlier: Option<Typed>,
}

struct OpenFiles {
    rejected: BufWriter<File>,
    reasons: csv::Writer<File>,
    next_line: u64,
    /// Whether something stands in the file that a line end has to end.
    begun: bool,
}

impl QuarantineSink {
    /// For the file that `names` belong to.
    pub fn new(names: QuarantineNames) -> Self {
        Self { names, header: Header::default(), open: None, begun: false, held: None, earlier: None }
    }

    /// Writes under the final names only while `path` exists. A worker whose claim was taken over has lost that name; the
    /// rows of its pass, late as they are, may not take the place of those of the newer claim.
    pub fn while_held(mut self, path: &Path) -> Self {
        self.held = Some(path.to_owned());
        self
    }

    fn create(&self) -> Result<OpenFiles, Error> {
        self.names.remove_unfinished()?;
        let rejected = self.names.temporary(&self.names.rejected);
        let mut writer = BufWriter::new(File::create_new(&rejected).map_err(Error::storage(&rejected))?);
        let mark = self.header.encoding.map_or(&b""[..], FileEncoding::mark);
        writer.write_all(mark).map_err(Error::storage(&rejected))?;
        let header = self.header.as_delivered(&self.header.bytes);
        writer.write_all(&header).map_err(Error::storage(&rejected))?;
        let reasons = reasons_writer(&self.names)?;
        let (next_line, begun) = (self.header.lines + 1, !header.is_empty());
        Ok(OpenFiles { rejected: writer, reasons, next_line, begun })
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
            if std::mem::replace(&mut open.begun, true) {
                open.rejected.write_all(&self.header.as_delivered(&self.header.line_end)).map_err(failed)?;
            }
            let (line, rejected_line) = (rejection.position.line.to_string(), open.next_line.to_string());
            for r in &rejection.reasons {
                let (column, value, message) = (inert(&r.column), inert(&r.value), inert(&r.message));
                let record = [&line, &rejected_line, &*column, &*value, r.rule.as_str(), &*message];
                open.reasons.write_record(record).map_err(|e| csv_failure(&self.names.reasons, e))?;
            }
            open.next_line += 1;
        }
        open.next_line += memchr::memchr_iter(b'\n', row).count() as u64;
        open.rejected.write_all(&self.header.as_delivered(row)).map_err(Error::storage(&self.names.rejected))?;
        self.open = Some(open);
        Ok(())
    }
}

impl Sink for QuarantineSink {
    fn begin(&mut self, header: &Header) -> Result<(), Error> {
        self.header = header.clone();
        self.earlier = Typed::open(&self.names.rejected, header)?;
        Ok(())
    }

    fn write(&mut self, batch: &mut Batch, _devices: &DeviceNames) -> Result<(), Error> {
        if let Some(earlier) = &mut self.earlier {
            earlier.see(batch).map_err(Error::storage(&self.names.rejected))?;
        }
        for rejection in &batch.rejections {
            self.append(batch.row(rejection.position), rejection)?;
        }
        Ok(())
    }

    /// Both files stand under their names before the step commits: a crash in between leaves files that the next
    /// attempt writes again, never a commit without its files.
    fn finish(&mut self) -> Result<(), Error> {
        let failed = || Error::storage(&self.names.rejected);
        let is_typed = self.earlier.take().map(Typed::end).transpose().map_err(failed())?.unwrap_or(false);
        if is_typed {
            let shown = self.names.rejected.display();
            tracing::warn!(
                "{shown} was changed since it was written: left as it is; `iotpipe replay` sends it through"
            );
        }
        let Some(mut open) = self.open.take() else {
            if self.names.owner.1 <= 1 {
                // Before the first claim there was no pass that could have left any.
                return Ok(());
            }
            expect_held(self.held.as_deref())?;
            return if is_typed { remove(&self.names.reasons) } else { self.names.remove_rows() };
        };
        let failed = || Error::storage(&self.names.rejected);
        open.rejected.write_all(&self.header.as_delivered(&self.header.line_end)).map_err(failed())?;
        let file = open.rejected.into_inner().map_err(|e| failed()(e.into_error()))?;
        file.sync_all().map_err(failed())?;
        failpoint::reach("rejected-synced");
        match is_typed {
            true => remove(&self.names.temporary(&self.names.rejected))?,
            false => publish(&self.names, &self.names.rejected, self.held.as_deref())?,
        }
        failpoint::reach("rejected-renamed");
        finish_reasons(open.reasons, &self.names, self.held.as_deref())?;
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

/// Writes the `.reasons.csv` of a file that is refused whole, and takes away what an earlier pass left of its rows, while
/// `held` exists.
///
/// # Errors
/// When the quarantine can't be written; [`StoreError::ClaimLost`].
pub fn write_file_reason(names: &QuarantineNames, refusal: &FileRejection, held: &Path) -> Result<(), Error> {
    expect_held(Some(held))?;
    failpoint::reach("refusing");
    names.remove_unfinished()?;
    // In the place of earlier reasons, never behind their removal: whose claim was taken over since it looked at `held`
    // would take away what the newer one wrote.
    let written = write_reason(names, refusal, held);
    if written.is_err() {
        // What went wrong first is what is told.
        let _ = fs::remove_file(names.temporary(&names.reasons));
    }
    written?;
    expect_held(Some(held))?;
    remove(&names.rejected)
}

fn write_reason(names: &QuarantineNames, refusal: &FileRejection, held: &Path) -> Result<(), Error> {
    let mut reasons = reasons_writer(names)?;
    let failed = |e| csv_failure(&names.reasons, e);
    reasons.write_record(["", "", "", "", refusal.rule.as_str(), &*inert(&refusal.message)]).map_err(failed)?;
    for Offence { line, reason } in refusal.offences.first() {
        let record = [&line.to_string(), "", &reason.column, &reason.value, reason.rule.as_str(), &reason.message];
        reasons.write_record(record).map_err(failed)?;
    }
    finish_reasons(reasons, names, Some(held))
}

/// A claim that was taken over has lost the name under which it held the file.
fn expect_held(held: Option<&Path>) -> Result<(), Error> {
    match held {
        Some(path) if path.symlink_metadata().is_err() => Err(Error::Store(StoreError::ClaimLost)),
        _ => Ok(()),
    }
}

/// Gives an unfinished file its name.
fn publish(names: &QuarantineNames, path: &Path, held: Option<&Path>) -> Result<(), Error> {
    expect_held(held)?;
    // Who took the claim over takes away what was not finished.
    durable_rename(&names.temporary(path), path).or_else(|error| expect_held(held).and(Err(error)))
}

fn reasons_writer(names: &QuarantineNames) -> Result<csv::Writer<File>, Error> {
    let path = &names.reasons;
    let file = File::create_new(names.temporary(path)).map_err(Error::storage(path))?;
    let mut writer = csv::Writer::from_writer(file);
    writer
        .write_record(["line", "rejected_line", "column", "value", "rule", "message"])
        .map_err(|e| csv_failure(path, e))?;
    Ok(writer)
}

fn finish_reasons(writer: csv::Writer<File>, names: &QuarantineNames, held: Option<&Path>) -> Result<(), Error> {
    let path = &names.reasons;
    let file = writer.into_inner().map_err(|e| Error::storage(path)(std::io::Error::other(e.to_string())))?;
    file.sync_all().map_err(Error::storage(path))?;
    failpoint::reach("reasons-synced");
    publish(names, path, held)?;
    failpoint::reach("reasons-renamed");
    Ok(())
}

fn csv_failure(path: &Path, error: csv::Error) -> Error {
    Error::storage(path)(std::io::Error::other(error))
}
