//! A contract learned from a sample of a file: what its rows look like, and what whoever knows the devices has to decide.

mod columns;
mod objects;
mod table;
mod text;
mod written;

use crate::contract::Decimal;
use crate::parse::FileFormat;
use columns::{decimal_of, device_column, time_columns};
use objects::{columns_of_lines, columns_of_objects};
use table::{Column, Separator, Table};
use text::SampleText;
pub use written::Learned;
use written::{CsvKeys, Guess};

/// The contract that the first `bytes` of the file `name` ask for; all of it where `is_whole`. `None` where no rows can be
/// told from them.
pub fn contract_of_sample(bytes: &[u8], is_whole: bool, name: &str) -> Option<Learned> {
    let SampleText { lines, encoding } = SampleText::of(bytes, is_whole);
    let first = lines.iter().find(|line| !line.trim().is_empty() && !line.starts_with(['#', '/']))?;
    let format = match first.trim_start() {
        line if line.starts_with('{') => FileFormat::JsonLines,
        line if is_line_protocol(line) => FileFormat::LineProtocol,
        _ => FileFormat::Csv,
    };
    let (csv, columns) = match format {
        FileFormat::JsonLines => (CsvKeys { encoding, ..CsvKeys::default() }, columns_of_objects(&lines)),
        FileFormat::LineProtocol => (CsvKeys { encoding, ..CsvKeys::default() }, columns_of_lines(&lines)),
        FileFormat::Csv => columns_of_table(&lines, encoding)?,
    };
    let columns: Vec<Column> = columns;
    if columns.iter().all(|column| column.values.is_empty()) {
        return None;
    }
    let decimal = if csv.separator == Separator::Character(',') { Decimal::Point } else { decimal_of(&columns) };
    let time = time_columns(&columns, decimal);
    let taken = time.as_ref().map(|time| time.at.clone()).unwrap_or_default();
    let device = device_column(&columns, &taken);
    Some(Guess { name, format, csv, decimal, time, device, columns: &columns }.written(bytes))
}

fn is_line_protocol(line: &str) -> bool {
    let mut parts = line.rsplit(' ');
    let is_time = parts.next().is_some_and(|time| time.len() > 8 && time.bytes().all(|byte| byte.is_ascii_digit()));
    is_time && parts.next().is_some_and(|fields| fields.contains('=')) && parts.next().is_some()
}

fn columns_of_table(lines: &[String], encoding: Option<&'static str>) -> Option<(CsvKeys, Vec<Column>)> {
    let mut table = Table::of(lines)?;
    let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let is_repeated = |name: &String| !name.is_empty() && names.iter().filter(|other| *other == name).count() > 1;
    let has_own_names = !table.has_header || names.iter().any(is_repeated);
    if has_own_names {
        for (at, column) in table.columns.iter_mut().enumerate() {
            if !table.has_header || column.name.is_empty() {
                column.name = format!("column_{}", at + 1);
            } else if is_repeated(&names[at]) {
                column.name = format!("{}_{}", column.name, at + 1);
            }
        }
    }
    let mut csv = CsvKeys {
        separator: table.separator,
        comment: table.comment,
        encoding,
        skip_lines: table.skip_lines + usize::from(has_own_names && table.has_header),
        skip_lines_after_header: 0,
        header: has_own_names.then(|| table.columns.iter().map(|column| column.name.clone()).collect()),
    };
    // Units, and the like, are no times where the rows behind them are.
    let is_row = |columns: &[Column], row: usize| {
        let digits = columns.iter().filter(|column| column.values[row].contains(|c: char| c.is_ascii_digit())).count();
        3 * digits >= columns.iter().filter(|column| !column.values[row].is_empty()).count()
    };
    let rows = table.columns.first().map_or(0, |column| column.values.len());
    let units = (0..rows.min(5)).take_while(|row| table.has_header && !is_row(&table.columns, *row)).count();
    if units < rows {
        table.columns.iter_mut().for_each(|column| drop(column.values.drain(..units)));
        csv.skip_lines_after_header = units;
    }
    Some((csv, table.columns))
}
