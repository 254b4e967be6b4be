//! `iotpipe init`

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::Context;

use super::exit::Exit;
use crate::config::TEMPLATE;
use crate::terminal::Printer;

/// The file is there already.
#[derive(Debug, thiserror::Error)]
#[error("{0} exists and is left as it is; --force overwrites it")]
pub struct Exists(String);

pub fn run(path: &Path, force: bool, printer: Printer) -> anyhow::Result<Exit> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).create_new(!force).truncate(force);
    let mut file = match options.open(path) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Exists(path.display().to_string()).into());
        }
        opened => opened.with_context(|| format!("{} can't be written", path.display()))?,
    };
    file.write_all(TEMPLATE.as_bytes()).with_context(|| format!("{} can't be written", path.display()))?;
    printer.say(&format!("wrote {}; put your sensors into its contract, then `iotpipe run`", path.display()));
    printer.result(&serde_json::json!({ "step": "init", "path": path.display().to_string() }));
    Ok(Exit::Done)
}
