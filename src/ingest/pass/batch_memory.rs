//! How many rows go together: few enough for the memory, enough for the database.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use iotpipe_core::reading::{Batch, Verdict};

/// What a batch weighs at first, in bytes: enough for a COPY to cost little beside its rows, few enough for a conflict
/// to cost little too.
const FIRST: usize = 3 << 20;
/// The least that a pass may put in a batch, in bytes, however many passes there are.
const LEAST: usize = 512 << 10;
/// What each further pass takes from the batches of all, in bytes: threads, a connection, blocks read ahead.
const BESIDES: usize = 2 << 20;
/// After so many clean batches in a row the next ones are twice as large.
const CLEAN_BATCHES: usize = 4;

/// What the batches of all passes of the process may weigh: one batch of each pass is counted, and about three are
/// under way.
#[derive(Debug)]
pub struct BatchMemory {
    bytes: usize,
    each_device: usize,
    passes: AtomicUsize,
    spare: Mutex<Vec<Batch>>,
}

impl BatchMemory {
    /// Where rows stay in this process, or go to an embedded database: larger batches would gain nothing.
    pub fn small() -> Self {
        Self::of(4 << 20, 0)
    }

    /// Where rows go to a server: sorted by key, more rows of a device stand beside each other the larger the batch,
    /// and the server finds their place in its index faster. With 10 000 devices that is most of its work, hence about
    /// a row more for each device.
    pub fn large() -> Self {
        Self::of(8 << 20, 400)
    }

    fn of(bytes: usize, each_device: usize) -> Self {
        Self { bytes, each_device, passes: AtomicUsize::new(1), spare: Mutex::default() }
    }

    /// The passes that begin from now on are so many at once.
    pub fn share_among(&self, passes: usize) {
        self.passes.store(passes.max(1), Ordering::Relaxed);
    }

    /// How many are at work at once.
    pub fn passes(&self) -> usize {
        self.passes.load(Ordering::Relaxed)
    }

    /// For one pass.
    pub(super) fn share(&self) -> Share<'_> {
        let passes = self.passes();
        let most = (self.bytes.saturating_sub((passes - 1) * BESIDES) / passes).max(LEAST);
        let wanted = AtomicUsize::new(FIRST.min(most));
        Share { memory: self, passes, least: most, most: AtomicUsize::new(most), wanted, clean: AtomicUsize::new(0) }
    }
}

/// One pass's share: what its next batch should weigh, and empty batches. The weight grows while rows go in as they
/// are, and shrinks with the first that does not: a conflict costs the batch again.
pub(super) struct Share<'a> {
    memory: &'a BatchMemory,
    passes: usize,
    /// The most that a batch may weigh while there are no devices.
    least: usize,
    /// The same with the devices met so far.
    most: AtomicUsize,
    /// What the next batch should weigh.
    wanted: AtomicUsize,
    /// Clean batches in a row, since the weight changed.
    clean: AtomicUsize,
}

impl Share<'_> {
    /// In bytes.
    pub(super) fn bytes(&self) -> usize {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Learns from a batch that the sinks have taken, when `devices` had been met.
    pub(super) fn learn(&self, taken: &Batch, devices: usize) {
        let for_devices = (devices * self.memory.each_device).min(self.memory.bytes) / self.passes;
        self.most.store(self.least + for_devices, Ordering::Relaxed);
        let wanted = self.wanted.load(Ordering::Relaxed);
        let repeats = taken.rejections.iter().any(|r| matches!(r.verdict, Verdict::Duplicate { .. }));
        // Rows that are set aside gain nothing by standing together.
        let clean = !repeats && taken.readings.len() > taken.rejections.len();
        let in_a_row = if clean { self.clean.load(Ordering::Relaxed) + 1 } else { 0 };
        let next = match (clean, in_a_row) {
            (false, _) => (wanted / 2).max(FIRST),
            (true, CLEAN_BATCHES) => wanted * 2,
            (true, _) => wanted,
        };
        self.wanted.store(next.min(self.most()), Ordering::Relaxed);
        self.clean.store(in_a_row % CLEAN_BATCHES, Ordering::Relaxed);
    }

    /// An empty batch with room for as much as this pass may ever put in one. What stays unused is never touched, and so
    /// costs no memory; a batch that grew step by step would leave holes behind.
    pub(super) fn empty_batch(&self) -> Batch {
        self.recycled().unwrap_or_else(|| Batch::with_room(self.most()))
    }

    /// The same for a file's first rows, which may be its only ones.
    pub(super) fn first_batch(&self) -> Batch {
        self.recycled().unwrap_or_default()
    }

    /// Takes a batch whose rows have gone where they belong.
    pub(super) fn give_back(&self, mut batch: Batch) {
        batch.clear();
        if batch.bytes.capacity() >= self.most()
            && let Ok(mut spare) = self.memory.spare.lock()
        {
            spare.push(batch);
        }
    }

    fn recycled(&self) -> Option<Batch> {
        let mut spare = self.memory.spare.lock().ok()?;
        // Of another share's size, none is of use any more.
        let most = self.most();
        spare.retain(|batch| (most..=2 * most).contains(&batch.bytes.capacity()));
        spare.pop()
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iotpipe_core::reading::{Position, Reading, Rejection};

    fn repeat() -> Batch {
        let position = Position { line: 2, start: 0, len: 0 };
        let verdict = Verdict::Duplicate { same_values: true };
        let mut batch = Batch::default();
        batch.reject(Rejection { position, reasons: Vec::new(), verdict });
        batch
    }

    fn clean() -> Batch {
        let position = Position { line: 2, start: 0, len: 0 };
        let mut batch = Batch::default();
        batch.readings.push(Reading { device: 0, ts: 0, cells: 0, position });
        batch
    }

    fn mib_after(share: &Share<'_>, batches: usize, devices: usize) -> usize {
        (0..batches).for_each(|_| share.learn(&clean(), devices));
        share.bytes() >> 20
    }

    #[test]
    fn batches_grow_while_they_are_clean_and_shrink_with_a_duplicate() {
        let memory = BatchMemory::large();
        let share = memory.share();
        assert_eq!(mib_after(&share, 3, 1), 3);
        assert_eq!(mib_after(&share, 1, 1), 6);
        assert_eq!(mib_after(&share, 100, 1), 8);
        for mib in [4, 3, 3] {
            share.learn(&repeat(), 1);
            assert_eq!(share.bytes() >> 20, mib);
        }
    }

    #[test]
    fn bad_rows_make_no_larger_batches() {
        let memory = BatchMemory::large();
        let share = memory.share();
        (0..100).for_each(|_| share.learn(&Batch::default(), 1));
        assert_eq!(share.bytes(), FIRST);
    }

    #[test]
    fn passes_share_the_memory() {
        let memory = BatchMemory::small();
        assert_eq!(memory.share().bytes() >> 20, 3);
        memory.share_among(2);
        let share = memory.share();
        let most = share.bytes();
        assert_eq!(most, 1 << 20);
        mib_after(&share, 100, 10_000);
        share.learn(&repeat(), 10_000);
        assert_eq!(share.bytes(), most);
    }

    #[test]
    fn many_devices_make_larger_batches_up_to_a_bound() {
        let memory = BatchMemory::large();
        assert_eq!(mib_after(&memory.share(), 100, 10_000), 11);
        assert_eq!(mib_after(&memory.share(), 100, 1_000_000), 16);
        memory.share_among(2);
        assert_eq!(mib_after(&memory.share(), 100, 1_000_000), 7);
    }

    #[test]
    fn a_batch_is_used_again_where_it_fits() {
        let memory = BatchMemory::large();
        let share = memory.share();
        share.give_back(share.empty_batch());
        let first = share.first_batch();
        assert!(first.bytes.capacity() >= 8 << 20);
        share.give_back(first);
        memory.share_among(2);
        assert_eq!(memory.share().first_batch().bytes.capacity(), 0, "too large for half of the memory");
    }
}
