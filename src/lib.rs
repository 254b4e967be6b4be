//! iotpipe: loads CSV files of sensor readings into a time-series schema, every line in exactly one place, exactly once.
//!
//! One way through the house: [`source`] → parse → validate → [`sink`]s, with the [`manifest`] as spine. A command is a
//! choice of sinks. What judges a row is a crate of its own, `iotpipe-core`.

#![warn(missing_docs)]

pub mod cli;
pub mod command;
pub mod config;
pub mod error;
pub mod failpoint;
pub mod generate;
pub mod ingest;
pub mod manifest;
pub mod observability;
pub mod progress;
pub mod sink;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod terminal;
