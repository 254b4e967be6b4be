//! Moves a file out of `data/`, durably and without ever overwriting another.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::super::digest::sha256_of;
use super::names::split_name;
use crate::error::Error;
use crate::failpoint;

/// Moves `path` to `target`; [`sync_folders_of`] makes that durable, for many at once. Where `target` is taken by another content, `<stem>.<first 12>.csv` beside it is used;
/// where it is taken by the same content, `path` is removed. Gives the name under which the content now stands.
///
/// A crash at any point leaves the content under at least one of the names, and doing it again finishes the move.
///
/// # Errors
/// [`Error::Storage`] when the target's folder can't be written.
pub fn archive(path: &Path, target: &Path, sha256: &str) -> Result<PathBuf, Error> {
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).map_err(Error::storage(folder))?;
    }
    let beside = beside(target, sha256);
    for target in [target, &beside] {
        match move_without_overwriting(path, target) {
            Ok(()) => return Ok(target.to_owned()),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                if sha256_of(target).map_err(Error::storage(target))? == sha256 {
                    fs::remove_file(path).map_err(Error::storage(path))?;
                    return Ok(target.to_owned());
                }
            }
            Err(e) => return Err(Error::storage(target)(e)),
        }
    }
    let taken = io::Error::new(io::ErrorKind::AlreadyExists, "both names are taken by other contents");
    Err(Error::storage(&beside)(taken))
}

/// The name next to `target` for another content.
fn beside(target: &Path, sha256: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let (stem, extension) = split_name(&name);
    target.with_file_name(format!("{stem}.{}{extension}", sha256.get(..12).unwrap_or(sha256)))
}

/// Where a content lies that [`archive`] moved to one of `targets`; `None` where it is under none of their names.
pub fn archived_under(targets: &[PathBuf], sha256: &str) -> Option<PathBuf> {
    let names = targets.iter().flat_map(|target| [beside(target, sha256), target.clone()]);
    names.into_iter().find(|path| sha256_of(path).is_ok_and(|found| found == sha256))
}

/// Moves an archived file back to `path`, which must be free.
///
/// # Errors
/// [`Error::Storage`].
pub fn return_to(archived: &Path, path: &Path) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::storage(folder))?;
    }
    move_without_overwriting(archived, path).and_then(|()| sync_folder(path)).map_err(Error::storage(path))
}

/// Puts a durable copy of `path` under the name `target`, unless the same content is there already.
///
/// # Errors
/// [`Error::Storage`], also where another content has that name.
pub fn copy_into(path: &Path, target: &Path, sha256: &str) -> Result<(), Error> {
    if sha256_of(target).is_ok_and(|found| found == sha256) {
        return Ok(());
    }
    copy_durably(path, target).map_err(Error::storage(target))
}

fn move_without_overwriting(path: &Path, target: &Path) -> io::Result<()> {
    match renameat_with(CWD, path, CWD, target, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(rustix::io::Errno::XDEV) => copy_across(path, target)?,
        // Some network file systems know no such flag; the check is then as good as it gets there.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !target.exists() => fs::rename(path, target)?,
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(e) => return Err(e.into()),
    }
    failpoint::reach("renamed");
    Ok(())
}

/// To another file system: the copy stands whole and durable under the new name before the old one goes.
fn copy_across(path: &Path, target: &Path) -> io::Result<()> {
    copy_durably(path, target)?;
    failpoint::reach("copy-renamed");
    fs::remove_file(path)
}

fn copy_durably(path: &Path, target: &Path) -> io::Result<()> {
    if target.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let temporary = target.with_file_name(format!(".{name}.tmp"));
    fs::copy(path, &temporary)?;
    File::open(&temporary)?.sync_all()?;
    failpoint::reach("copy-synced");
    renameat_with(CWD, &temporary, CWD, target, RenameFlags::NOREPLACE)?;
    sync_folder(target)
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

fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
