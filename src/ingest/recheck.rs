//! Loaded files that another had set rows of aside which was taken out: their rows are looked at again, under the contract
//! that judged them, where the file lies. What is free is stored, and the rest set aside anew.

use std::sync::atomic::Ordering;

use super::context::Context;
use super::finish::how;
use super::group::{pass_over, write_aggregates};
use super::pass::Passed;
use super::retries::with_retries;
use crate::error::{Error, Policy};
use crate::failpoint;
use crate::manifest::{self, Entry, Place, Progress, State, Whereabouts, Work};
use crate::observability::{BrokenRules, Ended};
use crate::sink::{QuarantineSink, RawSink};
use crate::source::open_file;
use crate::store::{StoreError, Totals, rejection_statements};
use iotpipe_core::contract::Contract;
use iotpipe_core::reading::Tally;
use iotpipe_core::validate::JUDGE;

/// Looks at the rows of every such file again, or of those alone that `only` names; says how many were.
///
/// # Errors
/// When the surroundings fail; a file that fails is tried again later, and others go on.
pub fn recheck_files(context: &Context<'_>, only: Option<&[i64]>) -> Result<u64, Error> {
    let mut done = 0;
    for id in manifest::to_recheck(context.store, &context.origin)? {
        if context.stop.load(Ordering::Relaxed) {
            break;
        }
        if only.is_some_and(|only| !only.contains(&id)) {
            continue;
        }
        let claimed = manifest::claim(context.store, &context.worker, &context.origin, Work::Recheck, Some(id))?;
        context.observer.began(&claimed, State::Loaded);
        for entry in &claimed {
            match with_retries(|| recheck(context, entry)) {
                Ok(Rechecked { tally, broken }) => {
                    let quarantine = &context.own_quarantine_names(entry).rejected;
                    let end = Ended::Reached { tally: &tally, broken: &broken, quarantine };
                    context.observer.ended(entry, State::Loaded, &end);
                    done += 1;
                }
                Err(error) => {
                    let why = error.to_string();
                    context.observer.ended(entry, State::Loaded, &how(error.policy(), &why, false));
                    if !matches!(error, Error::Store(StoreError::ClaimLost)) {
                        postpone(context, entry, error)?;
                    }
                }
            }
        }
    }
    Ok(done)
}

/// A loaded file never fails: it waits.
fn postpone(context: &Context<'_>, entry: &Entry, error: Error) -> Result<(), Error> {
    context.report_once(&format!("{:?} is to be looked at again, later: {error}", entry.source));
    manifest::move_failed(context.store, entry, &error.to_string())?;
    let is_theirs = matches!(error, Error::Store(StoreError::Reaggregating { .. }) | Error::Stopped);
    if error.policy() == Policy::Stop && !is_theirs { Err(error) } else { Ok(()) }
}

struct Rechecked {
    tally: Tally,
    broken: BrokenRules,
}

fn recheck(context: &Context<'_>, entry: &Entry) -> Result<Rechecked, Error> {
    let hash = entry.contract_hash.as_deref().unwrap_or_default();
    let Some(contract) = context.store.contract(hash, &context.config.contract)? else {
        return Err(Error::UnknownContract);
    };
    let path = context.placed(entry, None).at_place;
    let open = open_file(&path).map_err(Error::source(&path))?;
    let names = context.own_quarantine_names(entry);
    let mut quarantine = QuarantineSink::new(names.clone());
    let mut aggregates = context.aggregates(&contract);
    let mut transaction = context.observer.follow(context.store.begin(&contract)?);
    // What an earlier judge saw in a line may be no reading now: all of its rows are the present one's.
    transaction.open_again(entry.id, entry.judge != Some(JUDGE))?;
    let mut raw = RawSink { transaction: transaction.as_mut() };
    let Passed { tally, devices, offences, .. } =
        pass_over(context, &contract, entry, &open, 1.0, &mut [&mut raw, &mut aggregates, &mut quarantine])?;
    write_aggregates(transaction.as_mut(), aggregates, &devices)?;
    let lies = Whereabouts { place: Place::Processed, name: entry.place_name.clone() };
    let progress = progress(entry, tally, &contract, &lies, &names.stem);
    for statement in rejection_statements(entry.id, &offences, true, context.store.dialect()) {
        transaction.execute(&statement)?;
    }
    let statement = manifest::rechecked_statement(&progress, context.store.dialect());
    transaction.close_file(&statement, Totals::Anew)?;
    if context.store.is_embedded() {
        transaction.execute(&context.worker.renewal(context.store.dialect()))?;
    }
    failpoint::reach("rechecked");
    transaction.commit()?;
    context.forget_earlier_rows(entry)?;
    Ok(Rechecked { tally, broken: context.observer.broken_rules(&offences) })
}

fn progress<'a>(
    entry: &Entry,
    tally: Tally,
    contract: &'a Contract,
    lies: &'a Whereabouts,
    stem: &'a str,
) -> Progress<'a> {
    Progress {
        claim: entry.claim(),
        state: State::Loaded,
        tally,
        contract_hash: &contract.hash,
        lies,
        archive_name: None,
        quarantine_name: Some(stem).filter(|_| tally.total > tally.loaded),
    }
}
