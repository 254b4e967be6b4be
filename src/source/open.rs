//! How source files are opened.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

/// Opens the file under `path` for reading. What may have come in its place since it was listed is not waited for, as
/// a pipe without a writer would have it, nor followed, as a link would.
///
/// # Errors
/// `InvalidInput` where it is no file, and what the system says.
pub fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NOCTTY;
    let file = match openat(CWD, path, flags | OFlags::NONBLOCK, Mode::empty()) {
        // Another program has a lease on it, and is asked to end it. Only files have leases.
        Err(Errno::WOULDBLOCK) => openat(CWD, path, flags, Mode::empty())?,
        Err(Errno::LOOP | Errno::NXIO | Errno::NODEV) => return Err(no_file()),
        opened => opened?,
    };
    let file = File::from(file);
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_file()) }
}

/// As [`open_file`]; `None` where it is no file.
///
/// # Errors
/// What the system says.
pub fn open_if_file(path: &Path) -> io::Result<Option<File>> {
    match open_file(path) {
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(None),
        opened => opened.map(Some),
    }
}

fn no_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "what lies there is no file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_opened() {
        let kind = |path: &Path| open_file(path).map(drop).map_err(|e| e.kind());
        let folder = std::env::temp_dir().join(format!("iotpipe-open-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let path = |name: &str| folder.join(name);
        std::fs::write(path("file"), "x").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        rustix::fs::mknodat(CWD, path("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        assert_eq!(kind(&path("file")), Ok(()));
        for other in [path("link"), path("pipe"), path("socket"), folder.clone(), "/dev/zero".into()] {
            assert_eq!(kind(&other), Err(io::ErrorKind::InvalidInput), "{}", other.display());
        }
        assert_eq!(kind(&path("nothing")), Err(io::ErrorKind::NotFound));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
