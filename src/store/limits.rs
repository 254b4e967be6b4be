//! How much a database takes in one table.

use iotpipe_core::contract::{Contract, SensorType};
use sea_orm::ConnectionTrait;

use super::error::Cause;
use super::window::number;

/// Columns of a table, those that were dropped counted too (PostgreSQL's manual, appendix K).
const POSTGRES_COLUMNS: i64 = 1600;
/// `SQLITE_MAX_COLUMN`, as SQLite is built.
const SQLITE_COLUMNS: i64 = 2000;
/// Bytes of a row that stands in one page of PostgreSQL, as every row does whose values are numbers.
const POSTGRES_ROW: usize = 8160;
/// What a row takes beside its sensors: its header and the columns of the program's own.
const ROW_OVERHEAD: usize = 24 + 32;
/// Columns of `iot_readings` beside the sensors.
const VIEW_COLUMNS: i64 = 4;

/// Whether `iot_raw_data` takes so many `missing` columns more, and a row of the contract's sensors.
///
/// # Errors
/// When it does not, or the database can't be asked.
pub(super) async fn expect_room(
    db: &impl ConnectionTrait,
    contract: &Contract,
    missing: usize,
    embedded: bool,
) -> Result<(), Cause> {
    let (most, query) = match embedded {
        false => (
            POSTGRES_COLUMNS,
            "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('iot_raw_data') AND attnum > 0",
        ),
        true => (SQLITE_COLUMNS, "SELECT count(*) FROM pragma_table_info('iot_raw_data')"),
    };
    let there = number(db, query).await?.unwrap_or(0);
    if missing > 0 && there + missing as i64 > most {
        return Err(Cause::Schema(format!(
            "iot_raw_data has {there} columns, sensors of earlier contracts among them, and {missing} more are too many: \
             the most is {most}; give this contract a database of its own, or fewer sensors"
        )));
    }
    let bytes = ROW_OVERHEAD + required_bytes(contract);
    if !embedded && bytes > POSTGRES_ROW {
        return Err(Cause::Schema(format!(
            "a row of the contract's required sensors takes {bytes} bytes, PostgreSQL stores {POSTGRES_ROW} at most; \
             declare fewer of them, or some as required = false"
        )));
    }
    Ok(())
}

/// Whether `iot_readings` has room for a column of each sensor of the long layout.
///
/// # Errors
/// When it does not, or the database can't be asked.
pub(super) async fn expect_room_in_view(db: &impl ConnectionTrait, embedded: bool) -> Result<(), Cause> {
    let most = if embedded { SQLITE_COLUMNS } else { POSTGRES_COLUMNS };
    let sensors = number(db, "SELECT count(*) FROM sensor").await?.unwrap_or(0);
    if sensors + VIEW_COLUMNS > most {
        return Err(Cause::Schema(format!(
            "iot_readings would have {} columns, sensors of earlier contracts among them: the most is {most}; give this \
             contract a database of its own, or fewer sensors",
            sensors + VIEW_COLUMNS
        )));
    }
    Ok(())
}

/// Bytes of the numbers that every row has. Long texts are stored elsewhere, and count as nothing.
fn required_bytes(contract: &Contract) -> usize {
    let width = |kind| match kind {
        SensorType::Float | SensorType::Integer => 8,
        SensorType::Boolean => 1,
        SensorType::Text => 0,
    };
    contract.sensors.iter().filter(|sensor| sensor.required).map(|sensor| width(sensor.kind)).sum()
}
