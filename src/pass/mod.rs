//! One streaming pass over one source file: parse, validate, hand to the sinks.
//!
//! A thread of its own parses and validates while the calling thread feeds the sinks, so that the work hides behind
//! the database. Memory is bounded by the batches under way, whatever the size of the file.

mod ahead;
mod memory;

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use ahead::{HashingReader, RowsAhead};
pub use memory::BatchMemory;
use memory::Share;

use crate::contract::Contract;
use crate::error::Error;
use crate::parse::{Header, Problem, RawRow, RowReader};
use crate::reading::{Batch, Rule, Verdict};
use crate::sink::Sink;
use crate::source::Compression;
use crate::validate::{FileRejection, Layout, Validator};

/// Batches that wait between the two threads: none. One is in the parser's hands and two are in those of the sinks.
const BATCHES_UNDER_WAY: usize = 0;

/// A file with a line longer than this, in bytes, is refused whole: a line that never ends would fill the disk twice.
const LONGEST_LINE: usize = 64 << 20;
/// Bytes of bad rows after which a file need not be read to its end to be refused for too many of them.
const ENOUGH_REJECTED: usize = 64 << 20;

/// What is read in a pass.
pub struct PassInput<'a> {
    /// The file's bytes as they are stored.
    pub reader: Box<dyn Read + Send + 'a>,
    /// How they are compressed.
    pub compression: Compression,
    /// Name without folder, for contracts that take the device from it.
    pub file_name: &'a str,
    /// "Now" for the contract, microseconds since 1970-01-01 UTC.
    pub discovered_at: i64,
    /// Hash (hex) of the bytes that were discovered.
    pub expected_sha256: &'a str,
    /// Share of bad rows, 0 to 1, above which the file is refused.
    pub max_rejected_ratio: f64,
    /// What the passes of this process share.
    pub memory: &'a BatchMemory,
    /// Set when the pass should end early, rolled back.
    pub stop: &'a AtomicBool,
}

/// How many rows a pass saw, and where they went.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// All rows.
    pub total: i64,
    /// Readings that reached the sinks and stayed.
    pub loaded: i64,
    /// Rows that break the contract.
    pub rejected: i64,
    /// Rows whose key came before.
    pub duplicate: i64,
    /// Those of them whose values differ.
    pub differing: i64,
}

enum Message {
    Header(Vec<u8>),
    Batch(Batch),
}

/// Reads the file once and feeds `sinks`, each batch to one sink after the other, in their order.
///
/// # Errors
/// [`Error::Refused`] when the file as a whole breaks the contract, [`Error::Changed`] when its bytes are not those that
/// were discovered, and whatever a sink says. The sinks are finished only when all is well.
pub fn run(input: PassInput<'_>, contract: &Contract, sinks: &mut [&mut dyn Sink]) -> Result<Tally, Error> {
    let (sender, receiver) = sync_channel(BATCHES_UNDER_WAY);
    let (expected, max_rejected_ratio) = (input.expected_sha256.to_owned(), input.max_rejected_ratio);
    let share = input.memory.share();
    let tally = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read(scope, input, contract, &sender_of(sender), &share));
        let fed = feed(receiver, sinks, &share);
        let sha256 = match reader.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        match (fed, sha256) {
            (Err(sink), _) => Err(sink),
            (Ok(_), Err(reading)) => Err(reading),
            (Ok(_), Ok(sha256)) if sha256 != expected => Err(Error::Changed),
            (Ok(tally), Ok(_)) => Ok(tally),
        }
    })?;
    refuse_when_too_many(max_rejected_ratio, &tally)?;
    for sink in sinks.iter_mut() {
        sink.finish()?;
    }
    Ok(tally)
}

fn sender_of(sender: SyncSender<Message>) -> impl Fn(Message) -> bool {
    move |message| sender.send(message).is_ok()
}

fn refuse_when_too_many(max_rejected_ratio: f64, tally: &Tally) -> Result<(), Error> {
    let bad = tally.rejected + tally.differing;
    if tally.total > 0 && bad as f64 / tally.total as f64 > max_rejected_ratio {
        return Err(Error::Refused(FileRejection {
            rule: Rule::TooManyRejected,
            message: format!(
                "{bad} of {} rows break the contract, more than the {} that max_rejected_ratio allows",
                tally.total, max_rejected_ratio
            ),
        }));
    }
    Ok(())
}

fn feed(receiver: Receiver<Message>, sinks: &mut [&mut dyn Sink], share: &Share<'_>) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    let mut devices: Vec<String> = Vec::new();
    let mut give = |mut batch: Batch, devices: &[String], sinks: &mut [&mut dyn Sink]| {
        for sink in sinks {
            sink.take(&mut batch, devices)?;
        }
        tally.count(&batch);
        share.learn(&batch, devices.len());
        share.give_back(batch);
        Ok::<(), Error>(())
    };
    // A batch is given when the one behind it is there: the database works on the one while the other is prepared.
    let mut held: Option<Batch> = None;
    for message in receiver {
        match message {
            Message::Header(header) => sinks.iter_mut().try_for_each(|sink| sink.begin(&header))?,
            Message::Batch(mut batch) => {
                devices.append(&mut batch.new_devices);
                sinks.iter_mut().try_for_each(|sink| sink.offer(&batch, &devices))?;
                if let Some(earlier) = held.replace(batch) {
                    give(earlier, &devices, sinks)?;
                }
            }
        }
    }
    if let Some(last) = held {
        give(last, &devices, sinks)?;
    }
    Ok(tally)
}

impl Tally {
    fn count(&mut self, batch: &Batch) {
        self.loaded += batch.readings.len() as i64;
        for rejection in &batch.rejections {
            match rejection.verdict {
                Verdict::Rejected => self.rejected += 1,
                Verdict::Duplicate { same_values } => {
                    self.duplicate += 1;
                    self.differing += i64::from(!same_values);
                }
                Verdict::Continuation => {}
            }
        }
        self.total = self.loaded + self.rejected + self.duplicate;
    }
}

/// Tells when a file need not be read on. By its rows, not by batches: the verdict must not depend on their size.
struct Patience {
    max_rejected_ratio: f64,
    line_bytes: usize,
    rejected_bytes: usize,
    seen: Tally,
}

impl Patience {
    fn with(max_rejected_ratio: f64) -> Self {
        Self { max_rejected_ratio, line_bytes: 0, rejected_bytes: 0, seen: Tally::default() }
    }

    fn after(&mut self, row: &RawRow<'_>, rejected: bool) -> Result<(), Error> {
        self.seen.total += i64::from(!row.continuation);
        if !rejected {
            return Ok(());
        }
        self.line_bytes = if row.continuation { self.line_bytes + row.bytes.len() } else { 0 };
        if self.line_bytes > LONGEST_LINE {
            let message = format!("line {} is longer than {} MiB: is this a text file?", row.line, LONGEST_LINE >> 20);
            return Err(Error::Refused(FileRejection { rule: Rule::TooLong, message }));
        }
        self.seen.rejected += i64::from(!row.continuation);
        self.rejected_bytes += row.bytes.len();
        if self.rejected_bytes > ENOUGH_REJECTED {
            refuse_when_too_many(self.max_rejected_ratio, &self.seen)?;
        }
        Ok(())
    }
}

/// Judges to the end of the file; gives the hash of its bytes.
fn read<'scope>(
    scope: &'scope Scope<'scope, '_>,
    input: PassInput<'scope>,
    contract: &Contract,
    send: &dyn Fn(Message) -> bool,
    share: &Share<'_>,
) -> Result<String, Error> {
    let (stored, passed) = HashingReader::over(input.reader);
    let plain = input.compression.decode(stored).map_err(unreadable)?;
    let mut rows = RowReader::new(plain, contract.csv.delimiter, contract.csv.skip_lines);
    let header = header_of(&mut rows)?;
    let layout = Layout::bind(contract, &header.names, input.file_name).map_err(Error::Refused)?;
    let mut validator = Validator::new(contract, layout, input.discovered_at);
    let mut batch = share.first_batch();
    let mut listening = send(Message::Header(header.bytes));
    let mut patience = Patience::with(input.max_rejected_ratio);
    let mut blocks = RowsAhead::begin(scope, rows);
    while listening && let Some(block) = blocks.next_block().map_err(unreadable)? {
        for row in block.rows() {
            let rejections = batch.rejections.len();
            validator.judge(&row, &mut batch);
            patience.after(&row, batch.rejections.len() > rejections)?;
            if batch.weight() >= share.bytes() {
                if input.stop.load(Ordering::Relaxed) {
                    return Err(Error::Stopped);
                }
                listening = send(Message::Batch(std::mem::take(&mut batch)));
                if !listening {
                    break;
                }
                // Not before the batch is taken over: by then the sinks have given one back.
                batch = share.empty_batch();
            }
        }
        blocks.give_back(block);
    }
    send(Message::Batch(batch));
    Ok(passed.sha256())
}

fn header_of(rows: &mut RowReader<impl Read>) -> Result<Header, Error> {
    let header = rows.header().map_err(unreadable)?.ok_or_else(|| {
        Error::Refused(FileRejection { rule: Rule::Empty, message: "the file has no header".to_owned() })
    })?;
    if let Some(problem) = header.problem {
        let rule = if problem == Problem::TooLong { Rule::TooLong } else { Rule::UnclosedQuote };
        let message = "the header line is malformed: no column can be told from it".to_owned();
        return Err(Error::Refused(FileRejection { rule, message }));
    }
    Ok(header)
}

/// A read that fails halfway: broken compression is the file's fault, anything else the surroundings'.
fn unreadable(source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::Other
            if source.raw_os_error().is_none() =>
        {
            Error::Refused(FileRejection {
                rule: Rule::Unreadable,
                message: format!("the file can't be read to its end: {source}"),
            })
        }
        _ => Error::Source { path: "the file".into(), source },
    }
}
