//! Holds the core to its speed on any machine, busy or idle: counts the instructions that a pass (parse, validate,
//! aggregate) takes per row and compares them with `tests/instructions.txt`.
//!
//! `INSTRUCTIONS_UPDATE=1 cargo test --test instructions` records the figure of this compiler.

#[path = "../examples/one_pass.rs"]
#[expect(dead_code, reason = "its `main` is the example's")]
mod one_pass;

use std::io::Write;
use std::path::Path;
use std::process::Command;

use iotpipe::generate::{Options, Style, generate};
use iotpipe_core::reading::Tally;

/// Rows of two files. What starting the program takes is in both counts, so their difference is without it.
const ROWS: [u64; 2] = [2_000, 22_000];
/// Makes this test the program that is measured, with the file that is named.
const MEASURED: &str = "INSTRUCTIONS_MEASURED_FILE";
/// How far, as a share, a count may lie from the one that was recorded with the same compiler …
const TOLERANCE: f64 = 0.05;
/// … or with another.
const TOLERANCE_OF_OTHERS: f64 = 0.25;

#[test]
fn a_pass_takes_the_instructions_per_row_that_are_recorded() {
    if let Some(file) = std::env::var_os(MEASURED) {
        return println!("{:?}", one_pass::one_pass(Path::new(&file)).unwrap());
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        install_valgrind().unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let [few, many] = ROWS.map(|rows| count(&folder.path().join(rows.to_string()), rows));
    compare((many - few) as f64 / (ROWS[1] - ROWS[0]) as f64);
}

/// The instructions of a program that makes one pass over a file of `rows` rows.
fn count(folder: &Path, rows: u64) -> u64 {
    let options = Options { rows, error_rate: 0.02, style: Style::Quoted, seed: 42, ..Options::new(folder) };
    let written = generate(&options).unwrap();
    let profile = folder.join("callgrind.out");
    // The hash is left out: valgrind knows no SHA instructions, so it would be another one than is used in earnest,
    // and outweigh the rest. The order counts: a toggle alone collects nothing but the hash.
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*compress256*", "--collect-atstart=yes"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["a_pass_takes_the_instructions_per_row_that_are_recorded", "--exact", "--nocapture"])
        .arg("--test-threads=1")
        .env(MEASURED, &written.paths[0])
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{stdout}{stderr}", output.status);
    // Duplicates are for the database to find.
    let duplicates = written.defects.get("duplicate_key").copied().unwrap_or_default();
    let rejected = (written.defects.values().sum::<u64>() - duplicates) as i64;
    let total = rows as i64;
    let tally = Tally { total, loaded: total - rejected, rejected, ..Tally::default() };
    assert!(rejected > 0 && duplicates > 0 && stdout.contains(&format!("{tally:?}")), "{tally:?} is not in {stdout}");
    let summary = std::fs::read_to_string(profile).unwrap();
    let summary = summary.lines().find_map(|line| line.strip_prefix("summary: ")?.parse().ok());
    summary.unwrap_or_else(|| panic!("callgrind gives no count:\n{stderr}"))
}

/// Fails when `per_row` is not what was recorded for this compiler, or writes it down when that is asked for.
fn compare(per_row: f64) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instructions.txt");
    let recorded = std::fs::read_to_string(&file).unwrap();
    let compiler = compiler();
    let line = format!("{compiler} {per_row:.0}");
    println!("{line}");
    if std::env::var_os("INSTRUCTIONS_UPDATE").is_some() {
        let is_older = |other: &&str| other.rsplit_once(' ').is_some_and(|(name, _)| name == compiler);
        let mut lines: Vec<&str> = recorded.lines().filter(|other| !is_older(other)).chain([line.as_str()]).collect();
        lines.sort_unstable(); // the comments come first
        return std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    }
    let figures = recorded.lines().filter(|other| !other.starts_with('#')).filter_map(|other| {
        let (name, figure) = other.rsplit_once(' ')?;
        Some((distance(name, &compiler)?, name, figure.parse::<f64>().ok()?))
    });
    let update = "INSTRUCTIONS_UPDATE=1 cargo test --test instructions";
    let Some((_, name, figure)) = figures.min_by_key(|(distance, ..)| *distance) else {
        panic!("tests/instructions.txt has nothing like {line:?}; to add it: {update}");
    };
    let tolerance = if name == compiler { TOLERANCE } else { TOLERANCE_OF_OTHERS };
    if name != compiler {
        // Not by `println!`, which nobody sees of a test that passes.
        let _ = writeln!(std::io::stderr(), "compared with {name}; tests/instructions.txt lacks {line:?}: {update}");
    }
    let change = per_row / figure - 1.0;
    assert!(
        change.abs() <= tolerance,
        "{per_row:.0} instructions per row, {:+.1} % from the {figure} of {name}; {} {update}",
        change * 100.0,
        if change < 0.0 { "record the gain:" } else { "where that is worth it:" },
    );
}

/// What the figure depends on: `rustc <release> <profile> <architecture>`.
fn compiler() -> String {
    let version = String::from_utf8(Command::new("rustc").arg("--version").output().unwrap().stdout).unwrap();
    let program = std::env::current_exe().unwrap(); // target/<profile>/deps/…
    let profile = program.ancestors().nth(2).and_then(Path::file_name).unwrap().to_str().unwrap();
    format!("rustc {} {profile} {}", version.split(' ').nth(1).unwrap(), std::env::consts::ARCH)
}

/// Minor releases between two compilers; `None` where anything but the release differs.
fn distance(one: &str, other: &str) -> Option<u32> {
    let parts = |name: &str| -> Option<(u32, String)> {
        let (release, rest) = name.strip_prefix("rustc 1.")?.split_once(' ')?;
        Some((release.split('.').next()?.parse().ok()?, rest.to_owned()))
    };
    let ((one, one_rest), (other, other_rest)) = (parts(one)?, parts(other)?);
    (one_rest == other_rest).then(|| one.abs_diff(other))
}

/// Installs Debian's `valgrind`, where that is possible.
fn install_valgrind() -> Result<(), String> {
    let sudo = if rustix::process::getuid().is_root() { "" } else { "sudo --non-interactive " };
    let script = format!("{sudo}apt-get update && {sudo}apt-get install -y --no-install-recommends valgrind");
    eprintln!("installing valgrind for the tests: {script}");
    let output = Command::new("sh").args(["-c", &script]).env("DEBIAN_FRONTEND", "noninteractive").output();
    match output.map_err(|e| e.to_string())? {
        output if output.status.success() => Ok(()),
        output => Err(format!(
            "no valgrind here. Install it (Debian: sudo apt-get install valgrind). {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}
