//! Micro-benchmarks of the core: which part of a pass became slower, or faster. `make bench-core`

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use iotpipe_core::aggregate::Aggregates;
use iotpipe_core::contract::{
    Ambiguous, Contract, Decimal, TimestampFormat, TimestampParser, parse_float, parse_integer,
};
use iotpipe_core::parse::{Fields, RowBlock, RowReader};
use iotpipe_core::reading::Batch;
use iotpipe_core::validate::{Layout, Validator};
use jiff::{Timestamp, tz::TimeZone};

/// As most devices write.
const PLAIN: &str = "plain";
/// As the public data set is written: every field quoted, times in scientific notation, numbers with all their digits.
const QUOTED: &str = "quoted";
const STYLES: [&str; 2] = [PLAIN, QUOTED];
/// Rows of each file: more than fit into a processor's nearest caches, less than a batch of a pass.
const ROWS: u64 = 10_000;
/// One row in so many is out of range.
const SPOILT_EVERY: u64 = 50;
/// 2026-01-01 00:00 UTC, in microseconds since 1970-01-01 UTC, as every time here.
const START: u64 = 1_767_225_600_000_000;
/// 2027-01-15 08:00 UTC: "now" is fixed, so that each run gives the same verdicts.
const DISCOVERED_AT: i64 = 1_800_000_000_000_000;
const TIMESTAMP: &[usize] = &[0];
const NUMBERS: &[usize] = &[2, 3, 5, 7, 8];

fn main() {
    divan::main();
}

#[divan::bench(args = STYLES)]
fn parse(bencher: Bencher, style: &str) {
    let file = file(style);
    bencher.counter(BytesCount::of_slice(&file)).bench_local(|| {
        let mut fields = 0;
        each_row(&file, |row| fields += row.len());
        fields
    });
}

#[divan::bench(args = STYLES)]
fn parse_and_validate(bencher: Bencher, style: &str) {
    let (contract, file, mut batch) = (contract(), file(style), Batch::default());
    bencher.counter(BytesCount::of_slice(&file)).bench_local(|| {
        batch.clear();
        judge(&contract, &file, &mut batch);
        batch.readings.len()
    });
}

#[divan::bench]
fn parse_json_lines(bencher: Bencher) {
    let (contract, file) = (contract(), json_lines());
    bencher.counter(BytesCount::of_slice(&file)).bench_local(|| {
        let mut fields = 0;
        read_rows(RowReader::json_lines(&file[..], &contract), &contract, |row| fields += row.len());
        fields
    });
}

#[divan::bench]
fn aggregate(bencher: Bencher) {
    let (contract, mut batch) = (contract(), Batch::default());
    judge(&contract, &file(PLAIN), &mut batch);
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
        let times = texts(PLAIN, TIMESTAMP).into_iter();
        let times =
            times.filter_map(|text| Timestamp::from_microsecond(seconds.parse(&text, Decimal::Point).ok()?).ok());
        times.map(|time| write(time).into_bytes()).collect()
    };
    let (format, texts): (_, Vec<Vec<u8>>) = match form {
        "unix seconds" => (TimestampFormat::UnixSeconds, texts(PLAIN, TIMESTAMP)),
        "scientific" => (TimestampFormat::UnixSeconds, texts(QUOTED, TIMESTAMP)),
        "RFC 3339" => (TimestampFormat::Rfc3339, rewritten(&|time| time.to_string())),
        _ => {
            let texts = rewritten(&|time| zone.to_datetime(time).strftime(pattern).to_string());
            (TimestampFormat::pattern(pattern, zone, ambiguous).expect("a pattern of a full time"), texts)
        }
    };
    bencher.counter(ItemsCount::new(texts.len())).bench_local(|| {
        let parser = TimestampParser::new(std::slice::from_ref(&format), Decimal::Point);
        texts.iter().filter(|text| parser.parse(text).is_ok()).count()
    });
}

#[divan::bench(args = ["plain", "scientific", "comma", "integer"])]
fn numbers(bencher: Bencher, form: &str) {
    let mut texts = texts(if form == "scientific" { QUOTED } else { PLAIN }, NUMBERS);
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
    Contract::from_toml("").expect("the built-in contract")
}

/// A file of the built-in contract, in memory: the same bytes in each run.
fn file(style: &str) -> Vec<u8> {
    let mut file = String::new();
    push_row(&mut file, style, &["ts", "device", "co", "humidity", "light", "lpg", "motion", "smoke", "temp"]);
    let mut state = 42;
    for row in 0..ROWS {
        let device = ["b8:27:eb:bf:9d:51", "b8:27:eb:5d:d4:ca", "b8:27:eb:fc:0c:43"][(row % 3) as usize];
        let micros = START + 1_666_666 * row + random(&mut state) % 300_000;
        let mut measured = |from: f64, to: f64, decimals: usize| {
            let value = from + (to - from) * (random(&mut state) % 100_000) as f64 / 100_000.0;
            // Single precision written as double: where the data set's many digits come from.
            if style == QUOTED { f64::from(value as f32).to_string() } else { format!("{value:.decimals$}") }
        };
        let (co, humidity) = (measured(0.002, 0.009, 9), measured(45.0, 80.0, 1));
        let (lpg, smoke, temp) = (measured(0.003, 0.011, 9), measured(0.008, 0.03, 9), measured(10.0, 30.0, 1));
        let temp = if row.is_multiple_of(SPOILT_EVERY) { "999.9".to_owned() } else { temp };
        let (light, motion) = ((row / 3_000 % 2 == 0).to_string(), random(&mut state).is_multiple_of(20).to_string());
        let ts = time(style, micros);
        push_row(&mut file, style, &[&ts, device, &co, &humidity, &light, &lpg, &motion, &smoke, &temp]);
    }
    file.into_bytes()
}

fn push_row(file: &mut String, style: &str, fields: &[&str]) {
    let quote = if style == QUOTED { "\"" } else { "" };
    let fields: Vec<String> = fields.iter().map(|field| format!("{quote}{field}{quote}")).collect();
    *file += &fields.join(",");
    file.push('\n');
}

/// Seconds, with all their digits.
fn time(style: &str, micros: u64) -> String {
    if style == QUOTED {
        let digits = micros.to_string();
        format!("{}.{}E9", &digits[..1], digits[1..].trim_end_matches('0'))
    } else {
        format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

/// The next of some numbers that look random: Steele, Lea and Flood's SplitMix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The fields of all rows that stand in `columns`.
fn texts(style: &str, columns: &[usize]) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    each_row(&file(style), |row| texts.extend(columns.iter().map(|column| row.get(*column).to_vec())));
    texts
}

fn each_row(file: &[u8], take: impl FnMut(Fields<'_>)) {
    let contract = contract();
    read_rows(RowReader::new(file, &contract.csv), &contract, take);
}

fn read_rows(mut reader: RowReader<&[u8]>, contract: &Contract, mut take: impl FnMut(Fields<'_>)) {
    reader.header(&contract.csv).expect("memory can be read");
    let mut block = RowBlock::default();
    while let Some(next) = reader.next_block(block).expect("memory can be read") {
        next.rows().for_each(|row| take(row.fields));
        block = next;
    }
}

/// The rows of a plain file as objects.
fn json_lines() -> Vec<u8> {
    let mut lines = Vec::new();
    let names = ["ts", "device", "co", "humidity", "light", "lpg", "motion", "smoke", "temp"];
    each_row(&file(PLAIN), |row| {
        let pairs = names.iter().enumerate().map(|(n, name)| {
            let quote = if *name == "device" { "\"" } else { "" };
            format!("\"{name}\":{quote}{}{quote}", String::from_utf8_lossy(row.get(n)))
        });
        lines.extend(format!("{{{}}}\n", pairs.collect::<Vec<_>>().join(",")).bytes());
    });
    lines
}

fn judge(contract: &Contract, file: &[u8], batch: &mut Batch) {
    let mut reader = RowReader::new(file, &contract.csv);
    let header = reader.header(&contract.csv).expect("memory can be read").expect("every file begins with its header");
    let layout = Layout::bind(contract, &header.names, "").expect("the header names the contract's columns");
    let mut validator = Validator::new(contract, layout, "", DISCOVERED_AT);
    let mut block = RowBlock::default();
    while let Some(next) = reader.next_block(block).expect("memory can be read") {
        next.rows().for_each(|row| validator.judge(&row, batch));
        block = next;
    }
}
