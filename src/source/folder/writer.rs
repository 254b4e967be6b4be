//! Whether somebody still writes to a file: asked of the system, where it can tell.

use std::fs::File;
use std::os::fd::AsRawFd;

/// What the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenForWriting {
    /// A process has it open for writing.
    Yes,
    /// Nobody has.
    No,
    /// It does not tell: a network file system, another user's file.
    Unknown,
}

/// Asks by a read lease (fcntl(2), `F_SETLEASE`), which is refused while the file is open for writing, and given back at
/// once.
pub fn is_open_for_writing(file: &File) -> OpenForWriting {
    // SAFETY: the descriptor is open for as long as `file` is borrowed; the call reads and writes no memory of ours.
    let taken = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) };
    if taken == 0 {
        // SAFETY: as above.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
        return OpenForWriting::No;
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN) => OpenForWriting::Yes,
        _ => OpenForWriting::Unknown,
    }
}

/// A writer that comes while a lease is asked for makes the system send SIGIO, whose default is to end the process.
pub fn ignore_lease_breaks() {
    // SAFETY: ignoring a signal runs no code of ours.
    unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
}
