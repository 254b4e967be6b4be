//! Times by a strptime pattern, read more strictly than strptime does: digits that no separator keeps apart count.

use std::ops::Range;

use jiff::Span;
use jiff::civil;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::Offset;

use super::clock::{Clock, HH_MM, HHMM, spelled_out};
use super::instant::{leap_second, micros_of};
use super::local::LocalTime;
use crate::contract::number::is_mark_of_direction;

/// A strptime pattern and what is to be asked of texts that fit it.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As the contract has it.
    declared: String,
    local: LocalTime,
    readings: Vec<Reading>,
    digits: DigitRuns,
}

/// One way to read the pattern.
#[derive(Debug, Clone)]
struct Reading {
    pattern: String,
    /// The offset that its letters name: `Z`, or one of the contract's zones.
    offset: Option<Offset>,
}

/// The runs of digits that a text must have, as far as they can be told from the pattern.
#[derive(Debug, Clone, Default)]
struct DigitRuns {
    /// How many digits each run has; `None` where that may vary.
    lengths: Vec<Option<usize>>,
    /// The run at which hours and minutes begin that are read in another way than strptime does.
    clock: Option<(Clock, usize)>,
    /// Where the seconds stand: the run, and the place in it.
    second: Option<(usize, usize)>,
    /// Whether a year of four digits is asked for.
    full_year: bool,
}

impl Pattern {
    /// Local times are those of `local`, unless the text has an offset or, for `%Z`, one of `zone_names`.
    pub(super) fn new(declared: &str, local: LocalTime, zone_names: &[(String, Offset)]) -> Result<Pattern, String> {
        let expanded = declared
            .replace("%T", "%H:%M:%S")
            .replace("%R", "%H:%M")
            .replace("%F", "%Y-%m-%d")
            .replace("%D", "%m/%d/%y");
        let digits = DigitRuns::of(&expanded);
        let readings = readings(&expanded.replace(HHMM, "%H%M").replace(HH_MM, "%H:%M"), zone_names);
        let pattern = Pattern { declared: declared.to_owned(), local, readings, digits };
        pattern.check()?;
        Ok(pattern)
    }

    /// Whether it can be used at all.
    fn check(&self) -> Result<(), String> {
        let Some(Reading { pattern, .. }) = self.readings.first() else { return Ok(()) };
        // In the afternoon and within a second, so that an hour of twelve without AM or PM shows, and so does a fraction.
        let sample = civil::date(2001, 2, 3).at(16, 5, 6, 500_000_000).in_tz("UTC").map_err(|e| e.to_string())?;
        let text = BrokenDownTime::from(&sample).to_string(pattern).map_err(|e| e.to_string())?;
        let read = BrokenDownTime::parse(pattern, &text).map_err(|e| e.to_string())?;
        let has_second = read.second().is_some() || read.subsec_nanosecond().is_some();
        if read.iana_time_zone().is_some() {
            return Err("a zone's name in the row (%Q) is not supported; give the contract's `zone`".to_owned());
        }
        if read.timestamp().is_some() {
            return match read.subsec_nanosecond() {
                Some(_) => Err("%s with a fraction is not supported; the format `unix_seconds` reads it".to_owned()),
                None => Ok(()),
            };
        }
        if read.to_date().is_err() {
            return Err("the pattern names no full date".to_owned());
        }
        if read.hour().is_none() && (read.minute().is_some() || has_second) {
            return Err("the pattern names minutes or seconds but no hour".to_owned());
        }
        if read.hour().is_some() && read.to_time().map_err(|e| e.to_string())?.hour() != sample.hour() {
            return Err("the pattern names an hour of twelve (%I) but not whether AM or PM (%p)".to_owned());
        }
        Ok(())
    }

    /// Microseconds since 1970-01-01 UTC.
    pub(super) fn parse(&self, text: &str) -> Result<i64, String> {
        self.read(text).or_else(|problem| match self.tidied(text) {
            Some(tidied) => self.read(&tidied).map_err(|_| problem),
            None => Err(problem),
        })
    }

    fn read(&self, text: &str) -> Result<i64, String> {
        match self.digits.clock {
            None => self.parse_padded(text, 0),
            Some((clock, run)) => {
                let (padded, days) = clock.padded(text, digit_runs(text).nth(run))?;
                self.parse_padded(&padded, days)
            }
        }
    }

    fn parse_padded(&self, text: &str, days: i64) -> Result<i64, String> {
        let mut problem = None;
        for reading in &self.readings {
            match BrokenDownTime::parse(&reading.pattern, text) {
                Ok(time) => {
                    self.digits.check(&time, text)?;
                    return self.instant(&time, text, days, reading.offset);
                }
                Err(e) => problem = problem.or(Some(e)),
            }
        }
        let spelled =
            (self.declared.contains("%p") || self.declared.contains("%P")).then(|| spelled_out(text)).flatten();
        match spelled {
            Some(text) => self.parse_padded(&text, days),
            None => Err(self.misfit(text, problem)),
        }
    }

    /// `text` as strptime expects it, where a program followed a language's habits: no-break spaces, marks of direction,
    /// `Sept`, a comma before the fraction that `%.f` reads, a zone's name in parentheses behind all. `None` where it has
    /// nothing of that.
    #[cold]
    fn tidied(&self, text: &str) -> Option<String> {
        let is_seen = |c: &char| !is_mark_of_direction(*c);
        let spaced: String = text.chars().filter(is_seen).map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
        let mut tidied = spaced.trim();
        if !self.declared.contains('(') && tidied.ends_with(')') {
            tidied = tidied.rsplit_once(" (").map_or(tidied, |(time, _)| time);
        }
        let mut tidied = tidied.replace("Sept ", "Sep ").replace("sept ", "sep ").replace("Sept.", "Sep.");
        if self.declared.contains("%.f") {
            let behind = tidied.rfind(':').unwrap_or_default();
            let fraction = tidied[behind..].replacen(',', ".", 1);
            tidied.replace_range(behind.., &fraction);
        }
        (tidied != text).then_some(tidied)
    }

    /// Says that `text` does not fit, why, and what to write instead.
    #[cold]
    fn misfit(&self, text: &str, problem: Option<jiff::Error>) -> String {
        let why = problem.map_or_else(String::new, |e| format!(": {e}"));
        let has = |directive: &str| self.declared.contains(directive);
        let hint = match text {
            _ if has(".%f") && !text.contains('.') => " (%.f instead of .%f reads a fraction that may be absent)",
            _ if has("%S") && !has("%.f") && fraction_in(text) => " (%S%.f instead of %S reads a fraction)",
            _ if text.contains("24:00") && !has(HH_MM) => " (hh:mm instead of %H:%M reads 24:00, the end of a day)",
            _ if has("%b") && names_month(text, |name, word| name == word) => " (%B reads whole names of months)",
            _ if has("%B") && names_month(text, |name, word| word.len() == 3 && name.starts_with(word)) => {
                " (%b reads names of months that are cut to three letters)"
            }
            _ if (has("%b") || has("%B"))
                && !names_month(text, |name, word| word.len() > 2 && name.starts_with(word)) =>
            {
                " (names of months are read in English)"
            }
            _ if has("%Z") => " (contract.timestamp.zone_names says what offset a zone's name means)",
            _ => "",
        };
        format!("does not fit {}{why}{hint}", self.declared)
    }

    fn instant(&self, time: &BrokenDownTime, text: &str, days: i64, named: Option<Offset>) -> Result<i64, String> {
        let micros = if time.timestamp().is_some() || time.offset().is_some() {
            time.to_timestamp().map(micros_of).map_err(|e| e.to_string())?
        } else {
            let date = time.to_date().map_err(|e| e.to_string())?;
            let clock = match time.hour() {
                None => civil::Time::midnight(),
                Some(_) => time.to_time().map_err(|e| e.to_string())?,
            };
            let span = Span::new().try_days(days).map_err(|e| e.to_string())?;
            if days > 0 && clock != civil::Time::midnight() {
                return Err("24:00 is the end of a day: nothing comes behind it".to_owned());
            }
            let local = date.to_datetime(clock).checked_add(span).map_err(|e| e.to_string())?;
            match named {
                Some(offset) => offset.to_timestamp(local).map(micros_of).map_err(|e| e.to_string())?,
                None => self.local.micros(local)?,
            }
        };
        match time.second() == Some(59) && self.digits.names_second_60(text) {
            true => leap_second(micros, time.hour() == Some(23) && time.minute() == Some(59)),
            false => Ok(micros),
        }
    }
}

/// Offsets are read as `+0100`, `+01:00`, `+01` and `Z`, whichever the pattern has; zones by the names that mean an offset.
fn readings(pattern: &str, zone_names: &[(String, Offset)]) -> Vec<Reading> {
    if pattern.contains("%Z") {
        let utc = ["UTC", "GMT", "Z"].map(|name| (name.to_owned(), Offset::UTC));
        let named = |(name, offset): &(String, Offset)| {
            let of_offset = readings(&pattern.replacen("%Z", name, 1), zone_names);
            of_offset.into_iter().map(|r| Reading { offset: r.offset.or(Some(*offset)), ..r }).collect::<Vec<_>>()
        };
        return utc.iter().chain(zone_names).flat_map(named).collect();
    }
    let Some(directive) = ["%:::z", "%::z", "%:z", "%z"].into_iter().find(|d| pattern.contains(d)) else {
        return vec![Reading { pattern: pattern.to_owned(), offset: None }];
    };
    let with = |by: &str, offset| Reading { pattern: pattern.replacen(directive, by, 1), offset };
    vec![with("%z", None), with("%:::z", None), with("Z", Some(Offset::UTC)), with("z", Some(Offset::UTC))]
}

/// Whether a word of `text` is so like a month's English name.
fn names_month(text: &str, is_like: impl Fn(&str, &str) -> bool) -> bool {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let lower = text.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    words.any(|word| MONTHS.iter().any(|name| is_like(name, word)))
}

/// Whether a point or a comma stands between digits behind a colon: seconds with a fraction.
fn fraction_in(text: &str) -> bool {
    let behind = text.rsplit(':').next().unwrap_or_default();
    behind.find(['.', ',']).is_some_and(|at| behind[at + 1..].starts_with(|c: char| c.is_ascii_digit()))
        && text.contains(':')
}

impl DigitRuns {
    /// Of a pattern without shorthands.
    fn of(pattern: &str) -> DigitRuns {
        let mut runs = DigitRuns::default();
        let mut open: Vec<Option<usize>> = Vec::new();
        let mut rest = pattern;
        while let Some(c) = rest.chars().next() {
            if let Some(clock) = Clock::in_pattern(rest) {
                runs.close(&mut open);
                runs.clock = Some((clock, runs.lengths.len()));
                runs.lengths.extend(std::iter::repeat_n(None, clock.runs()));
                rest = &rest[clock.written().len()..];
                continue;
            }
            rest = &rest[c.len_utf8()..];
            if c != '%' {
                match c.is_ascii_digit() {
                    true => open.push(Some(1)),
                    false => runs.close(&mut open),
                }
                continue;
            }
            let behind = rest.trim_start_matches(['-', '_', '^', '#', ':']);
            let padded = behind.len() == rest.len();
            let behind = behind.trim_start_matches(|c: char| c.is_ascii_digit());
            let directive = behind.chars().next().unwrap_or('%');
            rest = behind.get(directive.len_utf8()..).unwrap_or_default();
            if matches!(directive, 'z' | 'Z') {
                // Behind an offset, or a zone's name, the runs can't be counted.
                break;
            }
            match width(directive) {
                None => runs.close(&mut open),
                Some(width) => {
                    match directive {
                        'Y' | 'G' => runs.full_year = true,
                        'S' => {
                            let before: Option<usize> = open.iter().copied().sum();
                            runs.second = before.map(|before| (runs.lengths.len(), before));
                        }
                        _ => {}
                    }
                    open.push(width.filter(|_| padded));
                }
            }
        }
        runs.close(&mut open);
        runs
    }

    /// Digits of several directives that nothing keeps apart are as many as the pattern says; those of one may vary.
    fn close(&mut self, open: &mut Vec<Option<usize>>) {
        match open.as_slice() {
            [] => {}
            [_] => self.lengths.push(None),
            several => self.lengths.push(several.iter().copied().sum()),
        }
        open.clear();
    }

    fn check(&self, time: &BrokenDownTime, text: &str) -> Result<(), String> {
        if self.full_year && time.year().is_some_and(|year| year < 1000) {
            return Err("its year has fewer than four digits (%y reads years of two)".to_owned());
        }
        if self.lengths.iter().all(Option::is_none) {
            return Ok(());
        }
        for (run, length) in digit_runs(text).zip(&self.lengths) {
            if length.is_some_and(|length| run.len() != length) {
                return Err(format!(
                    "\"{}\" has {} digits where the pattern has {}; hours and minutes of fewer are read by hhmm",
                    &text[run.clone()],
                    run.len(),
                    length.unwrap_or_default()
                ));
            }
        }
        Ok(())
    }

    fn names_second_60(&self, text: &str) -> bool {
        let Some((run, at)) = self.second else { return false };
        digit_runs(text).nth(run).is_some_and(|run| text[run].get(at..at + 2) == Some("60"))
    }
}

/// Digits that a directive takes at most; the inner `None` where that can't be told. The outer where it reads no digits.
fn width(directive: char) -> Option<Option<usize>> {
    match directive {
        'Y' | 'G' => Some(Some(4)),
        'j' => Some(Some(3)),
        'C' | 'y' | 'g' | 'm' | 'd' | 'H' | 'I' | 'M' | 'S' | 'U' | 'W' | 'V' => Some(Some(2)),
        'u' | 'w' => Some(Some(1)),
        'e' | 'k' | 'l' | 'f' | 'N' | 's' => Some(None),
        _ => None,
    }
}

fn digit_runs(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(|c: char| c.is_ascii_digit())?;
        let end = text[start..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |n| start + n);
        at = end;
        Some(start..end)
    })
}
