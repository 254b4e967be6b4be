//! Micro-benchmarks of the core: which part of a pass became slower, or faster. `make bench-core`

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use iotpipe::aggregate::Aggregates;
use iotpipe::config::Config;
use iotpipe::contract::{Ambiguous, Contract, Decimal, TimestampFormat, TimestampParser, parse_float, parse_integer};
use iotpipe::generate::{Options, Style, generate};
use iotpipe::parse::{Fields, RowBlock, RowReader};
use iotpipe::reading::Batch;
use iotpipe::validate::{Layout, Validator};
use jiff::{Timestamp, tz::TimeZone};

/// Rows of each file: more than fit into a processor's nearest caches, less than a batch of a pass.
const ROWS: u64 = 10_000;
/// 2027-01-15 08:00 UTC: "now" is fixed, so that each run gives the same verdicts.
const DISCOVERED_AT: i64 = 1_800_000_000_000_000;
const TIMESTAMP: &[usize] = &[0];
const NUMBERS: &[usize] = &[2, 3, 5, 7, 8];

fn main() {
    divan::main();
}

#[divan::bench(args = Style::ALL)]
fn parse(bencher: Bencher, style: Style) {
    let file = file(style);
    bencher.counter(BytesCount::of_slice(&file)).bench_local(|| {
        let mut fields = 0;
        each_row(&file, |row| fields += row.len());
        fields
    });
}

#[divan::bench(args = Style::ALL)]
fn parse_and_validate(bencher: Bencher, style: Style) {
    let (contract, file, mut batch) = (contract(), file(style), Batch::default());
    bencher.counter(BytesCount::of_slice(&file)).bench_local(|| {
        batch.clear();
        judge(&contract, &file, &mut batch);
        batch.readings.len()
    });
}

#[divan::bench]
fn aggregate(bencher: Bencher) {
    let (contract, mut batch) = (contract(), Batch::default());
    judge(&contract, &file(Style::Plain), &mut batch);
    bencher.counter(ItemsCount::new(batch.readings.len())).bench_local(|| {
        let mut aggregates = Aggregates::new(&contract);
        aggregates.add(&batch);
        aggregates
    });
}

#[divan::bench(args = ["unix seconds", "scientific", "RFC 3339", "pattern"])]
fn timestamps(bencher: Bencher, form: &str) {
    let pattern = "%d/%m/%Y %H.%M.%S";
    let (zone, ambiguous) = (TimeZone::get("Europe/Rome").expect("a zone that jiff brings along"), Ambiguous::Earliest);
    let rewritten = |write: &dyn Fn(Timestamp) -> String| {
        let seconds = TimestampFormat::UnixSeconds;
        let times = texts(Style::Plain, TIMESTAMP).into_iter();
        let times =
            times.filter_map(|text| Timestamp::from_microsecond(seconds.parse(&text, Decimal::Point).ok()?).ok());
        times.map(|time| write(time).into_bytes()).collect()
    };
    let (format, texts): (_, Vec<Vec<u8>>) = match form {
        "unix seconds" => (TimestampFormat::UnixSeconds, texts(Style::Plain, TIMESTAMP)),
        "scientific" => (TimestampFormat::UnixSeconds, texts(Style::Quoted, TIMESTAMP)),
        "RFC 3339" => (TimestampFormat::Rfc3339, rewritten(&|time| time.to_string())),
        _ => {
            let texts = rewritten(&|time| zone.to_datetime(time).strftime(pattern).to_string());
            (TimestampFormat::Pattern { pattern: pattern.to_owned(), zone, ambiguous }, texts)
        }
    };
    bencher.counter(ItemsCount::new(texts.len())).bench_local(|| {
        let parser = TimestampParser::new(&format, Decimal::Point);
        texts.iter().filter(|text| parser.parse(text).is_ok()).count()
    });
}

#[divan::bench(args = ["plain", "scientific", "comma", "integer"])]
fn numbers(bencher: Bencher, form: &str) {
    let mut texts = texts(if form == "scientific" { Style::Quoted } else { Style::Plain }, NUMBERS);
    let decimal = if form == "comma" { Decimal::Comma } else { Decimal::Point };
    for text in &mut texts {
        match form {
            "comma" => text.iter_mut().filter(|byte| **byte == b'.').for_each(|byte| *byte = b','),
            "integer" => text.retain(u8::is_ascii_digit),
            _ => {}
        }
    }
    let is_read = |text: &&Vec<u8>| match form {
        "integer" => parse_integer(text, decimal).is_some(),
        _ => parse_float(text, decimal).is_some(),
    };
    bencher.counter(ItemsCount::new(texts.len())).bench_local(|| texts.iter().filter(is_read).count());
}

fn contract() -> Contract {
    Config::from_text("", None).expect("the built-in contract").contract
}

/// A file of the built-in contract, in memory.
fn file(style: Style) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder for the generator");
    let options = Options { rows: ROWS, error_rate: 0.02, style, seed: 42, ..Options::new(folder.path()) };
    let written = generate(&options).expect("the generator writes");
    std::fs::read(&written.paths[0]).expect("the file that was just written")
}

/// The fields of all rows that stand in `columns`.
fn texts(style: Style, columns: &[usize]) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    each_row(&file(style), |row| texts.extend(columns.iter().map(|column| row.get(*column).to_vec())));
    texts
}

fn each_row(file: &[u8], mut take: impl FnMut(Fields<'_>)) {
    let mut reader = RowReader::new(file, b',', 0);
    reader.header().expect("memory can be read");
    let mut block = RowBlock::default();
    while let Some(next) = reader.next_block(block).expect("memory can be read") {
        next.rows().for_each(|row| take(row.fields));
        block = next;
    }
}

fn judge(contract: &Contract, file: &[u8], batch: &mut Batch) {
    let mut reader = RowReader::new(file, contract.csv.delimiter, contract.csv.skip_lines);
    let header = reader.header().expect("memory can be read").expect("the generator writes a header");
    let layout = Layout::bind(contract, &header.names, "").expect("the generator writes the contract's columns");
    let mut validator = Validator::new(contract, layout, DISCOVERED_AT);
    let mut block = RowBlock::default();
    while let Some(next) = reader.next_block(block).expect("memory can be read") {
        next.rows().for_each(|row| validator.judge(&row, batch));
        block = next;
    }
}
