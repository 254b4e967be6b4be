//! What was found out about one file.

use serde::Serialize;

use crate::manifest::Entry;
use crate::sink::Findings;

/// How far a file could be compared.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// All that is stored of it.
    #[default]
    InFull,
    /// Its bytes and counts, not its rows.
    InPart,
    /// Nothing.
    NotAtAll,
    /// It is on its way: not yet in its place.
    Waiting,
}

/// What was found out about one file.
#[derive(Debug, Default, Serialize)]
pub struct Receipt {
    /// Path below `data/`, as it was delivered.
    pub source: String,
    /// Its state.
    pub state: String,
    /// Hash of its bytes.
    pub sha256: String,
    /// Rows in it, and where they went.
    pub rows: i64,
    /// In the database.
    pub loaded: i64,
    /// In the quarantine.
    pub rejected: i64,
    /// In the quarantine, as repeats.
    pub duplicates: i64,
    /// Sum of the hashes of its rows in the database, in hexadecimal; absent where they were not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// How far it could be compared.
    pub compared: Compared,
    /// What differs, or is missing.
    pub differences: Vec<String>,
    /// What else is to be said.
    pub remarks: Vec<String>,
}

impl Receipt {
    /// Of `entry`, nothing found out yet.
    pub(super) fn of(entry: &Entry) -> Self {
        Receipt {
            source: entry.source.clone(),
            state: entry.state.clone(),
            sha256: entry.sha256.clone().unwrap_or_default(),
            rows: entry.rows_total.unwrap_or(0),
            loaded: entry.rows_loaded.unwrap_or(0),
            rejected: entry.rows_rejected.unwrap_or(0),
            duplicates: entry.rows_duplicate.unwrap_or(0),
            ..Receipt::default()
        }
    }

    /// Compared no further than `compared`, and why.
    pub(super) fn only(&mut self, compared: Compared, why: impl Into<String>) {
        self.compared = self.compared.max(compared);
        self.remarks.push(why.into());
    }

    /// Adds what differs.
    pub(super) fn differs(&mut self, findings: Findings) {
        self.differences.extend(findings.into_lines());
    }
}

impl std::fmt::Display for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = match (self.differences.is_empty(), self.compared) {
            (false, _) => "DIFFERS ",
            (true, Compared::InFull) => "ok      ",
            (true, Compared::InPart) => "in part ",
            (true, Compared::NotAtAll) => "UNKNOWN ",
            (true, Compared::Waiting) => "waiting ",
        };
        write!(f, "{verdict} {:?}: ", self.source)?;
        match self.state.as_str() {
            "loaded" => {
                let Receipt { rows, loaded, rejected, duplicates, .. } = self;
                write!(f, "{rows} rows = {loaded} loaded + {rejected} rejected + {duplicates} duplicate")?;
            }
            state => write!(f, "{state}")?,
        }
        if let Some(hash) = self.sha256.get(..12) {
            write!(f, "; sha256 {hash}")?;
        }
        if let Some(sum) = &self.checksum {
            write!(f, ", checksum {sum}")?;
        }
        self.differences.iter().try_for_each(|line| write!(f, "\n         {line}"))?;
        self.remarks.iter().try_for_each(|line| write!(f, "\n         note: {line}"))
    }
}
