//! `iotpipe unload`: takes a file's rows and its share of the totals out again, and takes up those that were set aside
//! because of it.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use serde::Serialize;

use super::exit::Exit;
use super::loaded;
use super::loaded::NotLoaded;
use crate::error::Error;
use crate::failpoint;
use crate::ingest::{Context, bring_claimed_to, recheck_files, recover, with_retries};
use crate::manifest::{self, Entry, Place, SetAside, State, Work};
use crate::source::archived_under;
use crate::store::TakenOut;
use crate::terminal::Summary;

/// Somebody else is at work on it just now.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} stays loaded: it, or a file of the same content, is in another worker's hands; try again")]
struct InHand(String);

#[derive(Debug, Serialize)]
struct Unloaded {
    #[serde(flatten)]
    summary: Summary,
    /// Files that were set aside whole or in part because of it.
    taken_up_again: Vec<String>,
}

pub fn run(context: &Context<'_>, path: &Path, again: bool, only: bool) -> anyhow::Result<Exit> {
    let started = Instant::now();
    recover(context)?;
    let entry = loaded::find(context, path)?;
    let place = archived(context, &entry)?;
    let others = match only {
        true => SetAside::default(),
        false => manifest::set_aside_because_of(context.store, &entry).map_err(Error::from)?,
    };
    if context.stop.load(Ordering::Relaxed) {
        return Err(Error::Stopped.into());
    }
    let rows = take_out(context, &entry, again, only)?;
    failpoint::reach("taken-out");
    context.printer.say(&format!("unload: {rows} rows of {:?} taken out; {}", entry.source, what_now(&place, again)));
    name(context, &others);
    let mut summary = Summary { files: 1, rows: rows as i64, ..Summary::of("unload") };
    // Where it is to be loaded again itself, it goes first: they are the next run's, as it is.
    if !again {
        take_up(context, &others)?;
    }
    summary.pending = manifest::open_files(context.store, &context.origin).map_err(Error::from)?;
    summary.took(started.elapsed());
    let taken_up_again = others.whole.iter().chain(&others.in_part).map(|file| file.source.clone()).collect();
    context.observer.end();
    context.printer.result(&Unloaded { summary, taken_up_again });
    Ok(if context.stop.load(Ordering::Relaxed) { Exit::TryAgain } else { Exit::Done })
}

/// Where its file lies. Without it nothing could load these rows again.
fn archived(context: &Context<'_>, entry: &Entry) -> Result<String, NotLoaded> {
    let name = entry.place_name.as_deref().unwrap_or(&entry.source);
    let place = context.folder_of(Place::Processed).join(name);
    let shown = place.display().to_string();
    match archived_under(&[place], entry.sha256.as_deref().unwrap_or_default()) {
        Some(_) => Ok(shown),
        None => Err(NotLoaded(format!(
            "{:?} stays loaded: its file is not at {shown}; put it back there first",
            entry.source
        ))),
    }
}

fn take_out(context: &Context<'_>, entry: &Entry, again: bool, only: bool) -> anyhow::Result<u64> {
    let why = match again {
        true => "unloaded on request, to be loaded again",
        false => "unloaded on request; a copy in data/ has it loaded again",
    };
    let unloading = manifest::unloading(context.store, entry, again, only, why);
    match with_retries(|| Ok(context.store.unload(&unloading)?))? {
        TakenOut::Rows(rows) => Ok(rows),
        TakenOut::InHand => Err(InHand(entry.source.clone()).into()),
    }
}

fn what_now(place: &str, again: bool) -> String {
    match again {
        true => format!("it is pending where it lies, {place}: the next run loads it"),
        false => format!("its file stays at {place}"),
    }
}

/// Files that are named one by one.
const NAMED: usize = 20;

fn name(context: &Context<'_>, others: &SetAside) {
    let whole = others.whole.iter().map(|file| format!("{:?} has the same content", file.source));
    let in_part = others.in_part.iter().map(|file| format!("{:?} has some of its rows, or may have", file.source));
    for line in whole.chain(in_part).take(NAMED) {
        context.printer.say(&format!("unload: {line}: taken up again"));
    }
    let all = others.whole.len() + others.in_part.len();
    if all > NAMED {
        context.printer.say(&format!("unload: … and {} more files are taken up again", all - NAMED));
    }
}

/// Stores what they have of it. What a stop leaves, or another worker has in hand, is the next run's.
fn take_up(context: &Context<'_>, others: &SetAside) -> Result<(), Error> {
    let mut loaded = Summary::default();
    for file in &others.whole {
        let work = Work::Reach(State::Loaded);
        let claimed = manifest::claim(context.store, &context.worker, &context.origin, work, Some(file.id))?;
        bring_claimed_to(context, claimed, State::Loaded, &mut loaded)?;
    }
    let in_part: Vec<i64> = others.in_part.iter().map(|file| file.id).collect();
    if !in_part.is_empty() {
        recheck_files(context, Some(&in_part))?;
    }
    Ok(())
}
