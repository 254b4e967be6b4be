//! A transaction of which each statement is noted with the file that it is about.

use sea_orm::Statement;

use super::traces::{Traces, now};
use crate::manifest::TRANSITION;
use crate::store::{LoadTransaction, StoreError, Totals};
use iotpipe_core::aggregate::Aggregates;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::reading::Batch;

pub(super) struct TracedTransaction<'t> {
    inner: Box<dyn LoadTransaction + 't>,
    traces: &'t Traces,
    /// How rows go in.
    rows: &'static str,
    files: Vec<i64>,
}

impl<'t> TracedTransaction<'t> {
    pub(super) fn new(inner: Box<dyn LoadTransaction + 't>, traces: &'t Traces) -> Self {
        TracedTransaction { inner, traces, rows: traces.rows(), files: Vec::new() }
    }

    fn note(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&mut dyn LoadTransaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let began = now();
        let done = work(self.inner.as_mut());
        let files = self.files.last().map_or(&[] as &[i64], std::slice::from_ref);
        self.traces.add(files, name, Some(done.as_ref().copied()), began);
        done
    }
}

impl LoadTransaction for TracedTransaction<'_> {
    fn open_file(&mut self, file_id: i64) -> Result<(), StoreError> {
        self.files.push(file_id);
        self.inner.open_file(file_id)
    }

    fn open_again(&mut self, file_id: i64, replaced: bool) -> Result<(), StoreError> {
        self.files.push(file_id);
        self.inner.open_again(file_id, replaced)
    }

    fn prepare(&mut self, batch: &Batch, devices: &DeviceNames) -> Result<(), StoreError> {
        self.inner.prepare(batch, devices)
    }

    fn write(&mut self, batch: &mut Batch, devices: &DeviceNames) -> Result<(), StoreError> {
        self.note(self.rows, |inner| inner.write(batch, devices))
    }

    fn write_aggregates(&mut self, part: &Aggregates, is_first: bool, devices: &DeviceNames) -> Result<(), StoreError> {
        self.note("INSERT file_aggregates", |inner| inner.write_aggregates(part, is_first, devices))
    }

    fn close_file(&mut self, transition: &Statement, totals: Totals) -> Result<(), StoreError> {
        self.note(TRANSITION, |inner| inner.close_file(transition, totals))
    }

    fn execute(&mut self, statement: &str) -> Result<(), StoreError> {
        self.inner.execute(statement)
    }

    fn drop_file(&mut self) -> Result<(), StoreError> {
        self.note("ROLLBACK", |inner| inner.drop_file())
    }

    fn commit(self: Box<Self>) -> Result<(), StoreError> {
        let TracedTransaction { inner, traces, files, .. } = *self;
        let began = now();
        let done = inner.commit();
        traces.add(&files, "COMMIT", Some(done.as_ref().copied()), began);
        done
    }
}
