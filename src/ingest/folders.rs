//! Which `data/` this is: a uuid in a marker file, in `processed/` and `quarantine/` too. A wrong folder is told at once,
//! two folders behind one database stay apart, and a container may mount them anywhere.

use std::path::Path;

use crate::config::Paths;
use crate::error::Error;
use crate::source::{MARKER, read_marker, write_marker};

/// A folder that belongs to another, or can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Folders {
    /// It has another marker.
    #[error(
        "{folder} belongs to another data folder ({theirs}) than {data} ({ours}); check [paths], or, where the folders \
         were put together on purpose, run `iotpipe adopt`"
    )]
    Mixed {
        /// The folder.
        folder: String,
        /// The uuid in its marker.
        theirs: String,
        /// The data folder.
        data: String,
        /// The uuid in its marker.
        ours: String,
    },
    /// Nothing can be written there.
    #[error(
        "{folder} can't be written to: {reason}; iotpipe renames files there while it has them in hand, so it needs the \
         right to"
    )]
    Unwritable {
        /// The folder.
        folder: String,
        /// What the system said.
        reason: String,
    },
}

/// The identity of a data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The uuid in its marker.
    pub origin: String,
    /// Whether it was marked just now: entries of the first version, which knew no markers, are then its own.
    pub is_new: bool,
}

/// The identity of the data folder; marks folders that have none. A data folder that lost its marker has the one that is
/// still in the folders beside it.
///
/// # Errors
/// [`Folders`] as an error of the configuration, [`Error::Source`] where a marker can't be read.
pub fn identify(paths: &Paths) -> anyhow::Result<Identity> {
    let marker = |folder: &Path| read_marker(folder).map_err(Error::source(&folder.join(MARKER)));
    let others = [&paths.processed, &paths.quarantine];
    let theirs = [marker(others[0])?, marker(others[1])?];
    let marked = marker(&paths.data)?;
    let is_new = marked.is_none();
    let ours = match marked {
        Some(ours) => ours,
        None => {
            let known = theirs.iter().flatten().next().cloned();
            mark(&paths.data, &known.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()), false)?
        }
    };
    for (folder, theirs) in others.into_iter().zip(theirs) {
        let theirs = match theirs {
            Some(theirs) => theirs,
            None => mark(folder, &ours, false)?,
        };
        if theirs != ours {
            let shown = |folder: &Path| folder.display().to_string();
            return Err(Folders::Mixed { folder: shown(folder), theirs, data: shown(&paths.data), ours }.into());
        }
    }
    Ok(Identity { origin: ours, is_new })
}

/// Marks all three folders as those of the data folder, whatever they were; gives its identity and those that it took the
/// place of.
///
/// # Errors
/// As [`identify`].
pub fn adopt(paths: &Paths) -> anyhow::Result<(String, Vec<String>)> {
    let marker = |folder: &Path| read_marker(folder).map_err(Error::source(&folder.join(MARKER)));
    let theirs = [marker(&paths.processed)?, marker(&paths.quarantine)?];
    let ours = marker(&paths.data)?.or_else(|| theirs.iter().flatten().next().cloned());
    let ours = ours.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    for folder in [&paths.data, &paths.processed, &paths.quarantine] {
        mark(folder, &ours, true)?;
    }
    let replaced = theirs.into_iter().flatten().filter(|theirs| *theirs != ours).collect();
    Ok((ours, replaced))
}

fn mark(folder: &Path, origin: &str, over: bool) -> anyhow::Result<String> {
    match write_marker(folder, origin, over) {
        Ok(origin) => Ok(origin),
        Err(e) if matches!(e.kind(), std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem) => {
            Err(Folders::Unwritable { folder: folder.display().to_string(), reason: e.to_string() }.into())
        }
        Err(e) => Err(Error::storage(&folder.join(MARKER))(e).into()),
    }
}
