//! Contents that were loaded before, under whatever name.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::entity::Model as SourceFile;
use super::entity::{Column, Entity};
use super::state::State;
use crate::store::{Store, StoreError};

/// The loaded files that have the content of one of a group.
pub struct LoadedContents {
    by_name: bool,
    /// Name and path by content.
    loaded: HashMap<String, Vec<(i64, String)>>,
}

/// Looks for loaded files with the contents of `files`. With `by_name`, only a file of the same name counts.
///
/// # Errors
/// When the database can't be asked.
pub fn loaded_contents(store: &Store, files: &[SourceFile], by_name: bool) -> Result<LoadedContents, StoreError> {
    let contents: Vec<&str> = files.iter().filter_map(|file| file.sha256.as_deref()).collect();
    let found = store.read(async |db| {
        Entity::find()
            .filter(Column::Sha256.is_in(contents))
            .filter(Column::State.eq(State::Loaded.as_str()))
            .all(db)
            .await
    })?;
    let mut twins = LoadedContents { by_name, loaded: HashMap::new() };
    found.iter().for_each(|file| twins.add(file));
    Ok(twins)
}

impl LoadedContents {
    /// Counts `file` as loaded.
    pub fn add(&mut self, file: &SourceFile) {
        let content = file.sha256.clone().unwrap_or_default();
        self.loaded.entry(content).or_default().push((file.id, file.source.clone()));
    }

    /// The path of another loaded file with the content of `file`.
    pub fn of(&self, file: &SourceFile) -> Option<String> {
        let same = |(id, source): &&(i64, String)| {
            *id != file.id && (!self.by_name || source.rsplit('/').next() == Some(file.file_name()))
        };
        self.loaded.get(file.sha256.as_deref()?)?.iter().find(same).map(|(_, source)| source.clone())
    }
}
