//! Steps and passes: claim → pass → commit → finish.

mod context;
mod finish;
mod group;
pub mod pass;
mod work;

pub use context::Context;
pub use finish::move_away;
pub use work::{bring_claimed_to, bring_files_to};
