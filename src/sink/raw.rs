//! Readings → `iot_raw_data`, in the file's transaction.

use super::Sink;
use crate::error::Error;
use crate::failpoint;
use crate::reading::Batch;
use crate::store::LoadTransaction;

/// Writes readings through the load transaction, which moves those whose key exists to the rejections.
pub struct RawSink<'a> {
    /// The file's transaction.
    pub transaction: &'a mut dyn LoadTransaction,
}

impl Sink for RawSink<'_> {
    fn begin(&mut self, _header: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn offer(&mut self, batch: &Batch, devices: &[String]) -> Result<(), Error> {
        Ok(self.transaction.stage(batch, devices)?)
    }

    fn take(&mut self, batch: &mut Batch, devices: &[String]) -> Result<(), Error> {
        self.transaction.put(batch, devices)?;
        failpoint::reach("batch-put");
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
