//! Readings whose key exists become rejections that name the row that came first.

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
    /// Indices of the sensors whose values differ.
    pub differing: Vec<usize>,
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

fn reason(earlier: &Earlier, device: &str, contract: &Contract) -> Reason {
    let place = match &earlier.file {
        Some(file) => format!("line {} of {file}", earlier.line),
        None => format!("line {} of this file", earlier.line),
    };
    let names: Vec<&str> = earlier.differing.iter().map(|&i| contract.sensors[i].name.as_str()).collect();
    let comparison = match names.is_empty() {
        true => "same values".to_owned(),
        false => format!("differs in {}", names.join(", ")),
    };
    Reason {
        column: String::new(),
        value: device.to_owned(),
        rule: Rule::DuplicateKey,
        message: format!("{place} has this device and timestamp already: {comparison}"),
    }
}
