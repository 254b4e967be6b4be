//! One streaming pass over one source file: parse, validate, hand to the sinks.
//!
//! A thread of its own parses and validates while the calling thread feeds the sinks, so that the work hides behind
//! the database. Memory is bounded by the batches under way, whatever the size of the file.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use iotpipe_core::contract::Contract;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::parse::{Header, Problem, RowReader};
use iotpipe_core::reading::{Batch, Rule, Tally};
use iotpipe_core::validate::{FileRejection, Layout, Validator};

use super::batch_memory::{BatchMemory, Share};
use super::read_ahead::{HashingReader, ReadAhead};
use super::rejection_limit::{RejectionLimit, refuse_when_too_many};
use crate::error::Error;
use crate::sink::Sink;
use crate::source::Compression;

/// Batches that wait between the two threads: none. One is in the parser's hands and two are in those of the sinks.
const BATCHES_UNDER_WAY: usize = 0;

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

/// What a pass saw.
#[derive(Debug)]
pub struct Passed {
    /// Its rows.
    pub tally: Tally,
    /// The devices of its readings, as [`Reading::device`] counts them.
    ///
    /// [`Reading::device`]: iotpipe_core::reading::Reading::device
    pub devices: DeviceNames,
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
pub fn run_pass(input: PassInput<'_>, contract: &Contract, sinks: &mut [&mut dyn Sink]) -> Result<Passed, Error> {
    let (sender, receiver) = sync_channel(BATCHES_UNDER_WAY);
    let (expected, max_rejected_ratio) = (input.expected_sha256.to_owned(), input.max_rejected_ratio);
    let share = input.memory.share();
    let passed = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read(scope, input, contract, &sender_of(sender), &share));
        let written = dispatch(receiver, sinks, &share);
        let sha256 = match reader.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        match (written, sha256) {
            (Err(sink), _) => Err(sink),
            (Ok(_), Err(reading)) => Err(reading),
            (Ok(_), Ok(sha256)) if sha256 != expected => Err(Error::Changed),
            (Ok(passed), Ok(_)) => Ok(passed),
        }
    })?;
    refuse_when_too_many(max_rejected_ratio, &passed.tally)?;
    for sink in sinks.iter_mut() {
        sink.finish()?;
    }
    Ok(passed)
}

fn sender_of(sender: SyncSender<Message>) -> impl Fn(Message) -> bool {
    move |message| sender.send(message).is_ok()
}

/// Hands each batch to the sinks, one batch late: while the database works on one, the next is prepared.
fn dispatch(receiver: Receiver<Message>, sinks: &mut [&mut dyn Sink], share: &Share<'_>) -> Result<Passed, Error> {
    let mut tally = Tally::default();
    let mut devices = DeviceNames::default();
    let mut write = |mut batch: Batch, devices: &DeviceNames, sinks: &mut [&mut dyn Sink]| {
        for sink in sinks {
            sink.write(&mut batch, devices)?;
        }
        tally.count(&batch);
        share.learn(&batch, devices.len());
        share.give_back(batch);
        Ok::<(), Error>(())
    };
    let mut prepared: Option<Batch> = None;
    for message in receiver {
        match message {
            Message::Header(header) => sinks.iter_mut().try_for_each(|sink| sink.begin(&header))?,
            Message::Batch(mut batch) => {
                devices.append(&batch.new_devices);
                batch.new_devices.clear();
                sinks.iter_mut().try_for_each(|sink| sink.prepare(&batch, &devices))?;
                if let Some(earlier) = prepared.replace(batch) {
                    write(earlier, &devices, sinks)?;
                }
            }
        }
    }
    if let Some(last) = prepared {
        write(last, &devices, sinks)?;
    }
    Ok(Passed { tally, devices })
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
    let mut limit = RejectionLimit::new(input.max_rejected_ratio);
    let mut blocks = ReadAhead::begin(scope, rows);
    while listening && let Some(block) = blocks.next_block().map_err(unreadable)? {
        for row in block.rows() {
            let rejections = batch.rejections.len();
            validator.judge(&row, &mut batch);
            limit.check(&row, batch.rejections.len() > rejections)?;
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
