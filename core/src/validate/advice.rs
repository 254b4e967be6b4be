//! What to write instead, where a contract does not fit a file's header.

use crate::contract::{ColumnName, Contract, Delimiter};
use crate::printable::{excerpt, printable};

/// Whether all of a header's names are numbers or times: it is no header.
pub(super) fn is_a_row(names: &[String]) -> bool {
    let mut given = names.iter().filter(|name| !name.is_empty()).peekable();
    given.peek().is_some() && given.all(|name| is_a_value(name))
}

/// A number or a time.
fn is_a_value(text: &str) -> bool {
    let of_a_value =
        |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | ',' | ':' | '/' | ' ' | 'T' | 'Z' | 'e' | 'E');
    text.contains(|c: char| c.is_ascii_digit()) && text.chars().all(of_a_value)
}

pub(super) fn no_header(names: &[String]) -> String {
    format!(
        "the first line has no names, but values ({}): where files have no header, csv.header = [\"…\", …] names their \
         columns",
        listed(names)
    )
}

/// That `column` is not among `names`, which `header` gave, and what may be the cause.
pub(super) fn not_found(contract: &Contract, header: &[Vec<u8>], names: &[String], column: &ColumnName) -> String {
    let what = match column {
        ColumnName::Spelled(_) => "the header has no column",
        ColumnName::Match(_) => "no column of the header fits",
    };
    let hint = other_case(names, column)
        .or_else(|| encoding(contract, header))
        .or_else(|| delimiter(contract, names, column))
        .or_else(|| header_is_missing(contract, names))
        .unwrap_or_default();
    format!("{what} \"{}\"; it has: {}{hint}", printable(column.shown()), listed(names))
}

fn listed(names: &[String]) -> String {
    excerpt(names.join(", ").as_bytes())
}

/// A name that differs from the column's by its case alone.
pub(super) fn other_case(names: &[String], column: &ColumnName) -> Option<String> {
    let ColumnName::Spelled(spellings) = column else { return None };
    let lower: Vec<String> = spellings.iter().map(|s| s.trim().to_lowercase()).collect();
    let found = names.iter().find(|name| lower.contains(&name.to_lowercase()))?;
    Some(format!("; \"{}\" differs by its case alone: write it so in the contract's `column`", printable(found)))
}

fn encoding(contract: &Contract, header: &[Vec<u8>]) -> Option<String> {
    if header.iter().any(|name| name.contains(&0)) {
        return Some("; it has NUL bytes: if it is UTF-16, csv.encoding = \"utf-16le\" reads it".to_owned());
    }
    let is_text = header.iter().all(|name| std::str::from_utf8(name).is_ok());
    match (is_text, contract.csv.encoding) {
        (true, _) => None,
        (false, None) => {
            Some("; it is not UTF-8: csv.encoding = \"windows-1252\" or the like says what it is written in".to_owned())
        }
        (false, Some(encoding)) => Some(format!("; it is not {} (csv.encoding)", encoding.name())),
    }
}

fn delimiter(contract: &Contract, names: &[String], column: &ColumnName) -> Option<String> {
    let [only] = names else { return None };
    let means = |name: &str| match column {
        ColumnName::Spelled(spellings) => spellings.iter().any(|s| s.trim() == name),
        ColumnName::Match(pattern) => pattern.is_match(name),
    };
    let found =
        [",", ";", "\t", "|"].into_iter().find(|d| only.split(d).any(|name| means(name.trim().trim_matches('"'))));
    let found = found.or_else(|| only.split_whitespace().any(means).then_some("whitespace"))?;
    (contract.csv.delimiter != Delimiter::Whitespace).then(|| format!("; is csv.delimiter = {found:?}?"))
}

fn header_is_missing(contract: &Contract, names: &[String]) -> Option<String> {
    let values = names.iter().filter(|name| is_a_value(name)).count();
    (contract.csv.header.is_none() && 2 * values > names.len())
        .then(|| "; if that is no header, csv.header = [\"…\", …] names the columns".to_owned())
}
