//! Readings → `iot_raw_data`, in the file's transaction.

use super::row_sink::Sink;
use crate::error::Error;
use crate::failpoint;
use crate::store::LoadTransaction;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::parse::Header;
use iotpipe_core::reading::Batch;

/// Writes readings through the load transaction, which moves those whose key exists to the rejections.
pub struct RawSink<'a> {
    /// The file's transaction.
    pub transaction: &'a mut dyn LoadTransaction,
}

impl Sink for RawSink<'_> {
    fn begin(&mut self, _header: &Header) -> Result<(), Error> {
        Ok(())
    }

    fn prepare(&mut self, batch: &Batch, devices: &DeviceNames) -> Result<(), Error> {
        Ok(self.transaction.prepare(batch, devices)?)
    }

    fn write(&mut self, batch: &mut Batch, devices: &DeviceNames) -> Result<(), Error> {
        self.transaction.write(batch, devices)?;
        failpoint::reach("batch-written");
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
