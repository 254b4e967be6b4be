//! Where the rows of a pass go. A sink has three verbs, and a fourth where it can begin early; it takes part in the pass's
//! commit.

mod aggregates;
mod audit;
mod quarantine;
mod quarantine_audit;
mod raw;

pub use aggregates::{AggregateSink, compare_aggregates};
pub use audit::{AuditSink, Findings};
pub use quarantine::{QuarantineNames, QuarantineSink, write_file_reason};
pub use quarantine_audit::{Scratch, compare_quarantine};
pub use raw::RawSink;

use crate::error::Error;
use crate::reading::Batch;

/// Takes the rows of one pass.
pub trait Sink {
    /// The file's header (with its preamble), byte for byte, without its last line ending.
    ///
    /// # Errors
    /// When the sink can't start.
    fn begin(&mut self, header: &[u8]) -> Result<(), Error>;

    /// The rows that come behind those of the next `take`: a sink may make them ready meanwhile. Each batch is offered
    /// once, in order, before it is taken.
    ///
    /// # Errors
    /// As for `take`.
    fn offer(&mut self, _batch: &Batch, _devices: &[String]) -> Result<(), Error> {
        Ok(())
    }

    /// The next rows. A sink may move readings to the rejections (the raw table does so with duplicates); the sinks
    /// behind it see what is left. `devices` are the names met so far, indexed by [`Reading::device`].
    ///
    /// [`Reading::device`]: crate::reading::Reading::device
    ///
    /// # Errors
    /// When the rows can't be kept; the pass ends and nothing of the file is committed.
    fn take(&mut self, batch: &mut Batch, devices: &[String]) -> Result<(), Error>;

    /// All rows were handed over and the file is whole.
    ///
    /// # Errors
    /// When what was taken can't be made durable.
    fn finish(&mut self) -> Result<(), Error>;
}
