//! What was learned, as a file for people.

use std::fmt::Write;

use super::columns::{Kind, TimeColumns, Values, values_of};
use super::table::{Column, Separator};
use crate::contract::{Contract, Decimal};
use crate::offences::Offences;
use crate::parse::{FileFormat, RowReader};
use crate::printable::toml_string;
use crate::reading::{Batch, Tally};
use crate::validate::{Layout, Validator};

/// A contract, and what it makes of the sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// `iotpipe.toml`, with comments.
    pub toml: String,
    /// Rows of the sample, and how many of them are loaded.
    pub rows: i64,
    /// Rows that the contract loads.
    pub loaded: i64,
    /// Why others are not, or why none can be; empty where all are.
    pub problem: String,
}

/// What the table `[csv]` is to have.
#[derive(Debug)]
pub(super) struct CsvKeys {
    pub(super) separator: Separator,
    pub(super) comment: Option<&'static str>,
    pub(super) encoding: Option<&'static str>,
    pub(super) skip_lines: usize,
    pub(super) skip_lines_after_header: usize,
    pub(super) header: Option<Vec<String>>,
}

impl Default for CsvKeys {
    fn default() -> Self {
        CsvKeys {
            separator: Separator::Character(','),
            comment: None,
            encoding: None,
            skip_lines: 0,
            skip_lines_after_header: 0,
            header: None,
        }
    }
}

/// What was guessed of a sample.
pub(super) struct Guess<'a> {
    pub(super) name: &'a str,
    pub(super) format: FileFormat,
    pub(super) csv: CsvKeys,
    pub(super) decimal: Decimal,
    pub(super) time: Option<TimeColumns>,
    pub(super) device: Option<usize>,
    pub(super) columns: &'a [Column],
}

/// Names of the columns of rows of one measurement.
const METRICS: &[&str] =
    &["metric", "_field", "parameter", "variable", "field", "measurement", "quantity", "observed_property", "property"];
const VALUES: &[&str] = &["value", "_value", "reading", "val", "result"];

impl Guess<'_> {
    /// The file, and what it makes of the sample `bytes`.
    pub(super) fn written(&self, bytes: &[u8]) -> Learned {
        let rules = format!("{}{}{}", self.csv(), self.contract(), self.sensors());
        let (rows, loaded, problem) = self.tried(&rules, bytes);
        let body = self.source() + &rules;
        let mut toml = format!("# Learned from {}: ", toml_string(self.name));
        let _ = match problem.as_str() {
            "" => writeln!(toml, "all {rows} rows of the sample are loaded by it."),
            _ => writeln!(
                toml,
                "{loaded} of {rows} rows of the sample are loaded by it.\n# {}",
                problem.replace('\n', " ")
            ),
        };
        toml.push_str("# Each guess has a comment: look at it. Every key: docs/contract.md\n\n");
        Learned { toml: toml + &body, rows, loaded, problem }
    }

    fn source(&self) -> String {
        let lower = self.name.to_lowercase();
        let bare = [".gz", ".zst"].iter().find_map(|ending| lower.strip_suffix(ending)).unwrap_or(&lower);
        let ending = bare.rsplit_once('.').map_or("", |(_, ending)| ending);
        let is_told = match self.format {
            FileFormat::JsonLines => matches!(ending, "jsonl" | "ndjson"),
            FileFormat::LineProtocol => false,
            FileFormat::Csv => ending == "csv",
        };
        if is_told {
            return String::new();
        }
        let format = match self.format {
            FileFormat::Csv => "csv",
            FileFormat::JsonLines => "jsonl",
            FileFormat::LineProtocol => "line_protocol",
        };
        let pattern = if ending.is_empty() { "**/*".to_owned() } else { format!("**/*.{ending}") };
        let pattern = if bare.len() < lower.len() { format!("{pattern}{}", &lower[bare.len()..]) } else { pattern };
        format!("[source]\nformat = \"{format}\"\npattern = {}   # which files are taken\n\n", toml_string(&pattern))
    }

    fn csv(&self) -> String {
        let CsvKeys { separator, comment, encoding, skip_lines, skip_lines_after_header, header } = &self.csv;
        let mut keys = String::new();
        if self.format == FileFormat::Csv {
            match separator {
                Separator::Character(',') => {}
                Separator::Character(c) => drop(writeln!(keys, "delimiter = {}", toml_string(&c.to_string()))),
                Separator::Whitespace => keys.push_str("delimiter = \"whitespace\"\n"),
            }
            if *skip_lines > 0 {
                let _ = writeln!(keys, "skip_lines = {skip_lines}   # lines before the header");
            }
            if *skip_lines_after_header > 0 {
                let _ = writeln!(keys, "skip_lines_after_header = {skip_lines_after_header}   # units, and the like");
            }
            if let Some(header) = header {
                let names: Vec<String> = header.iter().map(|name| toml_string(name)).collect();
                let _ = writeln!(
                    keys,
                    "# The file's own names are none, or stand twice: give each column a better one.\nheader = [{}]",
                    names.join(", ")
                );
            }
            if let Some(comment) = comment {
                let _ = writeln!(keys, "comment = {}   # lines that begin so are skipped", toml_string(comment));
            }
        }
        if self.decimal == Decimal::Comma {
            keys.push_str("decimal = \",\"\n");
        }
        if let Some(encoding) = encoding {
            let _ =
                writeln!(keys, "encoding = \"{encoding}\"   # a guess: look at letters such as é in the names below");
        }
        if keys.is_empty() { keys } else { format!("[csv]\n{keys}\n") }
    }

    fn contract(&self) -> String {
        let mut keys = format!("[contract]\n{}{}", self.timestamp(), self.device_line());
        if let Some((metric, value)) = self.measurement() {
            let [metric, value] = [metric, value].map(|at| toml_string(&self.columns[at].name));
            let _ =
                writeln!(keys, "layout = \"long\"   # each row is one measurement\nmetric = {metric}\nvalue = {value}");
        }
        keys + "\n"
    }

    fn timestamp(&self) -> String {
        let Some(time) = &self.time else {
            return "# No column was found that holds a time: say which, and how it is written.\n\
                    timestamp = { column = \"ts\", format = \"unix_seconds\" }\n"
                .to_owned();
        };
        let names: Vec<String> = time.at.iter().map(|at| toml_string(&self.columns[*at].name)).collect();
        let column = if names.len() == 1 { names[0].clone() } else { format!("[{}]", names.join(", ")) };
        let mut lines = String::new();
        if time.formats.len() > 1 {
            let _ = writeln!(
                lines,
                "# Others read the sample, too: {}. Which part is the day?",
                time.formats[1..].join(", ")
            );
        }
        let format = time.formats[0];
        let is_local = format.contains('%') && !["%z", "%Z", "%s"].iter().any(|zone| format.contains(zone))
            || format == "excel_days";
        if is_local {
            lines.push_str("# Local times: say where the clock is, such as zone = \"Europe/Rome\" or \"+01:00\".\n");
        }
        let zone = if is_local { ", zone = \"UTC\"" } else { "" };
        lines + &format!("timestamp = {{ column = {column}, format = {}{zone} }}\n", toml_string(format))
    }

    fn device_line(&self) -> String {
        match self.device {
            Some(at) => format!("device = {}   # whose the row is\n", toml_string(&self.columns[at].name)),
            None => {
                let stem = self.name.split('.').next().filter(|stem| !stem.is_empty()).unwrap_or("device-1");
                format!(
                    "# No column names the device: one name for all files, or {{ from_name = \"^(?<device>[^_]+)_\" }}, \
                     {{ from_path = \"…\" }}.\ndevice = {{ value = {} }}\n",
                    toml_string(stem)
                )
            }
        }
    }

    /// The columns of metric and value, where each row is one measurement.
    fn measurement(&self) -> Option<(usize, usize)> {
        let find = |names: &[&str]| {
            let called = |name: &&str| self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
            names.iter().find_map(called)
        };
        let (metric, value) = (find(METRICS)?, find(VALUES)?);
        (Some(metric) != self.device).then_some((metric, value))
    }

    fn sensors(&self) -> String {
        let mut names = Vec::new();
        let mut blocks = String::new();
        if let Some((metric, value)) = self.measurement() {
            let metrics = &self.columns[metric].values;
            let mut distinct: Vec<&String> = metrics.iter().filter(|metric| !metric.is_empty()).collect();
            distinct.sort_unstable();
            distinct.dedup();
            for metric in distinct {
                let rows = metrics.iter().zip(&self.columns[value].values).filter(|(of, _)| *of == metric);
                self.sensor(metric, &values_of(rows.map(|(_, value)| value), self.decimal), &mut names, &mut blocks);
            }
            return blocks;
        }
        for (at, column) in self.columns.iter().enumerate() {
            let is_used = self.time.as_ref().is_some_and(|time| time.at.contains(&at)) || self.device == Some(at);
            if is_used || column.name.is_empty() {
                continue;
            }
            self.sensor(&column.name, &values_of(column.values.iter(), self.decimal), &mut names, &mut blocks);
        }
        blocks
    }

    fn sensor(&self, column: &str, values: &Values, names: &mut Vec<String>, blocks: &mut String) {
        if values.kind == Kind::Empty {
            let _ = writeln!(blocks, "# {} has no value in the sample.\n", toml_string(column));
            return;
        }
        let name = sensor_name(column, names);
        let _ = writeln!(blocks, "[[contract.sensor]]\nname = \"{name}\"");
        if name != column {
            let _ = writeln!(blocks, "column = {}", toml_string(column));
        }
        match values.kind {
            Kind::Boolean => blocks.push_str("type = \"boolean\"\n"),
            Kind::Text => blocks
                .push_str("type = \"text\"   # stored, not aggregated; leave the block out where nobody asks for it\n"),
            Kind::Number | Kind::Empty => blocks.push_str("# min and max say what can't be true\n"),
        }
        if values.has_gaps {
            blocks.push_str("required = false   # some rows have none\n");
        }
        if values.has_unit {
            blocks.push_str(
                "strip_unit = true   # a unit stands behind the number; unit = \"…\" says which it must be\n",
            );
        }
        if !values.nulls.is_empty() {
            let nulls: Vec<String> = values.nulls.iter().map(|null| toml_string(null)).collect();
            let _ = writeln!(blocks, "null_values = [{}]   # no numbers: is that what they mean?", nulls.join(", "));
        }
        blocks.push('\n');
        names.push(name);
    }

    /// What the contract makes of the sample: rows, how many are loaded, and why others are not.
    fn tried(&self, toml: &str, bytes: &[u8]) -> (i64, i64, String) {
        let contract = match Contract::from_toml(toml) {
            Ok(contract) => contract,
            Err(e) => return (0, 0, format!("It is none yet: {e}")),
        };
        let mut rows = match self.format {
            FileFormat::Csv => RowReader::new(bytes, &contract.csv),
            FileFormat::JsonLines => RowReader::json_lines(bytes, &contract),
            FileFormat::LineProtocol => RowReader::line_protocol(bytes, &contract),
        };
        let Ok(Some(header)) = rows.header(&contract.csv) else {
            return (0, 0, "The sample has no header.".to_owned());
        };
        let layout = match Layout::bind(&contract, &header.names, self.name) {
            Ok(layout) if self.format == FileFormat::Csv => layout,
            Ok(layout) => layout.of_objects(),
            Err(refusal) => return (0, 0, refusal.message),
        };
        let mut validator = Validator::new(&contract, layout, self.name, i64::MAX);
        let (mut tally, mut offences, mut block) = (Tally::default(), Offences::default(), Default::default());
        while let Ok(Some(next)) = rows.next_block(block) {
            let mut batch = Batch::default();
            next.rows().for_each(|row| validator.judge(&row, &mut batch));
            tally.count(&batch);
            offences.add(&batch);
            block = next;
        }
        let problem = match (offences.first(), tally.total - tally.loaded) {
            ([], 0) if tally.total > 0 => String::new(),
            ([], 0) => "It has no rows that the contract would load.".to_owned(),
            ([], _) => "The others are headers that come again.".to_owned(),
            _ => offences.summary(),
        };
        (tally.total, tally.loaded, problem)
    }
}

/// A name for a database column, and for no other yet.
fn sensor_name(column: &str, names: &[String]) -> String {
    let plain = column.rsplit('.').next().filter(|last| !last.is_empty()).unwrap_or(column).to_lowercase();
    let mut name: String = plain.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    while name.contains("__") {
        name = name.replace("__", "_");
    }
    let name: String = name.trim_matches('_').chars().take(40).collect();
    let reserved = ["ts", "device", "file", "line_number", "file_id", "device_id", "device_", ""];
    let name = match name.chars().next() {
        Some(first) if first.is_ascii_digit() => format!("v_{name}"),
        _ if reserved.contains(&name.as_str()) => format!("v_{name}"),
        _ => name,
    };
    let is_free = |name: &String| !names.contains(name);
    let numbered = (2..).map(|n| format!("{name}_{n}"));
    std::iter::once(name.clone()).chain(numbered).find(is_free).unwrap_or(name)
}
