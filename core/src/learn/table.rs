//! Lines of a sample → columns.

/// Lines that are looked at.
pub(super) const MOST_LINES: usize = 400;
/// Lines before a header at most.
const MOST_PREAMBLE: usize = 60;

/// A name and what stands under it, one value per row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) values: Vec<String>,
}

/// What separates fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    Character(char),
    Whitespace,
}

/// A sample of CSV, taken apart.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) separator: Separator,
    pub(super) comment: Option<&'static str>,
    /// Lines before the header, comments left out.
    pub(super) skip_lines: usize,
    pub(super) has_header: bool,
    pub(super) columns: Vec<Column>,
}

impl Table {
    /// `None` where no lines have the same number of fields.
    pub(super) fn of(lines: &[String]) -> Option<Table> {
        let first = lines.iter().take_while(|line| line.trim().is_empty()).count();
        let is_separator = |line: &str| line.trim_matches('"').to_ascii_lowercase().starts_with("sep=");
        let declared = lines.get(first).filter(|line| is_separator(line));
        let lines = &lines[first + usize::from(declared.is_some())..];
        let comment = ["#", "//", "%"]
            .into_iter()
            .find(|mark| lines.first().is_some_and(|line| line.starts_with(mark)) && !begins_a_table(lines, mark));
        let lines: Vec<&str> = lines
            .iter()
            .map(String::as_str)
            .filter(|line| comment.is_none_or(|mark| !line.starts_with(mark)))
            .collect();
        let (separator, width) = separator_of(&lines)?;
        let rows: Vec<Vec<String>> = lines.iter().map(|line| fields(line, separator)).collect();
        let is_wide = |row: &Vec<String>| row.len() >= width.saturating_sub(1).max(2) && row.len() <= width + 1;
        let first = rows.iter().take(MOST_PREAMBLE).position(is_wide)?;
        let has_header = !is_values(&rows[first]);
        let mut names = if has_header { rows[first].clone() } else { vec![String::new(); width] };
        let body = rows.iter().skip(first + usize::from(has_header)).filter(|row| row.len() >= width.min(names.len()));
        let body: Vec<&Vec<String>> = body.collect();
        // R leaves the name of its first column out.
        if has_header
            && body.iter().filter(|row| row.len() == names.len() + 1 && !row[names.len()].is_empty()).count()
                > body.len() / 2
        {
            names.insert(0, String::new());
        }
        let value = |row: &&Vec<String>, at: usize| row.get(at).cloned().unwrap_or_default();
        let columns = names
            .into_iter()
            .enumerate()
            .map(|(at, name)| Column { name, values: body.iter().map(|row| value(row, at)).collect() })
            .collect();
        Some(Table { separator, comment, skip_lines: first, has_header, columns })
    }
}

/// Whether the line with this mark is a header, of as many fields as the line behind it.
fn begins_a_table(lines: &[String], mark: &str) -> bool {
    let marked = lines.iter().take_while(|line| line.starts_with(mark)).count();
    let (Some(last), Some(row)) = (lines.get(marked.wrapping_sub(1)), lines.get(marked)) else { return false };
    let Some((separator, width)) = separator_of(&[row.as_str(), row.as_str()]) else { return false };
    marked <= 2 && fields(last, separator).len() == width
}

/// What cuts most lines into the same number of fields, and that number.
fn separator_of(lines: &[&str]) -> Option<(Separator, usize)> {
    let characters = [',', ';', '\t', '|'].map(Separator::Character);
    let lines: Vec<&&str> = lines.iter().filter(|line| !line.trim().is_empty()).take(MOST_LINES).collect();
    let mut best: Option<(usize, Separator, usize)> = None;
    for separator in characters.into_iter().chain([Separator::Whitespace]) {
        let mut counts = std::collections::BTreeMap::<usize, usize>::new();
        for line in &lines {
            *counts.entry(fields(line, separator).len()).or_default() += 1;
        }
        let Some((&width, &often)) =
            counts.iter().filter(|(width, _)| **width > 1).max_by_key(|(width, often)| (**often, **width))
        else {
            continue;
        };
        let is_better = |(most, _, widest): &(usize, Separator, usize)| match separator {
            // Times have spaces, too.
            Separator::Whitespace => often > *most + lines.len() / 3,
            Separator::Character(_) => (often, width) > (*most, *widest),
        };
        if best.as_ref().is_none_or(is_better) {
            best = Some((often, separator, width));
        }
    }
    best.map(|(_, separator, width)| (separator, width))
}

/// The fields of a line, without quotes and the spaces around them.
fn fields(line: &str, separator: Separator) -> Vec<String> {
    let Separator::Character(separator) = separator else {
        return line.split_whitespace().map(|field| field.trim_matches('"').to_owned()).collect();
    };
    let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            c if c == separator && !is_quoted => fields.push(std::mem::take(&mut field).trim().to_owned()),
            c => field.push(c),
        }
    }
    fields.push(field.trim().to_owned());
    fields
}

/// Whether a line has values rather than names.
fn is_values(row: &[String]) -> bool {
    let given: Vec<&String> = row.iter().filter(|field| !field.is_empty()).collect();
    let of_a_value = |c: char| c.is_ascii_digit() || "+-.,:/ TZeE%°".contains(c);
    let is_value = |field: &&&String| field.contains(|c: char| c.is_ascii_digit()) && field.chars().all(of_a_value);
    2 * given.iter().filter(is_value).count() >= given.len().max(1)
}
