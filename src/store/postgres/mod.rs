//! PostgreSQL. A file of the same name stands in `sqlite/` where both do the same.

mod aggregates;
mod binary_copy;
pub(super) mod connection;
mod copy_stream;
pub(super) mod devices;
mod key_order;
mod load;
mod nodelay;
mod prepared_statements;
mod raw_table;
mod reaggregate;
mod rows;
pub(super) mod settings;
mod snapshot;

pub(super) use load::PostgresLoad;
pub(super) use reaggregate::reaggregate;
pub(super) use snapshot::PostgresSnapshot;
