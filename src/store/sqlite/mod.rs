//! SQLite. A file of the same name stands in `postgres/`.

pub(super) mod connection;
mod load;
mod raw_table;
mod reaggregate;
mod rows;
mod snapshot;

pub(super) use load::SqliteLoad;
pub(super) use reaggregate::reaggregate;
pub(super) use snapshot::SqliteSnapshot;
