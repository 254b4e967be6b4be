//! What file events told about the folder.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Files that were seen to be closed, or renamed into place, and not written to since: they are whole, and need not
/// settle. Events may be lost; a file that is not in here settles as any other.
#[derive(Debug)]
pub struct Arrivals {
    /// `data/`, as events name it.
    folder: PathBuf,
    whole: Mutex<HashSet<PathBuf>>,
}

impl Arrivals {
    /// In `folder`, which exists; none yet.
    pub fn new(folder: &Path) -> Self {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Self { folder, whole: Mutex::default() }
    }

    /// The file was closed by a writer, or renamed into place.
    pub fn completed(&self, path: &Path) {
        self.change(path, HashSet::insert);
    }

    /// The file is being written to, or taken into account.
    pub fn forget(&self, path: &Path) {
        self.change(path, |whole, source| whole.remove(&source));
    }

    /// Whether the file `source` (its path below the folder) is whole.
    pub fn are_complete(&self, source: &str) -> bool {
        self.whole.lock().is_ok_and(|whole| whole.contains(Path::new(source)))
    }

    fn change(&self, path: &Path, change: impl FnOnce(&mut HashSet<PathBuf>, PathBuf) -> bool) {
        let source = path.strip_prefix(&self.folder).unwrap_or(path).to_owned();
        if let Ok(mut whole) = self.whole.lock() {
            change(&mut whole, source);
        }
    }
}
