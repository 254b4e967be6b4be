//! `iotpipe verify`: a second pass over each archived source, compared with what the first one left.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use iotpipe_core::reading::Tally;
use serde::Serialize;

use super::exit::Exit;
use super::loaded;
use crate::error::Error;
use crate::ingest::Context;
use crate::ingest::pass::{PassInput, Passed, run_pass};
use crate::manifest::{self, Entry, Place};
use crate::sink::{
    AuditSink, Findings, QuarantineNames, QuarantineSink, Scratch, compare_aggregates, compare_quarantine,
};
use crate::source::{Compression, archived_under, open_file};
use crate::store::{FileRows, Snapshot};
use crate::terminal::Summary;

/// What was found out about one file.
#[derive(Debug, Default, Serialize)]
struct Receipt {
    source: String,
    sha256: String,
    rows: i64,
    loaded: i64,
    rejected: i64,
    duplicates: i64,
    /// Sum of the hashes of its rows in the database, in hexadecimal; absent where they were not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
    differences: Vec<String>,
    remarks: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Verification {
    #[serde(flatten)]
    summary: Summary,
    files_verified: Vec<Receipt>,
    differences: Vec<String>,
}

pub fn run(context: &Context<'_>, names: &[PathBuf]) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let files = files_to_verify(context, names)?;
    let mut snapshot = context.store.snapshot(&context.config.contract).map_err(Error::from)?;
    let by_file = snapshot.rows_by_file().map_err(Error::from)?;
    let stored: HashMap<i64, i64> = by_file.iter().map(|f| (f.file_id, f.rows)).collect();
    let mut verification =
        Verification { summary: Summary::of("verify"), files_verified: Vec::new(), differences: Vec::new() };
    for file in &files {
        let rows = stored.get(&file.id).copied().unwrap_or(0);
        let receipt = receipt_of(context, snapshot.as_mut(), file, rows)?;
        context.printer.show(&text(&receipt));
        verification.add(receipt);
    }
    verification.differences = orphaned_rows(&by_file);
    verification.differences.extend(snapshot.drifted_totals().map_err(Error::from)?);
    verification.differences.iter().for_each(|difference| context.printer.show(&format!("DIFFERS  {difference}")));
    verification.summary.pending = manifest::open_files(context.store, &context.origin).map_err(Error::from)?;
    verification.summary.took(started.elapsed());
    Ok(verification.conclude(context))
}

fn files_to_verify(context: &Context<'_>, names: &[PathBuf]) -> anyhow::Result<Vec<Entry>> {
    if names.is_empty() {
        return Ok(manifest::loaded_files(context.store, &context.origin, None).map_err(Error::from)?);
    }
    names.iter().map(|name| loaded::find(context, name)).collect()
}

fn receipt_of(
    context: &Context<'_>,
    snapshot: &mut dyn Snapshot,
    file: &Entry,
    stored_rows: i64,
) -> Result<Receipt, Error> {
    let mut findings = Findings::default();
    let mut receipt = Receipt {
        source: file.source.clone(),
        sha256: file.sha256.clone().unwrap_or_default(),
        rows: file.rows_total.unwrap_or(0),
        loaded: file.rows_loaded.unwrap_or(0),
        rejected: file.rows_rejected.unwrap_or(0),
        duplicates: file.rows_duplicate.unwrap_or(0),
        ..Receipt::default()
    };
    if receipt.rows != receipt.loaded + receipt.rejected + receipt.duplicates {
        findings.add("the counts in the manifest do not add up".to_owned());
    }
    if stored_rows != receipt.loaded {
        findings.add(format!("the manifest says {} rows loaded, the database has {stored_rows}", receipt.loaded));
    }
    match archived_under(&places_of(context, file), &receipt.sha256) {
        None => findings.add(format!("no file with its content is in {}", context.config.paths.processed.display())),
        Some(_) if file.contract_hash.as_deref() != Some(&context.config.contract.hash) => receipt.remarks.push(
            "it was loaded under another contract: its content and its counts were compared, not its rows".to_owned(),
        ),
        Some(path) => match second_pass(context, snapshot, file, path, stored_rows, &mut receipt) {
            Ok(differences) => {
                return Ok(Receipt {
                    differences: [findings, differences].map(Findings::into_lines).concat(),
                    ..receipt
                });
            }
            Err(Error::Refused(refusal)) => {
                findings.add(format!("its source would be refused now: {}", refusal.message))
            }
            Err(Error::Changed) => findings.add("its source changed while it was read".to_owned()),
            Err(error) => return Err(error),
        },
    }
    Ok(Receipt { differences: findings.into_lines(), ..receipt })
}

/// Where the source may lie: where the manifest says, or where it is to go, or still in `data/`.
fn places_of(context: &Context<'_>, file: &Entry) -> Vec<PathBuf> {
    let placed = context.placed(file, None);
    let archived = file.archive_name.iter().map(|name| context.folder_of(Place::Processed).join(name));
    [placed.at_place.clone(), placed.private()].into_iter().chain(archived).collect()
}

fn second_pass(
    context: &Context<'_>,
    snapshot: &mut dyn Snapshot,
    file: &Entry,
    path: PathBuf,
    stored_rows: i64,
    receipt: &mut Receipt,
) -> Result<Findings, Error> {
    let contract = &context.config.contract;
    let scratch = Scratch::new(&context.config.paths.quarantine, context.worker.id)?;
    let actual = context.quarantine_names(file);
    let expected = QuarantineNames::new(scratch.folder(), &actual.stem, (file.id, file.claim_no), 0);
    let stored_aggregates = snapshot.aggregates_of(file.id)?;
    let mut quarantine = QuarantineSink::new(expected.clone());
    let mut aggregates = context.aggregates();
    let mut audit = AuditSink::new(snapshot, contract, file.id);
    let bar = context.printer.progress(&file.source, file.size as u64);
    let input = PassInput {
        reader: Box::new(bar.wrap_read(open_file(&path).map_err(Error::source(&path))?)),
        compression: Compression::of(&file.source),
        file_name: file.judged_name(),
        discovered_at: file.discovered_at.timestamp_micros(),
        expected_sha256: &receipt.sha256,
        max_rejected_ratio: 1.0,
        memory: &context.batch_memory,
        stop: context.stop,
    };
    let Passed { tally, devices } = run_pass(input, contract, &mut [&mut audit, &mut aggregates, &mut quarantine])?;
    bar.finish_and_clear();
    receipt.checksum = Some(format!("{:032x}", audit.checksum()));
    let mut findings = audit.into_findings(stored_rows, tally.loaded)?;
    compare_counts(&tally, receipt, &mut findings);
    compare_aggregates(aggregates, &devices, &stored_aggregates, &mut findings)?;
    match manifest::corrections_of(context.store, file.id)?.as_slice() {
        [] => compare_quarantine(&expected, &actual, &mut findings)?,
        corrections => receipt.remarks.extend(
            corrections
                .iter()
                .map(|correction| format!("its rejected rows were taken up again in {}", correction.source)),
        ),
    }
    Ok(findings)
}

fn compare_counts(tally: &Tally, receipt: &Receipt, findings: &mut Findings) {
    let counts = [
        ("rows", receipt.rows, tally.total),
        ("rows loaded", receipt.loaded, tally.loaded),
        ("rows rejected", receipt.rejected, tally.rejected),
        ("rows duplicate", receipt.duplicates, tally.duplicate),
    ];
    for (what, manifest, found) in counts.into_iter().filter(|(_, manifest, found)| manifest != found) {
        findings.add(format!("the manifest says {manifest} {what}, source and database have {found}"));
    }
}

/// Rows that no loaded file brought.
fn orphaned_rows(by_file: &[FileRows]) -> Vec<String> {
    let is_orphaned = |f: &&FileRows| f.state.as_deref() != Some("loaded");
    let say = |f: &FileRows| match &f.state {
        Some(state) => format!("{} rows are of file {}, which is {state}, not loaded", f.rows, f.file_id),
        None => format!("{} rows are of file {}, which the manifest does not know", f.rows, f.file_id),
    };
    by_file.iter().filter(is_orphaned).map(say).collect()
}

fn text(receipt: &Receipt) -> String {
    let verdict = if receipt.differences.is_empty() { "ok      " } else { "DIFFERS " };
    let Receipt { source, rows, loaded, rejected, duplicates, .. } = receipt;
    let mut lines = vec![format!(
        "{verdict} {source:?}: {rows} rows = {loaded} loaded + {rejected} rejected + {duplicates} duplicate; sha256 {}{}",
        receipt.sha256.get(..12).unwrap_or_default(),
        receipt.checksum.as_ref().map(|sum| format!(", checksum {sum}")).unwrap_or_default()
    )];
    lines.extend(receipt.differences.iter().map(|line| format!("         {line}")));
    lines.extend(receipt.remarks.iter().map(|line| format!("         note: {line}")));
    lines.join("\n")
}

impl Verification {
    fn add(&mut self, receipt: Receipt) {
        self.summary.files += 1;
        self.summary.rows += receipt.rows;
        self.summary.loaded += receipt.loaded;
        self.summary.rejected += receipt.rejected;
        self.summary.duplicates += receipt.duplicates;
        self.summary.failed += u64::from(!receipt.differences.is_empty());
        self.files_verified.push(receipt);
    }

    fn conclude(self, context: &Context<'_>) -> Exit {
        let Summary { files, rows, failed, seconds, .. } = self.summary;
        let good = failed == 0 && self.differences.is_empty();
        context.printer.say(&match good {
            true => {
                let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
                format!("verify: {files}, {rows} rows, every line accounted for ({seconds:.1} s)")
            }
            false => format!(
                "verify: {failed} of {files} files differ, and {} other differences ({seconds:.1} s)",
                self.differences.len()
            ),
        });
        context.printer.result(&self);
        if good { Exit::Done } else { Exit::TryAgain }
    }
}
