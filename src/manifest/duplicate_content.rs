//! Contents that were loaded before, under whatever name.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::entity::{Column, Entity, Model as Entry};
use super::state::State;
use crate::store::{Store, StoreError};

/// The loaded files that have the content of one of a group.
#[derive(Debug)]
pub struct LoadedContents {
    by_name: bool,
    loaded: HashMap<String, Vec<Original>>,
}

/// A loaded file whose content came again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Its entry.
    pub id: i64,
    /// Its path below `data/`.
    pub source: String,
    judged_name: String,
}

/// Looks for loaded files with the contents of `files`. With `by_name`, only a file that the contract sees under the same
/// name counts.
///
/// # Errors
/// When the database can't be asked.
pub fn loaded_contents(store: &Store, files: &[Entry], by_name: bool) -> Result<LoadedContents, StoreError> {
    let contents: Vec<&str> = files.iter().filter_map(|file| file.sha256.as_deref()).collect();
    let found = store.read(async |session| {
        Entity::find()
            .filter(Column::Sha256.is_in(contents))
            .filter(Column::State.eq(State::Loaded.as_str()))
            .all(session)
            .await
    })?;
    let mut contents = LoadedContents { by_name, loaded: HashMap::new() };
    found.iter().for_each(|file| contents.add(file));
    Ok(contents)
}

impl Original {
    /// Name without its folders.
    pub fn file_name(&self) -> &str {
        self.source.rsplit('/').next().unwrap_or(&self.source)
    }
}

impl LoadedContents {
    /// Counts `file` as loaded.
    pub fn add(&mut self, file: &Entry) {
        let original =
            Original { id: file.id, source: file.source.clone(), judged_name: file.judged_name().to_owned() };
        self.loaded.entry(file.sha256.clone().unwrap_or_default()).or_default().push(original);
    }

    /// Another loaded file with the content of `file`.
    pub fn original_of(&self, file: &Entry) -> Option<Original> {
        let same = |original: &&Original| {
            original.id != file.id && (!self.by_name || original.judged_name == file.judged_name())
        };
        self.loaded.get(file.sha256.as_deref()?)?.iter().find(same).cloned()
    }
}
