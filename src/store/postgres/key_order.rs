//! A batch as the table's key has it: sorted, the server finds the places of its rows in the index faster.

use iotpipe_core::reading::{Batch, Reading};

/// Readings in the order of the table's key, and those that repeat a key within the batch with the one that came first.
pub(super) fn by_key<K: Ord + Copy>(batch: &Batch, key: impl Fn(&Reading) -> K) -> (Vec<usize>, Vec<(usize, usize)>) {
    let mut keyed: Vec<(K, usize)> = batch.readings.iter().enumerate().map(|(i, reading)| (key(reading), i)).collect();
    keyed.sort_unstable();
    let mut repeats = Vec::new();
    keyed.dedup_by(|later, first| {
        let same = later.0 == first.0;
        if same {
            repeats.push((later.1, first.1));
        }
        same
    });
    (keyed.into_iter().map(|(_, i)| i).collect(), repeats)
}
