//! What a pass set aside, summed up: how often which rule was broken in which column, and the first rows of each.

use std::collections::{BTreeMap, HashMap};

use crate::reading::{Batch, Reason, Rule, Verdict};

/// Rows that are kept of each rule.
const SAMPLED: u64 = 100;
/// Rows that a message shows.
const SHOWN: usize = 3;
/// Counts that a message names.
const NAMED: usize = 6;

/// The rejections of one file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Offences {
    counts: BTreeMap<Rule, BTreeMap<String, u64>>,
    seen: HashMap<Rule, u64>,
    sample: Vec<Offence>,
    first: Vec<Offence>,
}

/// One broken rule and its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offence {
    /// Physical line in the file.
    pub line: u64,
    /// What is wrong there.
    pub reason: Reason,
}

impl Offences {
    /// Adds the rejections of `batch`, as the sinks left them.
    pub fn add(&mut self, batch: &Batch) {
        for rejection in &batch.rejections {
            let is_offender = rejection.verdict == Verdict::Rejected;
            for reason in &rejection.reasons {
                self.count(rejection.position.line, reason, is_offender);
            }
        }
    }

    fn count(&mut self, line: u64, reason: &Reason, is_offender: bool) {
        let of_rule = self.counts.entry(reason.rule).or_default();
        match of_rule.get_mut(&reason.column) {
            Some(count) => *count += 1,
            None => {
                of_rule.insert(reason.column.clone(), 1);
            }
        }
        let seen = self.seen.entry(reason.rule).or_default();
        *seen += 1;
        let (is_sampled, is_first) = (*seen <= SAMPLED, is_offender && self.first.len() < SHOWN);
        if is_sampled || is_first {
            let offence = Offence { line, reason: reason.clone() };
            if is_first {
                self.first.push(offence.clone());
            }
            if is_sampled {
                self.sample.push(offence);
            }
        }
    }

    /// Adds one that is no row's.
    pub fn add_of_file(&mut self, rule: Rule) {
        *self.counts.entry(rule).or_default().entry(String::new()).or_default() += 1;
    }

    /// Whether nothing was set aside.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Rule, column (empty where the whole row is meant) and how often.
    pub fn counts(&self) -> impl Iterator<Item = (Rule, &str, u64)> {
        self.counts
            .iter()
            .flat_map(|(rule, columns)| columns.iter().map(|(column, count)| (*rule, column.as_str(), *count)))
    }

    /// The first rows of each rule.
    pub fn sample(&self) -> &[Offence] {
        &self.sample
    }

    /// The first rows that break the contract.
    pub fn first(&self) -> &[Offence] {
        &self.first
    }

    /// How often each rule was broken that is an error, the most frequent first, and the first rows: `not_a_number in temp
    /// (7); line 2: temp "1,020.5"`. Headers and duplicates are none.
    pub fn summary(&self) -> String {
        let mut counts: Vec<(u64, String)> = Vec::new();
        for (rule, column, count) in self.counts() {
            let name = rule.as_str();
            match rule {
                Rule::HeaderAgain | Rule::DuplicateKey => {}
                _ if column.is_empty() => counts.push((count, format!("{name} ({count})"))),
                _ => counts.push((count, format!("{name} in {column} ({count})"))),
            }
        }
        counts.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let more = counts.len().saturating_sub(NAMED);
        let mut named: Vec<String> = counts.into_iter().take(NAMED).map(|(_, text)| text).collect();
        if more > 0 {
            named.push(format!("{more} more"));
        }
        let first: Vec<String> = self.first.iter().map(Offence::shown).collect();
        format!("{}; {}", named.join(", "), first.join("; "))
    }

    /// What part of all rows one rule was broken by, 0 to 1.
    pub fn share_of(&self, rule: Rule, total: i64) -> f64 {
        self.seen.get(&rule).map_or(0.0, |seen| *seen as f64 / total.max(1) as f64)
    }
}

impl Offence {
    fn shown(&self) -> String {
        let Reason { column, value, message, .. } = &self.reason;
        let place = if column.is_empty() { String::new() } else { format!(" {column}") };
        format!("line {}:{place} \"{value}\" ({message})", self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{Position, Rejection};

    fn batch(lines: std::ops::Range<u64>, rule: Rule, column: &str, verdict: Verdict) -> Batch {
        let mut batch = Batch::default();
        for line in lines {
            let reason = Reason { column: column.into(), value: format!("v{line}"), rule, message: "why".into() };
            let position = Position { line, start: 0, len: 0 };
            batch.reject(Rejection { position, reasons: vec![reason], verdict });
        }
        batch
    }

    #[test]
    fn counts_and_first_rows() {
        let mut offences = Offences::default();
        offences.add(&batch(2..5, Rule::DuplicateKey, "", Verdict::Duplicate { same_values: true }));
        offences.add(&batch(5..6, Rule::DuplicateKey, "", Verdict::Duplicate { same_values: false }));
        offences.add(&batch(6..7, Rule::HeaderAgain, "", Verdict::Header));
        offences.add(&batch(7..207, Rule::NotANumber, "temp", Verdict::Rejected));
        assert_eq!(offences.sample().len(), 4 + 1 + 100);
        assert_eq!(
            offences.summary(),
            "not_a_number in temp (200); line 7: temp \"v7\" (why); line 8: temp \"v8\" (why); line 9: temp \"v9\" (why)"
        );
        assert!(offences.share_of(Rule::NotANumber, 205) > 0.9 && offences.share_of(Rule::Missing, 205) == 0.0);
    }
}
