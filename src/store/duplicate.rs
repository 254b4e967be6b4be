//! Readings whose key exists become rejections that name the row that came first, and are counted by the file that has it.

use std::collections::{BTreeMap, BTreeSet};

use iotpipe_core::contract::Contract;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::reading::{Batch, Reason, Rejection, Rule, Verdict};

/// The row that had the key first, and how the later one compares.
#[derive(Debug, Clone)]
pub struct Earlier {
    /// Its file's identity in the manifest.
    pub file_id: i64,
    /// Its file, `None` when it is the file in hand.
    pub file: Option<String>,
    /// Its physical line.
    pub line: i64,
    /// Physical lines of its file, the header not counted, where they are known.
    pub lines: Option<i64>,
    /// Indices of the sensors whose values differ.
    pub differing: Vec<usize>,
    /// Whether the manifest has its file as loaded.
    pub is_loaded: bool,
}

impl Earlier {
    /// Whether it is no earlier row but this one, stored by an earlier pass over the same file.
    pub(crate) fn is_row(&self, file_id: i64, line: u64) -> bool {
        (self.file_id, self.line) == (file_id, line as i64)
    }
}

/// How many rows of the files of a transaction were set aside because of which other file, that stores them: `set_aside`
/// keeps it, so that they can be looked at again where the other is taken out.
#[derive(Debug, Default)]
pub(super) struct BecauseOf {
    /// Of the open file.
    rows: BTreeMap<i64, i64>,
    files: BTreeSet<i64>,
}

impl BecauseOf {
    /// Begins the part of another file.
    pub(super) fn open_file(&mut self) {
        self.rows.clear();
    }

    /// Counts the rows of the file `own` that are set aside.
    pub(super) fn count(&mut self, own: i64, duplicates: &[(usize, Earlier)]) {
        for (_, earlier) in duplicates.iter().filter(|(_, earlier)| earlier.is_loaded && earlier.file_id != own) {
            *self.rows.entry(earlier.file_id).or_default() += 1;
        }
    }

    /// The statement that notes the rows of the file `own`; empty where there are none.
    pub(super) fn close_file(&mut self, own: i64) -> String {
        self.files.extend(self.rows.keys());
        let pairs: Vec<String> = self.rows.iter().map(|(file, rows)| format!("({own}, {file}, {rows})")).collect();
        match pairs.is_empty() {
            true => String::new(),
            false => format!("INSERT INTO set_aside (file_id, because_of, rows) VALUES {};", pairs.join(", ")),
        }
    }

    /// The others, for a list in SQL; `None` where there are none.
    pub(super) fn files(&self) -> Option<String> {
        let ids: Vec<String> = self.files.iter().map(i64::to_string).collect();
        (!ids.is_empty()).then(|| ids.join(", "))
    }
}

/// Moves the readings at the given indices (with the rows that came first) to the rejections.
pub(crate) fn set_aside(
    batch: &mut Batch,
    mut duplicates: Vec<(usize, Earlier)>,
    devices: &DeviceNames,
    contract: &Contract,
) {
    if duplicates.is_empty() {
        return;
    }
    duplicates.sort_unstable_by_key(|(index, _)| *index);
    for (index, earlier) in &duplicates {
        let reading = batch.readings[*index];
        let device = devices.get(reading.device).unwrap_or_default();
        batch.rejections.push(Rejection {
            position: reading.position,
            reasons: vec![reason(earlier, device, contract)],
            verdict: Verdict::Duplicate { same_values: earlier.differing.is_empty() },
        });
    }
    let mut gone = duplicates.iter().map(|(index, _)| *index).peekable();
    let mut index = 0;
    batch.readings.retain(|_| {
        let keep = gone.next_if_eq(&index).is_none();
        index += 1;
        keep
    });
    // Stable, so that the pieces of an overlong row stay behind their beginning.
    batch.rejections.sort_by_key(|r| r.position.line);
}

/// A file that was copied while its last line was being written has a part of that line's last value.
fn cut_hint(earlier: &Earlier, contract: &Contract) -> &'static str {
    let header = i64::from(contract.csv.header.is_none());
    match earlier.lines.map(|lines| lines + header) == Some(earlier.line) {
        true => {
            "; that is the last line of its file, and may have been cut while it was copied (see csv.final_newline)"
        }
        false => "",
    }
}

fn reason(earlier: &Earlier, device: &str, contract: &Contract) -> Reason {
    let place = match &earlier.file {
        Some(file) => format!("line {} of {file}", earlier.line),
        None => format!("line {} of this file", earlier.line),
    };
    let names: Vec<&str> = earlier.differing.iter().map(|&i| contract.sensors[i].name.as_str()).collect();
    let comparison = match names.is_empty() {
        true => "same values".to_owned(),
        false => format!("differs in {}{}", names.join(", "), cut_hint(earlier, contract)),
    };
    let key = if contract.long.is_some() { "device, metric and timestamp" } else { "device and timestamp" };
    Reason {
        column: String::new(),
        value: device.to_owned(),
        rule: Rule::DuplicateKey,
        message: format!("{place} has this {key} already: {comparison}"),
    }
}
