//! Synthetic telemetry: files of the built-in contract, from a seed, with a known number of defects.
//!
//! The same options give the same bytes. Memory does not grow with the number of rows.

mod curves;
mod defects;

pub use defects::{Defect, Style, UnknownName};

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use curves::{Profile, Schedule};
use defects::Spoiler;
use serde::Serialize;

const BUFFER_BYTES: usize = 256 << 10;

/// What to write.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Folder for the files; created when missing.
    pub out: PathBuf,
    /// Number of devices.
    pub devices: u32,
    /// Rows per file (all devices together, header not counted).
    pub rows: u64,
    /// Number of files; each continues where the one before it ends.
    pub files: u32,
    /// Time between two readings of one device.
    pub interval: Duration,
    /// Share (0…1) of rows that are defective.
    pub error_rate: f64,
    /// Defects to choose from, in turn.
    pub defects: Vec<Defect>,
    /// Time of the first reading, in microseconds since 1970-01-01 UTC.
    pub start: i64,
    /// What makes these files differ from others.
    pub seed: u64,
    /// How fields are written.
    pub style: Style,
    /// How files are packed.
    pub compression: Compression,
}

impl Options {
    /// One plain file of 10 000 right rows: three devices, every 5 s, from 2020-07-12 00:00 UTC on.
    pub fn new(out: impl Into<PathBuf>) -> Options {
        Options {
            out: out.into(),
            devices: 3,
            rows: 10_000,
            files: 1,
            interval: Duration::from_secs(5),
            error_rate: 0.0,
            defects: Defect::defaults(),
            start: 1_594_512_000_000_000,
            seed: 1,
            style: Style::Plain,
            compression: Compression::None,
        }
    }

    /// Name of the file `index`, without its folder.
    pub fn file_name(&self, index: u32) -> String {
        format!("telemetry_{}_{index:05}.csv{}", self.seed, self.compression.extension())
    }

    /// The time slots of file `index`, or what is wrong with the options.
    fn schedule(&self, index: u32) -> io::Result<Schedule> {
        let refuse = |message: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, message.to_owned()));
        if self.devices == 0 {
            return refuse("at least one device is needed");
        }
        if !(0.0..=1.0).contains(&self.error_rate) {
            return refuse("the error rate must lie between 0 and 1");
        }
        if self.error_rate > 0.0 && self.defects.is_empty() {
            return refuse("an error rate above 0 needs at least one defect to choose from");
        }
        let interval = i64::try_from(self.interval.as_micros()).unwrap_or(i64::MAX);
        if interval == 0 {
            return refuse("the interval must be at least a microsecond");
        }
        match Schedule::new(self.start, interval, self.devices, self.rows, index) {
            Some(schedule) => Ok(schedule),
            None => refuse("the readings would lie outside the years 1 to 9999"),
        }
    }
}

/// How files are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, `.csv.gz`.
    Gz,
    /// Zstandard, `.csv.zst`.
    Zst,
}

impl Compression {
    /// Every way.
    pub const ALL: [Compression; 3] = [Compression::None, Compression::Gz, Compression::Zst];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gz => "gz",
            Compression::Zst => "zst",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gz => ".gz",
            Compression::Zst => ".zst",
        }
    }
}

impl FromStr for Compression {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        UnknownName::find(name, &Compression::ALL, Compression::as_str)
    }
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Number of files.
    pub files: u64,
    /// Rows in them, defective ones included.
    pub rows: u64,
    /// Size of the files on disk.
    pub bytes: u64,
    /// Defective rows, by the rule that they break; rules that none breaks are absent.
    pub defects: BTreeMap<&'static str, u64>,
    /// The files, with their folder.
    pub paths: Vec<String>,
}

impl Written {
    /// Adds what was written elsewhere.
    pub fn merge(&mut self, other: Written) {
        self.files += other.files;
        self.rows += other.rows;
        self.bytes += other.bytes;
        for (rule, count) in other.defects {
            *self.defects.entry(rule).or_default() += count;
        }
        self.paths.extend(other.paths);
    }
}

/// Writes all files.
///
/// # Errors
/// As [`generate_until`].
pub fn generate(options: &Options) -> io::Result<Written> {
    generate_until(options, &AtomicBool::new(false))
}

/// Writes all files, or those before `stop` was set.
///
/// # Errors
/// When an option makes no sense (`InvalidInput`) or a file can't be written. Files finished before stay.
pub fn generate_until(options: &Options, stop: &AtomicBool) -> io::Result<Written> {
    if let Some(last) = options.files.checked_sub(1) {
        options.schedule(last)?;
    }
    let mut written = Written::default();
    for index in (0..options.files).take_while(|_| !stop.load(Ordering::Relaxed)) {
        written.merge(generate_file(options, index)?);
    }
    Ok(written)
}

/// Writes the file `index` under a hidden name, makes it durable and puts it in its place, over one of that name.
///
/// # Errors
/// As [`generate_until`]; no half file is left.
pub fn generate_file(options: &Options, index: u32) -> io::Result<Written> {
    let schedule = options.schedule(index)?;
    fs::create_dir_all(&options.out)?;
    let name = options.file_name(index);
    let (hidden, path) = (options.out.join(format!(".{name}.tmp")), options.out.join(&name));
    let finish = || {
        let (bytes, defects) = write_file(options, index, schedule, &hidden)?;
        fs::rename(&hidden, &path)?;
        Ok((bytes, defects))
    };
    let (bytes, defects) = finish().inspect_err(|_: &io::Error| drop(fs::remove_file(&hidden)))?;
    File::open(&options.out)?.sync_all()?;
    Ok(Written { files: 1, rows: options.rows, bytes, defects, paths: vec![path.display().to_string()] })
}

type Counts = BTreeMap<&'static str, u64>;

fn write_file(options: &Options, index: u32, schedule: Schedule, path: &Path) -> io::Result<(u64, Counts)> {
    let file = BufWriter::with_capacity(BUFFER_BYTES, File::create(path)?);
    let (file, defects) = match options.compression {
        Compression::None => write_rows(options, index, schedule, file)?,
        Compression::Gz => {
            let encoder = flate2::write::GzEncoder::new(file, flate2::Compression::default());
            let (encoder, defects) = write_rows(options, index, schedule, encoder)?;
            (encoder.finish()?, defects)
        }
        Compression::Zst => {
            let encoder = zstd::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            let (encoder, defects) = write_rows(options, index, schedule, encoder)?;
            (encoder.finish()?, defects)
        }
    };
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok((file.metadata()?.len(), defects))
}

fn write_rows<W: Write>(options: &Options, index: u32, schedule: Schedule, mut to: W) -> io::Result<(W, Counts)> {
    let devices = usize::try_from(options.rows).unwrap_or(usize::MAX).min(options.devices as usize);
    let profiles = Profile::list(options.seed, devices);
    let mut curves = curves::stream(options.seed, 2 * u64::from(index));
    let mut spoiler = Spoiler::new(&options.defects, options.error_rate, options.seed, index);
    let mut lines = Vec::with_capacity(2 * BUFFER_BYTES);
    defects::push_header(&mut lines, options.style);
    let (mut round, mut device) = (0, 0);
    for _ in 0..options.rows {
        let ts = schedule.at(round, device, &mut curves);
        let measured = profiles[device as usize].measure(device, ts, &mut curves);
        let (sample, defect) = spoiler.spoil(measured);
        defects::push_row(&mut lines, options.style, &profiles[sample.device as usize].name, &sample, defect);
        if lines.len() >= BUFFER_BYTES {
            to.write_all(&lines)?;
            lines.clear();
        }
        device += 1;
        if device == options.devices {
            (round, device) = (round + 1, 0);
        }
    }
    to.write_all(&lines)?;
    Ok((to, spoiler.counts))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn options(folder: &tempfile::TempDir, error_rate: f64) -> Options {
        Options { rows: 5_000, files: 2, error_rate, ..Options::new(folder.path()) }
    }

    fn lines(path: &str) -> io::Result<Vec<Vec<u8>>> {
        Ok(fs::read(path)?.split_inclusive(|b| *b == b'\n').skip(1).map(<[u8]>::to_vec).collect())
    }

    #[test]
    fn a_seed_gives_the_same_bytes() -> io::Result<()> {
        let (a, b) = (tempfile::tempdir()?, tempfile::tempdir()?);
        for compression in Compression::ALL {
            let of = |folder, seed| Options { seed, compression, ..options(folder, 0.1) };
            let (one, two, other) = (generate(&of(&a, 1))?, generate(&of(&b, 1))?, generate(&of(&b, 2))?);
            assert_eq!(fs::read(&one.paths[1])?, fs::read(&two.paths[1])?);
            assert_ne!(fs::read(&one.paths[0])?, fs::read(&one.paths[1])?);
            assert_ne!(fs::read(&one.paths[0])?, fs::read(&other.paths[0])?);
        }
        assert!(fs::read_dir(a.path())?.flatten().all(|e| !e.file_name().as_encoded_bytes().starts_with(b".")));
        Ok(())
    }

    #[test]
    fn what_is_counted_is_what_was_written() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let right: Vec<_> = generate(&options(&folder, 0.0))?.paths.iter().flat_map(|p| lines(p)).flatten().collect();
        let keys: HashSet<_> = right.iter().map(|l| l.split(|b| *b == b',').take(2).collect::<Vec<_>>()).collect();
        assert_eq!(keys.len(), 10_000);
        for (error_rate, least) in [(0.1, 90), (1.0, 1_000)] {
            let written = generate(&options(&folder, error_rate))?;
            let rows: Vec<_> = written.paths.iter().flat_map(|p| lines(p)).flatten().collect();
            let spoilt = rows.iter().zip(&right).filter(|(row, right)| row != right).count() as u64;
            assert_eq!((written.files, written.rows, rows.len()), (2, 10_000, 10_000));
            assert_eq!(written.defects.values().sum::<u64>(), spoilt);
            assert!(written.defects.len() == 9 && written.defects.values().all(|n| *n > least), "{written:?}");
            assert_eq!(written.bytes, written.paths.iter().flat_map(fs::metadata).map(|m| m.len()).sum::<u64>());
        }
        Ok(())
    }

    #[test]
    fn senseless_options_are_refused_before_anything_is_written() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let good = || Options { out: folder.path().join("new"), ..options(&folder, 0.5) };
        let endless = Options { rows: u64::MAX, interval: Duration::MAX, files: u32::MAX, ..good() };
        let bad = [Options { devices: 0, ..good() }, Options { error_rate: f64::NAN, ..good() }, endless];
        let more = [Options { interval: Duration::ZERO, ..good() }, Options { defects: Vec::new(), ..good() }];
        for options in bad.iter().chain(&more) {
            assert_eq!(generate(options).map_err(|e| e.kind()), Err(io::ErrorKind::InvalidInput));
        }
        assert!(!folder.path().join("new").exists());
        Ok(())
    }
}
