//! Files that were archived, and copies that must last.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::super::digest::sha256_of;
use super::filesystem::{rename_without_overwriting, sync_folder};
use super::names::split_name;
use crate::error::Error;

/// Where a content lies that was archived under one of `targets`, or beside it as the first version did where a name was
/// taken; `None` where it is under none of these names.
pub fn archived_under(targets: &[PathBuf], sha256: &str) -> Option<PathBuf> {
    let names = targets.iter().flat_map(|target| [target.clone(), beside(target, sha256)]);
    names.into_iter().find(|path| sha256_of(path).is_ok_and(|found| found == sha256))
}

/// The first version's name next to `target` for another content.
fn beside(target: &Path, sha256: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let (stem, extension) = split_name(&name);
    target.with_file_name(format!("{stem}.{}{extension}", sha256.get(..12).unwrap_or(sha256)))
}

/// Puts a durable copy of `path` under the name `target`, unless the same content is there already. `unfinished` is the
/// name of the copy until it is whole.
///
/// # Errors
/// [`Error::Storage`], also where another content has that name.
pub fn copy_into(path: &Path, target: &Path, sha256: &str, unfinished: &Path) -> Result<(), Error> {
    if sha256_of(target).is_ok_and(|found| found == sha256) {
        return Ok(());
    }
    let copy = || {
        fs::copy(path, unfinished)?;
        File::open(unfinished)?.sync_all()?;
        rename_without_overwriting(unfinished, target)?;
        sync_folder(target)
    };
    copy().inspect_err(|_: &io::Error| drop(fs::remove_file(unfinished))).map_err(Error::storage(target))
}

/// Renames over whatever is there, and makes the new name durable.
///
/// # Errors
/// [`Error::Storage`].
pub fn durable_rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).and_then(|()| sync_folder(to)).map_err(Error::storage(to))
}

/// Makes the names of `files` durable.
///
/// # Errors
/// [`Error::Storage`].
pub fn sync_folders_of(files: &[PathBuf]) -> Result<(), Error> {
    let folders: BTreeMap<_, _> = files.iter().map(|file| (file.parent(), file)).collect();
    folders.into_values().try_for_each(|file| sync_folder(file).map_err(Error::storage(file)))
}
