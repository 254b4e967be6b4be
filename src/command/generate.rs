//! `iotpipe generate`

use std::sync::mpsc::channel;
use std::time::Instant;

use anyhow::Context;

use super::exit::Exit;
use super::signals::{STOP, Signals};
use crate::cli::GenerateArgs;
use crate::config::Config;
use crate::generate::{self, Defect, Options};
use crate::terminal::Printer;

pub fn run(args: &GenerateArgs, config: &Config, signals: &Signals, printer: Printer) -> anyhow::Result<Exit> {
    let (wake, woken) = channel();
    signals.begin_work(Some(wake));
    let out = args.out.clone().unwrap_or_else(|| config.paths.data.clone());
    std::fs::create_dir_all(&out).with_context(|| format!("{} can't be created", out.display()))?;
    let options = Options {
        out,
        devices: args.devices,
        rows: args.rows,
        files: args.files,
        interval: args.interval,
        error_rate: args.error_rate,
        defects: if args.defects.is_empty() { usual_defects() } else { args.defects.clone() },
        start: args.start.as_microsecond(),
        seed: args.seed,
        style: args.style,
        compression: args.compression,
    };
    let place = options.out.display().to_string();
    let failed = || format!("{place} can't be written");
    if let Some(every) = args.every {
        for index in 0.. {
            let started = Instant::now();
            let written = generate::generate_file(&options, index).with_context(failed)?;
            printer.say(&format!("generate: {} rows in {}", written.rows, written.paths.join(", ")));
            printer.result(&written);
            if woken.recv_timeout(every.saturating_sub(started.elapsed())).is_ok() {
                return Ok(Exit::Done);
            }
        }
    }
    let written = generate::generate_until(&options, &STOP).with_context(failed)?;
    let defects: u64 = written.defects.values().sum();
    printer.say(&format!(
        "generate: {} files, {} rows, {defects} of them defective, in {place}",
        written.files, written.rows
    ));
    printer.result(&written);
    Ok(Exit::Done)
}

/// An overlong row is a megabyte: only where it is asked for.
fn usual_defects() -> Vec<Defect> {
    Defect::ALL.into_iter().filter(|d| *d != Defect::TooLong).collect()
}
