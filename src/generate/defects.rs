//! Rows as text: right ones, and rows that break exactly one rule.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::curves::{self, Sample, push_fixed, push_scientific};

/// Header of the built-in contract.
const COLUMNS: [&str; 9] = ["ts", "device", "co", "humidity", "light", "lpg", "motion", "smoke", "temp"];
const TS: usize = 0;
const DEVICE: usize = 1;
const CO: usize = 2;
const HUMIDITY: usize = 3;
const LIGHT: usize = 4;
const LPG: usize = 5;
const MOTION: usize = 6;
const SMOKE: usize = 7;
const TEMP: usize = 8;

/// A row longer than this is too long.
const MAX_ROW_BYTES: usize = 1 << 20;

/// Good rows kept to be repeated; one row in `REMEMBER_EVERY` takes the place of the oldest.
const REMEMBERED: usize = 64;
const REMEMBER_EVERY: u64 = 97;

/// A way for a row to be wrong; each breaks the rule of the same name, and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Defect {
    /// The humidity is empty.
    Missing,
    /// The carbon monoxide is a word.
    NotANumber,
    /// The light is neither on nor off.
    NotABoolean,
    /// The timestamp is a word.
    BadTimestamp,
    /// The temperature is 999.9.
    OutOfRange,
    /// The last field is absent.
    FieldCount,
    /// The device's name has bytes that are no text.
    NotUtf8,
    /// The row is a little longer than 1 MiB.
    TooLong,
    /// The device's quote is not closed.
    UnclosedQuote,
    /// An earlier good row of the file once more, by turns with the same values and with another temperature.
    DuplicateKey,
}

impl Defect {
    /// Every defect.
    pub const ALL: [Defect; 10] = [
        Defect::Missing,
        Defect::NotANumber,
        Defect::NotABoolean,
        Defect::BadTimestamp,
        Defect::OutOfRange,
        Defect::FieldCount,
        Defect::NotUtf8,
        Defect::TooLong,
        Defect::UnclosedQuote,
        Defect::DuplicateKey,
    ];

    /// Every defect but [`Defect::TooLong`], a few of which would outweigh all other rows.
    pub fn defaults() -> Vec<Defect> {
        Defect::ALL.into_iter().filter(|d| *d != Defect::TooLong).collect()
    }

    /// Name of the rule that it breaks.
    pub fn as_str(self) -> &'static str {
        match self {
            Defect::Missing => "missing",
            Defect::NotANumber => "not_a_number",
            Defect::NotABoolean => "not_a_boolean",
            Defect::BadTimestamp => "bad_timestamp",
            Defect::OutOfRange => "out_of_range",
            Defect::FieldCount => "field_count",
            Defect::NotUtf8 => "not_utf8",
            Defect::TooLong => "too_long",
            Defect::UnclosedQuote => "unclosed_quote",
            Defect::DuplicateKey => "duplicate_key",
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Defect {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        UnknownName::find(name, &Defect::ALL, Defect::as_str)
    }
}

/// A name that is none of those that may be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is none of {known}")]
pub struct UnknownName {
    name: String,
    known: String,
}

impl UnknownName {
    pub(super) fn find<T: Copy>(name: &str, all: &[T], as_str: fn(T) -> &'static str) -> Result<T, UnknownName> {
        all.iter().copied().find(|t| as_str(*t) == name).ok_or_else(|| UnknownName {
            name: name.to_owned(),
            known: all.iter().map(|t| as_str(*t)).collect::<Vec<_>>().join(", "),
        })
    }
}

/// How fields are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// `1594598424.502334,b8:27:eb:…`
    #[default]
    Plain,
    /// As in the public data set: `"1.594598424502334E9","b8:27:eb:…"`, and the many digits of its values.
    Quoted,
}

impl Style {
    /// Every style.
    pub const ALL: [Style; 2] = [Style::Plain, Style::Quoted];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Style::Plain => "plain",
            Style::Quoted => "quoted",
        }
    }
}

impl FromStr for Style {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        UnknownName::find(name, &Style::ALL, Style::as_str)
    }
}

/// Appends the header line.
pub(super) fn push_header(line: &mut Vec<u8>, style: Style) {
    let header = match style {
        Style::Plain => COLUMNS.join(","),
        Style::Quoted => format!("\"{}\"", COLUMNS.join("\",\"")),
    };
    line.extend_from_slice(header.as_bytes());
    line.push(b'\n');
}

/// Appends the line of `sample`, spoilt by `defect`; a duplicate key needs no spoiling.
pub(super) fn push_row(line: &mut Vec<u8>, style: Style, name: &str, sample: &Sample, defect: Option<Defect>) {
    let count = if defect == Some(Defect::FieldCount) { COLUMNS.len() - 1 } else { COLUMNS.len() };
    for column in 0..count {
        // A quoted field without end is an unclosed quote before it is too long: the padding goes unquoted.
        let (open, close) = match (defect, column) {
            (Some(Defect::UnclosedQuote), DEVICE) => (true, false),
            (Some(Defect::TooLong), DEVICE) => (false, false),
            _ => (style == Style::Quoted, style == Style::Quoted),
        };
        if column > 0 {
            line.push(b',');
        }
        if open {
            line.push(b'"');
        }
        push_field(line, style, name, sample, defect, column);
        if close {
            line.push(b'"');
        }
    }
    line.push(b'\n');
}

fn push_field(line: &mut Vec<u8>, style: Style, name: &str, sample: &Sample, defect: Option<Defect>, column: usize) {
    match (defect, column) {
        (Some(Defect::BadTimestamp), TS) => line.extend_from_slice(b"yesterday"),
        (Some(Defect::NotUtf8), DEVICE) => line.extend_from_slice(b"b8:\xff\xfe:eb"),
        (Some(Defect::TooLong), DEVICE) => line.resize(line.len() + MAX_ROW_BYTES + 1, b'x'),
        (Some(Defect::NotANumber), CO) => line.extend_from_slice(b"ERR"),
        (Some(Defect::Missing), HUMIDITY) => {}
        (Some(Defect::NotABoolean), LIGHT) => line.extend_from_slice(b"maybe"),
        (Some(Defect::OutOfRange), TEMP) => line.extend_from_slice(b"999.9"),
        (_, TS) if style == Style::Quoted => push_scientific(line, sample.ts),
        (_, TS) => push_fixed(line, sample.ts, 6),
        (_, DEVICE) => line.extend_from_slice(name.as_bytes()),
        (_, CO) => push_measured(line, style, sample.co, 9),
        (_, HUMIDITY) => push_measured(line, style, sample.humidity, 1),
        (_, LIGHT) => push_boolean(line, sample.light),
        (_, LPG) => push_measured(line, style, sample.lpg, 9),
        (_, MOTION) => push_boolean(line, sample.motion),
        (_, SMOKE) => push_measured(line, style, sample.smoke, 9),
        _ => push_measured(line, style, sample.temp, 1),
    }
}

fn push_measured(line: &mut Vec<u8>, style: Style, value: i64, decimals: usize) {
    match style {
        Style::Plain => push_fixed(line, value, decimals),
        Style::Quoted => curves::push_widened(line, value, decimals),
    }
}

fn push_boolean(line: &mut Vec<u8>, value: bool) {
    line.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Decides which rows are defective. Draws its own random numbers, so that the right rows are the same with any error rate.
pub(super) struct Spoiler<'a> {
    defects: &'a [Defect],
    error_rate: f64,
    rng: ChaCha8Rng,
    turn: usize,
    good_rows: u64,
    remembered: Vec<Sample>,
    next_place: usize,
    /// Defective rows so far, by the rule that they break.
    pub(super) counts: BTreeMap<&'static str, u64>,
}

impl<'a> Spoiler<'a> {
    /// Chooses from `defects` (at least one if `error_rate` is above 0), beginning at another for each file.
    pub(super) fn new(defects: &'a [Defect], error_rate: f64, seed: u64, index: u32) -> Self {
        Spoiler {
            defects,
            error_rate,
            rng: curves::stream(seed, 2 * u64::from(index) + 1),
            turn: index as usize,
            good_rows: 0,
            remembered: Vec::with_capacity(REMEMBERED),
            next_place: 0,
            counts: BTreeMap::new(),
        }
    }

    /// The row to write instead of `sample`, and its defect.
    pub(super) fn spoil(&mut self, sample: Sample) -> (Sample, Option<Defect>) {
        if self.error_rate == 0.0 || !self.rng.random_bool(self.error_rate) {
            self.remember(sample);
            return (sample, None);
        }
        let defect = self.defects[self.turn % self.defects.len()];
        self.turn += 1;
        if defect == Defect::DuplicateKey && self.remembered.is_empty() {
            self.remember(sample);
            return (sample, None);
        }
        let count = self.counts.entry(defect.as_str()).or_default();
        *count += 1;
        if defect != Defect::DuplicateKey {
            return (sample, Some(defect));
        }
        let mut repeated = self.remembered[self.rng.random_range(0..self.remembered.len())];
        if count.is_multiple_of(2) {
            repeated.temp += if repeated.temp > 0 { -5 } else { 5 };
        }
        (repeated, Some(defect))
    }

    fn remember(&mut self, sample: Sample) {
        if self.remembered.len() < REMEMBERED {
            self.remembered.push(sample);
        } else if self.good_rows.is_multiple_of(REMEMBER_EVERY) {
            self.remembered[self.next_place] = sample;
            self.next_place = (self.next_place + 1) % REMEMBERED;
        }
        self.good_rows += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: Sample = Sample {
        device: 0,
        ts: 1_594_598_424_502_334,
        co: 4_955_938,
        humidity: 510,
        light: false,
        lpg: 7_650_822,
        motion: true,
        smoke: 20_411_270,
        temp: -7,
    };

    fn row(style: Style, defect: Option<Defect>) -> String {
        let mut line = Vec::new();
        push_row(&mut line, style, "b8:27", &SAMPLE, defect);
        String::from_utf8_lossy(&line).into_owned()
    }

    #[test]
    fn styles() {
        let plain = "1594598424.502334,b8:27,0.004955938,51.0,false,0.007650822,true,0.020411270,-0.7\n";
        assert_eq!(row(Style::Plain, None), plain);
        let quoted = "\"1.594598424502334E9\",\"b8:27\",\"0.004955938085913658\",\"51.0\",\"false\",\
                      \"0.007650821935385466\",\"true\",\"0.02041126973927021\",\"-0.699999988079071\"\n";
        assert_eq!(row(Style::Quoted, None), quoted);
    }

    #[test]
    fn a_defect_is_one_line() {
        for style in Style::ALL {
            for defect in Defect::ALL {
                let line = row(style, Some(defect));
                assert_eq!(line.matches('\n').count(), 1, "{defect}");
                assert_eq!(line == row(style, None), defect == Defect::DuplicateKey, "{defect}");
                assert_eq!(line.len() > MAX_ROW_BYTES, defect == Defect::TooLong, "{defect}");
                let commas = line.matches(',').count();
                assert_eq!(commas, if defect == Defect::FieldCount { 7 } else { 8 }, "{defect}");
            }
        }
    }

    #[test]
    fn an_unclosed_quote_is_malformed_on_its_own_line_or_runs_on() {
        let start = "1594598424.502334,\"b8:27,0.004955938,";
        assert!(row(Style::Plain, Some(Defect::UnclosedQuote)).starts_with(start));
        let start = "\"1.594598424502334E9\",\"b8:27,\"0.0049559";
        assert!(row(Style::Quoted, Some(Defect::UnclosedQuote)).starts_with(start));
    }

    #[test]
    fn names_go_there_and_back() {
        for defect in Defect::ALL {
            assert_eq!(defect.as_str().parse(), Ok(defect));
        }
        let error = "fancy".parse::<Style>().map_err(|e| e.to_string());
        assert_eq!(error, Err("\"fancy\" is none of plain, quoted".to_owned()));
    }
}
