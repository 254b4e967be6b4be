//! Programs of other people that a test runs: Debian's, installed where they are missing.

use std::process::Command;

/// Installs Debian's `package` unless `program` is there.
///
/// # Errors
/// Says what to do, where it can't be installed.
pub fn installed(program: &str, package: &str) -> Result<(), String> {
    let sbin =
        ["/usr/sbin", "/usr/local/sbin", "/sbin"].iter().any(|dir| std::path::Path::new(dir).join(program).exists());
    if sbin || Command::new(program).arg("--version").output().is_ok() {
        return Ok(());
    }
    let sudo = if rustix::process::getuid().is_root() { "" } else { "sudo --non-interactive " };
    let script = format!("{sudo}apt-get update && {sudo}apt-get install -y --no-install-recommends {package}");
    eprintln!("installing {package} for the tests: {script}");
    let output = Command::new("sh").args(["-c", &script]).env("DEBIAN_FRONTEND", "noninteractive").output();
    match output.map_err(|e| e.to_string())? {
        output if output.status.success() => Ok(()),
        output => Err(format!(
            "no {program} here. Install it (Debian: sudo apt-get install {package}). {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}
