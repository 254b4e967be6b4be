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
    /// The database said no, or nothing.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is done about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The file is refused whole and moved to the quarantine.
    Refuse,
    /// The file goes back to `pending` for the next scan to look at.
    Rediscover,
    /// The file is set aside as `failed`.
    GiveUp,
    /// The file is tried again later, and set aside after too many attempts; others go on.
    RetryFile,
    /// Everything that was under way is tried again at once, after a random wait.
    RetryNow,
    /// The file is left to whoever has it now.
    Release,
    /// The step ends here and may be tried again: no file can do better.
    Stop,
}

impl Error {
    /// The one table of policies.
    pub fn policy(&self) -> Policy {
        match self {
            Error::Refused(_) => Policy::Refuse,
            Error::Changed => Policy::Rediscover,
            Error::Vanished => Policy::GiveUp,
            Error::Stopped => Policy::Release,
            Error::Source { .. } => Policy::RetryFile,
            Error::Storage { .. } => Policy::Stop,
            Error::Store(StoreError::ClaimLost) => Policy::Release,
            Error::Store(StoreError::Contention { .. }) => Policy::RetryNow,
            Error::Store(StoreError::Data { .. }) => Policy::RetryFile,
            Error::Store(_) => Policy::Stop,
        }
    }

    /// Whether other files of the same transaction can go on.
    pub fn is_of_one_file(&self) -> bool {
        !matches!(self.policy(), Policy::Stop | Policy::RetryNow)
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
