//! Hashes of contents.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use super::open::open_file;
use super::stamp::Stamp;
use crate::progress;

/// A content as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// Size and time of the last change.
    pub stamp: Stamp,
    /// Hash (hex) of its bytes.
    pub sha256: String,
}

/// Lower-case hexadecimal text of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The sha256 (hex) of a file's bytes.
///
/// # Errors
/// When it can't be read.
pub fn sha256_of(path: &Path) -> io::Result<String> {
    copy_hashed(&mut open_file(path)?, &mut io::sink(), u64::MAX)
}

/// The same, given up when `stop` is set.
///
/// # Errors
/// When it can't be read, or was not read to its end.
pub fn sha256_unless_stopped(path: &Path, stop: &AtomicBool) -> io::Result<String> {
    copy_hashed(&mut Stoppable { inner: open_file(path)?, stop }, &mut io::sink(), u64::MAX)
}

struct Stoppable<'s, R> {
    inner: R,
    stop: &'s AtomicBool,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(io::Error::other("stopped on request")),
            false => self.inner.read(buffer),
        }
    }
}

/// The sha256 (hex) of a file's first `bytes` bytes.
///
/// # Errors
/// When it can't be read.
pub fn sha256_of_first(path: &Path, bytes: u64) -> io::Result<String> {
    copy_hashed(&mut open_file(path)?, &mut io::sink(), bytes)
}

/// Copies at most `bytes` bytes, and gives their sha256 (hex).
///
/// # Errors
/// Those of the reader and the writer.
pub fn copy_hashed(from: &mut impl Read, to: &mut impl Write, bytes: u64) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut left = bytes;
    while left > 0 {
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = from.read(&mut buffer[..most])?;
        progress::made();
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
        left -= n as u64;
    }
    Ok(hex(&hash.finalize()))
}
