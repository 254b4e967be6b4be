//! The tables of readings and aggregates as entities. The manifest's is private to `manifest/`.

pub mod contract;
pub mod device;
pub mod file_aggregates;
pub mod iot_raw_data;
pub mod iot_raw_values;
pub mod sensor;
pub mod sensor_aggregates;
