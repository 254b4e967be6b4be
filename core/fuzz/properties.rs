//! What must hold for any bytes. The fuzz targets search for bytes for which it does not; `tests/corpus.rs` replays what
//! they saved, with an ordinary compiler.

use std::io::Read;

use iotpipe_core::contract::{Ambiguous, Contract, Decimal, TimestampFormat, parse_float, parse_integer};
use iotpipe_core::parse::{RowBlock, RowReader};
use iotpipe_core::reading::{Batch, Verdict};
use iotpipe_core::validate::{Layout, Validator};

/// Gives its bytes in pieces.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.len().min(self.1).min(buffer.len());
        buffer[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

/// Every byte is in exactly one row, or ends a line; and where nothing is wrong, the csv crate counts the same fields, and
/// reads the same where the header has one.
/// The first byte is the size of the pieces in which the rest is read, and of the blocks.
pub fn parser(data: &[u8]) {
    let Some((&size, file)) = data.split_first() else { return };
    let size = usize::from(size).max(1);
    let mut reader = RowReader::new(Pieces(file, size), b',', 0).with_block_bytes(size);
    let Some(header) = reader.header().unwrap() else { return };
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut rest = without(line_ends_before(file), &header.bytes);
    let width = header.names.len();
    let mut fields = vec![(width, header.names)];
    let mut well_formed = header.problem.is_none();
    let mut block = RowBlock::default();
    while let Some(next) = reader.next_block(block).unwrap() {
        for row in next.rows() {
            rest = without(if row.continuation { rest } else { line_ends_before(rest) }, row.bytes);
            well_formed &= row.problem.is_none();
            let kept = row.fields.len().min(width);
            fields.push((row.fields.len(), (0..kept).map(|i| row.fields.get(i).to_vec()).collect()));
        }
        block = next;
    }
    assert!(line_ends_before(rest).is_empty(), "bytes in no row: {rest:?}");
    // The crate takes a CR for the end of a line wherever it stands, and a second byte order mark for a first.
    if well_formed && !file.contains(&b'\r') && !file.starts_with(b"\xef\xbb\xbf") {
        let theirs = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file).into_byte_records();
        let theirs: Vec<(usize, Vec<Vec<u8>>)> = theirs
            .map(|record| record.unwrap())
            .map(|record| (record.len(), record.iter().take(width).map(<[u8]>::to_vec).collect()))
            .collect();
        assert_eq!(fields, theirs);
    }
}

/// Behind the line endings and empty lines that come next. A CR ends a line only before an LF or at the end.
fn line_ends_before(mut bytes: &[u8]) -> &[u8] {
    loop {
        bytes = match bytes {
            b"\r" => return &[],
            [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => rest,
            _ => return bytes,
        }
    }
}

fn without<'a>(bytes: &'a [u8], prefix: &[u8]) -> &'a [u8] {
    bytes.strip_prefix(prefix).unwrap_or_else(|| panic!("{prefix:?} is not what comes next in {bytes:?}"))
}

/// No text makes a time panic, the same text gives the same time, and it is in the years that every database keeps.
/// The first byte chooses the format.
pub fn timestamp(data: &[u8]) {
    let Some((&choice, text)) = data.split_first() else { return };
    let patterns = ["%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H.%M.%S", "%Y-%m-%dT%H:%M:%S%.f%z", "%s", "%F %I:%M %p", "%F"];
    let zones = ["UTC", "Europe/Rome", "America/Sao_Paulo"];
    let rules = [Ambiguous::Reject, Ambiguous::Earliest, Ambiguous::Latest];
    let format = match choice % 11 {
        0 => TimestampFormat::UnixSeconds,
        1 => TimestampFormat::UnixMillis,
        2 => TimestampFormat::UnixMicros,
        3 => TimestampFormat::UnixNanos,
        4 => TimestampFormat::Rfc3339,
        n => TimestampFormat::Pattern {
            pattern: patterns[usize::from(n - 5)].to_owned(),
            zone: jiff::tz::TimeZone::get(zones[usize::from(choice / 11) % 3]).unwrap(),
            ambiguous: rules[usize::from(choice / 33) % 3],
        },
    };
    let read = format.parse(text, Decimal::Point);
    assert_eq!(read, format.parse(text, Decimal::Point));
    if let Ok(micros) = read {
        assert!((-62_135_596_800_000_000..253_402_300_800_000_000).contains(&micros), "{micros}");
    }
    if let (TimestampFormat::UnixSeconds, Ok(micros), Ok(text)) = (&format, read, std::str::from_utf8(text))
        && let Ok(seconds) = text.parse::<i64>()
    {
        assert_eq!(micros, seconds * 1_000_000);
    }
}

/// Numbers are those of the standard library, without infinities and NaN; a comma stands where the point stood.
pub fn number(data: &[u8]) {
    let expected = std::str::from_utf8(data).ok().and_then(|text| text.parse::<f64>().ok()).filter(|v| v.is_finite());
    let ours = parse_float(data, Decimal::Point);
    assert_eq!(ours.map(f64::to_bits), expected.map(f64::to_bits), "{:?}", String::from_utf8_lossy(data));
    let integer = std::str::from_utf8(data).ok().and_then(|text| text.parse::<i64>().ok());
    match (parse_integer(data, Decimal::Point), integer) {
        (Some(ours), Some(theirs)) => assert_eq!(ours, theirs),
        (Some(ours), None) => assert_eq!(Some(ours as f64), expected),
        (None, theirs) => assert_eq!(theirs, None),
    }
    if data.len() <= 64 && !data.contains(&b',') {
        let with_comma: Vec<u8> = data.iter().map(|b| if *b == b'.' { b',' } else { *b }).collect();
        assert_eq!(parse_float(&with_comma, Decimal::Comma).map(f64::to_bits), expected.map(f64::to_bits));
    }
}

/// No text makes the declaration panic, and the same text is the same contract.
pub fn contract(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(contract) = Contract::from_toml(text) {
        let again = Contract::from_toml(text).unwrap();
        assert_eq!(contract.hash, again.hash);
        assert!(!contract.sensors.is_empty() && contract.window_micros > 0);
    }
}

/// Every row of a file gets one verdict, and every bad one a reason. The built-in contract judges; its header is put
/// before the bytes.
pub fn pass(data: &[u8]) {
    let contract = Contract::from_toml("").unwrap();
    let header = b"ts,device,co,humidity,light,lpg,motion,smoke,temp\n";
    let file: Vec<u8> = [header, data].concat();
    let mut reader = RowReader::new(file.as_slice(), b',', 0);
    let header = reader.header().unwrap().unwrap();
    let layout = Layout::bind(&contract, &header.names, "a.csv").unwrap();
    let mut validator = Validator::new(&contract, layout, 1_800_000_000_000_000);
    let (mut batch, mut rows) = (Batch::default(), 0);
    let mut block = RowBlock::default();
    while let Some(next) = reader.next_block(block).unwrap() {
        for row in next.rows() {
            rows += 1;
            validator.judge(&row, &mut batch);
        }
        block = next;
    }
    assert_eq!(batch.readings.len() + batch.rejections.len(), rows);
    for rejection in batch.rejections.iter().filter(|r| r.verdict != Verdict::Continuation) {
        assert!(!rejection.reasons.is_empty());
    }
    let mut last = 0;
    for reading in &batch.readings {
        assert!(reading.position.line > last && (reading.device as usize) < batch.new_devices.len());
        last = reading.position.line;
    }
}
