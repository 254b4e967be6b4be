//! Settings of a server under which nothing can be stored as it came.

use sqlx::Row;
use sqlx::postgres::PgPool;

use super::connection::LastUsed;
use crate::store::error::{Cause, StoreError};

/// Encodings in which every text can be stored: the second takes bytes as they are.
const ENCODINGS: [&str; 2] = ["UTF8", "SQL_ASCII"];

/// # Errors
/// [`StoreError::Schema`] with what to do where a setting stands in the way.
pub(in crate::store) async fn expect_usable(
    pool: &PgPool,
    last_used: &LastUsed,
    place: &str,
) -> Result<(), StoreError> {
    let query = "SELECT current_setting('server_encoding'), current_setting('standard_conforming_strings'), \
                 coalesce(current_schema()::text, ''), current_setting('search_path')";
    let ask = async {
        let mut connection = last_used.take(pool).await?;
        let row = sqlx::raw_sql(query).fetch_one(&mut *connection).await?;
        last_used.keep(connection);
        let text = |column: usize| row.try_get::<String, _>(column);
        Ok::<_, sqlx::Error>((text(0)?, text(1)?, text(2)?, text(3)?))
    };
    let (encoding, conforming, schema, path) = ask.await.map_err(|e| StoreError::classify(place, e))?;
    if !ENCODINGS.contains(&encoding.as_str()) {
        return Err(unusable(format!(
            "the database at {place} stores text as {encoding}, which can't hold every name; create one with \
             CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )));
    }
    if conforming != "on" {
        return Err(unusable(format!(
            "standard_conforming_strings is {conforming} at {place}; turn it on, for this database by \
             ALTER DATABASE … SET standard_conforming_strings = on"
        )));
    }
    if schema.is_empty() {
        return Err(unusable(format!(
            "no schema in search_path ({path}) is there for this role at {place}; create one and let the role use it, or \
             name another in the URL: ?options=-csearch_path%3Dpublic"
        )));
    }
    Ok(())
}

fn unusable(message: String) -> StoreError {
    StoreError::classify("", Cause::Schema(message))
}
