//! The command line, as it is typed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use iotpipe_core::contract::LONGEST_WINDOW;

use crate::generate::{Compression, Defect, Style};

/// Loads CSV files of sensor readings into PostgreSQL or SQLite: every line in exactly one place, exactly once.
///
/// Exit codes: 0 done (rows in quarantine are normal), 1 something failed that may work if tried again, 2 it will never
/// work as asked (usage, configuration, contract), 3 with --strict: done, but rows or files were rejected, 99 with
/// --skip-if-empty: there was nothing to do.
#[derive(Debug, Parser)]
#[command(name = "iotpipe", version)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What is to be done.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Configuration and contract [default: iotpipe.toml, which may be absent]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// sqlite://PATH or postgres://USER@HOST/DATABASE [default: sqlite://iotpipe.db]
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// With json, the last line of stdout is one JSON object
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Form of the log lines on stderr
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Say more (twice: everything)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// What is logged, as `tracing` filters are written; for those who look for a fault in the program
    #[arg(long, global = true, env = "IOTPIPE_LOG", hide = true, value_name = "FILTER")]
    pub log_filter: Option<String>,
}

/// Form of the result on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Form of the log lines on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// For log collectors
    Json,
}

/// What a run of steps takes.
#[derive(Debug, Clone, Default, Args)]
pub struct StepArgs {
    /// Exit with 3 when rows or files were rejected
    #[arg(long)]
    pub strict: bool,
    /// Exit with 1 when there was nothing to do: no file came further, and none waits
    #[arg(long, conflicts_with = "skip_if_empty")]
    pub fail_on_empty: bool,
    /// Exit with 99 when there was nothing to do, which Airflow takes for "skipped"
    #[arg(long)]
    pub skip_if_empty: bool,
    /// Write metrics there at the end, for the node exporter's textfile collector (NAME.prom)
    #[arg(long, value_name = "PATH")]
    pub metrics_file: Option<PathBuf>,
}

/// What a step takes that works on files of the manifest.
#[derive(Debug, Clone, Args)]
pub struct FileArgs {
    /// How it ends, and which files at once.
    #[command(flatten)]
    pub work: WorkArgs,
    /// This file alone, by its path below data/ (repeatable) [default: all]
    #[arg(long = "file", value_name = "NAME")]
    pub files: Vec<PathBuf>,
}

/// What a step that reads files takes.
#[derive(Debug, Clone, Args)]
pub struct WorkArgs {
    /// How it ends.
    #[command(flatten)]
    pub step: StepArgs,
    /// Which files at once.
    #[command(flatten)]
    pub workers: Workers,
}

/// Where a running `loop` can be asked how it does.
#[derive(Debug, Clone, Args)]
pub struct HttpArgs {
    /// Address of /metrics, /healthz and /readyz: 127.0.0.1:9464 [default: none]
    #[arg(long, env = "IOTPIPE_HTTP", value_name = "ADDRESS")]
    pub http: Option<String>,
}

/// How many files are in hand at once.
#[derive(Debug, Clone, Copy, Args)]
pub struct Workers {
    /// Files in hand at once [default: the number of cores, at most 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: Option<u16>,
}

impl Workers {
    /// The number asked for, or the default.
    pub fn resolve(self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, |n| n.get().min(4));
        self.workers.map_or_else(cores, usize::from)
    }
}

impl Command {
    /// How many files the command has in hand at once.
    pub fn workers(&self) -> usize {
        match self {
            Command::Validate(args) | Command::Aggregate(args) | Command::Load(args) => args.work.workers.resolve(),
            Command::Run(args) => args.workers.resolve(),
            Command::Loop { workers, .. } => workers.resolve(),
            Command::Scan(_) => Workers { workers: None }.resolve(),
            _ => 1,
        }
    }

    /// Its name, as it is typed.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Init { .. } => "init",
            Command::Migrate => "migrate",
            Command::Scan(_) => "scan",
            Command::Validate(_) => "validate",
            Command::Aggregate(_) => "aggregate",
            Command::Load(_) => "load",
            Command::Run(_) => "run",
            Command::Loop { .. } => "loop",
            Command::Status => "status",
            Command::Health(_) => "health",
            Command::Verify { .. } => "verify",
            Command::Replay { .. } => "replay",
            Command::Unload { .. } => "unload",
            Command::Retry { .. } => "retry",
            Command::Reaggregate { .. } => "reaggregate",
            Command::Release => "release",
            Command::Adopt => "adopt",
            Command::Generate(_) => "generate",
        }
    }

    /// Where its metrics are to be written.
    pub fn metrics_file(&self) -> Option<&Path> {
        let args = match self {
            Command::Scan(args) => args,
            Command::Validate(args) | Command::Aggregate(args) | Command::Load(args) => &args.work.step,
            Command::Run(args) => &args.step,
            _ => return None,
        };
        args.metrics_file.as_deref()
    }

    /// Whether somebody waits for its result, so that a stop is no success. What a step left is done by the next one.
    pub fn is_asked_for(&self) -> bool {
        let is_step =
            matches!(self, Command::Scan(_) | Command::Validate(_) | Command::Aggregate(_) | Command::Load(_));
        !is_step && !matches!(self, Command::Run(_) | Command::Loop { .. } | Command::Generate(_))
    }

    /// Whether the command works in `data/`, `processed/` and `quarantine/`, and writes logs.
    pub fn needs_folders(&self) -> bool {
        self.takes_files() || matches!(self, Command::Verify { .. } | Command::Unload { .. } | Command::Adopt)
    }

    /// Whether the command takes files in hand, and so renames them in `data/`.
    pub fn takes_files(&self) -> bool {
        match self {
            Command::Init { .. }
            | Command::Migrate
            | Command::Generate(_)
            | Command::Health(_)
            | Command::Adopt
            | Command::Reaggregate { .. } => false,
            Command::Status | Command::Verify { .. } | Command::Unload { .. } => false,
            Command::Scan(_) | Command::Validate(_) | Command::Aggregate(_) | Command::Load(_) | Command::Run(_) => {
                true
            }
            Command::Loop { .. } | Command::Replay { .. } | Command::Retry { .. } | Command::Release => true,
        }
    }

    /// Whether the command sends readings to the database.
    pub fn loads(&self) -> bool {
        matches!(
            self,
            Command::Load(_) | Command::Run(_) | Command::Loop { .. } | Command::Replay { .. } | Command::Unload { .. }
        )
    }
}

/// One per file in `command/`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a commented iotpipe.toml
    Init {
        /// Learn the contract from a sample: a file as the devices write it
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// Overwrite an existing file
        #[arg(long)]
        force: bool,
    },
    /// Create or update the schema, add columns for new sensors
    Migrate,
    /// Find new files and put them in the manifest
    Scan(StepArgs),
    /// Give a verdict on each pending file; bad rows go to quarantine/
    Validate(FileArgs),
    /// Store the aggregates of each validated file
    Aggregate(FileArgs),
    /// Store rows, aggregates and the file's state in one transaction, through any step that the file still lacks
    Load(FileArgs),
    /// scan and load, once
    Run(WorkArgs),
    /// run again and again until SIGINT or SIGTERM, woken early by new files
    Loop {
        /// Time between two looks at the folder
        #[arg(long, default_value = "5s", value_parser = interval)]
        interval: Duration,
        /// Which files at once.
        #[command(flatten)]
        workers: Workers,
        /// Who may ask.
        #[command(flatten)]
        http: HttpArgs,
    },
    /// Show files by state, rows, last errors, and devices gone quiet
    Status,
    /// Ask the running loop whether it is alive (--http), or whether database and folders can be used: exit code 0 or 1
    Health(HttpArgs),
    /// Prove from the archived files and the database that every line is accounted for
    Verify {
        /// Loaded files, by their path below data/ [default: all]
        files: Vec<PathBuf>,
    },
    /// Send a corrected *.rejected.csv through again, linked to the file it came from
    Replay {
        /// The corrected file, under the name that it has in quarantine/
        file: PathBuf,
    },
    /// Take a file's rows and its share of the aggregates out again
    Unload {
        /// A loaded file, by its path below data/
        file: PathBuf,
        /// Leave the file pending where it lies, to be loaded again
        #[arg(long)]
        again: bool,
        /// Leave the files as they are that were set aside because of it
        #[arg(long)]
        only: bool,
    },
    /// Take up failed files again
    Retry {
        /// Failed files, by their path below data/ [default: all]
        files: Vec<PathBuf>,
    },
    /// Compute the statistics anew from the stored rows, for windows of another length
    Reaggregate {
        /// Length of a window [default: the contract's]
        #[arg(long, value_name = "DURATION", value_parser = window)]
        window: Option<Duration>,
    },
    /// Hand all held files back under the names with which they were delivered
    Release,
    /// Take processed/ and quarantine/ in for this data folder, whatever their markers say
    Adopt,
    /// Write synthetic telemetry with a seed and known defects
    Generate(GenerateArgs),
}

/// What `generate` writes.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Folder to write to [default: the configured data folder]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Number of devices
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub devices: u32,
    /// Rows per file
    #[arg(long, default_value_t = 1000)]
    pub rows: u64,
    /// Number of files
    #[arg(long, default_value_t = 1)]
    pub files: u32,
    /// Time between two readings of one device
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    pub interval: Duration,
    /// Share of defective rows, 0 to 1
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub error_rate: f64,
    /// Defects to choose from, separated by commas [default: all but too_long]
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub defects: Vec<Defect>,
    /// Time of the first reading, RFC 3339
    #[arg(long, default_value = "2026-01-01T00:00:00Z", value_parser = instant)]
    pub start: jiff::Timestamp,
    /// The same seed writes the same bytes
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// plain, or quoted like the public data set
    #[arg(long, default_value = "plain")]
    pub style: Style,
    /// Compression of the files: none, gz or zst
    #[arg(long, default_value = "none")]
    pub compression: Compression,
    /// Go on for ever: one file each time this has passed
    #[arg(long, value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub every: Option<Duration>,
}

/// Shorter, and `loop` would do little but look.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

fn interval(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(interval) if interval < SHORTEST_INTERVAL => Err("must be 10ms or longer".to_owned()),
        Ok(interval) => Ok(interval),
        Err(e) => Err(format!("{e} (write it as 500ms, 5s, 1m)")),
    }
}

fn window(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(window) if window.as_micros() == 0 => Err("must be a microsecond or longer".to_owned()),
        Ok(window) if window > LONGEST_WINDOW => Err("too long, the most is 1000 years".to_owned()),
        Ok(window) => Ok(window),
        Err(e) => Err(format!("{e} (write it as 1h, 1d)")),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(v) if (0.0..=1.0).contains(&v) => Ok(v),
        _ => Err("must be a number between 0 and 1".to_owned()),
    }
}

fn instant(text: &str) -> Result<jiff::Timestamp, String> {
    text.parse().map_err(|e| format!("{e} (write it as 2026-01-01T00:00:00Z)"))
}
