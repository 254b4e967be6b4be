//! Steps and passes: claim → pass → commit → finish.

mod apart;
mod context;
mod finish;
mod folders;
mod group;
mod grown;
mod hold;
mod next;
pub mod pass;
pub mod proof;
mod recheck;
mod retries;
mod stray;
mod target;
mod unnamed_columns;
mod work;

pub use context::Context;
pub use folders::{Folders, Identity, adopt, expect_writable, identify, look_at_markers, tell_apart};
pub use grown::{ChangedArchive, changed_archives, give_back_grown, grown_archive};
pub use hold::{hand_back_held, settle_places, whereabouts};
pub use next::{Position, Step, next};
pub use recheck::recheck_files;
pub use retries::with_retries;
pub use stray::{belongs_to_a_claim, take_in_strays};
pub use work::{bring_claimed_to, bring_files_to, recover};
