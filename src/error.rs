//! What can go wrong with a file or its surroundings, and the one table that says what is done about it.

use std::path::{Path, PathBuf};

use crate::store::StoreError;
use iotpipe_core::validate::FileRejection;

/// A failure of a step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The whole file breaks the contract.
    #[error("{}: {}", .0.rule.as_str(), .0.message)]
    Refused(FileRejection),
    /// The bytes read are not those that were discovered.
    #[error("the file changed after it was discovered; the next scan takes it again")]
    Changed,
    /// A writer has the file open.
    #[error("it is still being written to; it is taken when its writer has closed it")]
    BeingWritten,
    /// The file is gone.
    #[error("the file vanished before it was read; put it back to have it loaded")]
    Vanished,
    /// The program was asked to stop; what was under way is rolled back.
    #[error("stopped on request; the file in hand was rolled back and stays pending")]
    Stopped,
    /// The file could not be read.
    #[error("{} can't be read: {source}; check its permissions and its disk", path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder could not be written.
    #[error("{} can't be written: {source}; check free space and permissions", path.display())]
    Storage {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be brought to its place.
    #[error("{} can't be written: {source}; the file is brought there later", path.display())]
    Placing {
        /// Where it is to go.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The contract under which a file was loaded is not kept: the first version kept none.
    #[error(
        "the contract under which it was loaded is another than the present one and was not kept; `iotpipe unload --again` \
         has it loaded under the present one"
    )]
    UnknownContract,
    /// The database said no, or nothing.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whose fault an [`Error`] is: whether others of the same group or run can do better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The file's alone.
    File,
    /// Nobody's: another transaction was in the way, or a stop was asked for.
    Nobody,
    /// The disk's or the database's: no file can do better.
    Surroundings,
    /// Not known: found out by trying the files of a group one by one.
    Unknown,
}

/// What is done about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The file is refused whole and moved to the quarantine.
    Refuse,
    /// The file is handed back for the next scan to look at.
    HandBack,
    /// The entry is noted as `vanished`.
    Vanish,
    /// The file is tried again later, and set aside after too many attempts.
    RetryLater,
    /// The files of the group are tried one by one; one that fails so alone is tried again later.
    RetryAlone,
    /// Everything that was under way is tried again at once, after a random wait.
    RetryNow,
    /// The file is let go, and the attempt does not count.
    Release,
    /// The file is another worker's now: nothing is done to it.
    Leave,
    /// The step ends here and may be tried again.
    Stop,
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Error::Refused(_) | Error::Changed | Error::BeingWritten | Error::Vanished => Fault::File,
            Error::Source { source, .. } | Error::Placing { source, .. } | Error::Storage { source, .. }
                if is_full_or_read_only(source) =>
            {
                Fault::Surroundings
            }
            Error::Source { .. } | Error::Placing { .. } | Error::UnknownContract => Fault::File,
            Error::Storage { .. } => Fault::Surroundings,
            Error::Stopped => Fault::Nobody,
            Error::Store(StoreError::ClaimLost | StoreError::Data(_)) => Fault::File,
            Error::Store(StoreError::Contention(_)) => Fault::Nobody,
            Error::Store(StoreError::Unknown(_)) => Fault::Unknown,
            Error::Store(_) => Fault::Surroundings,
        }
    }

    /// What is done about it.
    pub fn policy(&self) -> Policy {
        match self {
            Error::Refused(_) => Policy::Refuse,
            Error::Changed | Error::BeingWritten => Policy::HandBack,
            Error::Vanished => Policy::Vanish,
            Error::Stopped => Policy::Release,
            Error::Store(StoreError::ClaimLost) => Policy::Leave,
            Error::Store(StoreError::Contention(_)) => Policy::RetryNow,
            _ if self.fault() == Fault::File => Policy::RetryLater,
            _ if self.fault() == Fault::Unknown => Policy::RetryAlone,
            _ => Policy::Stop,
        }
    }

    /// Whether no file can do better.
    pub fn is_of_surroundings(&self) -> bool {
        self.fault() == Fault::Surroundings
    }

    /// Whether other files of the same transaction can go on.
    pub fn is_of_one_file(&self) -> bool {
        !matches!(self.policy(), Policy::Stop | Policy::RetryNow | Policy::RetryAlone)
    }

    /// A failure to bring a file to `path`.
    pub fn placing(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Placing { path, source }
    }

    /// A failure to write at `path`.
    pub fn storage(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Storage { path, source }
    }

    /// A failure to read `path`.
    pub fn source(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_owned();
        move |source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::Vanished,
            _ => Error::Source { path, source },
        }
    }
}

/// A disk that takes nothing more: the one failure to write that no other file escapes.
fn is_full_or_read_only(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | ReadOnlyFilesystem | QuotaExceeded)
}
