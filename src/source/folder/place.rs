//! One entry's file in the three folders: what is seen of it, and the steps that bring it to its place, each one change
//! of the file system.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::super::digest::{copy_hashed, sha256_of_first};
use super::super::open::{open_file, open_if_file};
use super::super::stamp::Stamp;
use super::filesystem::{create_parent, exists, rename_without_overwriting, sync_folder};
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

/// How closely a file is looked at.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// Size and time of the last change say that it is the same.
    Stamp,
    /// So they do, where nobody has it open for writing.
    StampAndWriter,
    /// Only its bytes do.
    Content,
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
    /// Whether a rename to the target was found to be impossible: another file system lies there, or another mount.
    pub crosses: bool,
}

impl Seen {
    /// A file that nobody has had in hand, as it was delivered.
    pub const DELIVERED: Seen = Seen {
        held_as: None,
        at_place: true,
        held: Content::Absent,
        target: Content::Absent,
        copied: false,
        one_file_system: true,
    };

    /// A file that was just taken in hand under `claim_no`.
    pub fn in_hand(claim_no: i64) -> Seen {
        Seen { held_as: Some(claim_no), at_place: false, ..Seen::DELIVERED }
    }
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
        Ok(Seen { held_as, at_place, ..Seen::DELIVERED })
    }

    /// The claim under whose number it is held: the own one, or a newer one that took it over, or an older one that left it.
    /// Upwards, as files are taken over upwards: one that a worker whose claim is lost takes over meanwhile is met again
    /// under its new number.
    fn held_as(&self) -> io::Result<Option<i64>> {
        if exists(&self.private())? {
            return Ok(Some(self.claim_no));
        }
        let mut held_as = None;
        for claim_no in (1..=self.claim_no + 1).filter(|claim_no| *claim_no != self.claim_no) {
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
        let is_held = seen.held_as == Some(self.claim_no);
        if let Some(target) = &self.target {
            // Beside its own file, what lies there is read: that one is to be removed. Without it, it was just moved there.
            let look = if seen.held_as.is_none() { Look::StampAndWriter } else { Look::Content };
            seen.target = self.compare(target, look)?;
            seen.one_file_system = !self.crosses;
        }
        if is_held {
            // Whoever still has it open is asked for behind the last rename.
            let is_renamed = seen.target == Content::Absent && seen.one_file_system;
            seen.held = self.compare(&self.private(), if is_renamed { Look::Stamp } else { Look::StampAndWriter })?;
            let is_copied = seen.target == Content::Absent && (self.crosses || seen.held == Content::Grown);
            seen.copied = is_copied && self.unfinished_of(self.claim_no).is_some_and(|copy| copy.exists());
        }
        Ok(seen)
    }

    /// As [`PlacedFile::inspect`] of a file that was just moved to its target under the own claim.
    ///
    /// # Errors
    /// As [`PlacedFile::inspect`].
    pub fn inspect_moved(&self) -> io::Result<Seen> {
        match &self.target {
            Some(target) if self.compare(target, Look::StampAndWriter)? == Content::Same => {
                Ok(Seen { at_place: false, target: Content::Same, ..Seen::DELIVERED })
            }
            _ => self.inspect(),
        }
    }

    /// By the stamp where that is enough: only what differs is read.
    fn compare(&self, path: &Path, look: Look) -> io::Result<Content> {
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
        match look {
            Look::Stamp if now == then => return Ok(Content::Same),
            Look::StampAndWriter if now == then => {
                return Ok(match open_file(path).map(|file| is_open_for_writing(&file)) {
                    Ok(OpenForWriting::Yes) => Content::Grown,
                    Ok(OpenForWriting::No | OpenForWriting::Unknown) | Err(_) => Content::Same,
                });
            }
            _ => {}
        }
        if now.size < then.size || sha256_of_first(path, then.size as u64)? != self.sha256 {
            return Ok(Content::Other);
        }
        Ok(if now.size == then.size { Content::Same } else { Content::Grown })
    }

    /// Opens what lies under its private name; `None` where it is no file any more: a link leads elsewhere, and a pipe
    /// keeps its reader waiting.
    ///
    /// # Errors
    /// `NotFound` where somebody took it over.
    pub fn open_private(&self) -> io::Result<Option<File>> {
        open_if_file(&self.private())
    }

    /// The same of what lies where it is read in place.
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn open_in_place(&self) -> io::Result<Option<File>> {
        open_if_file(&self.at_place)
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
        let renamed = match rename_without_overwriting(&self.private(), target) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && create_parent(target)? => {
                rename_without_overwriting(&self.private(), target)
            }
            other => other,
        };
        renamed?;
        failpoint::reach("renamed");
        Ok(())
    }

    /// Copies it beside its target, as far as it was loaded, and verifies the copy.
    ///
    /// # Errors
    /// `InvalidData` where its bytes are no longer those.
    pub fn copy_beside_target(&self) -> io::Result<()> {
        let Some(copy) = self.unfinished_of(self.claim_no) else { return Ok(()) };
        create_parent(&copy)?;
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

    /// Removes what this claim and earlier ones left of copies, once there is no use for them.
    pub fn remove_unfinished(&self) {
        for claim_no in self.claim_no.saturating_sub(16).max(1)..=self.claim_no {
            if let Some(copy) = self.unfinished_of(claim_no) {
                let _ = fs::remove_file(copy);
            }
        }
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
        if self.compare(target, Look::Content)? != Content::Same
            || self.compare(&self.private(), Look::StampAndWriter)? != Content::Same
        {
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
