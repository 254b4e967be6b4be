//! Takes a file's rows and its share of the totals out again.

use sea_orm::DbErr;

use super::connection::Store;
use super::error::StoreError;
use super::layout::delete_rows;
use super::rollup::add_up_anew;
use super::session::Session;
use super::window;

/// The statements of the manifest by which a file is taken out.
#[derive(Debug)]
pub struct Unloading {
    /// The file.
    pub file_id: i64,
    /// Gives a row for it and for each file of the same content that was set aside because of it, locked: whether
    /// somebody has it in hand.
    pub in_hand: String,
    /// Changes the one row, where it is loaded and in nobody's hand.
    pub transition: String,
    /// Has the files that were set aside because of it taken up again.
    pub others: Vec<String>,
}

/// What was taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenOut {
    /// So many rows.
    Rows(u64),
    /// None: it, or a file of the same content, is in a worker's hands, or no longer loaded.
    InHand,
}

impl Store {
    /// Deletes all that a file brought, if it is loaded, and has the files taken up again that were set aside because of it.
    ///
    /// The lock on the windows' length keeps everybody from adding to totals until the end: those that the file had a
    /// share in are added up anew.
    ///
    /// # Errors
    /// When the database is away or busy, or its statistics are being computed anew; nothing has changed then.
    pub fn unload(&self, unloading: &Unloading) -> Result<TakenOut, StoreError> {
        let file_id = unloading.file_id;
        self.write(async |transaction| {
            if let Some(left) = lock_totals(transaction, self.dialect().for_update()).await? {
                return Ok(Err(self.reaggregating(left)));
            }
            for row in transaction.rows(unloading.in_hand.as_str()).await? {
                if row.try_get_by_index::<bool>(0)? {
                    return Ok(Ok(TakenOut::InHand));
                }
            }
            if transaction.change(&unloading.transition).await? != 1 {
                return Ok::<_, DbErr>(Ok(TakenOut::InHand));
            }
            for statement in add_up_anew(file_id) {
                transaction.change(&statement).await?;
            }
            transaction.change(&format!("DELETE FROM file_aggregates WHERE file_id = {file_id}")).await?;
            for statement in &unloading.others {
                transaction.change(statement).await?;
            }
            transaction.change(&format!("DELETE FROM set_aside WHERE file_id = {file_id}")).await?;
            let mut rows = 0;
            for statement in delete_rows(file_id) {
                rows += transaction.change(&statement).await?;
            }
            Ok(Ok(TakenOut::Rows(rows)))
        })?
    }
}

/// Keeps everybody from adding to totals until the transaction ends; gives the number of files whose statistics are of
/// another window, where there are any.
async fn lock_totals(transaction: &Session<'_>, for_update: &str) -> Result<Option<i64>, DbErr> {
    window::number(transaction, &format!("{} {for_update}", window::PINNED)).await?;
    Ok(window::number(transaction, window::LEFT).await?.filter(|left| *left > 0))
}
