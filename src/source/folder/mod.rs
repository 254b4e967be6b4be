//! A local folder as a source.

mod archive;
mod arrivals;
mod discover;
mod names;

pub use archive::{archive, archived_under, copy_into, durable_rename, return_to, sync_folders_of};
pub use arrivals::Arrivals;
pub use discover::{Candidate, Discovery, discover};
pub use names::split_name;
