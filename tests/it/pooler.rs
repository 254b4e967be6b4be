//! A pooler in front of the database: one real PgBouncer, in both of its modes, as it comes.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Db, Outcome, World, eventually, installed, telemetry};

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

/// Stopped when it is dropped.
struct Pooler {
    process: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Pooler {
    /// In front of `world`'s database, with fewer sessions of the server than the program has connections.
    fn before(world: &World, mode: &str) -> Pooler {
        installed("pgbouncer", "pgbouncer").unwrap();
        let (before, database) = world.url().rsplit_once('/').unwrap();
        let (user, server) = before.strip_prefix("postgres://").unwrap().rsplit_once('@').unwrap();
        let user = user.split(':').next().unwrap();
        let (host, port) = server.rsplit_once(':').unwrap();
        let own_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::Builder::new().prefix("iotpipe-pooler-").tempdir_in("/tmp").unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let config = format!(
            "[databases]\n{database} = host={host} port={port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {own_port}\nunix_socket_dir =\nauth_type = any\nauth_file = {}\npool_mode = {mode}\n\
             default_pool_size = {}\nmax_client_conn = 100\nlogfile = {}\n",
            path("users"),
            if mode == "session" { 20 } else { 3 },
            path("log")
        );
        fs::write(path("pgbouncer.ini"), config.replace("auth_type = any", "auth_type = any\nadmin_users = postgres"))
            .unwrap();
        fs::write(path("users"), format!("\"{user}\" \"\"\n")).unwrap();
        let forced = fs::read_to_string(path("pgbouncer.ini"))
            .unwrap()
            .replace(&format!("host={host} port={port}"), &format!("host={host} port={port} user={user}"));
        fs::write(path("pgbouncer.ini"), forced).unwrap();
        let mut command = Command::new("sh");
        let run = format!("PATH=$PATH:/usr/sbin exec pgbouncer -q '{}'", path("pgbouncer.ini"));
        // It refuses root.
        if rustix::process::getuid().is_root() {
            Command::new("chmod").args(["-R", "a+rwX"]).arg(folder.path()).status().unwrap();
            command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh"]);
        }
        let process = command.args(["-c", &run]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        eventually(Duration::from_secs(10), "the pooler", || TcpStream::connect(("127.0.0.1", own_port)).is_ok());
        Pooler { process, url: format!("postgres://{user}@127.0.0.1:{own_port}/{database}"), _folder: folder }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(world: &World, pooler: &Pooler, args: &[&str]) -> Command {
    let mut command = world.command(args);
    command.env("DATABASE_URL", &pooler.url);
    command
}

/// Every command, twice, and two at once.
fn a_pipeline_through(mode: &str) {
    let world = World::new(Db::Postgres);
    let pooler = Pooler::before(&world, mode);
    let run = |args: &[&str]| Outcome::of(args, command(&world, &pooler, args)).expect_code(0);
    run(&["migrate"]);
    run(&["migrate"]);
    for i in 0..40 {
        world.file(format!("{i}.csv"), telemetry(&format!("pump-{}", i % 5), START + i * 1800, 50));
    }
    run(&["scan"]);
    run(&["validate", "--workers", "3"]);
    run(&["aggregate"]);
    std::thread::scope(|scope| {
        let args = &["load", "--workers", "3"];
        let commands = [(); 2].map(|()| command(&world, &pooler, args));
        let both = commands.map(|command| scope.spawn(move || Outcome::of(args, command)));
        both.into_iter().for_each(|load| drop(load.join().unwrap().expect_code(0)));
    });
    run(&["run"]);
    assert_eq!(world.lines("SELECT state, count(*) FROM manifest GROUP BY state"), ["loaded|40"]);
    run(&["unload", "3.csv", "--again"]);
    run(&["run"]);
    run(&["verify"]);
    run(&["status"]);
    assert_eq!(
        world.number("SELECT count(*) FROM iot_raw_data"),
        world.number("SELECT sum(rows_loaded) FROM manifest")
    );
    assert_eq!(world.files("data"), [""; 0]);
}

#[test]
fn session_pooling() {
    a_pipeline_through("session");
}

#[test]
fn transaction_pooling() {
    a_pipeline_through("transaction");
}
