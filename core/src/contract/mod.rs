//! The contract: the declared shape of a reading, as data.
//!
//! Everything here is plain values, so that another engine can be given the same rules.

pub mod declaration;
mod model;
mod number;
mod resolve;
mod timestamp;

pub use model::{
    Contract, CsvFormat, DeviceRule, ExtraColumns, LONGEST_WINDOW, MAX_DEVICE_BYTES, NullValues, Sensor, SensorType,
    TimestampRule,
};
pub use number::{Decimal, parse_float, parse_integer};
pub use resolve::InvalidContract;
pub use timestamp::{Ambiguous, TimestampFormat, TimestampParser};
