//! The manifest: which source files there are and how far each has come. The spine of the program.

mod claim;
mod duplicate_content;
mod entity;
mod ledger;
mod lineage;
mod overview;
mod progress;
mod state;

pub use claim::{claim, keep_claim, release_dead, worker_name};
pub use entity::Model as SourceFile;
pub use ledger::{
    Registration, archived, count_by_state, give_up, in_place, mark_aside, open_files, register, release, retry_later,
    send_back, unmoved,
};

pub use duplicate_content::{LoadedContents, loaded_contents};
pub use lineage::{corrections_of, entry, loaded_files, parent_of};
pub use overview::{LastError, QuietDevice, RowTotals, last_errors, quiet_devices, row_totals};

pub use progress::Progress;
pub use state::State;
