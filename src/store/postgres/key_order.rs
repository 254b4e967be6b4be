//! A batch as the table's key has it: sorted, the server finds the places of its rows in the index faster.

use iotpipe_core::reading::{Batch, Reading};

/// Readings in the order of the table's key, and those that repeat a key within the batch with the one that came first.
pub(super) fn by_key(batch: &Batch, ids: &[i32]) -> (Vec<usize>, Vec<(usize, usize)>) {
    let key = |(i, r): (usize, &Reading)| (ids[r.device as usize], r.ts, i);
    let mut keyed: Vec<(i32, i64, usize)> = batch.readings.iter().enumerate().map(key).collect();
    keyed.sort_unstable();
    let mut repeats = Vec::new();
    keyed.dedup_by(|later, first| {
        let same = (later.0, later.1) == (first.0, first.1);
        if same {
            repeats.push((later.2, first.2));
        }
        same
    });
    (keyed.into_iter().map(|(_, _, i)| i).collect(), repeats)
}
