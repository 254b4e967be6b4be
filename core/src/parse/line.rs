//! What a line holds whose values have names.

use super::fields::Place;

/// Where a value stands in its line.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Plain(Place),
    /// A text without its escapes.
    Unescaped(Vec<u8>),
}

/// What a line holds.
pub(super) enum Line {
    /// Values, in the order of the fields.
    Values(Vec<Option<Value>>),
    /// Nothing that the contract asks for.
    Unwanted,
    /// Something else.
    Malformed,
}
