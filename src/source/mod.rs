//! Where source files come from, and where they go when they are done.

mod compression;
mod digest;
mod folder;
mod stamp;

pub use compression::Compression;
pub use digest::{hex, sha256_of};
pub use folder::{
    Arrivals, Candidate, Discovery, archive, archived_under, copy_into, discover, durable_rename, return_to,
    split_name, sync_folders_of,
};
pub use stamp::Stamp;
