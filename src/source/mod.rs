//! Where source files come from, and where they go when they are done.

mod compression;
mod digest;
mod folder;
mod open;
mod stamp;

pub use compression::decompressed;
pub use digest::{Fixed, hex, sha256_of, sha256_unless_stopped};
pub use folder::{
    Arrivals, Candidate, Content, Discovery, GrownFile, LifeLock, MARKER, MAX_NAME_BYTES, OpenForWriting, PlacedFile,
    Seen, StrayFile, archived_under, copy_into, cut, discover, durable_rename, given_name, ignore_lease_breaks,
    is_open_for_writing, is_private, own_stem, private_name, read_marker, rename_without_overwriting, split_name,
    sync_folders_of, unfinished_name, write_marker,
};
pub use open::open_file;
pub use stamp::{Stamp, stamp_of};
