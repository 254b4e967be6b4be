//! A throw-away PostgreSQL cluster from the binaries of this machine.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A running cluster.
pub struct Cluster {
    pub url: String,
    bin: PathBuf,
    user: Option<String>,
    dir: PathBuf,
    options: String,
}

impl Cluster {
    /// Ends the server as a power cut would, and starts it again.
    pub fn crash_and_recover(&self) {
        self.pg_ctl(&["-m", "immediate", "stop"]).unwrap();
        self.pg_ctl(&["-o", &self.options, "start"]).unwrap();
    }

    fn pg_ctl(&self, args: &[&str]) -> Result<(), String> {
        let mut pg_ctl = command(&self.bin.join("pg_ctl"), self.user.as_deref());
        run(pg_ctl.arg("-D").arg(self.dir.join("data")).arg("-l").arg(self.dir.join("log")).arg("-w").args(args))
    }
}

/// Whether this machine has what it takes, without an installation.
pub fn is_possible() -> bool {
    binaries().is_some() && other_user().is_ok()
}

/// Makes and starts a cluster in `/tmp`. It is stopped and deleted when this process is gone.
pub fn start() -> Result<Cluster, String> {
    let bin = match binaries() {
        Some(bin) => bin,
        None => {
            install()?;
            binaries().ok_or("installed, but initdb and pg_ctl can't be found")?
        }
    };
    let user = other_user()?;
    // Not TMPDIR: the other user must be able to go there, and a socket's path must be short.
    let dir = tempfile::Builder::new().prefix("iotpipe-pg-").tempdir_in("/tmp").map_err(|e| e.to_string())?;
    if let Some(user) = &user {
        run(Command::new("chown").arg(user).arg(dir.path()))?;
    }
    let as_user = |program: &str| command(&bin.join(program), user.as_deref());
    let data = dir.path().join("data");
    run(as_user("initdb")
        .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"])
        .arg("-D")
        .arg(&data))?;

    let farewell = format!(
        "{}'{}' -D '{}' -m immediate stop; rm -rf '{}'",
        user.as_ref().map(|user| format!("runuser -u {user} -- ")).unwrap_or_default(),
        bin.join("pg_ctl").display(),
        data.display(),
        dir.path().display()
    );
    let port = free_port()?;
    let options = format!(
        "-p {port} -k '{}' -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200",
        dir.path().display()
    );
    super::when_we_are_gone(&farewell);
    let dir = dir.keep(); // from here on the farewell deletes it
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let cluster = Cluster { url, bin, user, dir, options };
    cluster.pg_ctl(&["-o", &cluster.options, "start"])?;
    Ok(cluster)
}

/// The folder that holds `initdb` and `pg_ctl`; of Debian's versions the newest.
fn binaries() -> Option<PathBuf> {
    let mut debian: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| Some((e.file_name().to_str()?.parse().ok()?, e.path().join("bin"))))
        .collect();
    debian.sort();
    let configured = Command::new("pg_config").arg("--bindir").output().ok();
    let configured = configured.map(|o| PathBuf::from(String::from_utf8_lossy(&o.stdout).trim()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = debian.into_iter().rev().map(|(_, bin)| bin).chain(configured).chain(std::env::split_paths(&path));
    folders.into_iter().find(|bin| bin.join("initdb").exists() && bin.join("pg_ctl").exists())
}

/// Installs Debian's `postgresql`, where that is possible.
fn install() -> Result<(), String> {
    if !Path::new("/usr/bin/apt-get").exists() || !rustix::process::getuid().is_root() {
        return Err(
            "no initdb and pg_ctl here. Install PostgreSQL (Debian: sudo apt-get install postgresql), start a \
                    Docker engine, or set IOTPIPE_TEST_DATABASE_URL"
                .into(),
        );
    }
    eprintln!("installing PostgreSQL for the tests: apt-get install postgresql");
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    run(apt().arg("update"))?;
    run(apt().args(["install", "-y", "--no-install-recommends", "postgresql"]))
}

/// Whom to run PostgreSQL as, when it is not ourselves: it refuses root.
fn other_user() -> Result<Option<String>, String> {
    if !rustix::process::getuid().is_root() {
        return Ok(None);
    }
    let exists = |user: &&str| Command::new("id").arg(user).output().is_ok_and(|o| o.status.success());
    let user = ["postgres", "nobody"].into_iter().find(exists);
    user.map(|user| Some(user.to_owned()))
        .ok_or("PostgreSQL refuses root, and there is no user postgres or nobody".into())
}

fn command(program: &Path, user: Option<&str>) -> Command {
    let mut command = match user {
        None => Command::new(program),
        Some(user) => {
            let mut command = Command::new("runuser");
            command.args(["-u", user, "--"]).arg(program);
            command
        }
    };
    command.current_dir("/");
    command
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(format!("{command:?}: {}\n{}{}", output.status, text(&output.stdout), text(&output.stderr)))
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|e| e.to_string())
}
