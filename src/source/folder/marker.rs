//! The marker of a folder: which `data/` it belongs to.

use std::io;
use std::path::Path;

use super::super::open::open_file;
use super::filesystem::rename_without_overwriting;

/// Its name.
pub const MARKER: &str = ".iotpipe";

/// The uuid in the marker of `folder`, `None` where it has none.
///
/// # Errors
/// When it can't be read.
pub fn read_marker(folder: &Path) -> io::Result<Option<String>> {
    let read = open_file(&folder.join(MARKER)).and_then(io::read_to_string);
    match read {
        Ok(text) => Ok(Some(text.lines().next().unwrap_or_default().trim().to_owned()).filter(|id| !id.is_empty())),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Marks `folder`, and gives the uuid that it has now: another process may have been faster.
///
/// # Errors
/// When it can't be written.
pub fn write_marker(folder: &Path, origin: &str, over: bool) -> io::Result<String> {
    let text = format!("{origin}\nThis folder is known to iotpipe by the line above. Leave this file where it is.\n");
    let temporary = folder.join(format!("{MARKER}-new-{}-{}", std::process::id(), rand::random::<u64>()));
    std::fs::write(&temporary, text)?;
    let written = match over {
        true => std::fs::rename(&temporary, folder.join(MARKER)),
        false => rename_without_overwriting(&temporary, &folder.join(MARKER)),
    };
    let _ = std::fs::remove_file(&temporary);
    match written {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(read_marker(folder)?.unwrap_or_else(|| origin.to_owned())),
    }
}
