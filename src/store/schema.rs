//! The part of the schema that follows the contract: a column per sensor or a row per sensor, and the view over them.

use std::collections::HashSet;

use iotpipe_core::contract::{Contract, Sensor, SensorType};
use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, IsolationLevel, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};

use super::columns::columns;
use super::error::{Cause, plain};
use super::session::Session;
use super::window::{self, WindowPin};
use super::{layout, limits, readings_view};

/// Any number: the same in every iotpipe process, so that two of them do not migrate at once.
const MIGRATION_LOCK: i64 = 0x696f_7470;

pub(super) async fn migrate(
    db: &DatabaseConnection,
    contract: &Contract,
    pin: WindowPin,
    embedded: bool,
) -> Result<(), Cause> {
    let transaction = match embedded {
        true => {
            let options = TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..Default::default()
            };
            db.begin_with_options(options).await?
        }
        // Who waited for the lock must see what the other has done meanwhile, whatever the server's default is.
        false => db.begin_with_config(Some(IsolationLevel::ReadCommitted), None).await?,
    };
    if !embedded {
        transaction.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
        // What another client of a pooler may have prepared in this session, under the names that are used here.
        transaction.execute_unprepared("DEALLOCATE ALL").await?;
    }
    // In one transaction: a full disk or a crash leaves no half of a schema.
    change(&transaction, contract, pin, embedded).await?;
    Ok(transaction.commit().await?)
}

async fn change(db: &DatabaseTransaction, contract: &Contract, pin: WindowPin, embedded: bool) -> Result<(), Cause> {
    Migrator::up(db, None).await.map_err(not_ours)?;
    window::pin(db, contract.window_micros, pin, embedded).await?;
    let switched = layout::pin(db, contract).await?;
    let widened = match contract.long {
        None => add_columns(db, contract, embedded).await?,
        Some(_) => {
            let widened = layout::register(db, contract).await?;
            limits::expect_room_in_view(db, embedded).await?;
            widened
        }
    };
    let statements = readings_view::statements(db, contract, switched || widened, embedded).await?;
    db.execute_unprepared(&statements).await.map_err(not_ours)?;
    Ok(())
}

/// Adds a column to `iot_raw_data` for each new sensor of the wide layout; says whether one is of another type now.
async fn add_columns(db: &DatabaseTransaction, contract: &Contract, embedded: bool) -> Result<bool, Cause> {
    let columns = columns(db, embedded).await?;
    let missing = contract.sensors.iter().filter(|sensor| !columns.contains_key(&sensor.name)).count();
    limits::expect_room(db, contract, missing, embedded).await?;
    let mut widened = false;
    for sensor in by_width(contract) {
        let wanted = column_type(sensor.kind, embedded);
        match columns.get(&sensor.name) {
            None => {
                let alter = format!("ALTER TABLE iot_raw_data ADD COLUMN \"{}\" {wanted}", sensor.name);
                db.execute_unprepared(&alter).await?;
            }
            Some(found) if found.eq_ignore_ascii_case(wanted) => {}
            Some(found) if is_wider(found, sensor.kind, embedded) => {
                db.execute_unprepared(&widen(&sensor.name, wanted, embedded)).await?;
                widened = true;
            }
            Some(found) => {
                return Err(Cause::Schema(format!(
                    "iot_raw_data.{} is of type {found}, but the contract says {wanted}; give the sensor another name",
                    sensor.name
                )));
            }
        }
    }
    Ok(widened)
}

/// Whether a column of whole numbers is to hold others, too.
fn is_wider(found: &str, wanted: SensorType, embedded: bool) -> bool {
    wanted == SensorType::Float && found.eq_ignore_ascii_case(column_type(SensorType::Integer, embedded))
}

/// The view over the column is made anew behind it. SQLite can't change a column's type: another takes its place.
fn widen(name: &str, wanted: &str, embedded: bool) -> String {
    let alter = match embedded {
        false => format!("ALTER COLUMN \"{name}\" TYPE {wanted}"),
        true => {
            let narrow = format!("{name} as it was");
            return format!(
                "DROP VIEW IF EXISTS iot_readings;
                 ALTER TABLE iot_raw_data RENAME COLUMN \"{name}\" TO \"{narrow}\";
                 ALTER TABLE iot_raw_data ADD COLUMN \"{name}\" {wanted};
                 UPDATE iot_raw_data SET \"{name}\" = \"{narrow}\";
                 ALTER TABLE iot_raw_data DROP COLUMN \"{narrow}\";"
            );
        }
    };
    format!("DROP VIEW IF EXISTS iot_readings; ALTER TABLE iot_raw_data {alter};")
}

/// What is in the way of the schema is somebody else's, or of another time: it never works as it stands.
fn not_ours(error: DbErr) -> Cause {
    let reason = plain(&error);
    let is_there = ["already exists", "is not a view", "use DROP TABLE", "is not a table"];
    if is_there.iter().any(|words| reason.contains(words)) {
        return Cause::Schema(format!(
            "something in the database has a name that iotpipe needs, and is not iotpipe's: {reason}; give iotpipe a \
             database of its own, or a schema: postgres://…?options=-csearch_path%3Diotpipe"
        ));
    }
    if reason.contains("is missing") {
        return Cause::Schema(format!(
            "the migrations in the database are another program's, or a newer iotpipe's: {reason}; use that one, or give \
             this one a database or a schema of its own"
        ));
    }
    Cause::Orm(error)
}

/// The widest first, so that PostgreSQL, which aligns numbers of 8 bytes, leaves no gaps between them: a smaller table
/// is a faster one.
fn by_width(contract: &Contract) -> Vec<&Sensor> {
    let mut sensors: Vec<&Sensor> = contract.sensors.iter().collect();
    sensors.sort_by_key(|sensor| match sensor.kind {
        SensorType::Float | SensorType::Integer => 0,
        SensorType::Boolean => 1,
        SensorType::Text => 2,
    });
    sensors
}

/// Whether nothing is left to do. Needs no more than the right to read.
pub(super) async fn is_current(
    db: &Session<'_>,
    contract: &Contract,
    pin: WindowPin,
    embedded: bool,
) -> Result<bool, Cause> {
    let columns = columns(db, embedded).await?;
    if columns.is_empty() || !has_migrations(db, embedded).await? || !are_migrations_applied(db).await? {
        return Ok(false);
    }
    let Some(pinned) = window::pinned(db).await? else { return Ok(false) };
    window::compare(pinned, contract.window_micros, pin)?;
    if !layout::is_pinned(db, contract).await? {
        return Ok(false);
    }
    if contract.long.is_some() {
        return Ok(layout::is_registered(db, contract).await?);
    }
    let fits = |s: &Sensor| columns.get(&s.name).is_some_and(|c| c.eq_ignore_ascii_case(column_type(s.kind, embedded)));
    Ok(contract.sensors.iter().all(fits))
}

async fn has_migrations(db: &Session<'_>, embedded: bool) -> Result<bool, DbErr> {
    let query = match embedded {
        false => "SELECT count(to_regclass('seaql_migrations'))",
        true => "SELECT count(*) FROM sqlite_master WHERE name = 'seaql_migrations'",
    };
    Ok(window::number(db, query).await? == Some(1))
}

async fn are_migrations_applied(db: &Session<'_>) -> Result<bool, Cause> {
    let mut applied = HashSet::new();
    for row in db.rows("SELECT version FROM seaql_migrations").await? {
        applied.insert(row.try_get_by_index::<String>(0)?);
    }
    let known: Vec<String> = Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect();
    if let Some(newer) = applied.iter().find(|version| !known.contains(version)) {
        return Err(Cause::Schema(format!(
            "the schema was changed by a newer iotpipe ({newer}); use that one, or a database of its own for this one"
        )));
    }
    Ok(known.iter().all(|version| applied.contains(version)))
}

/// The database's name for a sensor's type.
fn column_type(kind: SensorType, embedded: bool) -> &'static str {
    match (kind, embedded) {
        (SensorType::Float, false) => "double precision",
        (SensorType::Float, true) => "real",
        (SensorType::Integer, false) => "bigint",
        (SensorType::Integer, true) => "integer",
        (SensorType::Boolean, _) => "boolean",
        (SensorType::Text, _) => "text",
    }
}
