//! Where the rows of a pass go. A sink takes part in the commit of its pass.

mod aggregate_audit;
mod aggregates;
mod audit;
mod findings;
mod line_comparison;
mod quarantine;
mod quarantine_audit;
mod raw;
mod row_sink;
mod spill;
mod typed;

pub use aggregate_audit::compare_aggregates;
pub use aggregates::AggregateSink;
pub use audit::AuditSink;
pub use findings::Findings;
pub use quarantine::{QuarantineNames, QuarantineSink, write_file_reason};
pub use quarantine_audit::{QuarantineAudit, RejectedRows, file_reason};
pub use raw::RawSink;
pub use row_sink::Sink;
