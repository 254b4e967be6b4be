//! `iotpipe init`

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use anyhow::Context;

use super::exit::Exit;
use crate::config::TEMPLATE;
use crate::source::decompressed;
use crate::terminal::Printer;
use iotpipe_core::learn::{Learned, contract_of_sample};

/// Bytes of a sample that are looked at.
const SAMPLE: u64 = 1 << 20;

/// The file is there already.
#[derive(Debug, thiserror::Error)]
#[error("{0} exists and is left as it is; --force overwrites it")]
pub struct Exists(String);

/// Nothing can be learned from a file.
#[derive(Debug, thiserror::Error)]
#[error("no contract can be learned from {0}: {1}")]
pub struct NoSample(String, String);

pub fn run(path: &Path, sample: Option<&Path>, force: bool, printer: Printer) -> anyhow::Result<Exit> {
    if path.exists() && !force {
        return Err(Exists(path.display().to_string()).into());
    }
    let learned = sample.map(learned_from).transpose()?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).create_new(!force).truncate(force);
    let mut file = options.open(path).with_context(|| format!("{} can't be written", path.display()))?;
    let text = learned.as_ref().map_or(TEMPLATE, |learned| learned.toml.as_str());
    file.write_all(text.as_bytes()).with_context(|| format!("{} can't be written", path.display()))?;
    let shown = path.display().to_string();
    match &learned {
        None => printer.say(&format!("wrote {shown}; put your sensors into its contract, then `iotpipe run`")),
        Some(Learned { rows, loaded, problem, .. }) => {
            printer.say(&format!(
                "wrote {shown}: it loads {loaded} of the {rows} rows of the sample; look at its comments, then `iotpipe run`"
            ));
            if !problem.is_empty() {
                printer.say(problem);
            }
        }
    }
    let (rows, loaded) = learned.map_or((None, None), |learned| (Some(learned.rows), Some(learned.loaded)));
    printer.result(&serde_json::json!({ "step": "init", "path": shown, "rows": rows, "loaded": loaded }));
    Ok(Exit::Done)
}

/// # Errors
/// [`NoSample`] where no rows can be told; when the file can't be read.
fn learned_from(sample: &Path) -> anyhow::Result<Learned> {
    let shown = sample.display().to_string();
    let read = || {
        let (mut bytes, mut plain) = (Vec::new(), decompressed(File::open(sample)?)?);
        (&mut plain).take(SAMPLE).read_to_end(&mut bytes)?;
        let is_whole = plain.read(&mut [0])? == 0;
        Ok::<_, std::io::Error>((bytes, is_whole))
    };
    let (bytes, is_whole) = match read() {
        Err(e) if e.kind() == std::io::ErrorKind::InvalidData => return Err(NoSample(shown, e.to_string()).into()),
        read => read.with_context(|| format!("{shown} can't be read"))?,
    };
    let name = sample.file_name().unwrap_or_default().to_string_lossy();
    contract_of_sample(&bytes, is_whole, &name)
        .ok_or_else(|| NoSample(shown, "no rows can be told in it".to_owned()).into())
}
