//! A test's world: a folder of its own, a database of its own, and the program run in it as a user would.

pub mod assertions;
mod csv;
mod http;
mod installed;
mod memory;
mod mounted;
mod namespaces;
mod proxy;
mod query;
mod receiver;
pub mod server;
#[cfg(feature = "failpoints")]
mod stopped;

use std::cell::Cell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use csv::{HEADER, gzip, row, telemetry, zstd};
pub use http::{free_address, get};
pub use installed::installed;
pub use mounted::MountedDisk;
pub use proxy::Proxy;
pub use receiver::{Answer, Receiver};
#[cfg(feature = "failpoints")]
pub use stopped::Stopped;

/// Which database a test runs against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Db {
    Sqlite,
    Postgres,
}

/// Writes one `#[test]` per database for each function `fn(Db)` that is named.
#[macro_export]
macro_rules! on_both_databases {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $name() { super::$name($crate::support::Db::Sqlite) })+
        }
        mod on_postgres {
            $(#[test] fn $name() { super::$name($crate::support::Db::Postgres) })+
        }
    };
}

/// The program that is tried: the one that was built with the tests, or another release, to see what fails on it.
pub fn program() -> PathBuf {
    std::env::var_os("IOTPIPE_TEST_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_iotpipe").into(), PathBuf::from)
}

/// A folder with `data/`, an `iotpipe.toml` and an empty database. Both go when it is dropped.
pub struct World {
    dir: TempDir,
    pub db: Db,
    url: String,
    next_part: Cell<u32>,
}

impl World {
    /// A fresh world in which a file is taken at once (`settle = "0s"`).
    pub fn new(db: Db) -> World {
        let url = match db {
            Db::Sqlite => "sqlite://iotpipe.db".to_owned(),
            Db::Postgres => server::create_database(),
        };
        World::on(db, url)
    }

    /// As [`World::new`], on a database that is there.
    pub fn on(db: Db, url: String) -> World {
        let dir = tempfile::Builder::new().prefix("iotpipe-test-").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let world = World { dir, db, url, next_part: Cell::new(0) };
        world.config("");
        world
    }

    /// `relative` below the world's folder.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// The content of `relative`.
    pub fn read(&self, relative: impl AsRef<Path>) -> Vec<u8> {
        let path = self.path(relative);
        std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Puts a file into `data/`, in one piece: it is written under a name that is never taken, then renamed.
    pub fn file(&self, name: impl AsRef<OsStr>, bytes: impl AsRef<[u8]>) {
        let target = self.path("data").join(name.as_ref());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        self.next_part.set(self.next_part.get() + 1);
        let part = self.path("data").join(format!(".{}.part", self.next_part.get()));
        std::fs::write(&part, bytes).unwrap();
        std::fs::rename(part, target).unwrap();
    }

    /// As [`World::file`], for a name that is no text.
    pub fn file_named_by_bytes(&self, name: &[u8], bytes: impl AsRef<[u8]>) {
        self.file(OsStr::from_bytes(name), bytes);
    }

    /// Writes `iotpipe.toml`; a `[source]` that takes files at once comes first.
    pub fn config(&self, toml: &str) {
        std::fs::write(self.path("iotpipe.toml"), format!("[source]\nsettle = \"0s\"\n\n{toml}")).unwrap();
    }

    /// Where the database is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The program, in the world's folder, on the world's database, not yet started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(args).current_dir(self.dir.path()).env("DATABASE_URL", &self.url);
        command.env_remove("RUST_LOG").stdin(Stdio::null());
        command
    }

    /// As [`World::command`], run by a user who owns nothing and has no rights. The world's folders are open to all.
    pub fn as_nobody(&self, args: &[&str]) -> Command {
        let program = self.path("program");
        if !program.exists() {
            // Where the program was built, that user may have no way to. A copy is busy while another test starts its own.
            let tried = self::program();
            std::fs::hard_link(&tried, &program).or_else(|_| std::fs::copy(&tried, &program).map(drop)).unwrap();
        }
        for path in [self.path(""), self.path("data"), self.path("iotpipe.toml"), program.clone()] {
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        }
        if !rustix::process::getuid().is_root() {
            return self.command(args);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).args(args);
        command.current_dir(self.dir.path()).env("DATABASE_URL", &self.url).stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn iotpipe(&self, args: &[&str]) -> Outcome {
        Outcome::of(args, self.command(args))
    }

    /// Runs the program and expects exit code 0.
    pub fn ok(&self, args: &[&str]) -> Outcome {
        self.iotpipe(args).expect_code(0)
    }

    /// Runs `verify` and expects that nothing differs, whatever is still on its way.
    #[track_caller]
    pub fn nothing_differs(&self) {
        let outcome = self.iotpipe(&["verify"]);
        assert!([0, 3].contains(&outcome.code), "{}\n{}", outcome.stdout, outcome.stderr);
    }

    /// Starts the program and leaves it running; it is killed when the result is dropped.
    pub fn start(&self, args: &[&str]) -> Running {
        let mut command = self.command(args);
        Running { child: command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap() }
    }

    /// Every row of `sql`, its values as one text on both databases: instants as `2024-05-01T00:00:00Z`,
    /// truth as `1` and `0`, floats so that they read back to the same bits.
    pub fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        match self.db {
            Db::Sqlite => query::sqlite(&self.path("iotpipe.db"), sql),
            Db::Postgres => query::postgres(&self.url, sql),
        }
    }

    /// Changes the database behind the program's back; `sql` may be several statements.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        self.try_execute(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// As [`World::execute`], where the database may refuse.
    pub fn try_execute(&self, sql: &str) -> Result<(), String> {
        match self.db {
            Db::Sqlite => query::execute_sqlite(&self.path("iotpipe.db"), sql),
            Db::Postgres => query::execute_postgres(&self.url, sql),
        }
    }

    /// Every file is in the hands of a worker of another machine, which nobody here can see.
    pub fn claim_from_elsewhere(&self) {
        let until = match self.db {
            Db::Sqlite => "strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now', '+60 seconds')",
            Db::Postgres => "now() + interval '60 seconds'",
        };
        self.execute(&format!(
            "INSERT INTO worker (host, boot, pid_ns, pid, start, session, lease_until)
             VALUES ('elsewhere', 'another boot', 'pid:[1]', 1, '1', '', {until})"
        ));
        self.execute(
            "UPDATE manifest SET claim_no = claim_no + 1, worker_id = (SELECT id FROM worker WHERE host = 'elsewhere')",
        );
    }

    /// Lets every lease lapse, as time would: whatever a stopped program has in hand is free.
    pub fn let_leases_lapse(&self) {
        self.execute("UPDATE worker SET lease_until = '2024-01-01T00:00:00+00:00'");
    }

    /// Runs `sql` in a transaction that stays open until the result is ended or dropped.
    pub fn hold(&self, sql: &str) -> query::Held {
        query::hold(&self.url, sql)
    }

    /// The rows of `sql`, each as one line: values joined by `|`, null as `-`.
    pub fn lines(&self, sql: &str) -> Vec<String> {
        let text = |row: Vec<Option<String>>| {
            row.into_iter().map(|value| value.unwrap_or_else(|| "-".into())).collect::<Vec<_>>().join("|")
        };
        self.query(sql).into_iter().map(text).collect()
    }

    /// The one number that `sql` gives.
    pub fn number(&self, sql: &str) -> i64 {
        let rows = self.lines(sql);
        rows[0].parse().unwrap_or_else(|_| panic!("{sql}: {rows:?}"))
    }

    /// Puts `folder` on another file system, for as long as the result lives.
    pub fn elsewhere(&self, folder: &str) -> TempDir {
        let elsewhere = tempfile::Builder::new().prefix("iotpipe-test-").tempdir_in("/dev/shm").unwrap();
        let device = |path: &Path| std::os::unix::fs::MetadataExt::dev(&std::fs::metadata(path).unwrap());
        if device(elsewhere.path()) == device(self.dir.path()) {
            println!("/dev/shm and the folder for temporary files are one file system: nothing has to be copied here");
        }
        let _ = std::fs::remove_dir(self.path(folder));
        std::os::unix::fs::symlink(elsewhere.path(), self.path(folder)).unwrap();
        elsewhere
    }

    /// How many readings are stored.
    pub fn stored(&self) -> i64 {
        self.number("SELECT count(*) FROM iot_raw_data")
    }

    /// The files below `folder`, as paths relative to it, in order; the marker that says whose it is left out.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.path(folder), Path::new(""), &mut found);
        found.sort();
        found
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.db == Db::Postgres && self.url.contains(server::PREFIX) {
            server::drop_database(&self.url);
        }
    }
}

fn walk(folder: &Path, below: &Path, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.map(Result::unwrap) {
        let relative = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), &relative, found);
        } else if entry.file_name() != ".iotpipe" {
            found.push(relative.to_string_lossy().into_owned());
        }
    }
}

/// What a run of the program left: its exit code and both streams.
#[derive(Debug)]
pub struct Outcome {
    args: String,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Runs `command` to its end.
    pub fn of(args: &[&str], mut command: Command) -> Outcome {
        Outcome::from_output(&args.join(" "), &command.output().unwrap())
    }

    /// What is left of a process that was started with `args`.
    pub fn from_output(args: &str, output: &Output) -> Outcome {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Outcome {
            args: args.to_owned(),
            code: output.status.code().unwrap_or_else(|| panic!("iotpipe {args}: {}", output.status)),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Fails, showing all that was printed, unless the exit code is `code`.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Outcome {
        assert_eq!(self.code, code, "exit code of `iotpipe {}`\n{}\n{}", self.args, self.stdout, self.stderr);
        self
    }

    /// Fails, showing all that was printed, unless stderr holds each of `words`, whatever their case.
    #[track_caller]
    pub fn expect_stderr(self, words: &[&str]) -> Outcome {
        let text = self.stderr.to_lowercase();
        for word in words {
            assert!(text.contains(&word.to_lowercase()), "`iotpipe {}` says no {word:?}:\n{}", self.args, self.stderr);
        }
        self
    }

    /// The JSON object that is the last line of stdout.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        let value = serde_json::from_str(last);
        let value: serde_json::Value =
            value.unwrap_or_else(|e| panic!("`iotpipe {}`: {e} in {last:?}\n{}", self.args, self.stderr));
        assert!(value.is_object(), "{last}");
        value
    }

    /// The whole number under `key` of [`Outcome::json`].
    #[track_caller]
    pub fn count(&self, key: &str) -> i64 {
        let json = self.json();
        json[key].as_i64().unwrap_or_else(|| panic!("`iotpipe {}`: no number {key:?} in {json}", self.args))
    }
}

/// A program that was left running.
pub struct Running {
    pub child: Child,
}

impl Running {
    /// Sends `signal` and gives the exit code, or fails when the program takes longer than `patience`.
    pub fn stop(mut self, signal: rustix::process::Signal, patience: Duration) -> Option<i32> {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
        let mut status = None;
        eventually(patience, "the program to stop", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tries `done` until it is true; fails after `patience`.
#[track_caller]
pub fn eventually(patience: Duration, what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < patience, "waited {patience:?} for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
