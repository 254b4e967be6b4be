//! What to write instead, where a contract does not fit a file's rows.

use crate::contract::{Contract, Delimiter, formats_that_read};
use crate::offences::{Offence, Offences};
use crate::reading::Rule;

/// Formats that one message offers.
const OFFERED: usize = 2;

/// What the contract might say instead, where rows of a file, `total` in all, were set aside for these reasons; empty where
/// nothing is known. It begins with a semicolon.
pub fn advice_on_rows(contract: &Contract, offences: &Offences, total: i64) -> String {
    if offences.share_of(Rule::FieldCount, total) > 0.5 {
        return field_count(contract).to_owned();
    }
    let is_time = |offence: &&Offence| {
        let column = &offence.reason.column;
        let rule = offence.reason.rule;
        matches!(rule, Rule::BadTimestamp | Rule::OutOfRange) && !column.is_empty() && is_timestamp(contract, column)
    };
    // The line that comes first may be one of units.
    let offered = offences.sample().iter().filter(is_time).find_map(|offence| format_for(contract, offence));
    let of_times = offences.share_of(Rule::BadTimestamp, total) + offences.share_of(Rule::OutOfRange, total);
    offered.filter(|_| of_times > 0.5).unwrap_or_default()
}

/// Whether a message means the timestamp by `column`: several columns are named together.
fn is_timestamp(contract: &Contract, column: &str) -> bool {
    let columns = &contract.timestamp.columns;
    columns.len() > 1 || columns.iter().any(|name| name.fits(column))
}

fn format_for(contract: &Contract, offence: &Offence) -> Option<String> {
    let text = offence.reason.value.trim();
    let mut formats = formats_that_read(text, contract.csv.decimal());
    formats.truncate(OFFERED);
    let quoted: Vec<String> = formats.iter().map(|format| format!("\"{format}\"")).collect();
    (!quoted.is_empty()).then(|| format!("; contract.timestamp.format = {} reads \"{text}\"", quoted.join(" or ")))
}

fn field_count(contract: &Contract) -> &'static str {
    match (contract.csv.delimiter, &contract.csv.header) {
        (Delimiter::Byte(b' '), _) => "; csv.delimiter = \"whitespace\" takes runs of spaces for one",
        (_, Some(_)) => "; csv.header must name every column of the rows, in their order; is csv.delimiter right?",
        (_, None) => "; csv.header names the columns of files whose own header does not fit",
    }
}
