//! The manifest: which source files there are, how far each has come, where it lies and who has it in hand. The spine of
//! the program.

mod claim;
mod duplicate_content;
mod entity;
mod entries;
mod figures;
mod ledger;
mod origin;
mod overview;
mod relations;
mod state;
pub mod transition;
mod unloading;
mod worker;

pub use claim::{Work, claim, is_anything_left};
pub use duplicate_content::{LoadedContents, Original, ToldBy, loaded_contents};
pub use entity::{Claim, Model as Entry};
pub use entries::{
    Descent, Registration, archived_since, descent_of, enter_held, entry, held, in_inbox, in_states, is_name_taken,
    loaded_files, of_name, open_files, open_names, register, seen_gone,
};
pub use figures::{Claims, Figures, figures};
pub use ledger::{
    Aside, Progress, Whereabouts, arrived, attempt_failed, changed, changed_and_held, expired, handed_back, lost,
    move_failed, rechecked_statement, release, release_all, rename_target, retry, set_aside, vanished,
};
pub use origin::{latest_archived, origins, take_in_origin};
pub use overview::{
    LastError, QuietDevice, RowTotals, count_by_state, empty_arrivals, last_errors, quiet_devices, row_totals,
};
pub use relations::{children_of, each_entry, of_content};
pub use state::{Place, State};
pub use transition::drawn;
pub use unloading::{SetAside, set_aside_because_of, to_recheck, unloading};
pub use worker::{Holder, Worker, holders, living_workers};

/// The statement of a transition in short, for those who trace statements.
pub const TRANSITION: &str = "UPDATE manifest";
