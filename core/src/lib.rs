//! The judge: bytes become rows, rows become readings or rejections by a declared contract, readings become aggregates.
//!
//! Pure: this crate knows no clock, no database, no runtime and no file system. It is given readers and values; "now" is
//! the time at which a file was discovered. So a verdict depends on the bytes of a file and its contract alone, wherever
//! it is made.
//!
//! ```
//! use iotpipe_core::{contract::Contract, parse::RowReader, reading::Batch, validate::{Layout, Validator}};
//!
//! let contract = Contract::from_toml("[[contract.sensor]]\nname = 'temp'\nmax = 50.0").unwrap();
//! let file = "ts,device,temp\n1700000000,pump-1,21.5\n1700000005,pump-1,99.9\n".as_bytes();
//! let mut rows = RowReader::new(file, &contract.csv);
//! let header = rows.header(&contract.csv).unwrap().unwrap();
//! let layout = Layout::bind(&contract, &header.names, "pump-1.csv").unwrap();
//! let mut validator = Validator::new(&contract, layout, "pump-1.csv", 1_700_000_060_000_000);
//! let mut batch = Batch::default();
//! while let Some(block) = rows.next_block(Default::default()).unwrap() {
//!     block.rows().for_each(|row| validator.judge(&row, &mut batch));
//! }
//! assert_eq!((batch.readings.len(), batch.rejections.len()), (1, 1));
//! assert_eq!(batch.rejections[0].reasons[0].rule.as_str(), "out_of_range");
//! ```

#![warn(missing_docs)]

pub mod aggregate;
pub mod contract;
pub mod devices;
pub mod learn;
pub mod offences;
pub mod parse;
pub mod printable;
pub mod reading;
pub mod validate;
