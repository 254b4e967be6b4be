//! The target database: connection, schema, and the transaction in which a file is loaded.
//!
//! What differs between the two databases stands in `postgres/` and `sqlite/`, a file of the same name wherever both do the same.

mod choose;
mod columns;
mod connection;
mod contract;
mod dialect;
mod duplicate;
pub mod entity;
mod error;
mod layout;
mod limits;
mod measurement;
mod postgres;
mod readings_view;
mod reaggregate;
mod rejections;
mod rollup;
mod schema;
mod session;
mod snapshot;
mod sqlite;
mod transaction;
mod unload;
mod unnamed_columns;
mod window;

pub use connection::Store;
pub use contract::keep_statement;
pub use dialect::Dialect;
pub use duplicate::Earlier;
pub(crate) use duplicate::set_aside;
pub use error::{Answer, StoreError};
pub(crate) use layout::readings_table;
pub(crate) use rejections::rejection_statements;
pub use session::Session;
pub use snapshot::{FileRows, SampledRow, Snapshot, StoredAggregate};
pub use transaction::{LoadTransaction, Totals};
pub use unload::{TakenOut, Unloading};
pub use unnamed_columns::UnnamedColumn;
pub(crate) use unnamed_columns::keep_columns_statement;
pub use window::WindowPin;
