//! One streaming pass over one source file: parse, validate, hand to the sinks.
//!
//! A thread of its own parses and validates while the calling thread feeds the sinks, so that the work hides behind
//! the database. Memory is bounded by the batches under way, whatever the size of the file.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use iotpipe_core::contract::Contract;
use iotpipe_core::offences::Offences;
use iotpipe_core::parse::{Header, Problem, RowReader};
use iotpipe_core::reading::{Batch, Rule, Tally};
use iotpipe_core::validate::{FileRejection, Layout, Validator};

use super::batch_memory::{BatchMemory, Share};
use super::read_ahead::{HashingReader, ReadAhead};
use super::rejection_limit::{RejectionLimit, explain, refuse_when_too_many};
use crate::error::Error;
use crate::sink::Sink;
use crate::source::decompressed;

/// Batches that wait between the two threads: none. One is in the parser's hands and two are in those of the sinks.
const BATCHES_UNDER_WAY: usize = 0;

/// What is read in a pass.
pub struct PassInput<'a> {
    /// The file's bytes as they are stored.
    pub reader: Box<dyn Read + Send + 'a>,
    /// Path below the folder of its source, for contracts that take the device from it.
    pub path: &'a str,
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

enum Message {
    Header(Box<Header>),
    Batch(Batch),
}

/// Reads the file once and feeds `sinks`, each batch to one sink after the other, in their order.
///
/// # Errors
/// [`Error::Refused`] when the file as a whole breaks the contract, [`Error::Changed`] when its bytes are not those that
/// were discovered, and whatever a sink says. The sinks are finished only when all is well.
pub fn run_pass(input: PassInput<'_>, contract: &Contract, sinks: &mut [&mut dyn Sink]) -> Result<Tally, Error> {
    let (sender, receiver) = sync_channel(BATCHES_UNDER_WAY);
    let (expected, max_rejected_ratio) = (input.expected_sha256.to_owned(), input.max_rejected_ratio);
    let (share, path) = (input.memory.share(), input.path);
    let mut seen = Seen::default();
    let passed = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read(scope, input, contract, &sender_of(sender), &share));
        let written = dispatch(receiver, sinks, &share, &mut seen, path);
        let sha256 = match reader.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        match (written, sha256) {
            (Err(sink), _) => Err(sink),
            (Ok(_), Err(reading)) => Err(reading),
            (Ok(_), Ok(sha256)) if sha256 != expected => Err(Error::Changed),
            (Ok(()), Ok(_)) => Ok(()),
        }
    });
    let Seen { tally, offences } = seen;
    let judged = passed.and_then(|()| refuse_when_too_many(max_rejected_ratio, &tally));
    judged.map_err(|error| explain(error, contract, &offences, &tally))?;
    for sink in sinks.iter_mut() {
        sink.finish()?;
    }
    Ok(tally)
}

fn sender_of(sender: SyncSender<Message>) -> impl Fn(Message) -> bool {
    move |message| sender.send(message).is_ok()
}

/// What came by on its way to the sinks.
#[derive(Default)]
struct Seen {
    tally: Tally,
    offences: Offences,
}

/// Hands each batch to the sinks, one batch late: while the database works on one, the next is prepared.
fn dispatch(
    receiver: Receiver<Message>,
    sinks: &mut [&mut dyn Sink],
    share: &Share<'_>,
    seen: &mut Seen,
    path: &str,
) -> Result<(), Error> {
    let mut devices: Vec<String> = Vec::new();
    let mut write = |mut batch: Batch, devices: &[String], sinks: &mut [&mut dyn Sink]| {
        for sink in sinks {
            sink.write(&mut batch, devices)?;
        }
        seen.tally.count(&batch);
        seen.offences.add(&batch);
        share.learn(&batch, devices.len());
        share.give_back(batch);
        Ok::<(), Error>(())
    };
    let mut prepared: Option<Batch> = None;
    for message in receiver {
        match message {
            Message::Header(header) => sinks.iter_mut().try_for_each(|sink| sink.begin(&header))?,
            Message::Batch(mut batch) => {
                batch.remarks.drain(..).for_each(|remark| tracing::warn!(file = path, "{remark}"));
                devices.append(&mut batch.new_devices);
                sinks.iter_mut().try_for_each(|sink| sink.prepare(&batch, &devices))?;
                if let Some(earlier) = prepared.replace(batch) {
                    write(earlier, &devices, sinks)?;
                }
            }
        }
    }
    match prepared {
        Some(last) => write(last, &devices, sinks),
        None => Ok(()),
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
    let plain = decompressed(stored).map_err(unreadable)?;
    let mut rows = RowReader::new(plain, &contract.csv);
    let header = header_of(&mut rows, contract)?;
    let layout = Layout::bind(contract, &header.names, input.path).map_err(Error::Refused)?;
    let mut validator = Validator::new(contract, layout, input.path, input.discovered_at);
    let mut batch = share.first_batch();
    batch.skipped = header.skipped;
    let mut listening = send(Message::Header(Box::new(header)));
    let mut limit = RejectionLimit::new(input.max_rejected_ratio);
    let mut blocks = ReadAhead::begin(scope, rows);
    while listening && let Some(block) = blocks.next_block().map_err(unreadable)? {
        for row in block.rows() {
            let rejections = batch.rejections.len();
            validator.judge(&row, &mut batch);
            limit.check(&row, batch.rejections.get(rejections).map(|rejection| rejection.verdict))?;
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
        batch.skipped += block.skipped();
        blocks.give_back(block);
    }
    send(Message::Batch(batch));
    Ok(passed.sha256())
}

fn header_of(rows: &mut RowReader<impl Read>, contract: &Contract) -> Result<Header, Error> {
    let header = rows
        .header(&contract.csv)
        .map_err(unreadable)?
        .ok_or_else(|| Error::Refused(FileRejection::new(Rule::Empty, "the file has no header".to_owned())))?;
    if let Some(problem) = header.problem {
        let rule = if problem == Problem::TooLong { Rule::TooLong } else { Rule::UnclosedQuote };
        let message = "the header line is malformed: no column can be told from it".to_owned();
        return Err(Error::Refused(FileRejection::new(rule, message)));
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
            Error::Refused(FileRejection::new(Rule::Unreadable, format!("the file can't be read to its end: {source}")))
        }
        _ => Error::Source { path: "the file".into(), source },
    }
}
