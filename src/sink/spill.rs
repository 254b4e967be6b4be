//! What was measured in windows, or what they come to, waits on the disk until there is memory for it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes that are written at once.
const BLOCK: usize = 64 << 10;

/// Values by device and window, in an unnamed file, in the order in which they came, part by part. Each part has all the
/// values of its windows; one alone stays in memory.
pub struct Spill {
    folder: PathBuf,
    /// Once a part has more than a block.
    file: Option<File>,
    /// Bytes in the file.
    end: u64,
    /// How often values were added.
    added: usize,
    /// Values that stand together.
    width: usize,
    /// Another number divides the windows another way.
    salt: u32,
    parts: Vec<Part>,
}

#[derive(Default)]
struct Part {
    unwritten: Vec<u8>,
    /// Where its blocks begin, and their length.
    blocks: Vec<(u64, usize)>,
}

impl Spill {
    /// For `width` values at a time, in so many `parts`. Its file is in `folder`, and goes when this is dropped.
    pub fn new(folder: &Path, width: usize, parts: usize, salt: u32) -> Self {
        let parts = (0..parts).map(|_| Part::default()).collect();
        Self { folder: folder.to_owned(), file: None, end: 0, added: 0, width, salt, parts }
    }

    /// How often values were added.
    pub fn added(&self) -> usize {
        self.added
    }

    /// Adds what `device` has in `window`: numbers, or none.
    ///
    /// # Errors
    /// When the file can't be created, or the disk is full.
    pub fn add(&mut self, device: u32, window: i64, values: impl Iterator<Item = Option<f64>>) -> io::Result<()> {
        let number_of_parts = self.parts.len();
        let part = &mut self.parts[part_of(device, window, self.salt, number_of_parts)];
        part.unwritten.extend_from_slice(&device.to_ne_bytes());
        part.unwritten.extend_from_slice(&window.to_ne_bytes());
        for value in values {
            part.unwritten.extend_from_slice(&value.unwrap_or(f64::NAN).to_ne_bytes());
        }
        self.added += 1;
        if number_of_parts > 1 && part.unwritten.len() >= BLOCK {
            let file = match self.file.take() {
                Some(file) => file,
                None => tempfile::tempfile_in(&self.folder)?,
            };
            self.file.insert(file).write_all_at(&part.unwritten, self.end)?;
            part.blocks.push((self.end, part.unwritten.len()));
            self.end += part.unwritten.len() as u64;
            part.unwritten.clear();
        }
        Ok(())
    }

    /// Gives `take` what is in the part `number`, in the order in which it came.
    ///
    /// # Errors
    /// When the file can't be read, and those of `take`.
    pub fn read<E: From<io::Error>>(
        &self,
        number: usize,
        mut take: impl FnMut(u32, i64, &[f64]) -> Result<(), E>,
    ) -> Result<(), E> {
        let part = &self.parts[number];
        let (mut block, mut values) = (Vec::new(), vec![0.0; self.width]);
        if let Some(file) = &self.file {
            for &(start, length) in &part.blocks {
                block.resize(length, 0);
                file.read_exact_at(&mut block, start)?;
                self.each(&block, &mut values, &mut take)?;
            }
        }
        self.each(&part.unwritten, &mut values, &mut take)
    }

    fn each<E>(
        &self,
        block: &[u8],
        values: &mut [f64],
        take: &mut impl FnMut(u32, i64, &[f64]) -> Result<(), E>,
    ) -> Result<(), E> {
        for entry in block.chunks_exact(KEY + self.width * size_of::<f64>()) {
            let (key, rest) = entry.split_at(KEY);
            let (device, window) = key.split_at(size_of::<u32>());
            for (value, bytes) in values.iter_mut().zip(rest.chunks_exact(size_of::<f64>())) {
                *value = f64::from_ne_bytes(bytes.try_into().unwrap_or_default());
            }
            let device = u32::from_ne_bytes(device.try_into().unwrap_or_default());
            take(device, i64::from_ne_bytes(window.try_into().unwrap_or_default()), values)?;
        }
        Ok(())
    }
}

/// Bytes of a device and a window.
const KEY: usize = size_of::<u32>() + size_of::<i64>();

/// By the finalizer of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
fn part_of(device: u32, window: i64, salt: u32, parts: usize) -> usize {
    let mut bits = (window as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(device) ^ u64::from(salt) << 40;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) % parts as u64) as usize
}
