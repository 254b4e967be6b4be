//! What a listing tells of a file without reading it.

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

/// Of the file under `path`, links not followed.
///
/// # Errors
/// When it can't be looked at.
pub fn stamp_of(path: &std::path::Path) -> std::io::Result<Stamp> {
    std::fs::symlink_metadata(path).map(|metadata| Stamp::of(&metadata))
}
