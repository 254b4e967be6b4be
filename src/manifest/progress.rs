//! How far a step brought a file, as the statement that ends the file's part of a transaction.

use chrono::{SecondsFormat, Utc};
use iotpipe_core::reading::Tally;
use sea_orm::sea_query::{Expr, ExprTrait, Func, PostgresQueryBuilder, Query, SqliteQueryBuilder};

use super::entity::{Column, Entity};
use super::state::State;

/// How far a file has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The file.
    pub file_id: i64,
    /// `validated`, `aggregated` or `loaded`.
    pub state: State,
    /// What the pass counted.
    pub tally: Tally,
    /// The contract that gave the verdicts.
    pub contract_hash: &'a str,
    /// Who holds the claim.
    pub worker: &'a str,
}

impl Progress<'_> {
    /// The statement. The condition makes the commit the judge: a file that was taken over, or was loaded by another, is
    /// marked by nobody else.
    pub fn statement(&self, embedded: bool) -> String {
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, false);
        let mut update = Query::update();
        update
            .table(Entity)
            .value(Column::State, self.state.as_str())
            .value(Column::RowsTotal, self.tally.total)
            .value(Column::RowsRejected, self.tally.rejected)
            .value(Column::ContractHash, self.contract_hash)
            .value(Column::LastError, None::<String>)
            .value(Column::ClaimedBy, None::<String>)
            .value(Column::LeaseUntil, None::<String>);
        let mut reached = |column: Column| {
            let known_or_now = Func::coalesce([Expr::col(column), Expr::value(now.as_str())]);
            update.value(column, known_or_now);
        };
        reached(Column::ValidatedAt);
        if self.state != State::Validated {
            reached(Column::AggregatedAt);
        }
        if self.state == State::Loaded {
            reached(Column::LoadedAt);
            // Known only once the rows have met the table's key.
            update.value(Column::RowsLoaded, self.tally.loaded).value(Column::RowsDuplicate, self.tally.duplicate);
        }
        update
            .and_where(Expr::col(Column::ClaimedBy).eq(self.worker))
            .and_where(Expr::col(Column::Id).eq(self.file_id))
            .and_where(Expr::col(Column::State).is_in(["pending", "validated", "aggregated"]));
        match embedded {
            true => update.to_string(SqliteQueryBuilder),
            false => update.to_string(PostgresQueryBuilder),
        }
    }
}
