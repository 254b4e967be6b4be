//! What is done to names of files: looked for, renamed over nobody, made to last.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Whether there is something of this name.
pub(super) fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Renames unless the new name is taken.
///
/// # Errors
/// `AlreadyExists` where it is, and what the system says.
pub fn rename_without_overwriting(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // Some network file systems know no such flag: a second name can be given there, or not, but never over another.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => match fs::hard_link(from, to) {
            Ok(()) => fs::remove_file(from),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(e),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(e),
            // No links either: an exclusive placeholder keeps others off the name.
            Err(_) => {
                File::options().write(true).create_new(true).open(to)?;
                fs::rename(from, to)
            }
        },
        Err(e) => Err(e.into()),
    }
}

/// Creates the folder of `file`; says whether it was missing.
pub(super) fn create_parent(file: &Path) -> io::Result<bool> {
    let parent = file.parent().unwrap_or(Path::new("."));
    let is_missing = !parent.as_os_str().is_empty() && !parent.is_dir();
    create_durably(parent).map(|()| is_missing)
}

/// Creates `folder` and those above it that are missing, each with a name that lasts.
fn create_durably(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    folder.parent().map_or(Ok(()), create_durably)?;
    match fs::create_dir(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists || !folder.is_dir() => Err(e),
        _ => sync_folder(folder),
    }
}

/// Makes the name of `file` durable.
///
/// # Errors
/// When its folder can't be opened.
pub fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
