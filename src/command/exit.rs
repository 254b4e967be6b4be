//! How a command ends.

use std::process::ExitCode;
use std::time::Instant;

use crate::cli::StepArgs;
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
    /// With `--skip-if-empty`: there was nothing to do.
    Skipped,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code() as u8)
    }
}

impl Exit {
    /// What the process says to its parent: 0 to 3, or 99.
    pub(super) fn code(self) -> i32 {
        match self {
            Exit::Done => 0,
            Exit::TryAgain => 1,
            Exit::Never => 2,
            Exit::Imperfect => 3,
            Exit::Skipped => 99,
        }
    }
}

/// Prints what a step did, and says how it ended for who asked with `args`. After a stop nobody knows whether there was
/// anything to do. `tell` hears of the end before the result is printed.
pub(super) fn conclude(
    mut summary: Summary,
    started: Instant,
    args: &StepArgs,
    stopped: bool,
    printer: Printer,
    tell: &dyn Fn(Exit),
) -> Exit {
    summary.took(started.elapsed());
    printer.say(&summary.to_string());
    let is_empty = !stopped && summary.is_empty();
    let exit = match summary {
        Summary { retry: true, .. } => Exit::TryAgain,
        Summary { imperfect: true, .. } if args.strict => Exit::Imperfect,
        _ if is_empty && args.skip_if_empty => Exit::Skipped,
        _ if is_empty && args.fail_on_empty => {
            printer.error("there was nothing to do: no file came further, and none waits");
            Exit::TryAgain
        }
        _ => Exit::Done,
    };
    // Nothing may follow the result, on stderr neither: some orchestrators make one stream of both.
    tell(exit);
    printer.result(&summary);
    exit
}
