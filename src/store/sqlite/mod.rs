//! SQLite. Each file has a twin in `postgres/`.

pub(super) mod connection;
mod load;
mod reaggregate;
mod rows;
mod snapshot;

pub(super) use load::SqliteLoad;
pub(super) use reaggregate::reaggregate;
pub(super) use snapshot::SqliteSnapshot;
