//! What every sink does with the rows of a pass: `begin`, then `prepare` and `write` for each batch, then `finish`.

use crate::error::Error;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::parse::Header;
use iotpipe_core::reading::Batch;

/// Takes the rows of one pass.
pub trait Sink {
    /// What stands before the file's rows.
    ///
    /// # Errors
    /// When the sink can't start.
    fn begin(&mut self, header: &Header) -> Result<(), Error>;

    /// The rows that come behind those of the next `write`: a sink may make them ready meanwhile. Each batch is prepared
    /// once, in order, before it is written.
    ///
    /// # Errors
    /// As for `write`.
    fn prepare(&mut self, _batch: &Batch, _devices: &DeviceNames) -> Result<(), Error> {
        Ok(())
    }

    /// The next rows. A sink may move readings to the rejections (the raw table does so with duplicates); the sinks
    /// behind it see what is left. `devices` are the names met so far, indexed by [`Reading::device`].
    ///
    /// [`Reading::device`]: iotpipe_core::reading::Reading::device
    ///
    /// # Errors
    /// When the rows can't be kept; the pass ends and nothing of the file is committed.
    fn write(&mut self, batch: &mut Batch, devices: &DeviceNames) -> Result<(), Error>;

    /// All rows were written and the file is whole.
    ///
    /// # Errors
    /// When what was written can't be made durable.
    fn finish(&mut self) -> Result<(), Error>;
}
