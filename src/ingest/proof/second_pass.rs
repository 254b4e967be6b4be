//! A second pass over a loaded file, under the contract that judged it, compared with what the first one left.

use std::path::PathBuf;

use iotpipe_core::contract::Contract;
use iotpipe_core::reading::Tally;
use iotpipe_core::validate::JUDGE;

use super::receipt::{Compared, Receipt};
use super::rejections::compare_rejections;
use crate::error::Error;
use crate::ingest::Context;
use crate::ingest::pass::{PassInput, Passed, run_pass};
use crate::manifest::{self, Entry, State};
use crate::sink::{AuditSink, Findings, QuarantineAudit, RejectedRows, compare_aggregates};
use crate::source::{open_file, sha256_of};
use crate::store::Snapshot;

/// Compares the rows of `entry`, whose file lies at `path`. What an earlier judge would see otherwise is no difference.
pub(super) fn compare_rows(
    context: &Context<'_>,
    snapshot: &mut dyn Snapshot,
    entry: &Entry,
    path: PathBuf,
    stored_rows: i64,
    receipt: &mut Receipt,
) -> Result<(), Error> {
    let hash = entry.contract_hash.as_deref().unwrap_or_default();
    let Some(contract) = context.store.contract(hash, &context.config.contract)? else {
        receipt.only(
            Compared::InPart,
            "it was loaded under another contract, which was not kept: its content and its counts were compared, not its rows",
        );
        return Ok(());
    };
    let mut findings = Findings::default();
    match second_pass(context, snapshot, entry, &contract, path, stored_rows, receipt) {
        Ok(found) => findings = found,
        Err(Error::Refused(refusal)) => findings.add(format!("its source would be refused now: {}", refusal.message)),
        Err(Error::Changed) => findings.add("its source changed while it was read".to_owned()),
        Err(Error::Vanished) => receipt.only(Compared::NotAtAll, "its source was moved while it was read"),
        Err(error) => return Err(error),
    }
    let is_of_earlier_judge = entry.judge != Some(JUDGE) && !findings.is_empty();
    match is_of_earlier_judge {
        true => {
            receipt.only(Compared::InPart, "an earlier version judged it; this one would not come to the same rows");
            receipt.remarks.extend(findings.into_lines());
        }
        false => receipt.differs(findings),
    }
    Ok(())
}

fn second_pass(
    context: &Context<'_>,
    snapshot: &mut dyn Snapshot,
    entry: &Entry,
    contract: &Contract,
    path: PathBuf,
    stored_rows: i64,
    receipt: &mut Receipt,
) -> Result<Findings, Error> {
    let is_of_this_judge = entry.judge == Some(JUDGE);
    let mut quarantine = QuarantineAudit::new(context.quarantine_names(entry))?;
    let mut aggregates = context.aggregates(contract);
    let mut audit = AuditSink::new(snapshot, contract, entry.id);
    let bar = context.printer.progress(&entry.source, entry.size as u64);
    let input = PassInput {
        reader: Box::new(bar.wrap_read(open_file(&path).map_err(Error::source(&path))?)),
        path: entry.judged_path(),
        format: context.config.format_of(&entry.source),
        discovered_at: entry.discovered_at.timestamp_micros(),
        expected_sha256: &receipt.sha256,
        max_rejected_ratio: 1.0,
        memory: &context.batch_memory,
        stop: context.stop,
    };
    let Passed { tally, devices, offences, .. } =
        run_pass(input, contract, &mut [&mut audit, &mut aggregates, &mut quarantine])?;
    bar.finish_and_clear();
    receipt.checksum = Some(format!("{:032x}", audit.checksum()));
    let mut findings = audit.into_findings(stored_rows, tally.loaded, is_of_this_judge)?;
    if is_of_this_judge {
        compare_rejections(snapshot, entry.id, &offences, &mut findings)?;
    }
    compare_counts(&tally, receipt, &mut findings);
    compare_aggregates(&aggregates, &devices, snapshot, entry.id, is_of_this_judge, &mut findings)?;
    let (reasons, rejected) = quarantine.into_findings()?;
    reasons.into_lines().into_iter().for_each(|line| findings.add(line));
    compare_rejected_rows(context, entry, rejected, receipt, &mut findings)?;
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

/// The reasons tell each line that was set aside. The rows themselves may be under correction: changed where they lie,
/// sent through again, or moved into `data/`.
fn compare_rejected_rows(
    context: &Context<'_>,
    entry: &Entry,
    rejected: RejectedRows,
    receipt: &mut Receipt,
    findings: &mut Findings,
) -> Result<(), Error> {
    let corrections = manifest::children_of(context.store, entry.id)?;
    let taken = corrections.iter().filter(|correction| correction.current() == State::Loaded);
    receipt.remarks.extend(taken.map(|c| format!("its rejected rows were taken up again in {}", c.source)));
    let path = context.quarantine_names(entry).rejected;
    let shown = path.display();
    let is_replayed = || {
        let sha256 = sha256_of(&path).ok();
        sha256.is_some() && corrections.iter().any(|correction| correction.sha256 == sha256)
    };
    match rejected {
        RejectedRows::Same => {}
        RejectedRows::Gone if !corrections.is_empty() => {}
        RejectedRows::Gone if context.config.paths.data.join(path.file_name().unwrap_or_default()).exists() => {
            receipt.only(Compared::Waiting, "its rejected rows lie in the data folder: the next run takes them");
        }
        RejectedRows::Gone => findings.add(format!("{shown} is gone")),
        RejectedRows::Corrected(_) | RejectedRows::Other(_) if is_replayed() => {}
        RejectedRows::Corrected(line) => receipt.only(
            Compared::Waiting,
            format!("{shown} was changed from its line {line} on: a correction? `iotpipe replay` sends it through"),
        ),
        RejectedRows::Other(line) => findings.add(format!("{shown} differs from its line {line} on")),
    }
    Ok(())
}
