//! Measurements that wait on the disk until there is memory for their windows.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Into so many parts what is spilled is divided, by device and window: each has all the measurements of its windows.
pub const PARTS: usize = 32;
/// Bytes that are written at once.
const BLOCK: usize = 64 << 10;

/// Measurements in an unnamed file, in the order in which they came, part by part.
pub struct Spill {
    file: File,
    /// Bytes in the file.
    end: u64,
    /// Values of a measurement.
    width: usize,
    /// How often what stands here was spilled before: each time it is divided another way.
    depth: u32,
    parts: Vec<Part>,
}

#[derive(Default)]
struct Part {
    unwritten: Vec<u8>,
    /// Where its blocks begin, and their length.
    blocks: Vec<(u64, usize)>,
}

impl Spill {
    /// A file in `folder`, which goes when this is dropped, for measurements of `width` values.
    ///
    /// # Errors
    /// When it can't be created.
    pub fn create(folder: &Path, width: usize, depth: u32) -> io::Result<Self> {
        let parts = (0..PARTS).map(|_| Part::default()).collect();
        Ok(Self { file: tempfile::tempfile_in(folder)?, end: 0, width, depth, parts })
    }

    /// Adds what `device` measured in `window`: finite values, or none.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn add(&mut self, device: u32, window: i64, values: impl Iterator<Item = Option<f64>>) -> io::Result<()> {
        let part = &mut self.parts[part_of(device, window, self.depth)];
        part.unwritten.extend_from_slice(&device.to_ne_bytes());
        part.unwritten.extend_from_slice(&window.to_ne_bytes());
        for value in values {
            part.unwritten.extend_from_slice(&value.unwrap_or(f64::NAN).to_ne_bytes());
        }
        if part.unwritten.len() >= BLOCK {
            self.file.write_all_at(&part.unwritten, self.end)?;
            part.blocks.push((self.end, part.unwritten.len()));
            self.end += part.unwritten.len() as u64;
            part.unwritten.clear();
        }
        Ok(())
    }

    /// Gives `take` the measurements of the part `number`, in the order in which they came.
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
        for &(start, length) in &part.blocks {
            block.resize(length, 0);
            self.file.read_exact_at(&mut block, start)?;
            self.measurements(&block, &mut values, &mut take)?;
        }
        self.measurements(&part.unwritten, &mut values, &mut take)
    }

    fn measurements<E>(
        &self,
        block: &[u8],
        values: &mut [f64],
        take: &mut impl FnMut(u32, i64, &[f64]) -> Result<(), E>,
    ) -> Result<(), E> {
        for measurement in block.chunks_exact(KEY + self.width * size_of::<f64>()) {
            let (key, rest) = measurement.split_at(KEY);
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
fn part_of(device: u32, window: i64, depth: u32) -> usize {
    let mut bits = (window as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(device) ^ u64::from(depth) << 40;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) % PARTS as u64) as usize
}
