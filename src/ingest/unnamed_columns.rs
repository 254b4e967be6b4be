//! Columns that files have and the contract does not name: said once, by the first file that has them.

use std::collections::{BTreeMap, HashSet};

use super::context::Context;
use crate::error::Error;

impl Context<'_> {
    /// Asks which columns are known, once per process, and before a transaction is open.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub fn learn_columns(&self) -> Result<(), Error> {
        let Ok(mut known) = self.unnamed_columns.lock() else { return Ok(()) };
        if known.is_none() {
            let stored = self.store.unnamed_columns()?;
            *known = Some(stored.into_iter().map(|column| column.name).collect::<HashSet<_>>());
        }
        Ok(())
    }

    /// Those of `columns` that no file had before, as far as is known.
    pub fn new_columns(&self, columns: &BTreeMap<String, i64>) -> BTreeMap<String, i64> {
        let Ok(known) = self.unnamed_columns.lock() else { return BTreeMap::new() };
        let is_new = |name: &String| known.as_ref().is_none_or(|known| !known.contains(name));
        columns.iter().filter(|(name, _)| is_new(name)).map(|(name, id)| (name.clone(), *id)).collect()
    }

    /// Says that `columns`, each with its file, are there; they are kept.
    pub fn notice_columns(&self, columns: &BTreeMap<String, i64>, source_of: &dyn Fn(i64) -> Option<String>) {
        if let Ok(mut known) = self.unnamed_columns.lock() {
            known.get_or_insert_default().extend(columns.keys().cloned());
        }
        let mut by_file: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
        columns.iter().for_each(|(name, file)| by_file.entry(*file).or_default().push(name));
        for (file, names) in by_file {
            tracing::warn!(
                file = source_of(file).unwrap_or_default(),
                "new columns that the contract does not name: {}; a [[contract.sensor]] would load them",
                names.join(", ")
            );
        }
    }
}
