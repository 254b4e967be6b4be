//! The proof that every line is accounted for: each entry of the manifest, in whatever state, against its file, the
//! database at one moment, and the quarantine; and what lies in the folders that no entry knows.

mod check;
mod receipt;
mod rejections;
mod second_pass;
mod unaccounted;

pub use check::receipt_of;
pub use receipt::{Compared, Receipt};
pub use unaccounted::{Unaccounted, unaccounted_files};
