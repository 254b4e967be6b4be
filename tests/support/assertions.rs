//! What a run left behind, in a form that a test can compare at a glance.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::World;

/// A source file's state and counts, as the manifest has them.
#[derive(Debug, PartialEq, Eq)]
pub struct Manifest {
    pub state: String,
    pub total: i64,
    pub loaded: i64,
    pub rejected: i64,
    pub duplicate: i64,
}

/// A line of a `*.reasons.csv`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Reason {
    pub line: Option<u64>,
    pub rejected_line: Option<u64>,
    pub column: String,
    pub value: String,
    pub rule: String,
    pub message: String,
}

/// What a step means, as opposed to when and by whom it was done.
const TABLES: [(&str, &str); 5] = [
    (
        "manifest",
        "SELECT source, size, sha256, state, contract_hash, rows_total, rows_loaded, rows_rejected, rows_duplicate, \
         last_error, parent_id, loaded_at IS NOT NULL AS l, archived_at IS NOT NULL AS x, \
         state = 'loaded' AND validated_at IS NOT NULL AND aggregated_at IS NOT NULL AS s FROM manifest ORDER BY source, sha256",
    ),
    ("iot_readings", "SELECT * FROM iot_readings ORDER BY device, ts"),
    (
        "file_aggregates",
        "SELECT m.source, d.name, a.sensor, a.window_start, a.count, a.min, a.max, a.mean, a.m2 FROM file_aggregates a \
         JOIN manifest m ON m.id = a.file_id JOIN device d ON d.id = a.device_id ORDER BY 1, 2, 3, 4",
    ),
    ("sensor_stats", "SELECT * FROM sensor_stats ORDER BY device, sensor, window_start"),
    ("sensor_summary", "SELECT * FROM sensor_summary ORDER BY device, sensor"),
];

impl World {
    /// The manifest's words on the source file whose path ends in `/name`; there must be just one.
    #[track_caller]
    pub fn manifest(&self, name: &str) -> Manifest {
        let mut entries = self.manifests(name);
        assert_eq!(entries.len(), 1, "{name} in the manifest: {entries:?}");
        entries.remove(0)
    }

    /// As [`World::manifest`], for a name that came more than once; oldest first.
    pub fn manifests(&self, name: &str) -> Vec<Manifest> {
        let sql = "SELECT source, state, coalesce(rows_total, 0), coalesce(rows_loaded, 0), \
                   coalesce(rows_rejected, 0), coalesce(rows_duplicate, 0) FROM manifest ORDER BY id";
        let rows = self.query(sql).into_iter().map(|row| row.into_iter().map(Option::unwrap).collect::<Vec<_>>());
        rows.filter(|row| row[0] == name || row[0].ends_with(&format!("/{name}")))
            .map(|row| Manifest {
                state: row[1].clone(),
                total: row[2].parse().unwrap(),
                loaded: row[3].parse().unwrap(),
                rejected: row[4].parse().unwrap(),
                duplicate: row[5].parse().unwrap(),
            })
            .collect()
    }

    /// The name, below `quarantine/`, that `kind` (`rejected.csv`, `reasons.csv`) has for a source file `<stem>.csv…`
    /// with this content; fails unless it is there.
    #[track_caller]
    fn quarantined(&self, stem: &str, content: &[u8], kind: &str) -> String {
        let (own, kind) = (format!(".{}-", &sha256(content)[..12]), format!(".{kind}"));
        let all = self.files("quarantine");
        let is_own = |f: &&String| f.starts_with(stem) && f.contains(&own) && f.ends_with(&kind);
        let found: Vec<_> = all.iter().filter(is_own).collect();
        assert_eq!(found.len(), 1, "quarantine/{stem}…{own}…{kind} in {all:?}");
        found[0].clone()
    }

    /// The bytes of the `*.rejected.csv` of a source file `<stem>.csv…` with this content.
    #[track_caller]
    pub fn rejected(&self, stem: &str, content: impl AsRef<[u8]>) -> Vec<u8> {
        let name = self.quarantined(stem, content.as_ref(), "rejected.csv");
        self.read(format!("quarantine/{name}"))
    }

    /// The lines of the `*.reasons.csv` of a source file `<stem>.csv…` with this content.
    #[track_caller]
    pub fn reasons(&self, stem: &str, content: impl AsRef<[u8]>) -> Vec<Reason> {
        let name = self.quarantined(stem, content.as_ref(), "reasons.csv");
        let bytes = self.read(format!("quarantine/{name}"));
        let mut reader = ::csv::Reader::from_reader(bytes.as_slice());
        let header: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        assert_eq!(header, ["line", "rejected_line", "column", "value", "rule", "message"]);
        reader.deserialize().map(Result::unwrap).collect()
    }

    /// As [`World::reasons`], each as `line column rule`.
    #[track_caller]
    pub fn reason_lines(&self, stem: &str, content: impl AsRef<[u8]>) -> Vec<String> {
        let text = |r: &Reason| format!("{} {} {}", r.line.unwrap_or(0), r.column, r.rule);
        self.reasons(stem, content).iter().map(text).collect()
    }

    /// Fails unless this content lies whole in `quarantine/`, refused for `rule` alone, and nothing of it is stored.
    #[track_caller]
    pub fn expect_refused_whole(&self, name: &str, content: impl AsRef<[u8]>, rule: &str) -> Reason {
        let content = content.as_ref();
        let entry = self.manifest(name);
        assert_eq!((entry.state.as_str(), entry.loaded), ("rejected", 0), "{entry:?}");
        let whole = self.files("quarantine").into_iter().filter(|f| self.read(format!("quarantine/{f}")) == content);
        let whole: Vec<_> = whole.collect();
        assert_eq!(whole.len(), 1, "copies of {name} in quarantine: {whole:?}");
        assert!(whole[0].contains(&sha256(content)[..12]), "{whole:?}");
        assert!(!self.path("data").join(name).exists(), "{name} is still in data/");
        let rows = format!("SELECT count(*) FROM iot_readings WHERE file LIKE '%{name}'");
        assert_eq!(self.number(&rows), 0, "readings of {name}");
        let reasons = self.reasons(name.split('.').next().unwrap(), content);
        let file_rules: Vec<_> = reasons.iter().filter(|r| r.rule == rule).collect();
        assert_eq!(file_rules.len(), 1, "{rule} in {reasons:?}");
        file_rules[0].clone()
    }

    /// All that the tables and folders hold, apart from times and claims: equal text means equal outcome.
    pub fn everything(&self) -> String {
        let mut text = String::new();
        for (table, sql) in TABLES {
            writeln!(text, "== {table}").unwrap();
            let lines = self.lines(sql).join("\n");
            writeln!(text, "{}", lines.replace(self.path("").to_str().unwrap(), "")).unwrap();
        }
        for folder in ["data", "processed", "quarantine"] {
            for file in self.files(folder) {
                let path = format!("{folder}/{file}");
                writeln!(text, "{path} {}", sha256(&self.read(&path))).unwrap();
            }
        }
        text
    }
}

/// The SHA-256 of `bytes`, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
