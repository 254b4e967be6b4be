//! A lock that a process holds for as long as it lives, where others on this machine see it from any container.
//!
//! It is a range of one byte in the marker of `data/`, by an open file description's lock (fcntl(2), `F_OFD_SETLK`): the
//! kernel lets go of it with the last descriptor, so when the process has ended, however it did. Which byte is drawn by
//! lot, and lies far behind the file's end. Nothing is written, and nothing is left behind.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::fstatfs;

use super::marker::MARKER;

/// File systems of this machine alone (statfs(2), `f_type`): ext2 to ext4, XFS, Btrfs, tmpfs, overlayfs, F2FS, ZFS, bcachefs.
/// A network's may forget locks when its server does, and on others they are nobody's promise.
const LOCAL: [i64; 8] =
    [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0xf2f5_2010, 0x2fc1_2fc1, 0xca45_1a4e];

/// The lock of this process.
#[derive(Debug)]
pub struct LifeLock {
    marker: File,
    name: LockName,
}

/// Which file on this start of this machine, and which byte of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LockName {
    device: u64,
    inode: u64,
    byte: i64,
}

impl LifeLock {
    /// Takes one in the marker of `data`, until the value is dropped or the process ends; `None` where the file system is
    /// not this machine's own, or gives no locks.
    pub fn take(data: &Path) -> Option<LifeLock> {
        let marker = File::open(data.join(MARKER)).ok()?;
        let kind = fstatfs(&marker).ok()?.f_type;
        let metadata = marker.metadata().ok().filter(|_| LOCAL.contains(&kind))?;
        let byte = rand::random_range(1 << 32..i64::MAX - 1);
        let name = LockName { device: metadata.dev(), inode: metadata.ino(), byte };
        // A read lock, for which a file of another user that can only be read will do.
        lock(&marker, libc::F_OFD_SETLK, libc::F_RDLCK, byte).ok()?;
        Some(LifeLock { marker, name })
    }

    /// What others on this start of this machine know it by: device, inode and byte.
    pub fn name(&self) -> String {
        let LockName { device, inode, byte } = self.name;
        format!("{device}:{inode}:{byte}")
    }

    /// Whether nobody holds the lock `name` any more. A lock in another file than this one's is not judged: `None`.
    pub fn is_let_go(&self, name: &str) -> Option<bool> {
        let mut parts = name.split(':');
        let (device, inode, byte) = (parts.next()?, parts.next()?, parts.next()?);
        let other = LockName { device: device.parse().ok()?, inode: inode.parse().ok()?, byte: byte.parse().ok()? };
        if (other.device, other.inode) != (self.name.device, self.name.inode) || other == self.name {
            return None;
        }
        // What a write lock would meet: no lock is taken, and one of ours would not count.
        let met = lock(&self.marker, libc::F_OFD_GETLK, libc::F_WRLCK, other.byte).ok()?;
        Some(met == libc::F_UNLCK)
    }
}

/// Asks for a lock of one byte, or who has it; gives its kind after the call.
fn lock(file: &File, command: libc::c_int, kind: libc::c_int, byte: i64) -> io::Result<libc::c_int> {
    // SAFETY: a struct of numbers, for which zero is a value; its padding and `l_pid` have to be zero.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    (range.l_type, range.l_whence) = (kind as libc::c_short, libc::SEEK_SET as libc::c_short);
    (range.l_start, range.l_len) = (byte, 1);
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and `range` lives across the call.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, &mut range) } {
        0 => Ok(libc::c_int::from(range.l_type)),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::write_marker;

    fn marked() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        write_marker(folder.path(), "origin", false).unwrap();
        folder
    }

    #[test]
    fn a_lock_is_held_until_its_owner_ends() {
        let folder = marked();
        let (one, other) = (LifeLock::take(folder.path()).unwrap(), LifeLock::take(folder.path()).unwrap());
        assert_eq!((one.is_let_go(&other.name()), other.is_let_go(&one.name())), (Some(false), Some(false)));
        let ended = one.name();
        drop(one);
        assert_eq!(other.is_let_go(&ended), Some(true));
    }

    #[test]
    fn what_can_not_be_judged_is_not() {
        let (folder, elsewhere) = (marked(), marked());
        let own = LifeLock::take(folder.path()).unwrap();
        assert_eq!(own.is_let_go(&own.name()), None, "it is its own");
        assert_eq!(own.is_let_go(&LifeLock::take(elsewhere.path()).unwrap().name()), None, "another file");
        for nothing in ["", "1:2", "a:b:c", "1:2:3"] {
            assert_eq!(own.is_let_go(nothing), None, "{nothing:?}");
        }
        // A marker that was written anew is another file, though it has the same name.
        let before = own.name();
        write_marker(folder.path(), "origin", true).unwrap();
        assert_eq!(LifeLock::take(folder.path()).unwrap().is_let_go(&before), None);
        std::fs::remove_file(folder.path().join(MARKER)).unwrap();
        assert!(LifeLock::take(folder.path()).is_none());
    }

    #[test]
    fn a_file_system_that_is_not_this_machines_alone_has_none() {
        // /proc stands for all that are not in the list.
        let kind = fstatfs(File::open("/proc/version").unwrap()).unwrap().f_type;
        assert!(!LOCAL.contains(&kind));
    }
}
