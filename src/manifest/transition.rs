//! The life of an entry as one table: the only way to change an entry of the manifest.
//!
//! Each [`Transition`] says from which states it goes, to which, who may, under which conditions, and what it sets. It is
//! applied by one statement whose condition holds all of that. Where the statement changes no row, somebody else was
//! faster: then neither a file nor another table may be touched.

use std::fmt::Write;
use std::mem::discriminant;

use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::Statement;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query, Value};

use super::entity::{Claim, Column, Entity};
use super::state::{Place, State};
use super::worker::is_free;
use crate::source::Stamp;
use crate::store::Dialect;

/// Attempts after which a file is given up.
pub const MAX_ATTEMPTS: i32 = 5;

/// Who may make a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A scan, on an entry that nobody has in hand and that is as the scan saw it.
    Scan,
    /// The worker whose claim has the entry's number.
    Holder,
    /// Anybody, while nobody has it in hand.
    Anyone,
}

/// What a transition does to a column.
#[derive(Debug, Clone, Copy)]
pub(super) enum Set {
    /// Empties it.
    Null(Column),
    /// Sets it to a value that is known here.
    To(Column, i32),
    /// Sets it to yes or no.
    Says(Column, bool),
    /// Sets it to the time of the database.
    Now(Column),
    /// Sets it to the time of the database, unless it has one.
    FirstTime(Column),
    /// Adds to it.
    Add(Column, i32),
    /// Sets it to what another column holds.
    Copy(Column, Column),
    /// Sets it to what the caller gives for it.
    Given(Column),
}

/// One row of the table.
#[derive(Debug)]
pub struct Transition {
    /// What happens, in a word or two.
    pub name: &'static str,
    /// From any of these.
    pub from: &'static [State],
    /// To this; `None`: the state stays.
    pub to: Option<State>,
    /// Who may.
    pub by: By,
    /// Where the file must lie; empty: anywhere.
    pub places: &'static [Place],
    /// What else is set.
    pub(super) sets: &'static [Set],
}

const CLOSED: &[State] = &[State::Loaded, State::Duplicate, State::Rejected, State::Failed, State::Unloaded];
const UNSETTLED: &[State] = &[State::Arriving, State::Pending, State::Failed];
const IN_HAND: &[State] = &[State::Pending, State::Validated, State::Aggregated];
const RELEASED: Set = Set::Null(Column::WorkerId);

macro_rules! transitions {
    ($($(#[doc = $doc:literal])* $constant:ident = $value:expr;)+) => {
        $($(#[doc = $doc])* pub const $constant: Transition = $value;)+
        /// Every transition, in the order of a life.
        pub const ALL: &[&Transition] = &[$(&$constant),+];
    };
}

transitions! {
    /// A scan finds the file as it was not before.
    REFRESH_PENDING = Transition {
        name: "refreshed", from: UNSETTLED, to: Some(State::Pending), by: By::Scan, places: &[Place::Inbox],
        sets: &[Set::Given(Column::Size), Set::Given(Column::ModifiedAt), Set::Given(Column::Sha256), Set::Now(Column::DiscoveredAt),
                Set::To(Column::Attempts, 0), Set::Null(Column::LastError), Set::Null(Column::NotBefore), Set::Null(Column::ValidatedAt),
                Set::Null(Column::AggregatedAt)],
    };
    /// The same for a file that is still being written.
    REFRESH_ARRIVING = Transition {
        name: "still arriving", from: UNSETTLED, to: Some(State::Arriving), by: By::Scan, places: &[Place::Inbox],
        sets: &[Set::Given(Column::Size), Set::Given(Column::ModifiedAt), Set::Null(Column::Sha256), Set::Now(Column::DiscoveredAt),
                Set::To(Column::Attempts, 0), Set::Null(Column::LastError), Set::Null(Column::ValidatedAt), Set::Null(Column::AggregatedAt)],
    };
    /// A scan finds neither name of the file.
    SEEN_GONE = Transition {
        name: "gone", from: UNSETTLED, to: Some(State::Vanished), by: By::Scan, places: &[Place::Inbox],
        sets: &[Set::Given(Column::Place), Set::Null(Column::PlaceName), Set::Given(Column::LastError)],
    };
    /// Five attempts began and none ended.
    EXPIRE = Transition {
        name: "ended without a word", from: IN_HAND, to: Some(State::Failed), by: By::Holder, places: &[],
        sets: &[Set::Given(Column::LastError), Set::Given(Column::Place), Set::Null(Column::PlaceName), Set::Null(Column::ArchiveName),
                Set::Null(Column::NotBefore)],
    };
    /// Every row has its verdict.
    VALIDATE = Transition {
        name: "validated", from: &[State::Pending], to: Some(State::Validated), by: By::Holder, places: &[],
        sets: &[Set::Given(Column::RowsTotal), Set::Given(Column::RowsRejected), Set::Given(Column::ContractHash),
                Set::Given(Column::Place), Set::Given(Column::PlaceName), Set::Given(Column::QuarantineName),
                Set::FirstTime(Column::ValidatedAt), Set::To(Column::Attempts, 0), Set::Null(Column::LastError), RELEASED],
    };
    /// The aggregates are stored.
    AGGREGATE = Transition {
        name: "aggregated", from: &[State::Validated], to: Some(State::Aggregated), by: By::Holder, places: &[],
        sets: &[Set::Given(Column::RowsTotal), Set::Given(Column::RowsRejected), Set::Given(Column::ContractHash),
                Set::Given(Column::Place), Set::Given(Column::PlaceName),
                Set::FirstTime(Column::AggregatedAt), Set::To(Column::Attempts, 0), Set::Null(Column::LastError), RELEASED],
    };
    /// The rows are committed; the claim stays until the file has its place.
    LOAD = Transition {
        name: "loaded", from: IN_HAND, to: Some(State::Loaded), by: By::Holder, places: &[],
        sets: &[Set::Given(Column::RowsTotal), Set::Given(Column::RowsLoaded), Set::Given(Column::RowsRejected),
                Set::Given(Column::RowsDuplicate), Set::Given(Column::RowsSkipped), Set::Given(Column::ContractHash), Set::Given(Column::Judge), Set::Given(Column::Place),
                Set::Given(Column::PlaceName), Set::Given(Column::ArchiveName), Set::Given(Column::QuarantineName),
                Set::FirstTime(Column::ValidatedAt), Set::FirstTime(Column::AggregatedAt), Set::Now(Column::LoadedAt),
                Set::Says(Column::Recheck, false), Set::To(Column::Attempts, 0), Set::Null(Column::LastError),
                Set::Null(Column::NotBefore)],
    };
    /// The rows of a loaded file were looked at again: what was free is stored.
    RECHECKED = Transition {
        name: "looked at again", from: &[State::Loaded], to: None, by: By::Holder, places: &[Place::Processed],
        sets: &[Set::Given(Column::RowsTotal), Set::Given(Column::RowsLoaded), Set::Given(Column::RowsRejected),
                Set::Given(Column::RowsDuplicate), Set::Given(Column::RowsSkipped), Set::Given(Column::ContractHash), Set::Given(Column::Judge),
                Set::Given(Column::QuarantineName), Set::Says(Column::Recheck, false), Set::To(Column::Attempts, 0),
                Set::Null(Column::LastError), Set::Null(Column::NotBefore), RELEASED],
    };
    /// The content is that of a loaded file.
    SET_ASIDE = Transition {
        name: "duplicate", from: IN_HAND, to: Some(State::Duplicate), by: By::Holder, places: &[],
        sets: &[Set::Given(Column::DuplicateOf), Set::Given(Column::LastError), Set::Given(Column::Place),
                Set::Given(Column::PlaceName), Set::Given(Column::ArchiveName), Set::Null(Column::QuarantineName),
                Set::Null(Column::ContractHash), Set::Null(Column::RowsTotal), Set::Null(Column::RowsRejected),
                Set::Null(Column::ValidatedAt), Set::Null(Column::AggregatedAt), Set::To(Column::Attempts, 0),
                Set::Null(Column::NotBefore)],
    };
    /// The whole file breaks the contract.
    REJECT = Transition {
        name: "refused", from: IN_HAND, to: Some(State::Rejected), by: By::Holder, places: &[],
        sets: &[Set::Given(Column::LastError), Set::Given(Column::Place), Set::Given(Column::PlaceName),
                Set::Given(Column::ArchiveName), Set::Given(Column::QuarantineName), Set::Null(Column::RowsTotal),
                Set::Null(Column::RowsRejected), Set::Null(Column::ContractHash), Set::Null(Column::ValidatedAt),
                Set::Null(Column::AggregatedAt), Set::To(Column::Attempts, 0), Set::Null(Column::NotBefore)],
    };
    /// The file has the place where it belongs.
    ARRIVE = Transition {
        name: "in its place", from: CLOSED, to: None, by: By::Holder, places: &[],
        sets: &[Set::Given(Column::Place), Set::Copy(Column::PlaceName, Column::ArchiveName), Set::Now(Column::ArchivedAt),
                Set::To(Column::Attempts, 0), Set::Null(Column::NotBefore), RELEASED],
    };
    /// What was loaded is nowhere any more: it was overwritten before it was moved.
    LOSE = Transition {
        name: "lost", from: CLOSED, to: None, by: By::Holder, places: &[],
        sets: &[Set::Given(Column::Place), Set::Null(Column::PlaceName), Set::Given(Column::LastError), Set::Now(Column::ArchivedAt),
                Set::Null(Column::NotBefore), RELEASED],
    };
    /// The name that was written ahead is taken: another is.
    RENAME_TARGET = Transition {
        name: "another name", from: CLOSED, to: None, by: By::Holder, places: &[], sets: &[Set::Given(Column::ArchiveName)],
    };
    /// A move failed: it is tried again for as long as it takes.
    MOVE_FAILED = Transition {
        name: "move failed", from: CLOSED, to: None, by: By::Holder, places: &[],
        sets: &[Set::Given(Column::LastError), Set::Given(Column::NotBefore), RELEASED],
    };
    /// The bytes are no longer those that were discovered, and the file was handed back.
    CHANGE = Transition {
        name: "changed", from: IN_HAND, to: Some(State::Arriving), by: By::Holder, places: &[],
        sets: &[Set::Null(Column::Sha256), Set::Given(Column::Place), Set::Null(Column::PlaceName), Set::Given(Column::LastError),
                Set::Null(Column::ValidatedAt), Set::Null(Column::AggregatedAt), Set::To(Column::Attempts, 0), RELEASED],
    };
    /// A held file lies under its delivered name again, and begins anew.
    HAND_BACK = Transition {
        name: "handed back", from: IN_HAND, to: Some(State::Pending), by: By::Holder, places: &[],
        sets: &[Set::Given(Column::Place), Set::Null(Column::PlaceName), Set::Null(Column::QuarantineName), Set::Null(Column::ValidatedAt),
                Set::Null(Column::AggregatedAt), Set::To(Column::Attempts, 0), Set::Null(Column::NotBefore), RELEASED],
    };
    /// The same where the delivered name is taken: it stays held, as it is now.
    CHANGE_HELD = Transition {
        name: "changed, held", from: IN_HAND, to: Some(State::Pending), by: By::Holder, places: &[],
        sets: &[Set::Given(Column::Sha256), Set::Given(Column::Size), Set::Given(Column::ModifiedAt), Set::Given(Column::Place),
                Set::Given(Column::PlaceName), Set::Given(Column::LastError), Set::Given(Column::NotBefore),
                Set::Null(Column::ValidatedAt), Set::Null(Column::AggregatedAt), Set::To(Column::Attempts, 0), RELEASED],
    };
    /// An attempt failed: the file is taken again after a while.
    RETRY_LATER = Transition {
        name: "tried again later", from: IN_HAND, to: None, by: By::Holder, places: &[],
        sets: &[Set::Given(Column::LastError), Set::Given(Column::NotBefore), Set::Given(Column::Place), Set::Given(Column::PlaceName), RELEASED],
    };
    /// A stop, or a database that was away: the attempt does not count.
    RELEASE = Transition {
        name: "let go", from: IN_HAND, to: None, by: By::Holder, places: &[],
        sets: &[Set::Add(Column::Attempts, -1), Set::Given(Column::Place), Set::Given(Column::PlaceName), RELEASED],
    };
    /// A worker that has nothing in hand frees what it could not let go of while the database was away.
    FREE = Transition {
        name: "let go later", from: IN_HAND, to: None, by: By::Holder, places: &[],
        sets: &[Set::Add(Column::Attempts, -1), RELEASED],
    };
    /// The same for files on their way to their place.
    FREE_CLOSED = Transition {
        name: "let go on its way", from: CLOSED, to: None, by: By::Holder, places: &[], sets: &[RELEASED],
    };
    /// The last attempt failed.
    GIVE_UP = Transition {
        name: "given up", from: IN_HAND, to: Some(State::Failed), by: By::Holder, places: &[],
        sets: &[Set::Given(Column::LastError), Set::Given(Column::Place), Set::Null(Column::PlaceName), Set::Null(Column::ArchiveName),
                Set::Null(Column::NotBefore)],
    };
    /// Neither name of the file exists.
    VANISH = Transition {
        name: "vanished", from: IN_HAND, to: Some(State::Vanished), by: By::Holder, places: &[],
        sets: &[Set::Given(Column::Place), Set::Null(Column::PlaceName), Set::Given(Column::LastError), RELEASED],
    };
    /// Somebody asks for another try.
    RETRY = Transition {
        name: "retried", from: &[State::Failed], to: Some(State::Pending), by: By::Anyone, places: &[],
        sets: &[Set::To(Column::Attempts, 0), Set::Null(Column::NotBefore), Set::Null(Column::LastError)],
    };
    /// Its rows are taken out.
    UNLOAD = Transition {
        name: "taken out", from: &[State::Loaded], to: Some(State::Unloaded), by: By::Anyone, places: &[Place::Processed],
        sets: &[Set::Given(Column::LastError), Set::Null(Column::RowsLoaded), Set::Null(Column::RowsDuplicate), Set::Null(Column::LoadedAt)],
    };
    /// Its rows are taken out, to be loaded again from where the file lies.
    UNLOAD_AGAIN = Transition {
        name: "taken out, to be loaded again", from: &[State::Loaded], to: Some(State::Pending), by: By::Anyone, places: &[Place::Processed],
        sets: &[Set::Given(Column::LastError), Set::Null(Column::RowsLoaded), Set::Null(Column::RowsDuplicate),
                Set::Null(Column::ValidatedAt), Set::Null(Column::AggregatedAt), Set::Null(Column::LoadedAt), Set::To(Column::Attempts, 0)],
    };
    /// The file that had its content was taken out: its own rows are wanted.
    RETAKE = Transition {
        name: "wanted after all", from: &[State::Duplicate], to: Some(State::Pending), by: By::Anyone, places: &[Place::Processed],
        sets: &[Set::Given(Column::LastError), Set::Null(Column::DuplicateOf), Set::To(Column::Attempts, 0), Set::Null(Column::NotBefore)],
    };
    /// A file that set some of its rows aside was taken out: they are to be looked at again. Whoever has it in hand goes on.
    DOUBT = Transition {
        name: "to be looked at again", from: &[State::Loaded], to: None, by: By::Anyone, places: &[],
        sets: &[Set::Says(Column::Recheck, true)],
    };
}

/// Whose entry a statement is about, and as what it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of<'c> {
    /// The claims that the caller holds, all of one worker.
    Claims(&'c [Claim]),
    /// Whatever this worker holds.
    Worker(i64),
    /// Whatever workers hold that are no more.
    Dead,
    /// Those for which a condition holds.
    Which(&'c str),
    /// An entry that nobody has in hand, with the claim number that was seen.
    Free {
        /// The entry.
        id: i64,
        /// Its claim number.
        claim_no: i64,
    },
}

impl Transition {
    /// Whether nobody has the entry in hand afterwards.
    pub fn frees(&self) -> bool {
        self.sets.iter().any(|set| matches!(set, Set::Null(Column::WorkerId)))
    }

    /// The attempts that count afterwards.
    pub fn attempts_after(&self, attempts: i32) -> i32 {
        self.sets.iter().fold(attempts, |attempts, set| match set {
            Set::To(Column::Attempts, n) => *n,
            Set::Add(Column::Attempts, n) => attempts + n,
            _ => attempts,
        })
    }

    /// The one statement, with `given` for the columns that the table leaves to the caller.
    pub(super) fn statement(&self, of: Of<'_>, given: &[(Column, Value)], dialect: Dialect) -> String {
        self.repeatable(of, given, dialect).to_string()
    }

    /// The same with its values apart: its text is that of every other entry's.
    pub(super) fn repeatable(&self, of: Of<'_>, given: &[(Column, Value)], dialect: Dialect) -> Statement {
        let mut update = Query::update();
        update.table(Entity);
        if let Some(to) = self.to {
            update.value(Column::State, to.as_str());
        }
        for set in self.sets {
            match *set {
                Set::Null(column) => update.value(column, Expr::cust("NULL")),
                Set::To(column, value) => update.value(column, value),
                Set::Says(column, value) => update.value(column, value),
                Set::Now(column) => update.value(column, Expr::cust(dialect.now())),
                Set::FirstTime(column) => {
                    let name = sea_orm::Iden::unquoted(&column);
                    update.value(column, Expr::cust(format!("coalesce({name}, {})", dialect.now())))
                }
                Set::Add(column, n) => update.value(column, Expr::col(column).add(n)),
                Set::Copy(column, other) => update.value(column, Expr::col(other)),
                Set::Given(column) => {
                    let value = given
                        .iter()
                        .find(|(name, _)| discriminant(name) == discriminant(&column))
                        .map(|(_, value)| value.clone());
                    debug_assert!(value.is_some(), "{}: nothing is given for {column:?}", self.name);
                    match value {
                        Some(value) => update.value(column, Expr::value(value)),
                        None => continue,
                    }
                }
            };
        }
        let states = self.from.iter().map(|state| state.as_str());
        let mut condition = Condition::all().add(Expr::col(Column::State).is_in(states));
        if !self.places.is_empty() {
            condition = condition.add(Expr::col(Column::Place).is_in(self.places.iter().map(|place| place.as_str())));
        }
        condition = match of {
            Of::Claims(claims) => {
                let held = claims.iter().map(|claim| (claim.id, claim.no));
                let numbers = Expr::tuple([Expr::col(Column::Id), Expr::col(Column::ClaimNo)]).in_tuples(held);
                condition
                    .add(Expr::col(Column::WorkerId).eq(claims.first().map_or(0, |claim| claim.worker)))
                    .add(numbers)
            }
            Of::Which(which) => condition.add(Expr::cust(which.to_owned())),
            Of::Worker(worker) => condition.add(Expr::col(Column::WorkerId).eq(worker)),
            Of::Dead => condition.add(Expr::col(Column::WorkerId).is_not_null()).add(Expr::cust(is_free(dialect))),
            Of::Free { id, claim_no } => condition
                .add(Expr::col(Column::Id).eq(id))
                .add(Expr::col(Column::ClaimNo).eq(claim_no))
                .add(Expr::col(Column::WorkerId).is_null()),
        };
        // One entry has the delivered name; a file that was given back under it while another has it is that one's.
        let to_inbox = |(column, value): &(Column, Value)| {
            matches!(column, Column::Place) && *value == Value::from(Place::Inbox.as_str())
        };
        if given.iter().any(to_inbox) {
            condition = condition.add(Expr::cust(
                "NOT EXISTS (SELECT 1 FROM manifest AS other WHERE other.place = 'inbox' AND other.id <> manifest.id \
                 AND other.origin = manifest.origin AND other.source = manifest.source)",
            ));
        }
        update.cond_where(condition);
        dialect.backend().build(&update)
    }
}

/// A time as both databases keep it: the texts of SQLite are compared as texts.
pub(super) fn instant(time: DateTime<Utc>) -> Value {
    time.to_rfc3339_opts(SecondsFormat::Micros, false).into()
}

/// When the file of this stamp was last changed.
pub(super) fn time_of(stamp: Stamp) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(stamp.modified_at).unwrap_or_default()
}

/// The table as ARCHITECTURE.md shows it.
pub fn drawn() -> String {
    let mut text = String::from("| what happens | from | to | who |\n|---|---|---|---|\n");
    for transition in ALL {
        let from: Vec<&str> = transition.from.iter().map(|state| state.as_str()).collect();
        let to = transition.to.map_or("the same", State::as_str);
        let by = match transition.by {
            By::Scan => "a scan; nobody has it in hand, and it is as it was seen",
            By::Holder => "the holder of the claim",
            By::Anyone => "anyone; nobody has it in hand",
        };
        let _ = writeln!(text, "| {} | {} | {to} | {by} |", transition.name, from.join(", "));
    }
    text
}
