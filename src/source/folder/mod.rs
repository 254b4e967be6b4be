//! A local folder as a source.

mod archive;
mod arrivals;
mod discover;
mod filesystem;
mod grown;
mod life;
mod marker;
mod names;
mod pattern;
mod place;
mod writer;

pub use archive::{archived_under, copy_into, durable_rename, sync_folders_of};
pub use arrivals::Arrivals;
pub use discover::{Candidate, Discovery, StrayFile, discover};
pub use filesystem::rename_without_overwriting;
pub use grown::GrownFile;
pub use life::LifeLock;
pub use marker::{MARKER, read_marker, write_marker};
pub use names::{MAX_NAME_BYTES, cut, given_name, is_private, own_stem, private_name, split_name, unfinished_name};
pub use place::{Content, PlacedFile, Seen};
pub use writer::{OpenForWriting, ignore_lease_breaks, is_open_for_writing};
