//! One streaming pass over one source file: parse, validate, hand to the sinks.

mod batch_memory;
mod read_ahead;
mod rejection_limit;
mod run;

pub use batch_memory::BatchMemory;
pub use run::{PassInput, Passed, run_pass};
