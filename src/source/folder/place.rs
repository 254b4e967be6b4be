//! One entry's file in the three folders: what is seen of it, and the steps that bring it to its place, each one change
//! of the file system.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags, openat, renameat_with};

use super::super::digest::{copy_hashed, sha256_of_first};
use super::super::open::open_file;
use super::super::stamp::Stamp;
use super::names::{private_name, unfinished_name};
use super::writer::{OpenForWriting, is_open_for_writing};
use crate::failpoint;

/// How an earlier content compares with what lies under a name now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// Nothing lies there.
    Absent,
    /// It is there, unchanged.
    Same,
    /// It is there, and more behind it, or a writer that may still append.
    Grown,
    /// Another content.
    Other,
}

/// What is seen of an entry's file at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seen {
    /// The highest claim number under which a private name exists.
    pub held_as: Option<i64>,
    /// Whether the name exists under which it lay before: the delivered one, or the one where it was put.
    pub at_place: bool,
    /// What lies under its own private name.
    pub held: Content,
    /// What lies where it is to go.
    pub target: Content,
    /// Whether a verified copy is ready beside the target.
    pub copied: bool,
    /// Whether a rename can get there.
    pub one_file_system: bool,
}

/// The file of one entry, in hand under one claim.
#[derive(Debug, Clone)]
pub struct PlacedFile {
    /// The entry.
    pub id: i64,
    /// The claim's number.
    pub claim_no: i64,
    /// Where it lay before it was taken in hand.
    pub at_place: PathBuf,
    /// Where it is to go, if anywhere.
    pub target: Option<PathBuf>,
    /// Size and time of the last change, as they were discovered.
    pub stamp: Stamp,
    /// Hash (hex) of the content.
    pub sha256: String,
}

impl PlacedFile {
    /// Its private name under the own claim.
    pub fn private(&self) -> PathBuf {
        self.private_of(self.claim_no)
    }

    fn private_of(&self, claim_no: i64) -> PathBuf {
        let name = self.at_place.file_name().unwrap_or_default().to_string_lossy();
        self.at_place.with_file_name(private_name(self.id, claim_no, &name))
    }

    fn unfinished_of(&self, claim_no: i64) -> Option<PathBuf> {
        Some(self.target.as_ref()?.with_file_name(unfinished_name(self.id, claim_no, "part")))
    }

    /// Looks where the file is, without reading any; `held` and `target` are only told apart from `Absent`.
    ///
    /// # Errors
    /// When a folder can't be looked into.
    pub fn locate(&self) -> io::Result<Seen> {
        let held_as = self.held_as()?;
        // Of a file in hand nobody asks what lies where it lay before.
        let at_place = held_as.is_none() && exists(&self.at_place)?;
        Ok(Seen {
            held_as,
            at_place,
            held: Content::Absent,
            target: Content::Absent,
            copied: false,
            one_file_system: true,
        })
    }

    /// The claim under whose number it is held: the own one, or a newer one that took it over, or an older one that left it.
    /// Upwards, as files are taken over upwards: one that a worker whose claim is lost takes over meanwhile is met again
    /// under its new number.
    fn held_as(&self) -> io::Result<Option<i64>> {
        if exists(&self.private())? {
            return Ok(Some(self.claim_no));
        }
        let mut held_as = None;
        for claim_no in 0..=self.claim_no + 1 {
            if exists(&self.private_of(claim_no))? {
                held_as = Some(claim_no);
            }
        }
        Ok(held_as)
    }

    /// As [`PlacedFile::locate`], with a look at what lies there.
    ///
    /// # Errors
    /// When a folder or a file can't be read.
    pub fn inspect(&self) -> io::Result<Seen> {
        let mut seen = self.locate()?;
        if seen.held_as == Some(self.claim_no) {
            seen.held = self.compare(&self.private(), true)?;
        }
        if let Some(target) = &self.target {
            // Beside its own file, what lies there is read: that one is to be removed. Without it, it was just moved there.
            seen.target = self.compare(target, seen.held_as.is_none())?;
            // The way there matters to a file that has it before it.
            if seen.target == Content::Absent && seen.held != Content::Absent {
                let parent = target.parent().unwrap_or(Path::new("."));
                create_durably(parent)?;
                let here = self.at_place.parent().unwrap_or(Path::new("."));
                seen.one_file_system = device_of(parent)? == device_of(here)?;
                seen.copied = self.unfinished_of(self.claim_no).is_some_and(|copy| copy.exists());
            }
        }
        Ok(seen)
    }

    /// By the stamp where that is enough: only what differs is read.
    fn compare(&self, path: &Path, trusts_stamp: bool) -> io::Result<Content> {
        let metadata = match fs::symlink_metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Content::Absent),
            // Another file has the name of one of its folders.
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Ok(Content::Other),
            other => other?,
        };
        if !metadata.is_file() {
            return Ok(Content::Other);
        }
        let (now, then) = (Stamp::of(&metadata), self.stamp);
        if trusts_stamp && now == then {
            return Ok(match is_open_for_writing(path) {
                OpenForWriting::Yes => Content::Grown,
                OpenForWriting::No | OpenForWriting::Unknown => Content::Same,
            });
        }
        if now.size < then.size || sha256_of_first(path, then.size as u64)? != self.sha256 {
            return Ok(Content::Other);
        }
        Ok(if now.size == then.size { Content::Same } else { Content::Grown })
    }

    /// Takes it from the private name of an earlier claim.
    ///
    /// # Errors
    /// `NotFound` where somebody was faster.
    pub fn take_over(&self, claim_no: i64) -> io::Result<()> {
        rename_without_overwriting(&self.private_of(claim_no), &self.private())?;
        failpoint::reach("taken");
        Ok(())
    }

    /// Takes it from the name under which it lay.
    ///
    /// # Errors
    /// `NotFound` where somebody was faster.
    pub fn take(&self) -> io::Result<()> {
        rename_without_overwriting(&self.at_place, &self.private())?;
        failpoint::reach("taken");
        Ok(())
    }

    /// Gives what lies under the target's name, and is longer than what was loaded, the own private name too.
    ///
    /// # Errors
    /// `NotFound` or `AlreadyExists` where somebody was faster.
    pub fn take_grown(&self) -> io::Result<()> {
        let Some(target) = &self.target else { return Ok(()) };
        match fs::hard_link(target, self.private()) {
            Err(e) if !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {
                fs::copy(target, self.private()).map(|_| ())
            }
            done => done,
        }
    }

    /// Gives it back under the name under which it lay.
    ///
    /// # Errors
    /// `AlreadyExists` where another file has that name.
    pub fn hand_back(&self) -> io::Result<()> {
        rename_without_overwriting(&self.private(), &self.at_place)?;
        failpoint::reach("handed-back");
        sync_folder(&self.at_place)
    }

    /// Moves it to its target.
    ///
    /// # Errors
    /// `AlreadyExists` where the target's name is taken.
    pub fn move_to_target(&self) -> io::Result<()> {
        let Some(target) = &self.target else { return Ok(()) };
        rename_without_overwriting(&self.private(), target)?;
        failpoint::reach("renamed");
        Ok(())
    }

    /// Copies it beside its target, as far as it was loaded, and verifies the copy.
    ///
    /// # Errors
    /// `InvalidData` where its bytes are no longer those.
    pub fn copy_beside_target(&self) -> io::Result<()> {
        let Some(copy) = self.unfinished_of(self.claim_no) else { return Ok(()) };
        // What earlier claims left: their workers are gone, or will find that they lost it.
        for claim_no in self.claim_no.saturating_sub(16)..self.claim_no {
            if let Some(old) = self.unfinished_of(claim_no) {
                let _ = fs::remove_file(old);
            }
        }
        let exclusively = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let from = open_file(&self.private())?;
        let mode = Mode::from_raw_mode(std::os::unix::fs::MetadataExt::mode(&from.metadata()?) & 0o777);
        let mut to = File::from(openat(CWD, &copy, exclusively, mode)?);
        let written =
            copy_hashed(&mut &from, &mut to, self.stamp.size as u64).and_then(|sha256| match sha256 == self.sha256 {
                true => to.set_modified(from.metadata()?.modified()?).or(Ok(())).and_then(|()| to.sync_all()),
                false => Err(io::Error::new(io::ErrorKind::InvalidData, "the file changed while it was copied")),
            });
        if written.is_err() {
            let _ = fs::remove_file(&copy);
        }
        written?;
        failpoint::reach("copy-synced");
        Ok(())
    }

    /// Gives the verified copy the target's name.
    ///
    /// # Errors
    /// `AlreadyExists` where it is taken.
    pub fn publish(&self) -> io::Result<()> {
        let (Some(copy), Some(target)) = (self.unfinished_of(self.claim_no), &self.target) else { return Ok(()) };
        rename_without_overwriting(&copy, target)?;
        sync_folder(target)?;
        failpoint::reach("copy-renamed");
        Ok(())
    }

    /// Removes it from its private name: its content is under the target's.
    ///
    /// # Errors
    /// When the folder can't be written.
    pub fn remove_private(&self) -> io::Result<()> {
        let Some(target) = &self.target else { return Ok(()) };
        // One last look: the name is this claim's own, so nobody but a writer that has it open can have changed it.
        if self.compare(target, false)? != Content::Same || self.compare(&self.private(), true)? != Content::Same {
            return Ok(());
        }
        if let Some(copy) = self.unfinished_of(self.claim_no) {
            let _ = fs::remove_file(copy);
        }
        fs::remove_file(self.private())?;
        failpoint::reach("source-removed");
        Ok(())
    }
}

fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(e) => Err(e),
    }
}

fn device_of(folder: &Path) -> io::Result<u64> {
    Ok(std::os::unix::fs::MetadataExt::dev(&fs::metadata(folder)?))
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
