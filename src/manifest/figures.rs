//! What a monitoring system is told about the files, as the manifest has it: the same after a restart, from each of
//! several processes, and equal to what `status` says.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::overview::seconds_by_device;
use super::state::State;
use super::worker::{lives, of_origin};
use crate::store::{Dialect, Session, Store, StoreError};

/// The manifest in figures, at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// When it was looked at, by the database's clock.
    pub at: DateTime<Utc>,
    /// Number of files by state; every state is named.
    pub files: Vec<(State, u64)>,
    /// Rows of loaded files in `iot_raw_data`.
    pub loaded: u64,
    /// Their rows in the quarantine.
    pub rejected: u64,
    /// Those in the quarantine as repeats.
    pub duplicate: u64,
    /// How often rows of loaded files broke each rule; a row may break several.
    pub rejections: Vec<(String, u64)>,
    /// Bytes of loaded files, as stored.
    pub bytes: u64,
    /// Seconds since the oldest file that waits was discovered; 0 where none waits.
    pub oldest_pending: f64,
    /// Files in the hands of the process `own`, of other live ones, and of those whose lease lapsed.
    pub claims: Claims,
    /// Devices and the seconds since their latest reading, the longest quiet first.
    pub quiet: Vec<(String, f64)>,
}

/// Files in hand, by whose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// This process.
    pub own: u64,
    /// Others that live.
    pub others: u64,
    /// Those that ended, or fell silent: free for anybody.
    pub lapsed: u64,
}

/// How long the server may take for one of the questions: a monitoring system asks again.
const PATIENCE: &str = "SET LOCAL statement_timeout = '10s'";

/// Looks at the files of `origin` (all, where it is not known), and at the `devices` that have been quiet longest.
///
/// # Errors
/// When the database can't be asked, or takes longer than ten seconds.
pub fn figures(store: &Store, origin: Option<&str>, own: i64, devices: u64) -> Result<Figures, StoreError> {
    let dialect = store.dialect();
    let at = store.now()?;
    store.read(async |session| {
        if dialect == Dialect::Postgres {
            session.execute_unprepared(PATIENCE).await?;
        }
        let mut figures = Figures { at, ..by_state(session, dialect, origin, at).await? };
        figures.rejections = rejections(session, dialect, origin).await?;
        figures.claims = claims(session, dialect, origin, own).await?;
        figures.quiet = seconds_by_device(session, dialect, at, devices).await?;
        Ok(figures)
    })
}

async fn by_state(
    session: &Session<'_>,
    dialect: Dialect,
    origin: Option<&str>,
    at: DateTime<Utc>,
) -> Result<Figures, DbErr> {
    let sum = |column: &str| format!("CAST(coalesce(sum({column}), 0) AS bigint)");
    let sql = format!(
        "SELECT state, count(*), {}, {}, {}, {}, min(discovered_at) FROM manifest WHERE {} GROUP BY state",
        sum("rows_loaded"),
        sum("rows_rejected"),
        sum("rows_duplicate"),
        sum("size"),
        of_origin("origin", origin, dialect)
    );
    let mut figures = Figures { files: State::ALL.map(|state| (state, 0)).to_vec(), ..Figures::default() };
    for row in session.rows(sql).await? {
        let Some(state) = State::of(&row.try_get_by_index::<String>(0)?) else { continue };
        let files = count(&row, 1)?;
        figures.files.iter_mut().filter(|(s, _)| *s == state).for_each(|(_, n)| *n = files);
        if state == State::Loaded {
            figures.loaded = count(&row, 2)?;
            figures.rejected = count(&row, 3)?;
            figures.duplicate = count(&row, 4)?;
            figures.bytes = count(&row, 5)?;
        }
        if state.is_open() && state != State::Arriving {
            let age = seconds(at - row.try_get_by_index::<DateTime<Utc>>(6)?);
            figures.oldest_pending = figures.oldest_pending.max(age);
        }
    }
    Ok(figures)
}

async fn rejections(
    session: &Session<'_>,
    dialect: Dialect,
    origin: Option<&str>,
) -> Result<Vec<(String, u64)>, DbErr> {
    let sql = format!(
        "SELECT r.rule, CAST(sum(r.count) AS bigint) FROM file_rejections r JOIN manifest m ON m.id = r.file_id
         WHERE m.state = 'loaded' AND {} GROUP BY r.rule ORDER BY r.rule",
        of_origin("m.origin", origin, dialect)
    );
    session.rows(sql).await?.iter().map(|row| Ok((row.try_get_by_index(0)?, count(row, 1)?))).collect()
}

async fn claims(session: &Session<'_>, dialect: Dialect, origin: Option<&str>, own: i64) -> Result<Claims, DbErr> {
    let sql = format!(
        "SELECT m.worker_id = {own}, w.id IS NOT NULL, count(*) FROM manifest m
         LEFT JOIN worker w ON w.id = m.worker_id AND {}
         WHERE m.worker_id IS NOT NULL AND {} GROUP BY m.worker_id = {own}, w.id IS NOT NULL",
        lives(dialect),
        of_origin("m.origin", origin, dialect)
    );
    let mut claims = Claims::default();
    for row in session.rows(sql).await? {
        let (is_own, is_live): (bool, bool) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let whose = match (is_own, is_live) {
            (true, _) => &mut claims.own,
            (false, true) => &mut claims.others,
            (false, false) => &mut claims.lapsed,
        };
        *whose += count(&row, 2)?;
    }
    Ok(claims)
}

fn count(row: &QueryResult, column: usize) -> Result<u64, DbErr> {
    Ok(row.try_get_by_index::<i64>(column)?.unsigned_abs())
}

fn seconds(time: TimeDelta) -> f64 {
    (time.num_milliseconds().max(0) as f64) / 1000.0
}
