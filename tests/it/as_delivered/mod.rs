//! Files as loggers, spreadsheets and copies leave them: for each, what its contract says, and what becomes of it. A case
//! is named by the number of the kind of file that it stands for.

mod habits;
mod headers;
mod lines;
mod numbers;
mod refusals;
mod rows;
mod times;

use crate::support::{Db, World};

/// Two sensors, a device, seconds.
const PLAIN: &str = r#"
[contract]
timestamp = { column = "ts", format = "unix_seconds" }
device = "device"

[[contract.sensor]]
name = "temp"
min = -50.0
max = 60.0

[[contract.sensor]]
name = "humidity"
min = 0.0
max = 100.0
"#;

/// Some files, the contract for them, and what a run must make of them.
pub(crate) struct Case {
    number: &'static str,
    contract: String,
    files: Vec<(&'static str, Vec<u8>)>,
    columns: &'static str,
    readings: Vec<&'static str>,
    set_aside: Vec<&'static str>,
    skipped: i64,
    refused: Vec<(&'static str, &'static str, &'static [&'static str])>,
}

impl Case {
    /// With the contract [`PLAIN`] behind the lines of `csv`.
    fn plain(number: &'static str, csv: &str, name: &'static str, file: impl AsRef<[u8]>) -> Case {
        Case::new(number, &format!("[csv]\n{csv}\n{PLAIN}"), name, file)
    }

    pub(crate) fn new(number: &'static str, contract: &str, name: &'static str, file: impl AsRef<[u8]>) -> Case {
        let files = vec![(name, file.as_ref().to_vec())];
        let (contract, columns) = (contract.to_owned(), "temp, humidity");
        Case { number, contract, files, columns, readings: vec![], set_aside: vec![], skipped: 0, refused: vec![] }
    }

    /// One more file.
    pub(crate) fn and(mut self, name: &'static str, file: impl AsRef<[u8]>) -> Case {
        self.files.push((name, file.as_ref().to_vec()));
        self
    }

    /// Other columns than the two sensors of [`PLAIN`].
    pub(crate) fn showing(self, columns: &'static str) -> Case {
        Case { columns, ..self }
    }

    /// Readings as `device|ts|values`, by device and time.
    pub(crate) fn gives(self, readings: &[&'static str]) -> Case {
        Case { readings: readings.to_vec(), ..self }
    }

    /// Rows that are set aside, as `line column rule`, of all files in the order of their names.
    pub(crate) fn sets_aside(self, rows: &[&'static str]) -> Case {
        Case { set_aside: rows.to_vec(), ..self }
    }

    /// Lines of all loaded files that are no rows.
    pub(crate) fn skips(self, lines: i64) -> Case {
        Case { skipped: lines, ..self }
    }

    /// A file is refused by a rule, with these words.
    pub(crate) fn refuses(mut self, name: &'static str, rule: &'static str, words: &'static [&'static str]) -> Case {
        self.refused.push((name, rule, words));
        self
    }

    #[track_caller]
    fn holds(&self, db: Db) {
        let world = World::new(db);
        let source = "[source]\npattern = \"**/*\"\nsettle = \"0s\"\n";
        std::fs::write(world.path("iotpipe.toml"), format!("{source}\n{}", self.contract)).unwrap();
        for (name, bytes) in &self.files {
            world.file(name, bytes);
        }
        let outcome = world.iotpipe(&["run"]);
        let at = format!("case {} on {db:?}\n{}", self.number, outcome.stderr);
        assert_eq!(outcome.code, 0, "{at}");
        let query = format!("SELECT device, ts, {} FROM iot_readings ORDER BY device, ts", self.columns);
        assert_eq!(world.lines(&query), self.readings, "{at}");
        let skipped = "SELECT coalesce(sum(rows_skipped), 0) FROM manifest WHERE state = 'loaded'";
        assert_eq!(world.number(skipped), self.skipped, "lines skipped, {at}");
        let mut set_aside = Vec::new();
        for (name, bytes) in &self.files {
            self.see(&world, name, bytes, &mut set_aside, &at);
        }
        assert_eq!(set_aside, self.set_aside, "{at}");
        assert_eq!(world.files("data"), [""; 0], "{at}");
        world.iotpipe(&["verify"]).expect_code(0);
    }

    /// Looks at what became of one file.
    #[track_caller]
    fn see(&self, world: &World, name: &str, bytes: &[u8], set_aside: &mut Vec<String>, at: &str) {
        let stem = name.rsplit('/').next().unwrap().split('.').next().unwrap();
        let refused = self.refused.iter().find(|(refused, ..)| *refused == name);
        let state = world.manifest(name).state;
        assert_eq!(state, if refused.is_some() { "rejected" } else { "loaded" }, "{name}, {at}");
        if let Some((_, rule, words)) = refused {
            let reason = world.expect_refused_whole(name, bytes, rule);
            for word in *words {
                assert!(reason.message.contains(word), "{word:?} is not in {:?}, {at}", reason.message);
                assert!(at.contains(word), "{word:?} is not said, {at}");
            }
        } else if world.files("quarantine").iter().any(|f| f.starts_with(stem)) {
            set_aside.extend(world.reason_lines(stem, bytes));
        }
    }
}

/// All cases on one database after the other.
#[track_caller]
pub(crate) fn hold(db: Db, cases: Vec<Case>) {
    cases.iter().for_each(|case| case.holds(db));
}
