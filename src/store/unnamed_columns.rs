//! Columns that files have and the contract does not name, each with the first file in which it was seen.

use std::collections::BTreeMap;

use sea_orm::{FromQueryResult, Statement};

use super::connection::Store;
use super::dialect::Dialect;
use super::error::StoreError;

/// One of them.
#[derive(Debug, FromQueryResult, serde::Serialize)]
pub struct UnnamedColumn {
    /// Its name, as messages show it.
    pub name: String,
    /// The first file that had it.
    pub source: String,
}

/// The statement that keeps these columns, each with the entry of its file; those that are known stay as they are.
pub fn keep_columns_statement(columns: &BTreeMap<String, i64>, dialect: Dialect) -> String {
    let rows: Vec<String> = columns.iter().map(|(name, file)| format!("({}, {file})", dialect.text(name))).collect();
    format!("INSERT INTO unnamed_column (name, file_id) VALUES {} ON CONFLICT DO NOTHING", rows.join(", "))
}

impl Store {
    /// All that have been seen, by name.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub fn unnamed_columns(&self) -> Result<Vec<UnnamedColumn>, StoreError> {
        let all = "SELECT c.name, m.source FROM unnamed_column c JOIN manifest m ON m.id = c.file_id ORDER BY c.name";
        let backend = self.dialect().backend();
        self.read(async |session| {
            UnnamedColumn::find_by_statement(Statement::from_string(backend, all)).all(session).await
        })
    }
}
