//! `iotpipe migrate`

use super::exit::Exit;
use crate::config::Config;
use crate::store::{Store, WindowPin};
use crate::terminal::Printer;

pub fn run(config: &Config, store: &Store, printer: Printer) -> anyhow::Result<Exit> {
    let changed = !store.is_migrated(&config.contract, WindowPin::OfContract)?;
    store.migrate(&config.contract, WindowPin::OfContract)?;
    let what = if changed { "brought up to date" } else { "up to date already" };
    printer.say(&format!("migrate: the schema at {} is {what}", store.place()));
    printer.result(&serde_json::json!({ "step": "migrate", "changed": changed }));
    Ok(Exit::Done)
}
