//! Contents that were loaded before, under whatever name.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::entity::{Column, Entity, Model as Entry};
use super::state::State;
use crate::store::{Store, StoreError};

/// The loaded files that have the content of one of a group.
#[derive(Debug)]
pub struct LoadedContents {
    told_by: ToldBy,
    loaded: HashMap<String, Vec<Original>>,
}

/// A loaded file whose content came again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Its entry.
    pub id: i64,
    /// Its path below `data/`.
    pub source: String,
    judged_path: String,
}

/// What else than their content tells files apart: what the contract takes the device from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToldBy {
    /// Nothing.
    Content,
    /// The name that the contract sees.
    Name,
    /// The path that it sees.
    Path,
}

/// Looks for loaded files with the contents of `files`; only one that is not told apart otherwise counts.
///
/// # Errors
/// When the database can't be asked.
pub fn loaded_contents(store: &Store, files: &[Entry], told_by: ToldBy) -> Result<LoadedContents, StoreError> {
    let contents: Vec<&str> = files.iter().filter_map(|file| file.sha256.as_deref()).collect();
    let found = store.read(async |session| {
        Entity::find()
            .filter(Column::Sha256.is_in(contents))
            .filter(Column::State.eq(State::Loaded.as_str()))
            .all(session)
            .await
    })?;
    let mut contents = LoadedContents { told_by, loaded: HashMap::new() };
    found.iter().for_each(|file| contents.add(file));
    Ok(contents)
}

impl Original {
    /// Name without its folders.
    pub fn file_name(&self) -> &str {
        self.source.rsplit('/').next().unwrap_or(&self.source)
    }
}

impl ToldBy {
    fn is_same(self, one: &str, other: &str) -> bool {
        let name = |path: &'_ str| path.rsplit('/').next().map(str::to_owned);
        match self {
            ToldBy::Content => true,
            ToldBy::Name => name(one) == name(other),
            ToldBy::Path => one == other,
        }
    }
}

impl LoadedContents {
    /// Counts `file` as loaded.
    pub fn add(&mut self, file: &Entry) {
        let original =
            Original { id: file.id, source: file.source.clone(), judged_path: file.judged_path().to_owned() };
        self.loaded.entry(file.sha256.clone().unwrap_or_default()).or_default().push(original);
    }

    /// Another loaded file with the content of `file`.
    pub fn original_of(&self, file: &Entry) -> Option<Original> {
        let same = |original: &&Original| {
            original.id != file.id && self.told_by.is_same(&original.judged_path, file.judged_path())
        };
        self.loaded.get(file.sha256.as_deref()?)?.iter().find(same).cloned()
    }
}
