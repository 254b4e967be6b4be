//! What the terminal shows: one summary per step, a bar per long pass, JSON for other programs.

mod printer;
mod summary;

pub use printer::Printer;
pub use summary::Summary;
