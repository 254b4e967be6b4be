//! `iotpipe reaggregate`: statistics anew from the rows, for windows of another length.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::exit::Exit;
use super::signals::STOP;
use crate::config::Config;
use crate::error::Error;
use crate::failpoint;
use crate::store::Store;
use crate::terminal::Printer;

pub fn run(config: &Config, store: &Store, window: Option<Duration>, printer: Printer) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let micros = match window {
        Some(window) => i64::try_from(window.as_micros()).unwrap_or(i64::MAX),
        None => config.contract.window_micros,
    };
    let files = store.begin_reaggregation(micros).map_err(Error::from)?;
    failpoint::reach("reaggregation-begun");
    let mut done = 0;
    let committed = |files| {
        done += files;
        failpoint::reach("reaggregated");
    };
    if files > 0 {
        let mut committed = committed;
        store.reaggregate(micros, &STOP, &mut committed).map_err(Error::from)?;
    }
    let stopped = STOP.load(Ordering::Relaxed) && done < files;
    let length = humantime::format_duration(Duration::from_micros(micros.unsigned_abs()));
    printer.say(&match stopped {
        true => format!("reaggregate: stopped after {done} of {files} files; run it again to finish"),
        false => format!("reaggregate: the statistics of {done} files are of windows of {length} now"),
    });
    if !stopped && micros != config.contract.window_micros {
        printer.say(&format!(
            "reaggregate: set aggregate.window = \"{length}\" in the configuration before the next load"
        ));
    }
    printer.result(&serde_json::json!({
        "step": "reaggregate", "files": done, "pending": files.saturating_sub(done),
        "seconds": started.elapsed().as_secs_f64(),
    }));
    Ok(if stopped { Exit::TryAgain } else { Exit::Done })
}
