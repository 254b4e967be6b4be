//! Logs: to stderr for whoever watches, to `logs/` (one file a day, the last 14 kept) for whoever comes later.

use std::io::IsTerminal;
use std::path::Path;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::cli::{Global, LogFormat};

/// Days that are kept.
const DAYS_KEPT: usize = 14;

/// Starts the logs. What was logged is written when the guard is dropped. A folder that can't be written costs the
/// file, not the run; without a folder there is none.
pub fn start(folder: Option<&Path>, asked: &Global) -> Option<WorkerGuard> {
    let level = match (asked.quiet, asked.verbose) {
        (true, _) => LevelFilter::ERROR,
        (_, 0) => LevelFilter::WARN,
        (_, 1) => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let own = |level: LevelFilter| {
        let filter = asked.log_filter.as_ref().and_then(|filter| EnvFilter::try_new(filter).ok());
        filter.unwrap_or_else(|| EnvFilter::new(format!("error,iotpipe={level}")))
    };
    // https://no-color.org: set and not empty.
    let in_colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let terminal = fmt::layer().with_ansi(in_colour).with_writer(std::io::stderr).with_target(false);
    let terminal = match asked.log_format {
        LogFormat::Text => terminal.without_time().with_filter(own(level)).boxed(),
        LogFormat::Json => terminal.json().with_filter(own(level)).boxed(),
    };
    let appender = folder.map(|folder| {
        std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
        let builder = RollingFileAppender::builder().rotation(Rotation::DAILY).max_log_files(DAYS_KEPT);
        let built = builder.filename_prefix("iotpipe").filename_suffix("log").build(folder);
        built.map_err(|e| std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string))
    });
    let (appender, failure) = match appender.transpose() {
        Ok(appender) => (appender, None),
        Err(failure) => (None, Some(failure)),
    };
    let (writer, guard) = appender.map(tracing_appender::non_blocking).unzip();
    let file =
        writer.map(|writer| fmt::layer().json().with_writer(writer).with_filter(own(level.max(LevelFilter::INFO))));
    // In front of the layers: their filters would keep the answer to a driver's mere question for the line that follows.
    let in_front = own(level.max(LevelFilter::INFO));
    tracing_subscriber::registry().with(terminal).with(file).with(in_front).init();
    if let (Some(folder), Some(reason)) = (folder, failure) {
        tracing::warn!("no log is kept in {}: {reason}", folder.display());
    }
    guard
}
