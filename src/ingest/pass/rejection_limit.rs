//! When a file has so many bad rows, or so long a line, that it need not be read on.

use iotpipe_core::contract::{Contract, TimestampFormat};
use iotpipe_core::offences::Offences;
use iotpipe_core::parse::{FileFormat, RawRow};
use iotpipe_core::reading::{Rule, Tally, Verdict};
use iotpipe_core::validate::{FileRejection, advice_on_rows};

use crate::error::Error;

/// A file with a line longer than this, in bytes, is refused whole: a line that never ends would fill the disk twice.
const LONGEST_LINE: usize = 64 << 20;
/// Bytes of bad rows after which a file need not be read to its end to be refused for too many of them.
const ENOUGH_REJECTED: usize = 64 << 20;

/// Duplicates are no bad rows here, also where their values differ: the verdict must not depend on what is stored.
///
/// # Errors
/// [`Error::Refused`] when more rows are bad than the share `max_rejected_ratio` allows.
pub(super) fn refuse_when_too_many(max_rejected_ratio: f64, tally: &Tally) -> Result<(), Error> {
    let bad = tally.bad();
    if tally.total > 0 && bad as f64 / tally.total as f64 > max_rejected_ratio {
        return Err(Error::Refused(FileRejection::new(
            Rule::TooManyRejected,
            format!(
                "{bad} of {} rows break the contract, more than the {} that contract.max_rejected_ratio allows",
                tally.total, max_rejected_ratio
            ),
        )));
    }
    Ok(())
}

/// Says in a refusal for too many bad rows which rules they broke, and shows the first of them.
pub(super) fn explain(error: Error, contract: &Contract, offences: Offences, tally: &Tally) -> Error {
    match error {
        Error::Refused(refusal) if refusal.rule == Rule::TooManyRejected && !offences.is_empty() => {
            let hint = advice_on_rows(contract, &offences, tally.total);
            let message = format!("{}: {}{hint}", refusal.message, offences.summary());
            Error::Refused(FileRejection { message, offences: Box::new(offences), ..refusal })
        }
        error => error,
    }
}

/// What a contract might say instead, where it has all rows skipped, or where most rows have the device and time of another, and other values.
pub(super) fn remark_on_rows(contract: &Contract, format: FileFormat, tally: &Tally) -> Option<&'static str> {
    if format == FileFormat::LineProtocol && tally.total == 0 && tally.skipped > 0 {
        return Some("no line has a field that the contract names: see the sensors' `column`; other lines are skipped");
    }
    if contract.long.is_some() && tally.total == 0 && tally.skipped > 0 {
        return Some(
            "no row has a metric that the contract names: see the sensors' `column`; the others are skipped \
             (contract.unknown_metrics = \"ignore\")",
        );
    }
    let in_nanoseconds = contract.timestamp.formats.iter().any(|f| matches!(f, TimestampFormat::UnixNanos));
    match (2 * tally.differing > tally.total, in_nanoseconds) {
        (false, _) => None,
        (true, true) => Some(
            "most rows have the key of another, and other values: timestamps are kept to the microsecond, so rows of one \
             device that lie closer have the same key",
        ),
        (true, false) => Some(
            "most rows have the device and time of another, and other values: does the file have one row per measurement? \
             contract.layout = \"long\" reads it, with metric and value",
        ),
    }
}

/// Tells when a file need not be read on. By its rows, not by batches: the verdict must not depend on their size.
pub(super) struct RejectionLimit {
    max_rejected_ratio: f64,
    line_bytes: usize,
    rejected_bytes: usize,
    seen: Tally,
}

impl RejectionLimit {
    pub(super) fn new(max_rejected_ratio: f64) -> Self {
        Self { max_rejected_ratio, line_bytes: 0, rejected_bytes: 0, seen: Tally::default() }
    }

    /// Counts `row`, which was not skipped, with its verdict where it was rejected, and says when the file need not be read
    /// on.
    pub(super) fn check(&mut self, row: &RawRow<'_>, rejected: Option<Verdict>) -> Result<(), Error> {
        self.seen.total += i64::from(!row.continuation);
        if !matches!(rejected, Some(Verdict::Rejected | Verdict::Continuation)) {
            return Ok(());
        }
        self.line_bytes = if row.continuation { self.line_bytes + row.bytes.len() } else { 0 };
        if self.line_bytes > LONGEST_LINE {
            let message = format!("line {} is longer than {} MiB: is this a text file?", row.line, LONGEST_LINE >> 20);
            return Err(Error::Refused(FileRejection::new(Rule::TooLong, message)));
        }
        self.seen.rejected += i64::from(!row.continuation);
        self.rejected_bytes += row.bytes.len();
        if self.rejected_bytes > ENOUGH_REJECTED {
            refuse_when_too_many(self.max_rejected_ratio, &self.seen)?;
        }
        Ok(())
    }
}
