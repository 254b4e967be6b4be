//! Which `data/` this is: a uuid in a marker file, in `processed/` and `quarantine/` too. A wrong folder is told at once,
//! two folders behind one database stay apart, and a container may mount them anywhere.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::config::Paths;
use crate::error::Error;
use crate::manifest::{self, Place};
use crate::source::{MARKER, read_marker, write_marker};
use crate::store::Store;

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
    /// It is another of them, or lies in another: files that were put away would be taken for new ones.
    #[error(
        "[paths] {one} and {other} lead to the same place, or one of them into the other ({one_path}, {other_path}); \
         give each a folder of its own"
    )]
    Nested {
        /// The key of one.
        one: &'static str,
        /// The key of the other.
        other: &'static str,
        /// Where the one leads.
        one_path: String,
        /// Where the other leads.
        other_path: String,
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

/// Makes sure that the folders are apart, before any of them is created or written to. Logs may lie anywhere but in
/// `data/`.
///
/// # Errors
/// [`Folders::Nested`].
pub fn tell_apart(paths: &Paths) -> Result<(), Folders> {
    let folders = [
        ("data", &paths.data),
        ("processed", &paths.processed),
        ("quarantine", &paths.quarantine),
        ("logs", &paths.logs),
    ]
    .map(|(key, path)| (key, real_path(path)));
    for (at, (one, one_path)) in folders.iter().enumerate() {
        for (other, other_path) in &folders[at + 1..] {
            let into_the_one = is_within(other_path, one_path) && (*other != "logs" || *one == "data");
            let into_the_other = is_within(one_path, other_path) && *other != "logs";
            let same = is_within(one_path, other_path) && is_within(other_path, one_path);
            if into_the_one || into_the_other || same {
                let shown = |path: &Path| path.display().to_string();
                return Err(Folders::Nested { one, other, one_path: shown(one_path), other_path: shown(other_path) });
            }
        }
    }
    Ok(())
}

/// The path without links, as far as it exists.
fn real_path(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut missing: Vec<Component<'_>> = Vec::new();
    let mut existing = path.components();
    let mut real = loop {
        match std::fs::canonicalize(existing.as_path()) {
            Ok(real) => break real,
            Err(_) => match existing.next_back() {
                Some(component) => missing.push(component),
                None => break PathBuf::new(),
            },
        }
    };
    for component in missing.into_iter().rev() {
        match component {
            Component::ParentDir => drop(real.pop()),
            other => real.push(other),
        }
    }
    real
}

/// Whether `inner` is `outer` or lies in it, also by another name: one more mount of the same folder.
fn is_within(inner: &Path, outer: &Path) -> bool {
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    let outer_identity = identity(outer);
    inner.ancestors().any(|folder| folder == outer || outer_identity.is_some() && identity(folder) == outer_identity)
}

/// Makes sure that files can be renamed in `data/`.
///
/// # Errors
/// [`Folders::Unwritable`].
pub fn expect_writable(data: &Path) -> Result<(), Folders> {
    use rustix::io::Errno;
    match accessat(CWD, data, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        Err(e @ (Errno::ACCESS | Errno::PERM | Errno::ROFS)) => {
            Err(Folders::Unwritable { folder: data.display().to_string(), reason: io::Error::from(e).to_string() })
        }
        // Where the system does not tell, the first file does.
        _ => Ok(()),
    }
}

/// The identity of the data folder; marks folders that have none. A data folder that lost its marker has the one that is
/// still in the folders beside it, or, where all are gone, that of the files which lie there as the manifest says.
///
/// # Errors
/// [`Folders`] as an error of the configuration, [`Error::Source`] where a marker can't be read.
pub fn identify(paths: &Paths, store: &Store) -> anyhow::Result<Identity> {
    let marker = |folder: &Path| read_marker(folder).map_err(Error::source(&folder.join(MARKER)));
    let others = [&paths.processed, &paths.quarantine];
    let theirs = [marker(others[0])?, marker(others[1])?];
    let marked = marker(&paths.data)?;
    let is_new = marked.is_none();
    let ours = match (marked, theirs.iter().flatten().next()) {
        (Some(ours), _) => ours,
        (None, Some(known)) => mark(&paths.data, known, false)?,
        (None, None) => {
            let known = origin_of_what_lies_there(paths, store)?;
            mark(&paths.data, &known.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()), false)?
        }
    };
    for (folder, theirs) in others.into_iter().zip(theirs) {
        let theirs = match theirs {
            Some(theirs) => theirs,
            None => mark(folder, &ours, false)?,
        };
        expect_same(paths, folder, theirs, &ours)?;
    }
    Ok(Identity { origin: ours, is_new })
}

/// The uuid in the marker of the data folder, `None` where it has none, and nothing written.
///
/// # Errors
/// As [`identify`].
pub fn look_at_markers(paths: &Paths) -> anyhow::Result<Option<String>> {
    let Some(ours) = read_marker(&paths.data).ok().flatten() else { return Ok(None) };
    for folder in [&paths.processed, &paths.quarantine] {
        let theirs = read_marker(folder).map_err(Error::source(&folder.join(MARKER)))?;
        expect_same(paths, folder, theirs.unwrap_or_else(|| ours.clone()), &ours)?;
    }
    Ok(Some(ours))
}

fn expect_same(paths: &Paths, folder: &Path, theirs: String, ours: &str) -> Result<(), Folders> {
    if theirs == ours {
        return Ok(());
    }
    let shown = |folder: &Path| folder.display().to_string();
    Err(Folders::Mixed { folder: shown(folder), theirs, data: shown(&paths.data), ours: ours.to_owned() })
}

/// The folder that all markers of are gone, told by its latest files.
fn origin_of_what_lies_there(paths: &Paths, store: &Store) -> Result<Option<String>, Error> {
    for origin in manifest::origins(store)? {
        let archived = manifest::latest_archived(store, &origin)?;
        let lies_there = |(place, name): &(Place, String)| {
            let folder = if *place == Place::Processed { &paths.processed } else { &paths.quarantine };
            folder.join(name).symlink_metadata().is_ok()
        };
        if !archived.is_empty() && archived.iter().all(lies_there) {
            return Ok(Some(origin));
        }
    }
    Ok(None)
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
        Err(e) if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            Err(Folders::Unwritable { folder: folder.display().to_string(), reason: e.to_string() }.into())
        }
        Err(e) => Err(Error::storage(&folder.join(MARKER))(e).into()),
    }
}
