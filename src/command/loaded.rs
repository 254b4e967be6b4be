//! Which loaded file a user means by a path.

use std::path::Path;

use crate::error::Error;
use crate::ingest::Context;
use crate::manifest::{self, Entry};
use crate::source::sha256_of;

/// A name that fits no loaded file, or more than one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotLoaded(pub String);

/// What the manifest calls the file that `path` means: its path below `data/`.
pub fn below_data(context: &Context<'_>, path: &Path) -> String {
    let plain = path.strip_prefix(".").unwrap_or(path);
    plain.strip_prefix(&context.config.paths.data).unwrap_or(plain).to_string_lossy().into_owned()
}

/// The loaded file that `path` means: its path below `data/`, with or without the folder it lies or lay in.
pub fn find(context: &Context<'_>, path: &Path) -> anyhow::Result<Entry> {
    let paths = &context.config.paths;
    let plain = path.strip_prefix(".").unwrap_or(path);
    let below = [&paths.processed, &paths.data].into_iter().find_map(|folder| plain.strip_prefix(folder).ok());
    let source = below.unwrap_or(plain).to_string_lossy();
    let mut files = manifest::loaded_files(context.store, &context.origin, Some(&source)).map_err(Error::from)?;
    // A name that came more than once, or that another content had before: the content under this path decides.
    if files.len() != 1 {
        let place = if below.is_some() { plain.to_owned() } else { paths.processed.join(plain) };
        let sha256 = sha256_of(&place).ok();
        let same = |file: &Entry| file.sha256.is_some() && file.sha256 == sha256;
        files = manifest::loaded_files(context.store, &context.origin, None).map_err(Error::from)?;
        files.retain(same);
    }
    match files.len() {
        1 => Ok(files.remove(0)),
        0 => {
            Err(NotLoaded(format!("{path:?} is not the name of a loaded file; `iotpipe status` knows the states"))
                .into())
        }
        n => Err(NotLoaded(format!("{n} loaded files have the content of {path:?}")).into()),
    }
}
