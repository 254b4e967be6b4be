//! One streaming pass over one source file: parse, validate, hand to the sinks.
//!
//! A thread of its own parses and validates while the calling thread feeds the sinks, so that the work hides behind
//! the database; a file that is read at once needs none. Memory is bounded by the batches under way, whatever the size of the file.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use iotpipe_core::contract::Contract;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::offences::Offences;
use iotpipe_core::parse::{FileFormat, Header, Problem, RowBlock, RowReader};
use iotpipe_core::printable::excerpt;
use iotpipe_core::reading::{Batch, Rule, Tally};
use iotpipe_core::validate::{FileRejection, Layout, Validator, header_in_line};

use super::batch_memory::{BatchMemory, Share};
use super::read_ahead::{HashingReader, PassedBytes, ReadAhead};
use super::rejection_limit::{RejectionLimit, explain, refuse_when_too_many, remark_on_rows};
use crate::error::Error;
use crate::progress;
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
    /// What it is written in.
    pub format: FileFormat,
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
#[derive(Debug, Default)]
pub struct Passed {
    /// Its rows.
    pub tally: Tally,
    /// The devices of its readings, as [`Reading::device`] counts them.
    ///
    /// [`Reading::device`]: iotpipe_core::reading::Reading::device
    pub devices: DeviceNames,
    /// What was set aside.
    pub offences: Offences,
    /// Names of its columns that the contract does not have, as messages show them; the first of very many.
    pub unnamed_columns: Vec<String>,
}

/// Lines in which a header is looked for that is not where the contract has it.
const PREAMBLE: usize = 100;
/// Columns of one file that are noticed.
const MOST_UNNAMED: usize = 100;

enum Message {
    Header(Box<Header>),
    Batch(Box<Batch>),
}

/// Reads the file once and feeds `sinks`, each batch to one sink after the other, in their order.
///
/// # Errors
/// [`Error::Refused`] when the file as a whole breaks the contract, [`Error::Changed`] when its bytes are not those that
/// were discovered, and whatever a sink says. The sinks are finished only when all is well.
pub fn run_pass(input: PassInput<'_>, contract: &Contract, sinks: &mut [&mut dyn Sink]) -> Result<Passed, Error> {
    let (expected, max_rejected_ratio) = (input.expected_sha256.to_owned(), input.max_rejected_ratio);
    let (share, path, format) = (input.memory.share(), input.path, input.format);
    let mut opened = open(input, contract)?;
    let unnamed_columns = std::mem::take(&mut opened.unnamed_columns);
    let dispatch = Dispatch::to(sinks, &share, path);
    // All of a small file is there already: a thread would cost more than it does.
    let (written, sha256) = if opened.rows.at_end() {
        pass_at_once(opened, dispatch, &share)
    } else {
        pass_side_by_side(opened, dispatch, &share)
    };
    let passed = Passed { unnamed_columns, ..written? };
    let judged = match sha256 {
        Ok(sha256) if sha256 != expected => Err(Error::Changed),
        Ok(_) => refuse_when_too_many(max_rejected_ratio, &passed.tally),
        Err(reading) => Err(reading),
    };
    if let Err(error) = judged {
        return Err(explain(error, contract, passed.offences, &passed.tally));
    }
    for sink in sinks.iter_mut() {
        sink.finish()?;
    }
    if let Some(remark) = remark_on_rows(contract, format, &passed.tally) {
        tracing::warn!(file = path, "{remark}");
    }
    Ok(passed)
}

/// What the sinks made of the rows, and the hash of the bytes.
type Ended = (Result<Passed, Error>, Result<String, Error>);

fn pass_at_once(opened: OpenedFile<'_>, mut dispatch: Dispatch<'_, '_>, share: &Share<'_>) -> Ended {
    let mut failure = None;
    let mut send = |message| match dispatch.take(message) {
        Ok(()) => true,
        Err(e) => {
            failure = Some(e);
            false
        }
    };
    let OpenedFile { rows, judging, .. } = opened;
    let sha256 = judging.finish(ReadAhead::Here(Box::new(rows)), &mut send, share);
    match (failure, &sha256) {
        (Some(sink), _) => (Err(sink), sha256),
        (None, Err(_)) => (Ok(dispatch.passed), sha256),
        (None, Ok(_)) => (dispatch.end(), sha256),
    }
}

fn pass_side_by_side(opened: OpenedFile<'_>, mut dispatch: Dispatch<'_, '_>, share: &Share<'_>) -> Ended {
    let (sender, receiver) = sync_channel(BATCHES_UNDER_WAY);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let OpenedFile { rows, judging, .. } = opened;
            judging.finish(ReadAhead::begin(scope, rows), &mut |message| sender.send(message).is_ok(), share)
        });
        let written = dispatch.take_all(receiver).and_then(|()| dispatch.end());
        match reader.join() {
            Ok(sha256) => (written, sha256),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Hands each batch to the sinks, one batch late: while the database works on one, the next is prepared.
struct Dispatch<'a, 's> {
    sinks: &'a mut [&'s mut dyn Sink],
    share: &'a Share<'a>,
    prepared: Option<Batch>,
    passed: Passed,
    path: &'a str,
}

impl<'a, 's> Dispatch<'a, 's> {
    fn to(sinks: &'a mut [&'s mut dyn Sink], share: &'a Share<'a>, path: &'a str) -> Self {
        Dispatch { sinks, share, prepared: None, passed: Passed::default(), path }
    }

    /// The messages end with their sender; so do they with the first that a sink fails on.
    fn take_all(&mut self, messages: Receiver<Message>) -> Result<(), Error> {
        messages.into_iter().try_for_each(|message| self.take(message))
    }

    fn take(&mut self, message: Message) -> Result<(), Error> {
        match message {
            Message::Header(header) => self.sinks.iter_mut().try_for_each(|sink| sink.begin(&header)),
            Message::Batch(mut batch) => {
                batch.remarks.drain(..).for_each(|remark| tracing::warn!(file = self.path, "{remark}"));
                self.passed.devices.append(&batch.new_devices);
                batch.new_devices.clear();
                self.sinks.iter_mut().try_for_each(|sink| sink.prepare(&batch, &self.passed.devices))?;
                self.prepared.replace(*batch).map_or(Ok(()), |earlier| self.write(earlier))
            }
        }
    }

    fn end(mut self) -> Result<Passed, Error> {
        if let Some(last) = self.prepared.take() {
            self.write(last)?;
        }
        Ok(self.passed)
    }

    fn write(&mut self, mut batch: Batch) -> Result<(), Error> {
        for sink in self.sinks.iter_mut() {
            sink.write(&mut batch, &self.passed.devices)?;
        }
        self.passed.tally.count(&batch);
        self.passed.offences.add(&batch);
        progress::made();
        self.share.learn(&batch, self.passed.devices.len());
        self.share.give_back(batch);
        Ok(())
    }
}

/// A file whose header fits the contract.
struct OpenedFile<'a> {
    rows: RowReader<Box<dyn Read + Send + 'a>>,
    judging: Judging<'a>,
    unnamed_columns: Vec<String>,
}

/// What it takes to judge the rows behind the header.
struct Judging<'a> {
    header: Header,
    validator: Validator<'a>,
    passed: PassedBytes,
    max_rejected_ratio: f64,
    stop: &'a AtomicBool,
}

fn open<'a>(input: PassInput<'a>, contract: &'a Contract) -> Result<OpenedFile<'a>, Error> {
    let (stored, passed) = HashingReader::over(input.reader);
    let plain = decompressed(stored).map_err(unreadable)?;
    let mut rows = match input.format {
        FileFormat::Csv => RowReader::new(plain, &contract.csv),
        FileFormat::JsonLines => RowReader::json_lines(plain, contract),
        FileFormat::LineProtocol => RowReader::line_protocol(plain, contract),
    };
    let header = header_of(&mut rows, contract)?;
    let layout = match Layout::bind(contract, &header.names, input.path) {
        Ok(layout) => layout,
        Err(refusal) => return Err(Error::Refused(with_true_header(refusal, &header, &mut rows, contract))),
    };
    let layout = if input.format == FileFormat::Csv { layout } else { layout.of_objects() };
    let unnamed = layout.extra_columns().filter(|_| contract.csv.header.is_none()).take(MOST_UNNAMED);
    let unnamed_columns = unnamed.map(|name| excerpt(name.as_bytes())).collect();
    let validator = Validator::new(contract, layout, input.path, input.discovered_at);
    let PassInput { max_rejected_ratio, stop, .. } = input;
    let judging = Judging { header, validator, passed, max_rejected_ratio, stop };
    Ok(OpenedFile { rows, judging, unnamed_columns })
}

impl Judging<'_> {
    /// Judges to the end of the file, or until `send` says that nobody listens; gives the hash of its bytes.
    fn finish(
        mut self,
        mut blocks: ReadAhead<impl Read + Send>,
        send: &mut dyn FnMut(Message) -> bool,
        share: &Share<'_>,
    ) -> Result<String, Error> {
        let mut batch = share.first_batch();
        batch.skipped = self.header.skipped;
        let mut listening = send(Message::Header(Box::new(self.header)));
        let mut limit = RejectionLimit::new(self.max_rejected_ratio);
        while listening && let Some(block) = blocks.next_block().map_err(unreadable)? {
            for row in block.rows() {
                let (rejections, skipped) = (batch.rejections.len(), batch.skipped);
                self.validator.judge(&row, &mut batch);
                if batch.skipped == skipped {
                    limit.check(&row, batch.rejections.get(rejections).map(|rejection| rejection.verdict))?;
                }
                if batch.weight() >= share.bytes() {
                    if self.stop.load(Ordering::Relaxed) {
                        return Err(Error::Stopped);
                    }
                    listening = send(Message::Batch(Box::new(std::mem::take(&mut batch))));
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
        send(Message::Batch(Box::new(batch)));
        Ok(self.passed.sha256())
    }
}

/// Says where the header stands, if another of the first lines has the contract's names: lines before it are to be skipped.
fn with_true_header(
    refusal: FileRejection,
    header: &Header,
    rows: &mut RowReader<impl Read>,
    contract: &Contract,
) -> FileRejection {
    if refusal.rule != Rule::MissingColumn || contract.csv.header.is_some() {
        return refusal;
    }
    let skipped = header.bytes.split(|byte| header.line_end.last() == Some(byte));
    let before = match skipped.clone().nth(contract.csv.skip_lines as usize) {
        // It has some of the names itself.
        Some(line) if header_in_line(contract, line) => return refusal,
        _ => skipped.take(PREAMBLE).position(|line| header_in_line(contract, line)).map(|at| at as u64),
    };
    let lines = before.or_else(|| {
        let block = rows.next_block(RowBlock::default()).ok().flatten()?;
        let found = block.rows().take(PREAMBLE).find(|row| header_in_line(contract, row.bytes));
        found.map(|row| row.line - 1)
    });
    match lines {
        Some(lines) => {
            let message = format!("{}; line {} has the names: csv.skip_lines = {lines}", refusal.message, lines + 1);
            FileRejection { message, ..refusal }
        }
        None => refusal,
    }
}

fn header_of(rows: &mut RowReader<impl Read>, contract: &Contract) -> Result<Header, Error> {
    let header = rows
        .header(&contract.csv)
        .map_err(unreadable)?
        .ok_or_else(|| Error::Refused(FileRejection::new(Rule::Empty, "the file has no header".to_owned())))?;
    if let Some(problem) = header.problem {
        let rule = if problem == Problem::TooLong { Rule::TooLong } else { Rule::UnclosedQuote };
        let hint = match header.bytes.trim_ascii_start().first() {
            Some(b'{') => "where each line is a JSON object, source.format = \"jsonl\" reads them",
            Some(b'[') => {
                "if it is a list of JSON: `jq -c '.[]'` makes lines of it, which source.format = \"jsonl\" reads"
            }
            _ => "see csv.skip_lines and csv.multiline",
        };
        let message = format!("the header line is malformed: no column can be told from it; {hint}");
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
