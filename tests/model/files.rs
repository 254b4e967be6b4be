//! The file system of the model: names in `data/`, `processed/` and `quarantine/`, each with its bytes.
//!
//! A name is a directory entry and the inode in one: a rename takes bytes and writer along. A second name for one inode
//! is made only behind the one append that there is, so that both go on being alike.

/// What the bytes of a file are. They are its stamp too: other bytes, other stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bytes {
    /// The first part of a copy.
    Part,
    /// What was delivered first.
    A,
    /// `A`, and what its writer appended.
    Longer,
    /// What was delivered later under the same name.
    B,
}

impl Bytes {
    /// As a bit of a set.
    pub fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Which of the names that a file may have below the folder of its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The delivered one.
    First,
    /// With the hash.
    Beside(Bytes),
    /// With hash and entry.
    Own(u8),
}

/// A name in one of the three folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// `data/a.csv`
    Delivered,
    /// `data/.iotpipe-<entry>.<claim>.a.csv`
    Private(u8, u8),
    /// In `processed/`.
    Processed(Slot),
    /// In `quarantine/`.
    Quarantine(Slot),
    /// `.iotpipe-copy-<entry>.<claim>.part`, beside a target.
    Copy(u8, u8),
}

/// A file under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct File {
    pub name: Name,
    pub bytes: Bytes,
    /// Whether its writer still has it open.
    pub open: bool,
}

/// Why a call of the system did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    NotFound,
    Exists,
}

const MOST: usize = 12;

/// All files, in order of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Files([Option<File>; MOST]);

impl Files {
    /// One delivered file that its writer has open.
    pub fn delivered() -> Files {
        let mut files = Files([None; MOST]);
        files.put(File { name: Name::Delivered, bytes: Bytes::A, open: true });
        files
    }

    pub fn iter(&self) -> impl Iterator<Item = &File> {
        self.0.iter().flatten()
    }

    pub fn get(&self, name: Name) -> Option<File> {
        self.iter().find(|file| file.name == name).copied()
    }

    pub fn has(&self, name: Name) -> bool {
        self.get(name).is_some()
    }

    /// Puts `file` in the place of what has its name.
    pub fn put(&mut self, file: File) {
        self.remove(file.name);
        let free = self.0.iter_mut().find(|slot| slot.is_none()).expect("the model has room for more files");
        *free = Some(file);
        self.0.sort_unstable();
    }

    pub fn remove(&mut self, name: Name) -> Option<File> {
        let slot = self.0.iter_mut().find(|slot| slot.is_some_and(|file| file.name == name))?;
        let file = slot.take();
        self.0.sort_unstable();
        file
    }

    /// `renameat2` with `RENAME_NOREPLACE`.
    pub fn rename(&mut self, from: Name, to: Name) -> Result<(), Refusal> {
        let file = self.get(from).ok_or(Refusal::NotFound)?;
        if self.has(to) {
            return Err(Refusal::Exists);
        }
        self.remove(from);
        self.put(File { name: to, ..file });
        Ok(())
    }

    /// The names of the file that the writer has open.
    pub fn open(&mut self) -> impl Iterator<Item = &mut File> {
        self.0.iter_mut().flatten().filter(|file| file.open)
    }

    /// Shows every claim number to `visit`.
    pub fn numbers(&mut self, visit: &mut impl FnMut(u8, &mut u8)) {
        for file in self.0.iter_mut().flatten() {
            if let Name::Private(id, no) | Name::Copy(id, no) = &mut file.name {
                visit(*id, no);
            }
        }
        self.0.sort_unstable();
    }
}
