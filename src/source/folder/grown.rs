//! Archived files to which a writer appended: the longer file goes back to where it was delivered, and what was loaded of it
//! stays archived.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::super::digest::copy_hashed;
use super::super::open::open_file;
use super::super::stamp::{Stamp, stamp_of};
use super::archive::durable_rename;
use super::filesystem::{create_parent, exists, rename_without_overwriting, sync_folder};
use super::names::unfinished_name;
use super::writer::{OpenForWriting, is_open_for_writing};
use crate::error::Error;
use crate::failpoint;

/// An archived file that is longer than what was loaded of it.
#[derive(Debug)]
pub struct GrownFile<'a> {
    /// Its entry.
    pub id: i64,
    /// The number of the entry's last claim.
    pub claim_no: i64,
    /// Where it lies.
    pub archive: &'a Path,
    /// Where it was delivered.
    pub delivered: &'a Path,
    /// Size and time of the last change of what was loaded.
    pub stamp: Stamp,
    /// Hash (hex) of what was loaded.
    pub sha256: &'a str,
}

impl GrownFile<'_> {
    /// Gives all of it back under the name with which it was delivered, and leaves what was loaded of it in the archive.
    /// `by` is the number of who does it, `living` has those of all who may do so at the same time.
    ///
    /// The longer file gets a hidden name first, then the archive its content, and only then is the longer file there for a
    /// scan: one that met it beside its own content in the archive would take it for archived already. Whoever comes behind
    /// a crash goes on from there.
    ///
    /// # Errors
    /// [`Error::Storage`], also where another file has the delivered name; [`Error::Changed`] where the first bytes are
    /// others than those that were loaded; [`Error::BeingWritten`] where a copy is needed and a writer has it open.
    pub fn split(&self, by: i64, living: &[i64]) -> Result<(), Error> {
        self.remove_abandoned(living);
        if self.waiting().is_some() && !self.is_grown() {
            return self.deliver();
        }
        if exists(self.delivered).map_err(Error::storage(self.delivered))? {
            return Err(self.name_is_taken());
        }
        let prefix = self.archive.with_file_name(self.own_name(&format!("prefix-{by}")));
        let split = self.copy_prefix(&prefix).and_then(|()| {
            self.hide(by)?;
            failpoint::reach("grown-hidden");
            durable_rename(&prefix, self.archive)
        });
        split.inspect_err(|_| drop(fs::remove_file(&prefix)))?;
        failpoint::reach("grown-restored");
        self.deliver()
    }

    /// Size and time of the longer file where one that was killed left it under its hidden name.
    pub fn waiting(&self) -> Option<Stamp> {
        stamp_of(&self.hidden()).ok()
    }

    fn is_grown(&self) -> bool {
        stamp_of(self.archive).is_ok_and(|now| now.size > self.stamp.size)
    }

    fn own_name(&self, what: &str) -> String {
        unfinished_name(self.id, self.claim_no, what)
    }

    fn hidden(&self) -> PathBuf {
        self.delivered.with_file_name(self.own_name("grown"))
    }

    fn copy_prefix(&self, copy: &Path) -> Result<(), Error> {
        let write = || {
            let mut file = File::create(copy)?;
            let found = copy_hashed(&mut open_file(self.archive)?, &mut file, self.stamp.size.unsigned_abs())?;
            file.set_modified(UNIX_EPOCH + Duration::from_micros(self.stamp.modified_at.unsigned_abs()))?;
            file.sync_all().map(|()| found == self.sha256)
        };
        match write() {
            Ok(true) => {
                failpoint::reach("grown-prefix-copied");
                Ok(())
            }
            Ok(false) => Err(Error::Changed),
            Err(e) => Err(Error::storage(self.archive)(e)),
        }
    }

    /// By a second name, which a writer that has it open goes on with; where there can be none, by a copy.
    fn hide(&self, by: i64) -> Result<(), Error> {
        let hidden = self.hidden();
        create_parent(&hidden).map_err(Error::storage(self.delivered))?;
        match fs::hard_link(self.archive, &hidden) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && is_one_file(self.archive, &hidden) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists || can_not_be_linked(&e) => self.hide_copy(by, &hidden),
            // Another who is asked for the same was faster: this is what that one put there.
            Ok(()) if self.waiting().is_none_or(|waiting| waiting.size <= self.stamp.size) => {
                let _ = fs::remove_file(&hidden);
                Err(self.name_is_taken())
            }
            other => other.and_then(|()| sync_folder(&hidden)).map_err(Error::storage(self.delivered)),
        }
    }

    /// Another file system lies between them, or one that has no second names, or the file is another user's.
    fn hide_copy(&self, by: i64, hidden: &Path) -> Result<(), Error> {
        let from = open_file(self.archive).map_err(Error::source(self.archive))?;
        let before = stamp_of(self.archive).map_err(Error::source(self.archive))?;
        if before.size <= self.stamp.size {
            return Err(self.name_is_taken());
        }
        let whole = self.delivered.with_file_name(self.own_name(&format!("whole-{by}")));
        let copy = || {
            let mut file = File::create(&whole)?;
            copy_hashed(&mut &from, &mut file, u64::MAX)?;
            file.set_modified(UNIX_EPOCH + Duration::from_micros(before.modified_at.unsigned_abs()))?;
            file.sync_all()?;
            failpoint::reach("grown-copied");
            let is_longer = stamp_of(hidden).is_ok_and(|other| other.size > before.size);
            if is_longer { fs::remove_file(&whole) } else { fs::rename(&whole, hidden) }?;
            sync_folder(hidden)
        };
        // What its writer adds behind the copy would be in neither file.
        let is_written = || {
            is_open_for_writing(&from) == OpenForWriting::Yes || stamp_of(self.archive).ok().as_ref() != Some(&before)
        };
        if is_written() {
            return Err(Error::BeingWritten);
        }
        copy().map_err(|e| {
            let _ = fs::remove_file(&whole);
            Error::storage(self.delivered)(e)
        })?;
        if is_written() { Err(Error::BeingWritten) } else { Ok(()) }
    }

    fn name_is_taken(&self) -> Error {
        Error::storage(self.delivered)(io::ErrorKind::AlreadyExists.into())
    }

    /// Gives the longer file the name with which it was delivered.
    fn deliver(&self) -> Result<(), Error> {
        match rename_without_overwriting(&self.hidden(), self.delivered) {
            // Another who is asked for the same was faster.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.and_then(|()| sync_folder(self.delivered)),
        }
        .map_err(Error::storage(self.delivered))?;
        failpoint::reach("grown-given-back");
        Ok(())
    }

    /// Removes the unfinished copies of one that was killed.
    fn remove_abandoned(&self, living: &[i64]) {
        let copies = self.own_name("");
        for folder in [self.archive, self.delivered].into_iter().filter_map(Path::parent) {
            let files = fs::read_dir(folder).into_iter().flatten().flatten();
            let abandoned = files.filter(|file| {
                let name = file.file_name();
                let rest = name.to_str().and_then(|name| name.strip_prefix(&copies)).unwrap_or_default();
                let by = ["prefix-", "whole-"].iter().find_map(|what| rest.strip_prefix(what)?.parse().ok());
                by.is_some_and(|by: i64| !living.contains(&by))
            });
            abandoned.for_each(|file| drop(fs::remove_file(file.path())));
        }
    }
}

fn is_one_file(one: &Path, other: &Path) -> bool {
    let [one, other] = [one, other].map(|path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino())));
    one.is_some() && one == other
}

fn can_not_be_linked(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EXDEV | libc::EPERM | libc::EMLINK | libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL)
    )
}
