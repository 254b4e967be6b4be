//! What file events told about the folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::pattern::is_taken;

/// Files that were seen to come whole, and not written to since: they need not settle. Events may be lost; a file that is
/// not in here settles as any other. Of names that no pattern takes nothing is remembered.
#[derive(Debug)]
pub struct Arrivals {
    /// `data/`, as events name it.
    folder: PathBuf,
    patterns: Vec<glob::Pattern>,
    whole: Mutex<BTreeSet<PathBuf>>,
}

impl Arrivals {
    /// Of files in `folder`, which exists, that one of `patterns` takes; none yet.
    pub fn new(folder: &Path, patterns: &[glob::Pattern]) -> Self {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Self { folder, patterns: patterns.to_vec(), whole: Mutex::default() }
    }

    /// Whether `path` is that of a source file, or may be that of a folder with some.
    pub fn concern(&self, path: &Path) -> bool {
        is_taken(self.below(path), &self.patterns) || path.is_dir()
    }

    /// The file came whole.
    pub fn completed(&self, path: &Path) {
        let source = self.below(path);
        if is_taken(source, &self.patterns) {
            self.change(|whole| {
                whole.insert(source.to_owned());
            });
        }
    }

    /// The file is being written to, is gone or taken into account; so is all in a folder of that name.
    pub fn forget(&self, path: &Path) {
        let source = self.below(path);
        self.change(|whole| {
            let gone = whole.range(source.to_owned()..).take_while(|path| path.starts_with(source)).cloned();
            for path in gone.collect::<Vec<_>>() {
                whole.remove(&path);
            }
        });
    }

    /// Events were lost: any of the files may have been written to.
    pub fn forget_all(&self) {
        self.change(BTreeSet::clear);
    }

    /// Whether the file `source` (its path below the folder) is whole.
    pub fn are_complete(&self, source: &str) -> bool {
        self.whole.lock().is_ok_and(|whole| whole.contains(Path::new(source)))
    }

    fn below<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(&self.folder).unwrap_or(path)
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<PathBuf>)) {
        if let Ok(mut whole) = self.whole.lock() {
            change(&mut whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_remembered_of_what_is_never_taken_or_gone() {
        let arrivals = Arrivals::new(Path::new("/data"), &[glob::Pattern::new("**/*.csv").unwrap()]);
        let remembered = || arrivals.whole.lock().unwrap().len();
        for name in ["a.csv.tmp", ".iotpipe-1.2.a.csv", "a.txt", ".a.csv", "x/b.part"] {
            arrivals.completed(&Path::new("/data").join(name));
        }
        assert_eq!(remembered(), 0);
        for name in ["a.csv", "x/a.csv", "x/y/b.csv", "x.csv"] {
            arrivals.completed(&Path::new("/data").join(name));
            assert!(arrivals.are_complete(name));
        }
        arrivals.forget(Path::new("/data/x"));
        assert!(arrivals.are_complete("a.csv") && arrivals.are_complete("x.csv") && remembered() == 2);
        arrivals.forget(Path::new("a.csv"));
        arrivals.forget_all();
        assert_eq!(remembered(), 0);
    }
}
