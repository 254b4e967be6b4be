//! One PostgreSQL server for the whole run, one database for each test.
//!
//! The server is the one of `IOTPIPE_TEST_DATABASE_URL`, else a container, else a throw-away cluster from local
//! binaries. Without any of them the tests fail and say why; they are never skipped.

pub mod cluster;
mod container;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::Connection;

use super::query::{postgres, runtime};

/// What the names of the tests' databases begin with.
pub const PREFIX: &str = "iotpipe_test_";
const A_DAY: u64 = 24 * 60 * 60;

/// Creates an empty database and gives its URL.
pub fn create_database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{PREFIX}{}_{}_{n}", now(), std::process::id());
    postgres(server(), &format!("CREATE DATABASE {name}"));
    in_database(server(), &name)
}

/// Drops the database of `url`, and whoever is still connected to it.
pub fn drop_database(url: &str) {
    let name = &url[url.rfind(PREFIX).unwrap()..];
    let name = name.split('?').next().unwrap();
    postgres(server(), &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
}

/// The URL of the server's database for maintenance; the first test to ask starts the server.
fn server() -> &'static str {
    static SERVER: OnceLock<Result<String, String>> = OnceLock::new();
    SERVER.get_or_init(start).as_ref().unwrap_or_else(|e| panic!("no PostgreSQL for the tests: {e}"))
}

fn start() -> Result<String, String> {
    let url = match std::env::var("IOTPIPE_TEST_DATABASE_URL") {
        Ok(url) if !url.is_empty() => url,
        _ => container::start().or_else(|no_container| {
            cluster::start()
                .map(|cluster| cluster.url)
                .map_err(|e| format!("no container ({no_container}), and no local cluster: {e}"))
        })?,
    };
    wait_until_it_answers(&url)?;
    sweep(&url);
    Ok(url)
}

fn wait_until_it_answers(url: &str) -> Result<(), String> {
    let mut error = String::new();
    for _ in 0..100 {
        match runtime().block_on(sqlx::PgConnection::connect(url)) {
            Ok(connection) => return runtime().block_on(connection.close()).map_err(|e| e.to_string()),
            Err(e) => error = e.to_string(),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(format!("the server does not answer: {error}"))
}

/// Drops what killed runs left on a server that outlives them.
fn sweep(url: &str) {
    let names = postgres(url, &format!("SELECT datname FROM pg_database WHERE datname LIKE '{PREFIX}%'"));
    for name in names.into_iter().flatten().flatten() {
        let born = name[PREFIX.len()..].split('_').next().and_then(|secs| secs.parse::<u64>().ok());
        if born.is_some_and(|secs| secs + A_DAY < now()) {
            postgres(url, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}

/// `url`, with another database.
fn in_database(url: &str, name: &str) -> String {
    let (base, options) = url.split_once('?').map_or((url, String::new()), |(b, o)| (b, format!("?{o}")));
    let authority = base.find("://").map_or(0, |at| at + 3);
    let end = base[authority..].find('/').map_or(base.len(), |at| authority + at);
    format!("{}/{name}{options}", &base[..end])
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Leaves a shell behind that runs `farewell` once this process is gone, however it went: Rust's tests know no global
/// end. The shell reads from a pipe whose other end only this process holds, in a group that Ctrl-C does not reach.
fn when_we_are_gone(farewell: &str) {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    let script = format!("trap '' INT TERM HUP; read -r _; {farewell}");
    let shell = Command::new("sh")
        .args(["-c", &script])
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::mem::forget(shell); // would close the pipe
}
