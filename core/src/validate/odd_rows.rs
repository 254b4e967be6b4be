//! Rows that are no readings, and no errors either.

use super::layout::Layout;
use super::metric::is_unwanted;
use crate::contract::Contract;
use crate::parse::{Fields, RawRow};

/// What a row may be that is no reading.
pub(super) enum OddRow {
    /// Nothing but delimiters.
    Blank,
    /// A measurement that the contract has skipped.
    Unwanted,
    /// The header once more; where the columns stand in the rows behind it.
    Header(Layout),
    /// One field more than the header, as if the first column had no name; where the columns stand then.
    BehindUnnamed(Layout),
}

/// What stands around a row.
pub(super) struct Surroundings<'a> {
    pub(super) contract: &'a Contract,
    pub(super) layout: &'a Layout,
    /// Of the file.
    pub(super) path: &'a str,
    /// Whether a row before it is a reading, which shows that the header fits.
    pub(super) header_fits: bool,
}

impl Surroundings<'_> {
    /// What `row` is, which is no reading; `None` for a bad row.
    pub(super) fn odd_row(&self, row: &RawRow<'_>) -> Option<OddRow> {
        if row.problem.is_some() {
            return None;
        }
        let is_unwanted = || {
            let has_all = (self.layout.named..=self.layout.names.len()).contains(&row.fields.len());
            self.layout.metric.is_some_and(|at| has_all && is_unwanted(self.contract, row.fields.get(at).trim_ascii()))
        };
        if self.layout.of_objects {
            return is_unwanted().then_some(OddRow::Unwanted);
        }
        if is_blank(&row.fields) {
            return Some(OddRow::Blank);
        }
        if let Some(layout) = self.header_in(&row.fields) {
            return Some(OddRow::Header(layout));
        }
        if is_unwanted() {
            return Some(OddRow::Unwanted);
        }
        let is_wider = row.fields.len() == self.layout.names.len() + 1;
        (is_wider && !self.header_fits).then(|| OddRow::BehindUnnamed(self.layout.behind_unnamed()))
    }

    /// The layout that the row gives when it is a header of this file's columns, in whatever order.
    fn header_in(&self, fields: &Fields<'_>) -> Option<Layout> {
        let known = |name: &[u8]| self.layout.names.iter().any(|known| known.as_bytes() == name);
        if fields.len() != self.layout.names.len() || !known(name_in(fields, 0)) {
            return None;
        }
        let names: Vec<Vec<u8>> = (0..fields.len()).map(|i| name_in(fields, i).to_vec()).collect();
        let mut sorted: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let mut expected: Vec<&[u8]> = self.layout.names.iter().map(|name| name.as_bytes()).collect();
        sorted.sort_unstable();
        expected.sort_unstable();
        (sorted == expected).then(|| Layout::bind(self.contract, &names, self.path).ok())?
    }
}

/// A name in a header; files that were put together have a byte order mark before each.
fn name_in<'f>(fields: &Fields<'f>, index: usize) -> &'f [u8] {
    let field = fields.get(index);
    let bare = field.strip_prefix(b"\xef\xbb\xbf").filter(|_| index == 0).unwrap_or(field);
    std::str::from_utf8(bare).map_or(bare, |name| name.trim().as_bytes())
}

fn is_blank(fields: &Fields<'_>) -> bool {
    // Fields that are not kept hold something: those of a row that is wider than the header are looked at when it is cut.
    fields.kept() == fields.len() && (0..fields.len()).all(|i| fields.get(i).trim_ascii().is_empty())
}
