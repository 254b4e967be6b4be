//! `iotpipe verify`: proves that every line is accounted for, or says what it can't.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

use serde::Serialize;

use super::exit::Exit;
use super::loaded;
use crate::error::Error;
use crate::ingest::Context;
use crate::ingest::proof::{Compared, Receipt, receipt_of, unaccounted_files};
use crate::manifest::{self, Entry};
use crate::store::{FileRows, Snapshot};
use crate::terminal::Summary;

/// Files on their way, and unknown ones, that are named.
const SHOWN: usize = 50;

/// A stop before the end.
#[derive(Debug, thiserror::Error)]
#[error("stopped on request: nothing is proved")]
struct Stopped;

#[derive(Debug, Serialize)]
struct Verification {
    #[serde(flatten)]
    summary: Summary,
    in_full: u64,
    in_part: u64,
    not_at_all: u64,
    waiting: u64,
    files_verified: Vec<Receipt>,
    differences: Vec<String>,
    unknown_files: Vec<String>,
}

pub fn run(context: &Context<'_>, names: &[PathBuf]) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let asked: Vec<Entry> = names.iter().map(|name| loaded::find(context, name)).collect::<Result<_, _>>()?;
    let mut snapshot = context.store.snapshot(&context.config.contract).map_err(Error::from)?;
    let by_file = snapshot.rows_by_file().map_err(Error::from)?;
    let stored: HashMap<i64, i64> = by_file.iter().map(|f| (f.file_id, f.rows)).collect();
    let as_seen = snapshot.entries().map_err(Error::from)?;
    let mut verification = Verification::new();
    let mut compare =
        |entry: Entry| compare_one(context, snapshot.as_mut(), &as_seen, &stored, &entry, &mut verification);
    let compared = match names {
        [] => manifest::each_entry(context.store, &context.origin, &mut compare),
        _ => asked.into_iter().try_for_each(&mut compare),
    };
    match compared {
        Err(Error::Stopped) => return Err(Stopped.into()),
        other => other?,
    }
    verification.differences = orphaned_rows(&by_file);
    verification.differences.extend(snapshot.orphans().map_err(Error::from)?);
    verification.differences.extend(snapshot.drifted_totals().map_err(Error::from)?);
    drop(snapshot);
    if names.is_empty() {
        verification.add_unaccounted(context)?;
    }
    verification.differences.iter().for_each(|difference| context.printer.show(&format!("DIFFERS  {difference}")));
    verification.summary.pending = manifest::open_files(context.store, &context.origin).map_err(Error::from)?;
    verification.summary.took(started.elapsed());
    if context.stop.load(Ordering::Relaxed) {
        return Err(Stopped.into());
    }
    Ok(verification.conclude(context))
}

/// Compares an entry that is as the snapshot saw it. One that came later, or went on, is another run's to prove.
fn compare_one(
    context: &Context<'_>,
    snapshot: &mut dyn Snapshot,
    as_seen: &HashMap<i64, (String, i64)>,
    stored: &HashMap<i64, i64>,
    entry: &Entry,
    verification: &mut Verification,
) -> Result<(), Error> {
    if context.stop.load(Ordering::Relaxed) {
        return Err(Error::Stopped);
    }
    let is_as_seen = as_seen.get(&entry.id).is_some_and(|seen| (&seen.0, seen.1) == (&entry.state, entry.claim_no));
    let receipt = match is_as_seen {
        true => receipt_of(context, snapshot, entry, stored.get(&entry.id).copied().unwrap_or(0))?,
        false => Some(Receipt {
            source: entry.source.clone(),
            state: entry.state.clone(),
            compared: Compared::Waiting,
            remarks: vec!["it went on while the others were looked at".to_owned()],
            ..Receipt::default()
        }),
    };
    if let Some(receipt) = receipt {
        verification.add(context, receipt);
    }
    Ok(())
}

/// Rows that no file of the manifest brought.
fn orphaned_rows(by_file: &[FileRows]) -> Vec<String> {
    let is_orphaned = |f: &&FileRows| f.state.as_deref() != Some("loaded");
    let say = |f: &FileRows| match &f.state {
        Some(state) => format!("{} rows are of file {}, which is {state}, not loaded", f.rows, f.file_id),
        None => format!("{} rows are of file {}, which the manifest does not know", f.rows, f.file_id),
    };
    by_file.iter().filter(is_orphaned).map(say).collect()
}

impl Verification {
    fn new() -> Self {
        Verification {
            summary: Summary::of("verify"),
            in_full: 0,
            in_part: 0,
            not_at_all: 0,
            waiting: 0,
            files_verified: Vec::new(),
            differences: Vec::new(),
            unknown_files: Vec::new(),
        }
    }

    fn add(&mut self, context: &Context<'_>, receipt: Receipt) {
        let differs = !receipt.differences.is_empty();
        if receipt.compared != Compared::Waiting || self.waiting < SHOWN as u64 || differs {
            context.printer.show(&receipt.to_string());
        }
        self.summary.failed += u64::from(differs);
        let count = match receipt.compared {
            Compared::InFull => &mut self.in_full,
            Compared::InPart => &mut self.in_part,
            Compared::NotAtAll => &mut self.not_at_all,
            Compared::Waiting => &mut self.waiting,
        };
        *count += 1;
        self.summary.files += 1;
        if receipt.state == "loaded" {
            self.summary.rows += receipt.rows;
            self.summary.loaded += receipt.loaded;
            self.summary.rejected += receipt.rejected;
            self.summary.duplicates += receipt.duplicates;
        }
        self.files_verified.push(receipt);
    }

    fn add_unaccounted(&mut self, context: &Context<'_>) -> Result<(), Error> {
        let found = unaccounted_files(context)?;
        for path in found.waiting.iter().take(SHOWN) {
            context.printer.show(&format!("waiting  {path:?}: not yet scanned"));
        }
        self.waiting += found.waiting.len() as u64;
        for path in found.left_over.iter().take(SHOWN) {
            let why = "by its name the rows of an attempt that was cut off, of a content that its file no longer has";
            context.printer.show(&format!("UNKNOWN  {path:?}: {why}; remove it once they are not missed"));
        }
        self.not_at_all += found.left_over.len() as u64;
        if !found.unknown.is_empty() {
            let data = context.config.paths.data.display();
            context.printer.say(&format!(
                "the manifest does not know {} files in processed/ or quarantine/: where the database was restored from a \
                 backup, move them into {data} and run again; what is stored already is set aside as duplicate",
                found.unknown.len()
            ));
        }
        for path in found.unknown.iter().take(SHOWN) {
            self.differences.push(format!("{path:?} is no file of the manifest"));
        }
        if found.unknown.len() > SHOWN {
            self.differences.push(format!("… and {} more files", found.unknown.len() - SHOWN));
        }
        self.unknown_files = found.unknown;
        Ok(())
    }

    fn conclude(self, context: &Context<'_>) -> Exit {
        let Summary { files, rows, failed, seconds, .. } = self.summary;
        let Verification { in_full, in_part, not_at_all, waiting, .. } = self;
        let exit = match failed > 0 || !self.differences.is_empty() {
            true => Exit::TryAgain,
            false if in_full == 0 || in_part + not_at_all + waiting > 0 => Exit::Imperfect,
            false => Exit::Done,
        };
        let end = match exit {
            Exit::Done => "every line accounted for".to_owned(),
            Exit::TryAgain => format!("{failed} of them differ, and {} other differences", self.differences.len()),
            _ if in_full + in_part + not_at_all + waiting == 0 => "there is nothing to prove".to_owned(),
            _ => "nothing differs, and not all was compared".to_owned(),
        };
        let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
        context.printer.say(&format!(
            "verify: {files}, {rows} rows: {in_full} compared in full, {in_part} in part, {not_at_all} not at all, {waiting} \
             not yet in their place; {end} ({seconds:.1} s)"
        ));
        context.printer.result(&self);
        exit
    }
}
