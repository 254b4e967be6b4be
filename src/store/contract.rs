//! The contracts by which files were judged, in full: their rows can be compared under them whatever is declared now.

use iotpipe_core::contract::Contract;
use sea_orm::EntityTrait;

use super::connection::Store;
use super::dialect::Dialect;
use super::entity::contract;
use super::error::StoreError;

/// The statement that keeps `contract`, unless it is kept already.
pub fn keep_statement(contract: &Contract, dialect: Dialect) -> String {
    format!(
        "INSERT INTO contract (hash, body) VALUES ({}, {}) ON CONFLICT DO NOTHING",
        dialect.text(&contract.hash),
        dialect.text(&contract.body)
    )
}

impl Store {
    /// The contract with this hash, its windows as those of `present`; `None` where it is not kept, or where what is kept
    /// is another.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub fn contract(&self, hash: &str, present: &Contract) -> Result<Option<Contract>, StoreError> {
        if hash == present.hash {
            return Ok(Some(present.clone()));
        }
        let kept = self.read(async |session| contract::Entity::find_by_id(hash).one(session).await)?;
        let contract = kept.and_then(|kept| Contract::from_toml(&kept.body).ok()).filter(|kept| kept.hash == hash);
        Ok(contract.map(|contract| Contract { window_micros: present.window_micros, ..contract }))
    }
}
