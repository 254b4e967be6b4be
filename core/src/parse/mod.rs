//! Bytes become rows with their position. Pure: it takes a reader, never a path.
//!
//! Quoting follows RFC 4180, read strictly: behind a closing quote comes a delimiter or the end of the line. A quoted
//! field that breaks this, or is never closed, costs one physical line and no more: the next line is read afresh. Where
//! the contract says `multiline`, a quoted field may go on over line ends.

mod block;
mod fields;
mod format;
mod json;
mod line;
mod line_end;
mod line_protocol;
mod loose;
mod named;
mod prologue;
mod reader;
mod row;
mod split;
#[cfg(test)]
mod tests;
mod text;

pub use block::RowBlock;
pub use fields::{Fields, MAX_ROW};
pub use format::FileFormat;
pub(crate) use json::{no_object, paths_in};
pub use reader::RowReader;
pub use row::{Header, Problem, RawRow};
pub use text::{FileEncoding, text_of};
