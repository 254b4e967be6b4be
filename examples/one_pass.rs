//! One pass over one file by the built-in contract, without a database: something to hold a profiler to.
//!
//! `cargo run --release --example one_pass -- data/telemetry_1_00000.csv`

use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, ensure};
use iotpipe::error::Error;
use iotpipe::ingest::pass::{BatchMemory, PassInput, Passed, run_pass};
use iotpipe::sink::{AggregateSink, Sink};
use iotpipe::source::sha256_of;
use iotpipe_core::contract::Contract;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::parse::{FileFormat, Header};
use iotpipe_core::reading::{Batch, Tally};

/// 2027-01-15 08:00 UTC: "now" is fixed, so that a file gets the same verdicts on every day.
const DISCOVERED_AT: i64 = 1_800_000_000_000_000;

/// More than the figures of any file that a profiler is held to take, in bytes.
const AGGREGATE_MEMORY: usize = 64 << 20;

/// Keeps nothing.
#[derive(Default)]
struct CountingSink {
    rows: i64,
}

impl Sink for CountingSink {
    fn begin(&mut self, _header: &Header) -> Result<(), Error> {
        Ok(())
    }

    fn write(&mut self, batch: &mut Batch, _devices: &DeviceNames) -> Result<(), Error> {
        self.rows += (batch.readings.len() + batch.rejections.len()) as i64;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Takes the file at `path` through parse, validate and aggregate.
pub fn one_pass(path: &Path) -> anyhow::Result<Tally> {
    let contract = Contract::from_toml("")?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let input = PassInput {
        reader: Box::new(File::open(path)?),
        path: &name,
        format: FileFormat::Csv,
        discovered_at: DISCOVERED_AT,
        expected_sha256: &sha256_of(path)?,
        max_rejected_ratio: 1.0,
        memory: &BatchMemory::small(),
        stop: &AtomicBool::new(false),
    };
    let mut counting = CountingSink::default();
    let mut aggregates = AggregateSink::new(&contract, &std::env::temp_dir(), AGGREGATE_MEMORY);
    let Passed { tally, .. } = run_pass(input, &contract, &mut [&mut counting, &mut aggregates])?;
    ensure!(counting.rows >= tally.total, "{} rows reached the sinks, the tally is {tally:?}", counting.rows);
    let mut figures = 0;
    aggregates.each_part(&mut |part| {
        figures += part.len();
        Ok(())
    })?;
    ensure!(tally.loaded == 0 || figures > 0, "no aggregates of {tally:?}");
    Ok(tally)
}

fn main() -> anyhow::Result<()> {
    let path = std::env::args_os().nth(1).context("which file?")?;
    println!("{:?}", one_pass(Path::new(&path))?);
    Ok(())
}
