//! What must hold for any bytes. The fuzz targets search for bytes for which it does not; `tests/corpus.rs` replays what
//! they saved, with an ordinary compiler.

use std::io::Read;

use iotpipe_core::contract::{
    Ambiguous, Contract, CsvFormat, Decimal, Delimiter, TimestampFormat, parse_float, parse_integer,
};
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

/// Dialects that the first byte of the parser's input chooses from.
const DIALECTS: [&str; 4] = ["multiline = true", "", "comment = ['#', ',x']", "delimiter = 'whitespace'"];

/// Every byte is in exactly one row, ends a line, or stands in one that is counted as skipped; and where nothing is wrong,
/// the csv crate counts the same fields, and reads the same where the header has one.
/// The first byte is the size of the pieces in which the rest is read, and of the blocks, and chooses the dialect.
pub fn parser(data: &[u8]) {
    let Some((&choice, file)) = data.split_first() else { return };
    let (size, dialect) = (usize::from(choice % 64) + 1, usize::from(choice / 64));
    // Another encoding is no business of this, and neither is a line for spreadsheets.
    let separator = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let separator = separator.strip_prefix(b"\"").unwrap_or(separator).get(..4).map(<[u8]>::to_ascii_lowercase);
    if file.starts_with(b"\xff\xfe") || file.starts_with(b"\xfe\xff") || separator.as_deref() == Some(b"sep=") {
        return;
    }
    let csv = Contract::from_toml(&format!("[csv]\n{}", DIALECTS[dialect])).unwrap().csv;
    let mut reader = RowReader::new(Pieces(file, size), &csv).with_block_bytes(size);
    let Some(header) = reader.header(&csv).unwrap() else { return };
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let ends = if header.line_end == b"\r" { &b"\r\n"[..] } else { b"\n" };
    let mut skipped = 0;
    let mut rest = behind(file, &header.bytes, &csv, ends, true, &mut skipped);
    let width = header.names.len();
    let mut fields = vec![(width, header.names)];
    let mut well_formed = header.problem.is_none();
    let (mut block, mut counted) = (RowBlock::default(), header.skipped);
    while let Some(next) = reader.next_block(block).unwrap() {
        for row in next.rows() {
            rest = behind(rest, row.bytes, &csv, ends, false, &mut skipped);
            well_formed &= row.problem.is_none();
            let kept = row.fields.len().min(width);
            fields.push((row.fields.len(), (0..kept).map(|i| row.fields.get(i).to_vec()).collect()));
        }
        counted += next.skipped();
        block = next;
    }
    assert!(behind(rest, b"", &csv, ends, false, &mut skipped).is_empty(), "bytes in no row: {rest:?}");
    if dialect < 3 && !file.contains(&b'\r') {
        assert_eq!(counted, skipped, "lines that are no rows");
    }
    // The crate takes a CR for the end of a line wherever it stands, a second byte order mark for a first, and a quote
    // behind spaces for text; it counts empty fields behind those of the header.
    let is_plain =
        dialect == 0 && !file.contains(&b'\r') && !file.contains(&b' ') && !file.starts_with(b"\xef\xbb\xbf");
    if well_formed && is_plain {
        let theirs = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file).into_byte_records();
        let theirs: Vec<(usize, Vec<Vec<u8>>)> = theirs
            .map(|record| record.unwrap())
            .map(|record| {
                let surplus = record.len() > width && record.iter().skip(width).all(<[u8]>::is_empty);
                let len = if surplus { width } else { record.len() };
                (len, record.iter().take(width).map(<[u8]>::to_vec).collect())
            })
            .collect();
        assert_eq!(fields, theirs);
    }
}

/// Every byte of a file of JSON lines is in exactly one row, ends a line, or stands in one that is counted as skipped; and
/// a row is an object just where serde_json reads one. The first byte is the size of the pieces, and of the blocks.
pub fn json_lines(data: &[u8]) {
    let Some((&choice, file)) = data.split_first() else { return };
    let size = usize::from(choice % 64) + 1;
    if file.starts_with(b"\xff\xfe") || file.starts_with(b"\xfe\xff") {
        return;
    }
    let contract = Contract::from_toml("[csv]\ncomment = '//'\ndelimiter = 'whitespace'").unwrap();
    let mut reader = RowReader::json_lines(Pieces(file, size), &contract).with_block_bytes(size);
    let Some(header) = reader.header(&contract.csv).unwrap() else { return };
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let ends = if header.line_end == b"\r" { &b"\r\n"[..] } else { b"\n" };
    let (mut rest, mut skipped, mut counted, mut is_first) = (file, 0, header.skipped, true);
    let mut block = RowBlock::default();
    while let Some(next) = reader.next_block(block).unwrap() {
        for row in next.rows() {
            rest = behind(rest, row.bytes, &contract.csv, ends, std::mem::take(&mut is_first), &mut skipped);
            let theirs =
                serde_json::from_slice::<std::collections::BTreeMap<String, &serde_json::value::RawValue>>(row.bytes);
            assert_eq!(row.problem.is_none(), theirs.is_ok(), "{:?}", String::from_utf8_lossy(row.bytes));
        }
        counted += next.skipped();
        block = next;
    }
    assert!(behind(rest, b"", &contract.csv, ends, is_first, &mut skipped).is_empty(), "bytes in no row: {rest:?}");
    // Blanks behind the last line end are a line, too.
    let tail = file.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    skipped += u64::from(!tail.is_empty() && tail.trim_ascii().is_empty());
    if !file.contains(&b'\r') {
        assert_eq!(counted, skipped, "lines that are no rows");
    }
}

/// Every line of a file of line protocol is a row, with its bytes, or counted as skipped: an empty one, a comment, or one none
/// of whose fields is asked for. The first byte is the size of the pieces, and of the blocks.
pub fn line_protocol(data: &[u8]) {
    let Some((&choice, file)) = data.split_first() else { return };
    let size = usize::from(choice % 64) + 1;
    if file.starts_with(b"\xff\xfe") || file.starts_with(b"\xfe\xff") {
        return;
    }
    let contract =
        "[contract]\ntimestamp = { column = 'time', format = 'unix_nanos' }\n[[contract.sensor]]\nname = 't'";
    let contract = Contract::from_toml(contract).unwrap();
    let mut reader = RowReader::line_protocol(Pieces(file, size), &contract).with_block_bytes(size);
    let Some(header) = reader.header(&contract.csv).unwrap() else { return };
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let ends = if header.line_end == b"\r" { &b"\r\n"[..] } else { b"\n" };
    let mut lines = file.split(|byte| ends.contains(byte)).map(without_ends);
    let (mut rows, mut counted, mut block) = (0, header.skipped, RowBlock::default());
    while let Some(next) = reader.next_block(block).unwrap() {
        for row in next.rows() {
            rows += 1;
            let bytes = without_ends(row.bytes);
            let next = lines.find(|line| *line == bytes || !may_be_skipped(line));
            assert_eq!(next, Some(bytes), "what comes next");
            let has_sensor = row.bytes.windows(2).any(|pair| pair == b"t=");
            assert!(has_sensor || row.problem.is_some(), "{:?}", String::from_utf8_lossy(row.bytes));
        }
        counted += next.skipped();
        block = next;
    }
    assert!(lines.all(may_be_skipped), "a line that is neither a row nor skipped");
    if !file.contains(&b'\r') {
        let ended = file.iter().filter(|byte| **byte == b'\n').count() as u64;
        let all = ended + u64::from(!file.is_empty() && !file.ends_with(b"\n"));
        assert_eq!(counted + rows, all, "lines that are no rows");
    }
}

fn without_ends(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
    &line[..end]
}

/// Empty, a comment, or fields of other names.
fn may_be_skipped(line: &[u8]) -> bool {
    line.trim_ascii().is_empty() || line.starts_with(b"#") || line.contains(&b'=')
}

/// What comes behind `row`, which comes next in `bytes` behind line ends, empty lines and comments; their lines are counted.
/// All of these where `row` is empty. One of the bytes in `ends` ends a line.
fn behind<'a>(
    mut bytes: &'a [u8],
    row: &[u8],
    csv: &CsvFormat,
    ends: &[u8],
    mut at_line_start: bool,
    skipped: &mut u64,
) -> &'a [u8] {
    loop {
        let comment = csv.comments.iter().find(|comment| bytes.starts_with(comment.as_bytes()));
        if !row.is_empty() && bytes.starts_with(row) && comment.is_none() {
            return &bytes[row.len()..];
        }
        bytes = match bytes {
            _ if comment.is_some() => {
                *skipped += 1;
                at_line_start = false;
                let end = bytes.iter().position(|b| ends.contains(b)).unwrap_or(bytes.len());
                &bytes[end..]
            }
            [b'\n', rest @ ..] => {
                *skipped += u64::from(std::mem::replace(&mut at_line_start, true));
                rest
            }
            [b'\r', rest @ ..] => rest,
            [b' ' | b'\t' | b'\x0c', rest @ ..] if csv.delimiter == Delimiter::Whitespace => rest,
            _ if row.is_empty() => return bytes,
            _ => panic!("{row:?} is not what comes next in {bytes:?}"),
        }
    }
}

/// No text makes a time panic, the same text gives the same time, and it is in the years that every database keeps.
/// The first byte chooses the format.
pub fn timestamp(data: &[u8]) {
    let Some((&choice, text)) = data.split_first() else { return };
    let patterns = ["%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H.%M.%S", "%Y-%m-%dT%H:%M:%S%.f%z", "%s", "%F %I:%M %p", "%F"];
    let zones = ["UTC", "Europe/Rome", "America/Sao_Paulo"];
    let rules = [Ambiguous::Reject, Ambiguous::Earliest, Ambiguous::Latest];
    let zone = jiff::tz::TimeZone::get(zones[usize::from(choice / 12) % 3]).unwrap();
    let ambiguous = rules[usize::from(choice / 36) % 3];
    let format = match choice % 12 {
        0 => TimestampFormat::UnixSeconds,
        1 => TimestampFormat::UnixMillis,
        2 => TimestampFormat::UnixMicros,
        3 => TimestampFormat::UnixNanos,
        4 => TimestampFormat::Rfc3339,
        11 => TimestampFormat::excel_days(zone, ambiguous),
        n => TimestampFormat::pattern(patterns[usize::from(n - 5)], zone, ambiguous).unwrap(),
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

/// Every row of a file gets one verdict, and every bad one a reason. The built-in contract judges, in the layout that the
/// first byte chooses; its header is put before the bytes.
pub fn pass(data: &[u8]) {
    match data.split_first() {
        Some((b'L', rows)) => judged("[contract]\nlayout = 'long'", b"ts,device,metric,value\n", rows),
        Some((b'l', rows)) => {
            judged("[contract]\nlayout = 'long'\nunknown_metrics = 'reject'", b"value,metric,ts,device\n", rows);
        }
        _ => judged("", b"ts,device,co,humidity,light,lpg,motion,smoke,temp\n", data),
    }
}

fn judged(contract: &str, header: &[u8], rows: &[u8]) {
    let contract = Contract::from_toml(contract).unwrap();
    let file: Vec<u8> = [header, rows].concat();
    let mut reader = RowReader::new(file.as_slice(), &contract.csv);
    let header = reader.header(&contract.csv).unwrap().unwrap();
    let layout = Layout::bind(&contract, &header.names, "a.csv").unwrap();
    let mut validator = Validator::new(&contract, layout, "a.csv", 1_800_000_000_000_000);
    let (mut batch, mut rows) = (Batch::default(), 0);
    let mut block = RowBlock::default();
    while let Some(next) = reader.next_block(block).unwrap() {
        for row in next.rows() {
            rows += 1;
            validator.judge(&row, &mut batch);
        }
        block = next;
    }
    assert_eq!(batch.readings.len() + batch.rejections.len() + batch.skipped as usize, rows);
    for rejection in batch.rejections.iter().filter(|r| r.verdict != Verdict::Continuation) {
        assert!(!rejection.reasons.is_empty());
    }
    assert_eq!(batch.cells.len(), batch.readings.len() * contract.width());
    assert_eq!(batch.sensors.len(), if contract.long.is_some() { batch.readings.len() } else { 0 });
    let mut last = 0;
    for reading in &batch.readings {
        assert!(reading.position.line > last && (reading.device as usize) < batch.new_devices.len());
        last = reading.position.line;
    }
}
