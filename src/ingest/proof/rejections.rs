//! What queries find of a file's rejections, compared with those that its rows give.

use std::collections::BTreeMap;

use iotpipe_core::offences::Offences;
use iotpipe_core::reading::Rule;

use crate::error::Error;
use crate::sink::Findings;
use crate::store::{SampledRow, Snapshot};

/// Compares `file_rejections` and `rejected_rows` of a file with the `offences` of a pass over it. Messages are for people,
/// and those of repeats change with the files that are stored.
///
/// # Errors
/// When the database can't be asked.
pub(super) fn compare_rejections(
    snapshot: &mut dyn Snapshot,
    file_id: i64,
    offences: &Offences,
    findings: &mut Findings,
) -> Result<(), Error> {
    compare_counts(snapshot.rejections_of(file_id)?, offences, findings);
    compare_samples(snapshot.sample_of(file_id)?, offences, findings);
    Ok(())
}

fn compare_counts(stored: Vec<(String, String, i64)>, offences: &Offences, findings: &mut Findings) {
    let mut counts: BTreeMap<(String, String), [i64; 2]> = BTreeMap::new();
    for (rule, column, count) in stored {
        counts.entry((rule, column)).or_default()[0] += count;
    }
    for (rule, column, count) in offences.counts() {
        counts.entry((rule.as_str().to_owned(), column.to_owned())).or_default()[1] += count as i64;
    }
    for ((rule, column), [said, found]) in counts.into_iter().filter(|(_, [said, found])| said != found) {
        let place = if column.is_empty() { String::new() } else { format!(" in {column}") };
        findings.add(format!("file_rejections says {said} {rule}{place}, the file has {found}"));
    }
}

fn compare_samples(stored: Vec<SampledRow>, offences: &Offences, findings: &mut Findings) {
    let expected = offences.sample().iter().map(|offence| SampledRow {
        line: offence.line as i64,
        rule: offence.reason.rule.as_str().to_owned(),
        column: offence.reason.column.clone(),
        value: offence.reason.value.clone(),
    });
    let (mut stored, mut expected): (Vec<SampledRow>, Vec<SampledRow>) = (stored, expected.collect());
    let repeats = Rule::DuplicateKey.as_str();
    let of_repeats = |rows: &[SampledRow]| rows.iter().filter(|row| row.rule == repeats).count();
    let are_as_many = of_repeats(&stored) == of_repeats(&expected);
    // Which of very many repeats come first follows from the size of the batches.
    let is_bounded =
        offences.counts().any(|(rule, _, n)| rule == Rule::DuplicateKey && n > of_repeats(&expected) as u64);
    if is_bounded && are_as_many {
        stored.retain(|row| row.rule != repeats);
        expected.retain(|row| row.rule != repeats);
    }
    stored.sort();
    expected.sort();
    let others =
        stored.iter().find(|row| !expected.contains(row)).or(expected.iter().find(|row| !stored.contains(row)));
    match others {
        Some(row) => {
            findings.add(format!("rejected_rows differs from the file's rows at line {} ({})", row.line, row.rule))
        }
        None if stored.len() != expected.len() => {
            findings.add(format!("rejected_rows has {} rows of the file, not {}", stored.len(), expected.len()));
        }
        None => {}
    }
}
