//! `iotpipe health`: an answer for a container's probe, within seconds, without a shell.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, bail};

use super::exit::Exit;
use crate::config::Config;
use crate::observability::probe;
use crate::store::Store;
use crate::terminal::Printer;

/// How long database and folders may take to answer.
const PATIENCE: Duration = Duration::from_secs(4);

pub fn run(config: &Config, printer: Printer) -> anyhow::Result<Exit> {
    let asked = match config.http {
        Some(address) => {
            probe(address).map_err(anyhow::Error::msg)?;
            format!("the loop at {address} is alive")
        }
        None => {
            in_time(config)?;
            "the database answers, and the folders can be read".to_owned()
        }
    };
    printer.say(&format!("health: {asked}"));
    printer.result(&serde_json::json!({ "step": "health", "healthy": true }));
    Ok(Exit::Done)
}

/// A database or a network share that does not answer would keep the probe for longer than who asks can wait.
fn in_time(config: &Config) -> anyhow::Result<()> {
    let (sender, answered) = channel();
    let config = config.clone();
    std::thread::Builder::new().name("health".to_owned()).spawn(move || sender.send(inspect(&config)))?;
    match answered.recv_timeout(PATIENCE) {
        Ok(verdict) => verdict,
        Err(RecvTimeoutError::Timeout) => bail!("database or folders do not answer within {PATIENCE:?}"),
        Err(RecvTimeoutError::Disconnected) => bail!("the look at database and folders ended without an answer"),
    }
}

fn inspect(config: &Config) -> anyhow::Result<()> {
    let paths = &config.paths;
    for folder in [&paths.data, &paths.processed, &paths.quarantine] {
        is_readable(folder).with_context(|| format!("{} can't be read", folder.display()))?;
    }
    Ok(Store::probe(&config.database_url)?)
}

fn is_readable(folder: &Path) -> std::io::Result<()> {
    std::fs::read_dir(folder)?.next().transpose().map(drop)
}
