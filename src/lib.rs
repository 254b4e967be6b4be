//! iotpipe: loads CSV files of sensor readings into a time-series schema, every line in exactly one place, exactly once.
//!
//! One way through the house: [`source`] → [`parse`] → [`validate`] → [`sink`]s, with the [`manifest`] as spine. A
//! command is a choice of sinks. `contract`, `reading`, `parse`, `validate` and `aggregate` are pure: they know no
//! clock, no database and no file system.

#![warn(missing_docs)]

pub mod aggregate;
pub mod cli;
pub mod command;
pub mod config;
pub mod contract;
pub mod error;
pub mod failpoint;
pub mod generate;
pub mod manifest;
pub mod parse;
pub mod pass;
pub mod printer;
pub mod reading;
pub mod sink;
pub mod source;
pub mod step;
pub mod store;
pub mod telemetry;
pub mod validate;
