//! Where source files come from, and where they go when they are done: a local folder.

mod archive;
mod arrivals;
mod discover;

pub use archive::{archive, archived_under, copy_into, durable_rename, return_to, sync_folders_of};
pub use arrivals::Arrivals;
pub use discover::{Candidate, Discovery, discover};

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::config::hex;

/// How a source file is compressed, told by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// `.gz`, one member or several.
    Gzip,
    /// `.zst`.
    Zstd,
}

impl Compression {
    /// By the ending of `name`.
    pub fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        if name.ends_with(".gz") {
            Compression::Gzip
        } else if name.ends_with(".zst") {
            Compression::Zstd
        } else {
            Compression::None
        }
    }

    /// The plain bytes of `reader`.
    ///
    /// # Errors
    /// When the decoder can't be set up; broken data is an error of the reads that meet it.
    pub fn decode<'a>(self, reader: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Compression::None => Box::new(reader),
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(BufReader::with_capacity(1 << 16, reader))),
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(reader)?),
        })
    }
}

/// `x.csv.gz` → (`x`, `.csv.gz`); a name without a known ending gets `.csv`.
pub fn split_name(name: &str) -> (&str, &str) {
    let lower = name.to_ascii_lowercase();
    for ending in [".csv.gz", ".csv.zst", ".csv"] {
        if lower.ends_with(ending) && name.len() > ending.len() {
            return name.split_at(name.len() - ending.len());
        }
    }
    (name, ".csv")
}

/// Size in bytes and time of the last change, in microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: i64,
    /// Microseconds since 1970-01-01 UTC.
    pub modified_at: i64,
}

impl Stamp {
    /// Of an open or listed file.
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            size: metadata.len() as i64,
            modified_at: metadata.mtime().saturating_mul(1_000_000).saturating_add(metadata.mtime_nsec() / 1000),
        }
    }
}

/// The sha256 (hex) of a file's bytes.
///
/// # Errors
/// When it can't be read.
pub fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}
