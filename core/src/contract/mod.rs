//! The contract: the declared shape of a reading, as data.
//!
//! Everything here is plain values, so that another engine can be given the same rules.

pub mod declaration;
mod known_formats;
mod metrics;
mod model;
mod null_values;
mod number;
mod resolve;
mod timestamp;

pub use known_formats::formats_that_read;
pub use metrics::{MetricOf, Metrics};
pub use model::{
    ColumnName, Contract, CsvFormat, Delimiter, DeviceRule, ExtraColumns, LONGEST_WINDOW, LongRows, MAX_DEVICE_BYTES,
    Sensor, SensorType, TimestampRule,
};
pub use null_values::NullValues;
pub use number::{Decimal, NumberStyle, Suffix, parse_float, parse_integer};
pub use resolve::InvalidContract;
pub use timestamp::{Ambiguous, TimestampFormat, TimestampParser};
