//! `[csv]`.

use encoding_rs::Encoding;

use super::super::declaration::{CsvTable, FinalNewlineName, OneOrMany};
use super::super::model::{CsvFormat, Delimiter};
use super::super::null_values::NullValues;
use super::super::number::{Decimal, NumberStyle};

pub(super) fn format(csv: &CsvTable) -> Result<CsvFormat, String> {
    let decimal = decimal(&csv.decimal)?;
    Ok(CsvFormat {
        delimiter: delimiter(&csv.delimiter)?,
        numbers: NumberStyle { decimal, thousands: thousands(csv, decimal)? },
        skip_lines: csv.skip_lines,
        skip_lines_after_header: csv.skip_lines_after_header,
        header: match &csv.header {
            Some(names) if names.is_empty() => return Err("csv.header: names no column".into()),
            names => names.clone(),
        },
        comments: comments(csv)?,
        encoding: csv.encoding.as_deref().map(encoding).transpose()?.filter(|e| *e != encoding_rs::UTF_8),
        multiline: csv.multiline,
        final_newline_required: csv.final_newline == FinalNewlineName::Required,
        null_values: NullValues::new(csv.null_values.clone(), decimal),
    })
}

fn comments(csv: &CsvTable) -> Result<Vec<String>, String> {
    let texts = csv.comment.as_ref().map(OneOrMany::as_slice).unwrap_or_default();
    match texts.iter().any(|text| text.is_empty() || text.contains(['\n', '\r'])) {
        true => Err("csv.comment: must be the beginning of a line, such as \"#\", or a list of such".into()),
        false => Ok(texts.to_vec()),
    }
}

fn delimiter(text: &str) -> Result<Delimiter, String> {
    match text.as_bytes() {
        b"whitespace" => Ok(Delimiter::Whitespace),
        [b'"' | b'\n' | b'\r'] => Err("csv.delimiter: a quote or a line end can't separate fields".into()),
        [byte] => Ok(Delimiter::Byte(*byte)),
        _ => Err(format!(
            "csv.delimiter = \"{text}\": must be one ASCII character (a tab is \"\\t\"), or \"whitespace\""
        )),
    }
}

pub(super) fn decimal(text: &str) -> Result<Decimal, String> {
    match text {
        "." => Ok(Decimal::Point),
        "," => Ok(Decimal::Comma),
        _ => Err(format!("csv.decimal = \"{text}\": must be \".\" or \",\"")),
    }
}

fn thousands(csv: &CsvTable, decimal: Decimal) -> Result<Option<char>, String> {
    let Some(text) = &csv.thousands else { return Ok(None) };
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(mark), None) if mark == char::from(decimal.byte()) => {
            Err(format!("csv.thousands = \"{text}\": is the decimal separator; see csv.decimal"))
        }
        (Some(mark), None) if !mark.is_alphanumeric() && !matches!(mark, '+' | '-') => Ok(Some(mark)),
        _ => Err(format!("csv.thousands = \"{text}\": must be one character, such as \",\" or \" \"")),
    }
}

fn encoding(name: &str) -> Result<&'static Encoding, String> {
    Encoding::for_label(name.as_bytes()).ok_or_else(|| {
        format!(
            "csv.encoding = \"{name}\": is none of the web's encodings; common ones are utf-8, utf-16le, windows-1252 \
             (Western Europe), windows-1250 (Central Europe), windows-1251 (Cyrillic), shift_jis, gb18030"
        )
    })
}
