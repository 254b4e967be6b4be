//! What to write instead, where a contract does not fit a file's header.

use unicode_normalization::UnicodeNormalization;

use crate::contract::{ColumnName, Contract, Delimiter, DeviceRule};
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

pub(super) fn no_header(contract: &Contract, names: &[String]) -> String {
    let skipped = match contract.csv.skip_lines {
        0 => String::new(),
        lines => format!("; where they have one, csv.skip_lines = {lines} skips it"),
    };
    format!(
        "the first line has no names, but values ({}): where files have no header, csv.header = [\"…\", …] names their \
         columns{skipped}",
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
        .or_else(|| looks_alike(names, column))
        .or_else(|| delimiter(contract, names, column))
        .or_else(|| long_layout(contract, names))
        .or_else(|| json(names))
        .or_else(|| line_protocol(names))
        .or_else(|| header_is_missing(contract, names))
        .or_else(|| similar(names, column))
        .or_else(|| no_device(contract, column))
        .or_else(|| comment(contract, names))
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
    Some(format!("; {} differs by its case alone: write it so in the contract's `column`", toml_string(found)))
}

/// A name that only looks like one of the column's spellings.
pub(super) fn looks_alike(names: &[String], column: &ColumnName) -> Option<String> {
    let ColumnName::Spelled(spellings) = column else { return None };
    let (spelling, found) = spellings.iter().find_map(|spelling| {
        let alike = |name: &&String| *name != spelling && skeleton(name) == skeleton(spelling);
        names.iter().find(alike).map(|name| (spelling, name))
    })?;
    let others: Vec<String> = found
        .chars()
        .filter(|c| !c.is_ascii() && !spelling.contains(*c))
        .map(|c| format!("U+{:04X}", u32::from(c)))
        .collect();
    let characters = match others.as_slice() {
        [] => String::new(),
        others => format!(" ({})", others.join(", ")),
    };
    Some(format!(
        "; {} only looks the same, it has other characters{characters}: write it so in the contract's `column`",
        toml_string(found)
    ))
}

/// What a name has in common with those that look the same.
fn skeleton(name: &str) -> String {
    let seen =
        name.chars().filter(|c| printable(c.encode_utf8(&mut [0; 4])).len() <= c.len_utf8() || c.is_whitespace());
    let alike = seen.map(|c| match c {
        'º' | '˚' | 'ᵒ' => '°',
        '‐' | '‑' | '–' | '—' | '−' => '-',
        '’' | '‘' => '\'',
        c if c.is_whitespace() => ' ',
        c => c,
    });
    alike.nfkc().collect::<String>().trim().to_owned()
}

/// `text` as a string of TOML, in which nothing is hidden.
fn toml_string(text: &str) -> String {
    let mut string = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => string.extend(['\\', c]),
            '\t' => string.push_str("\\t"),
            c if printable(c.encode_utf8(&mut [0; 4])).len() > c.len_utf8() => {
                string.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            c => string.push(c),
        }
    }
    string + "\""
}

fn encoding(contract: &Contract, header: &[Vec<u8>]) -> Option<String> {
    if header.iter().any(|name| name.contains(&0)) {
        let nul = |name: &Vec<u8>| name.iter().filter(|byte| **byte == 0).count();
        let (nuls, bytes) = (header.iter().map(nul).sum::<usize>(), header.iter().map(Vec::len).sum::<usize>());
        if !(0.4..0.9).contains(&(nuls as f64 / bytes as f64)) {
            return Some("; it has NUL bytes: is this a text file?".to_owned());
        }
        let order = if header.first().is_some_and(|name| name.first() == Some(&0)) { "be" } else { "le" };
        return Some(format!(
            "; it has NUL bytes: if it is UTF-16, csv.encoding = \"utf-16{order}\" reads it (UTF-32 is not read)"
        ));
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
    let means = |name: &str| column.fits(name.trim().trim_matches('"'));
    if let Delimiter::Byte(delimiter) = contract.csv.delimiter
        && only.split(char::from(delimiter)).any(means)
    {
        return Some("; each line stands in quotes as a whole: so its fields are none".to_owned());
    }
    let delimits = |d: &char| only.split(*d).any(means);
    let common = [',', ';', '\t', '|'].into_iter().find(delimits);
    let is_whitespace = contract.csv.delimiter != Delimiter::Whitespace && only.split_whitespace().any(means);
    if common.is_none() && is_whitespace {
        return Some("; is csv.delimiter = \"whitespace\"?".to_owned());
    }
    let may_delimit = |c: &char| !c.is_alphanumeric() && !matches!(c, '"' | '_');
    let found = common.or_else(|| only.chars().filter(may_delimit).find(delimits))?;
    Some(match found.is_ascii() {
        true => format!("; is csv.delimiter = {}?", toml_string(&found.to_string())),
        false => format!(
            "; its fields are separated by \"{}\", which is no character of ASCII: no csv.delimiter reads it",
            printable(&found.to_string())
        ),
    })
}

/// Names of the two columns by which rows of one measurement are told.
const LONG: [&[&str]; 2] = [
    &[
        "metric",
        "measurement",
        "sensor",
        "parameter",
        "variable",
        "field",
        "_field",
        "entity_id",
        "statistic_id",
        "tag",
    ],
    &["value", "_value", "state", "reading"],
];

fn long_layout(contract: &Contract, names: &[String]) -> Option<String> {
    let [metric, value] = LONG.map(|known| names.iter().find(|name| known.contains(&name.to_lowercase().as_str())));
    let (metric, value) = (metric?, value?);
    contract.long.is_none().then(|| {
        format!(
            "; if each row is one measurement, contract.layout = \"long\" with metric = {metric:?} and value = {value:?} \
             reads it"
        )
    })
}

fn header_is_missing(contract: &Contract, names: &[String]) -> Option<String> {
    let values = names.iter().filter(|name| is_a_value(name)).count();
    (contract.csv.header.is_none() && 2 * values > names.len())
        .then(|| "; if that is no header, csv.header = [\"…\", …] names the columns".to_owned())
}

fn json(names: &[String]) -> Option<String> {
    names.first().filter(|name| name.starts_with('{')).map(|_| {
        "; where each line is a JSON object, source.format = \"jsonl\" (or a name that ends in .jsonl) reads them"
            .to_owned()
    })
}

/// `air,host=a temp=21.5 1714521600000000000`
fn line_protocol(names: &[String]) -> Option<String> {
    let last = names.last()?;
    let mut parts = last.rsplit(' ');
    let is_time = parts.next().is_some_and(|time| time.len() > 9 && time.bytes().all(|byte| byte.is_ascii_digit()));
    (is_time && parts.next().is_some_and(|fields| fields.contains('=')))
        .then(|| "; where each line is InfluxDB's, source.format = \"line_protocol\" reads them".to_owned())
}

/// A header that begins as comments do.
fn comment(contract: &Contract, names: &[String]) -> Option<String> {
    let mark = names.first()?.chars().next().filter(|c| matches!(c, '#' | '%' | '!' | '*') || *c == '/')?;
    contract.csv.comments.is_empty().then(|| format!("; csv.comment = \"{mark}\" skips lines that begin so"))
}

/// A name that has the column's in it, or the other way round.
fn similar(names: &[String], column: &ColumnName) -> Option<String> {
    let ColumnName::Spelled(spellings) = column else { return None };
    let bare = |text: &str| text.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "");
    let wanted: Vec<String> = spellings.iter().map(|s| bare(s)).filter(|s| s.len() > 1).collect();
    let is_similar = |name: &&String| {
        let name = bare(name);
        let holds = |long: &str, short: &str| short.len() > 2 && long.contains(short);
        wanted.iter().any(|wanted| *wanted == name || holds(&name, wanted) || holds(wanted, &name))
    };
    let found = names.iter().find(is_similar)?;
    Some(format!("; is {} meant? Write it so in the contract's `column`", toml_string(found)))
}

fn no_device(contract: &Contract, column: &ColumnName) -> Option<String> {
    let is_device = matches!(&contract.device, DeviceRule::Column(device) if device.shown() == column.shown());
    is_device.then(|| {
        "; where no column names the device, contract.device is { value = \"…\" }, { from_name = \"…\" } or \
         { from_path = \"…\" }"
            .to_owned()
    })
}

/// Whether a line behind the one that was taken for the header is the header: the contract's first column is in it.
pub fn header_in_line(contract: &Contract, line: &[u8]) -> bool {
    let Some(column) = contract.timestamp.columns.first() else { return false };
    let text = String::from_utf8_lossy(line);
    let fits = |name: &str| column.fits(name.trim().trim_matches('"'));
    match contract.csv.delimiter {
        Delimiter::Byte(delimiter) => text.split(char::from(delimiter)).any(fits),
        Delimiter::Whitespace => text.split_whitespace().any(fits),
    }
}
