//! Files under private names that are nobody's: a worker that lost its claim left them, or a database that is gone. What
//! they hold was delivered once, so they go back to where they came from.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use super::apart::enter_apart;
use super::context::Context;
use super::next::Position;
use crate::error::Error;
use crate::manifest::{self, Place, State};
use crate::source::{Fixed, StrayFile, private_name, rename_without_overwriting, sha256_of, stamp_of};

/// A file that was renamed more recently than this may be in the hands of somebody whom this database does not know.
const SETTLED: Duration = Duration::from_secs(120);

/// Gives them back under their delivered names; where one is taken, the file becomes an entry of its own. Says how many.
///
/// # Errors
/// When the database can't be asked, or the folder not be written.
pub fn take_in_strays(context: &Context<'_>, strays: &[StrayFile]) -> Result<u64, Error> {
    let mut taken = 0;
    for stray in strays {
        let entry = manifest::entry(context.store, stray.id)?.filter(|entry| entry.origin == context.origin);
        let is_known = entry.as_ref().is_some_and(|entry| {
            let position = Position { state: entry.current(), place: entry.lies(), claim_no: entry.claim_no };
            let newest = stray.path.with_file_name(private_name(entry.id, entry.claim_no, entry.file_name()));
            belongs_to_a_claim(position, stray.claim_no, newest.exists())
        });
        if is_known || entry.is_none() && !is_settled(stray) {
            continue;
        }
        taken += 1;
        let delivered = match &entry {
            Some(entry) if entry.file_name().starts_with(&stray.delivered) => entry.file_name(),
            _ => &stray.delivered,
        };
        match rename_without_overwriting(&stray.path, &stray.path.with_file_name(delivered)) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => enter(context, stray, delivered)?,
            // Its holder was faster.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            other => other.map_err(Error::storage(&stray.path))?,
        }
    }
    Ok(taken)
}

/// Whether a claim, live or to come, knows the private name with the number `claim_no`: the entry is at work, or has work
/// left, under this number or a later one that takes it over. `newest_exists`: so does its name under its latest claim.
pub fn belongs_to_a_claim(entry: Position, claim_no: i64, newest_exists: bool) -> bool {
    // An arriving one was given back, and nobody claims it before a scan has found it under its delivered name.
    let is_claimed_yet = entry.state.is_open() && entry.state != State::Arriving;
    let is_on_its_way = entry.place != Place::Nowhere && entry.state.goal().is_some_and(|goal| goal != entry.place);
    let has_work = is_claimed_yet || is_on_its_way;
    // Beside the file that the newest claim has in hand, an older name is what its worker took when its claim was lost.
    has_work && (claim_no >= entry.claim_no || !newest_exists)
}

fn is_settled(stray: &StrayFile) -> bool {
    let changed = std::fs::symlink_metadata(&stray.path).ok().and_then(|m| u64::try_from(m.ctime()).ok());
    let age = changed
        .and_then(|secs| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + Duration::from_secs(secs)).ok());
    age.is_some_and(|age| age > SETTLED)
}

fn enter(context: &Context<'_>, stray: &StrayFile, delivered: &str) -> Result<(), Error> {
    let fixed = || Ok(Fixed { stamp: stamp_of(&stray.path)?, sha256: sha256_of(&stray.path)? });
    let now = fixed().map_err(Error::source(&stray.path))?;
    let source = match stray.source.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{delivered}"),
        None => delivered.to_owned(),
    };
    enter_apart(context, &source, &now, |own| rename_without_overwriting(&stray.path, own))
}
