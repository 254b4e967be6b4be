//! Files that were archived, and copies that must last.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::super::digest::{copy_hashed, sha256_of};
use super::super::open::open_file;
use super::super::stamp::Stamp;
use super::filesystem::{create_parent, rename_without_overwriting, sync_folder};
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

/// Gives an archived file to which a writer appended back under the name `delivered`, with all that it has, and leaves its
/// first bytes, of this size, time and `sha256`, in the archive. `unfinished` is the name of these until they are whole.
///
/// The longer file has its second name before the first one goes: a crash in between leaves both.
///
/// # Errors
/// [`Error::Storage`], also where `delivered` is taken; [`Error::Changed`] where the first bytes are others.
pub fn split_grown(
    archive: &Path,
    delivered: &Path,
    (stamp, sha256): (Stamp, &str),
    unfinished: &Path,
) -> Result<(), Error> {
    let prefix = || {
        let mut copy = File::create(unfinished)?;
        let found = copy_hashed(&mut open_file(archive)?, &mut copy, stamp.size.unsigned_abs())?;
        copy.set_modified(UNIX_EPOCH + Duration::from_micros(stamp.modified_at.unsigned_abs()))?;
        copy.sync_all().map(|()| found == sha256)
    };
    let give_back = || {
        create_parent(delivered)?;
        fs::hard_link(archive, delivered).and_then(|()| sync_folder(delivered))
    };
    let split = match prefix() {
        Ok(true) => give_back().map_err(Error::storage(delivered)).and_then(|()| durable_rename(unfinished, archive)),
        Ok(false) => Err(Error::Changed),
        Err(e) => Err(Error::storage(unfinished)(e)),
    };
    split.inspect_err(|_| drop(fs::remove_file(unfinished)))
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
