//! The rejections of a second pass ↔ the quarantine as it is. Nothing is written: both are compared as they pass by.

use std::fs::File;
use std::io::{self, BufReader};
use std::iter::Peekable;
use std::path::Path;

use super::findings::Findings;
use super::line_comparison::{Compared, LineComparison};
use super::quarantine::QuarantineNames;
use super::row_sink::Sink;
use crate::error::Error;
use crate::source::open_file;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::parse::{FileEncoding, Header};
use iotpipe_core::reading::{Batch, Reason, Rejection, Rule, Verdict};

/// How the file with the rejected rows compares with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectedRows {
    /// Byte for byte.
    Same,
    /// It is not there.
    Gone,
    /// Rows that break the contract were changed or taken away, from this line on: as a correction does.
    Corrected(u64),
    /// It has more rows, or others, than were set aside, from this line on.
    Other(u64),
}

/// Compares each rejection with what the quarantine has of it.
pub struct QuarantineAudit {
    names: QuarantineNames,
    header: Header,
    next_line: u64,
    rejected: Option<LineComparison<BufReader<File>>>,
    reasons: Peekable<Reasons>,
    is_empty: bool,
    findings: Findings,
}

impl QuarantineAudit {
    /// Of what lies under `names`.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn new(names: QuarantineNames) -> Result<Self, Error> {
        let rejected = open(&names.rejected)?.map(LineComparison::new);
        let reasons =
            Reasons(open(&names.reasons)?.map(|file| csv::Reader::from_reader(file).into_records())).peekable();
        Ok(Self {
            names,
            header: Header::default(),
            next_line: 0,
            rejected,
            reasons,
            is_empty: true,
            findings: Findings::default(),
        })
    }

    /// What differs among the reasons, and how the rejected rows compare.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn into_findings(mut self) -> Result<(Findings, RejectedRows), Error> {
        while let Some(more) = self.reasons.next() {
            self.no_bad_row(&more);
        }
        let rejected = match (self.is_empty, self.rejected) {
            (true, None) => RejectedRows::Same,
            (true, Some(_)) => {
                self.findings.add(format!("{} holds rows that are no bad ones", self.names.rejected.display()));
                RejectedRows::Same
            }
            (false, None) => RejectedRows::Gone,
            (false, Some(mut comparison)) => {
                comparison
                    .compare(&self.header.as_delivered(&self.header.line_end))
                    .map_err(Error::source(&self.names.rejected))?;
                match comparison.end().map_err(Error::source(&self.names.rejected))? {
                    Compared::Same => RejectedRows::Same,
                    Compared::Changed(line) => RejectedRows::Corrected(line),
                    Compared::Other(line) => RejectedRows::Other(line),
                }
            }
        };
        Ok((self.findings, rejected))
    }

    fn compare_rejected(&mut self, row: &[u8], rejection: &Rejection) -> io::Result<()> {
        let begins = std::mem::take(&mut self.is_empty);
        if begins {
            self.next_line = self.header.lines + 1;
        }
        let Some(comparison) = &mut self.rejected else { return Ok(()) };
        if begins {
            comparison.compare(self.header.encoding.map_or(&b""[..], FileEncoding::mark))?;
            comparison.compare(&self.header.as_delivered(&self.header.bytes))?;
        }
        if rejection.verdict != Verdict::Continuation {
            if !begins || !self.header.bytes.is_empty() {
                comparison.compare(&self.header.as_delivered(&self.header.line_end))?;
            }
            // Nobody corrects a repeat.
            comparison.may_change = rejection.verdict == Verdict::Rejected;
        }
        comparison.compare(&self.header.as_delivered(row))
    }

    fn compare_reasons(&mut self, rejection: &Rejection) {
        let line = rejection.position.line;
        while let Some(more) = self.reasons.next_if(|have| have.line < line) {
            self.no_bad_row(&more);
        }
        let shown = self.names.reasons.display().to_string();
        for reason in &rejection.reasons {
            let Some(have) = self.reasons.next_if(|have| have.line == line) else {
                self.findings.add(match reason.rule {
                    Rule::DuplicateKey => format!("line {line} is neither in the database nor in {shown}"),
                    rule => format!("line {line} ({}) is not in {shown}", rule.as_str()),
                });
                continue;
            };
            if have.rejected_line != self.next_line || !have.says(reason) {
                self.findings.add(format!("{shown} gives other reasons for line {line}"));
            }
        }
    }

    fn no_bad_row(&mut self, more: &Recorded) {
        let shown = self.names.reasons.display();
        self.findings.add(format!("{shown} has line {} ({}), which is no bad row", more.line, more.rule));
    }
}

impl Sink for QuarantineAudit {
    fn begin(&mut self, header: &Header) -> Result<(), Error> {
        self.header = header.clone();
        if let (Some(rejected), Some(last)) = (&mut self.rejected, header.line_end.last()) {
            rejected.line_end = *last;
        }
        Ok(())
    }

    fn write(&mut self, batch: &mut Batch, _devices: &DeviceNames) -> Result<(), Error> {
        for rejection in &batch.rejections {
            let row = batch.row(rejection.position);
            self.compare_rejected(row, rejection).map_err(Error::source(&self.names.rejected))?;
            if rejection.verdict != Verdict::Continuation {
                self.compare_reasons(rejection);
                self.next_line += 1;
            }
            self.next_line += memchr::memchr_iter(b'\n', row).count() as u64;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

fn open(path: &Path) -> Result<Option<BufReader<File>>, Error> {
    match open_file(path) {
        Ok(file) => Ok(Some(BufReader::with_capacity(1 << 16, file))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::source(path)(e)),
    }
}

/// A broken rule as `reasons.csv` has it, apart from its message: that of a repeat names a file that may have been taken out
/// since.
#[derive(Debug)]
struct Recorded {
    line: u64,
    rejected_line: u64,
    column: String,
    value: String,
    rule: String,
}

impl Recorded {
    /// The first version put no apostrophe before what a spreadsheet takes for a formula.
    fn says(&self, reason: &Reason) -> bool {
        let same = |cell: &str, text: &str| cell == text || cell.strip_prefix('\'') == Some(text);
        same(&self.column, &reason.column) && same(&self.value, &reason.value) && self.rule == reason.rule.as_str()
    }
}

/// The lines of a `reasons.csv`; none where there is no such file.
struct Reasons(Option<csv::StringRecordsIntoIter<BufReader<File>>>);

impl Iterator for Reasons {
    type Item = Recorded;

    fn next(&mut self) -> Option<Recorded> {
        let record = self.0.as_mut()?.next()?;
        // What can't be read is no line of any bad row.
        let record = record.unwrap_or_default();
        let text = |i: usize| record.get(i).unwrap_or_default().to_owned();
        Some(Recorded {
            line: text(0).parse().unwrap_or(0),
            rejected_line: text(1).parse().unwrap_or(0),
            column: text(2),
            value: text(3),
            rule: text(4),
        })
    }
}

/// The rule and the message that the `.reasons.csv` of a file refused whole gives; `None` where it is not there.
///
/// # Errors
/// When it can't be read.
pub fn file_reason(names: &QuarantineNames) -> Result<Option<(String, String)>, Error> {
    let Some(file) = open(&names.reasons)? else { return Ok(None) };
    let record = csv::Reader::from_reader(file).into_records().next().and_then(Result::ok).unwrap_or_default();
    let text = |i: usize| record.get(i).unwrap_or_default().to_owned();
    Ok(Some((text(4), text(5))))
}
