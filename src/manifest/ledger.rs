//! Changes to entries: each is a row of the table of transitions.

use std::time::Duration;

use iotpipe_core::offences::Offences;
use iotpipe_core::reading::Tally;
use iotpipe_core::validate::JUDGE;
use sea_orm::Statement;
use sea_orm::sea_query::Value;

use super::entity::{Claim, Column, Model as Entry};
use super::state::{Place, State};
use super::transition::{self, MAX_ATTEMPTS, Of, Transition, instant, time_of};
use super::worker::Worker;
use crate::store::{Dialect, Store, StoreError, rejection_statements};

/// Wait after the first failed attempt; it doubles with each.
const BACKOFF: Duration = Duration::from_secs(5);
/// Longest wait between two attempts at a move, which never end.
const LONGEST_BACKOFF: Duration = Duration::from_secs(3600);

/// Why an entry ends whose file was given back while another entry had its name.
const NAME_IS_ANOTHERS: &str =
    "given back under its name, which is another entry's now: it is taken up again as a new file";

/// Where the file of an entry in hand lies: under its private name, or where it was put before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// The place.
    pub place: Place,
    /// The path below its folder.
    pub name: Option<String>,
}

impl Whereabouts {
    fn given(&self) -> [(Column, Value); 2] {
        [(Column::Place, self.place.as_str().into()), (Column::PlaceName, self.name.clone().into())]
    }
}

/// Makes `transition`, and says whether it was this caller's to make.
fn apply(
    store: &Store,
    transition: &Transition,
    claims: &[Claim],
    given: &[(Column, Value)],
) -> Result<bool, StoreError> {
    let statement = transition.statement(Of::Claims(claims), given, store.dialect());
    let changed = store.change(&statement)?;
    Ok(changed == claims.len() as u64)
}

/// Makes a transition whose claim must still hold.
fn apply_held(
    store: &Store,
    transition: &Transition,
    claim: Claim,
    given: &[(Column, Value)],
) -> Result<(), StoreError> {
    if apply(store, transition, &[claim], given)? { Ok(()) } else { Err(StoreError::ClaimLost) }
}

/// The statement that ends a file's part of a load transaction: how far a step brought it, by a pass that counted `tally`.
/// What is written ahead of a move is the name in `archive_name`.
#[derive(Debug)]
pub struct Progress<'a> {
    /// The claim.
    pub claim: Claim,
    /// `validated`, `aggregated` or `loaded`.
    pub state: State,
    /// What the pass counted.
    pub tally: Tally,
    /// The contract that gave the verdicts.
    pub contract_hash: &'a str,
    /// Where the file lies.
    pub lies: &'a Whereabouts,
    /// Where it is to go, below the folder of its goal.
    pub archive_name: Option<&'a str>,
    /// What the names of its rejected rows begin with.
    pub quarantine_name: Option<&'a str>,
}

impl Progress<'_> {
    /// As SQL. Its condition makes the commit the judge: a file that was taken over is marked by nobody else.
    pub fn statement(&self, dialect: Dialect) -> Statement {
        let transition = match self.state {
            State::Loaded => &transition::LOAD,
            State::Aggregated => &transition::AGGREGATE,
            _ => &transition::VALIDATE,
        };
        transition.repeatable(Of::Claims(&[self.claim]), &self.given(), dialect)
    }

    fn given(&self) -> Vec<(Column, Value)> {
        let mut given = vec![
            (Column::RowsTotal, self.tally.total.into()),
            (Column::RowsLoaded, self.tally.loaded.into()),
            (Column::RowsRejected, self.tally.rejected.into()),
            (Column::RowsDuplicate, self.tally.duplicate.into()),
            (Column::RowsSkipped, self.tally.skipped.into()),
            (Column::ContractHash, self.contract_hash.into()),
            (Column::Judge, JUDGE.into()),
            (Column::ArchiveName, self.archive_name.map(str::to_owned).into()),
            (Column::QuarantineName, self.quarantine_name.map(str::to_owned).into()),
        ];
        given.extend(self.lies.given());
        given
    }
}

/// The statement that ends the pass in which the rows of a loaded file were looked at again.
pub fn rechecked_statement(progress: &Progress<'_>, dialect: Dialect) -> Statement {
    let given = progress.given();
    transition::RECHECKED.repeatable(Of::Claims(&[progress.claim]), &given, dialect)
}

/// How a file is set aside whole.
#[derive(Debug)]
pub enum Aside<'a> {
    /// Its content is that of this loaded file.
    DuplicateOf(i64),
    /// It breaks the contract.
    Rejected {
        /// What the names of its reasons begin with, below `quarantine/`.
        quarantine_name: &'a str,
        /// The rules that were broken.
        offences: &'a Offences,
    },
}

/// Sets a file aside as `duplicate` or `rejected`: what earlier steps stored of it goes with the same commit. Says whether
/// that was done: not where the loaded file of the same content was taken out meanwhile.
///
/// # Errors
/// [`StoreError::ClaimLost`], and when the database can't be written.
pub fn set_aside(
    store: &Store,
    claim: Claim,
    aside: &Aside<'_>,
    why: &str,
    lies: &Whereabouts,
    archive_name: &str,
) -> Result<bool, StoreError> {
    let dialect = store.dialect();
    let mut given: Vec<(Column, Value)> =
        vec![(Column::LastError, why.into()), (Column::ArchiveName, archive_name.into())];
    given.extend(lies.given());
    let (transition, original) = match aside {
        Aside::DuplicateOf(original) => {
            given.push((Column::DuplicateOf, (*original).into()));
            (&transition::SET_ASIDE, Some(*original))
        }
        Aside::Rejected { quarantine_name, .. } => {
            given.push((Column::QuarantineName, (*quarantine_name).into()));
            (&transition::REJECT, None)
        }
    };
    let rejections = match aside {
        Aside::DuplicateOf(_) => rejection_statements(claim.id, &Offences::default(), true, dialect),
        Aside::Rejected { offences, .. } => rejection_statements(claim.id, offences, true, dialect),
    };
    let statement = transition.statement(Of::Claims(&[claim]), &given, dialect);
    let done = store.write(async |session| {
        // The other may not be taken out between this look and the commit: its rows are what this file's rows are in.
        if let Some(original) = original {
            let loaded =
                format!("SELECT id FROM manifest WHERE id = {original} AND state = 'loaded' {}", dialect.for_share());
            if session.rows(loaded).await?.is_empty() {
                return Ok(None);
            }
        }
        let changed = session.change(&statement).await?;
        if changed == 1 {
            session.change(&format!("DELETE FROM file_aggregates WHERE file_id = {}", claim.id)).await?;
            for statement in &rejections {
                session.change(statement).await?;
            }
        }
        Ok(Some(changed))
    })?;
    match done {
        None => Ok(false),
        Some(1) => Ok(true),
        Some(_) => Err(StoreError::ClaimLost),
    }
}

/// The files are where they belong, under the names that were written ahead; the claims end. Those of another worker by
/// now are left to it.
///
/// # Errors
/// When the database can't be written.
pub fn arrived(store: &Store, claims: &[Claim], place: Place) -> Result<(), StoreError> {
    let given = [(Column::Place, place.as_str().into())];
    if place == Place::Inbox {
        for claim in claims {
            if !apply(store, &transition::ARRIVE, &[*claim], &given)? {
                let given =
                    [(Column::Place, Place::Nowhere.as_str().into()), (Column::LastError, NAME_IS_ANOTHERS.into())];
                apply(store, &transition::LOSE, &[*claim], &given)?;
            }
        }
        return Ok(());
    }
    match claims {
        [] => Ok(()),
        claims => apply(store, &transition::ARRIVE, claims, &given).map(|_| ()),
    }
}

/// The content is nowhere any more.
///
/// # Errors
/// [`StoreError::ClaimLost`], and when the database can't be written.
pub fn lost(store: &Store, claim: Claim, why: &str) -> Result<(), StoreError> {
    let given = [(Column::Place, Place::Nowhere.as_str().into()), (Column::LastError, why.into())];
    apply_held(store, &transition::LOSE, claim, &given)
}

/// The file is to have another name where it belongs.
///
/// # Errors
/// [`StoreError::ClaimLost`], and when the database can't be written.
pub fn rename_target(store: &Store, claim: Claim, archive_name: &str) -> Result<(), StoreError> {
    apply_held(store, &transition::RENAME_TARGET, claim, &[(Column::ArchiveName, archive_name.into())])
}

/// A move failed; it is tried again after a wait that grows with the attempts.
///
/// # Errors
/// [`StoreError::ClaimLost`], and when the database can't be written.
pub fn move_failed(store: &Store, entry: &Entry, why: &str) -> Result<(), StoreError> {
    let wait = not_before(store, backoff(entry.attempts).min(LONGEST_BACKOFF))?;
    let given = [(Column::LastError, why.into()), (Column::NotBefore, wait)];
    apply_held(store, &transition::MOVE_FAILED, entry.claim(), &given)
}

/// The bytes are no longer those that were discovered, and the file lies under its delivered name again: the next scan
/// fixes them anew.
///
/// # Errors
/// [`StoreError::ClaimLost`], and when the database can't be written.
pub fn changed(store: &Store, claim: Claim, why: &str) -> Result<(), StoreError> {
    let given = [(Column::Place, Place::Inbox.as_str().into()), (Column::LastError, why.into())];
    if apply(store, &transition::CHANGE, &[claim], &given)? {
        return Ok(());
    }
    vanished(store, claim, NAME_IS_ANOTHERS)
}

/// A held file lies under its delivered name again, as it was discovered.
///
/// # Errors
/// [`StoreError::ClaimLost`], and when the database can't be written.
pub fn handed_back(store: &Store, claim: Claim) -> Result<(), StoreError> {
    if apply(store, &transition::HAND_BACK, &[claim], &[(Column::Place, Place::Inbox.as_str().into())])? {
        return Ok(());
    }
    vanished(store, claim, NAME_IS_ANOTHERS)
}

/// The same where another file has the delivered name: it stays held, as it is now.
///
/// # Errors
/// [`StoreError::ClaimLost`], and when the database can't be written.
pub fn changed_and_held(
    store: &Store,
    claim: Claim,
    why: &str,
    now: &crate::source::Fixed,
    lies: &Whereabouts,
) -> Result<(), StoreError> {
    let mut given: Vec<(Column, Value)> = vec![
        (Column::Sha256, now.sha256.clone().into()),
        (Column::Size, now.stamp.size.into()),
        (Column::ModifiedAt, instant(time_of(now.stamp))),
        (Column::LastError, why.into()),
        // Whoever still writes to it is not asked again at once.
        (Column::NotBefore, not_before(store, BACKOFF)?),
    ];
    given.extend(lies.given());
    apply_held(store, &transition::CHANGE_HELD, claim, &given)
}

/// The attempt failed: the file is let go, and taken again after a wait that doubles each time; `failed` in the end, with
/// the claim kept until it lies under its delivered name again. Says whether it is given up.
///
/// # Errors
/// [`StoreError::ClaimLost`], and when the database can't be written.
pub fn attempt_failed(store: &Store, entry: &Entry, why: &str, lies: &Whereabouts) -> Result<bool, StoreError> {
    let mut given: Vec<(Column, Value)> = lies.given().to_vec();
    if entry.attempts >= MAX_ATTEMPTS {
        given.push((Column::LastError, format!("given up after {} attempts: {why}", entry.attempts).into()));
        apply_held(store, &transition::GIVE_UP, entry.claim(), &given)?;
        return Ok(true);
    }
    given.push((Column::LastError, why.into()));
    given.push((Column::NotBefore, not_before(store, backoff(entry.attempts))?));
    apply_held(store, &transition::RETRY_LATER, entry.claim(), &given)?;
    Ok(false)
}

/// The last attempts began and never ended. The claim is kept until the file lies under its delivered name again.
///
/// # Errors
/// [`StoreError::ClaimLost`], and when the database can't be written.
pub fn expired(store: &Store, entry: &Entry, lies: &Whereabouts) -> Result<(), StoreError> {
    let last = entry.last_error.as_ref().map(|error| format!("; before that: {error}")).unwrap_or_default();
    let why = format!(
        "given up after {MAX_ATTEMPTS} attempts that ended without a word: the program was killed, or ran out of \
         memory{last}"
    );
    let mut given: Vec<(Column, Value)> = vec![(Column::LastError, why.into())];
    given.extend(lies.given());
    apply_held(store, &transition::EXPIRE, entry.claim(), &given)
}

/// The file is gone.
///
/// # Errors
/// [`StoreError::ClaimLost`], and when the database can't be written.
pub fn vanished(store: &Store, claim: Claim, why: &str) -> Result<(), StoreError> {
    let given = [(Column::Place, Place::Nowhere.as_str().into()), (Column::LastError, why.into())];
    apply_held(store, &transition::VANISH, claim, &given)
}

/// Lets go of a claim; the attempt does not count.
///
/// # Errors
/// [`StoreError::ClaimLost`], and when the database can't be written.
pub fn release(store: &Store, claim: Claim, lies: &Whereabouts) -> Result<(), StoreError> {
    apply_held(store, &transition::RELEASE, claim, &lies.given())
}

/// Frees what `worker`, which has nothing in hand when it calls, could not let go of while the database was away; and
/// closed files that a worker which is no more had brought to their place without a last word.
///
/// # Errors
/// When the database can't be written.
pub fn release_all(store: &Store, worker: &Worker) -> Result<(), StoreError> {
    let (own, dead, dialect) = (Of::Worker(worker.id), Of::Dead, store.dialect());
    let statements = [
        transition::FREE.statement(own, &[], dialect),
        transition::FREE_CLOSED.statement(own, &[], dialect),
        transition::FREE_CLOSED.statement(dead, &[], dialect),
    ];
    store.write(async |session| {
        for statement in &statements {
            session.change(statement).await?;
        }
        Ok(())
    })
}

/// Takes a failed file up again; says whether it was failed, and in nobody's hand.
///
/// # Errors
/// When the database can't be written.
pub fn retry(store: &Store, entry: &Entry) -> Result<bool, StoreError> {
    let of = Of::Free { id: entry.id, claim_no: entry.claim_no };
    let statement = transition::RETRY.statement(of, &[], store.dialect());
    Ok(store.change(&statement)? == 1)
}

fn backoff(attempts: i32) -> Duration {
    BACKOFF * 2u32.saturating_pow(attempts.clamp(1, 12) as u32 - 1)
}

/// The database's clock and `wait`, as the database itself writes it: SQLite compares times as text.
fn not_before(store: &Store, wait: Duration) -> Result<Value, StoreError> {
    Ok(instant(store.now()? + wait))
}
