//! `iotpipe adopt`: the three folders belong together from now on, whatever their markers say.

use super::exit::Exit;
use crate::config::Config;
use crate::ingest;
use crate::manifest;
use crate::store::Store;
use crate::terminal::Printer;

pub fn run(config: &Config, store: &Store, printer: Printer) -> anyhow::Result<Exit> {
    let (origin, replaced) = ingest::adopt(&config.paths)?;
    let mut entries = 0;
    for theirs in replaced.iter().map(String::as_str).chain([""]) {
        entries += manifest::take_in_origin(store, theirs, &origin)?;
    }
    printer
        .say(&format!("adopt: the folders are those of {origin} now, and {entries} files of the manifest with them"));
    printer.result(&serde_json::json!({ "step": "adopt", "origin": origin, "files": entries }));
    Ok(Exit::Done)
}
