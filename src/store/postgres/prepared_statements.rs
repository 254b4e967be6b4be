//! Statements that are made anew for each file of a transaction: parsed and planned once for a session of the server.
//!
//! By PREPARE and EXECUTE, within the transaction, under names that tell their text: behind a pooler, another client may
//! have prepared one on the session that this transaction was given, and then it is the same one.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use sea_orm::Statement;
use sea_orm::sea_query::{PostgresQueryBuilder, QueryBuilder};
use sqlx::postgres::Postgres;

/// What all their names begin with.
const PREFIX: &str = "iotpipe_";

/// Names of the statements that the transaction's session has prepared.
#[derive(Debug, Default)]
pub(super) struct PreparedStatements(HashSet<String>);

impl PreparedStatements {
    /// Those that are there already.
    pub(super) async fn of(transaction: &mut sqlx::Transaction<'static, Postgres>) -> Result<Self, sqlx::Error> {
        let names = sqlx::query_scalar("SELECT name FROM pg_prepared_statements WHERE starts_with(name, $1)")
            .persistent(false)
            .bind(PREFIX)
            .fetch_all(&mut **transaction)
            .await?;
        Ok(Self(names.into_iter().collect()))
    }

    /// The text that executes `statement`; behind one that prepares it, where that is still to be done.
    pub(super) fn execute(&mut self, statement: &Statement) -> String {
        let mut hasher = DefaultHasher::new();
        statement.sql.hash(&mut hasher);
        let name = format!("{PREFIX}{:016x}", hasher.finish());
        let values = statement.values.iter().flat_map(|values| &values.0);
        let values: Vec<String> = values.map(|value| PostgresQueryBuilder.value_to_string(value)).collect();
        let execute = format!("EXECUTE {name}({})", values.join(", "));
        match self.0.insert(name.clone()) {
            true => format!("PREPARE {name} AS {}; {execute}", statement.sql),
            false => execute,
        }
    }
}
