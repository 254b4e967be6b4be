//! How a command ends.

use std::process::ExitCode;
use std::time::Instant;

use crate::terminal::{Printer, Summary};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Something failed that may work if tried again.
    TryAgain,
    /// It will never work as asked.
    Never,
    /// With `--strict`: done, but rows or files were rejected.
    Imperfect,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code() as u8)
    }
}

impl Exit {
    /// What the process says to its parent, 0 to 3.
    pub(super) fn code(self) -> i32 {
        match self {
            Exit::Done => 0,
            Exit::TryAgain => 1,
            Exit::Never => 2,
            Exit::Imperfect => 3,
        }
    }
}

/// Prints what a step did, and says how it ended.
pub(super) fn conclude(mut summary: Summary, started: Instant, strict: bool, printer: Printer) -> Exit {
    summary.took(started.elapsed());
    printer.say(&summary.to_string());
    printer.result(&summary);
    match summary {
        Summary { retry: true, .. } => Exit::TryAgain,
        Summary { imperfect: true, .. } if strict => Exit::Imperfect,
        _ => Exit::Done,
    }
}
