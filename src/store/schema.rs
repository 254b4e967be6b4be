//! The part of the schema that follows the contract: a column per sensor, and the view over them.

use std::collections::{HashMap, HashSet};

use iotpipe_core::contract::{Contract, Sensor, SensorType};
use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, FromQueryResult, IsolationLevel,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use super::error::{Cause, plain};
use super::limits;
use super::session::Session;
use super::window::{self, WindowPin};

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
    let columns = columns(db, embedded).await?;
    let missing = contract.sensors.iter().filter(|sensor| !columns.contains_key(&sensor.name)).count();
    limits::expect_room(db, contract, missing, embedded).await?;
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
            }
            Some(found) => {
                return Err(Cause::Schema(format!(
                    "iot_raw_data.{} is of type {found}, but the contract says {wanted}; give the sensor another name",
                    sensor.name
                )));
            }
        }
    }
    let statements = readings_view(db, contract, embedded).await?;
    db.execute_unprepared(&statements).await.map_err(not_ours)?;
    Ok(())
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
    db: &Session,
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
    let fits = |s: &Sensor| columns.get(&s.name).is_some_and(|c| c.eq_ignore_ascii_case(column_type(s.kind, embedded)));
    Ok(contract.sensors.iter().all(fits))
}

async fn has_migrations(db: &Session, embedded: bool) -> Result<bool, DbErr> {
    let query = match embedded {
        false => "SELECT count(to_regclass('seaql_migrations'))",
        true => "SELECT count(*) FROM sqlite_master WHERE name = 'seaql_migrations'",
    };
    Ok(window::number(db, query).await? == Some(1))
}

async fn are_migrations_applied(db: &Session) -> Result<bool, Cause> {
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

#[derive(FromQueryResult)]
struct Column {
    name: String,
    kind: String,
}

/// Columns of `iot_raw_data` and their types, empty when there is no such table.
async fn columns(db: &impl ConnectionTrait, embedded: bool) -> Result<HashMap<String, String>, DbErr> {
    Ok(ordered_columns(db, embedded).await?.into_iter().map(|c| (c.name, c.kind)).collect())
}

async fn ordered_columns(db: &impl ConnectionTrait, embedded: bool) -> Result<Vec<Column>, DbErr> {
    let query = match embedded {
        false => {
            "SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS kind FROM pg_attribute a
             WHERE a.attrelid = to_regclass('iot_raw_data') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
        }
        true => "SELECT name, type AS kind FROM pragma_table_info('iot_raw_data') ORDER BY cid",
    };
    Column::find_by_statement(Statement::from_string(db.get_database_backend(), query)).all(db).await
}

/// Columns of `iot_raw_data` whose values are aggregated, of this contract and of earlier ones, and whether they are
/// boolean.
pub(super) async fn aggregated_columns(db: &Session, embedded: bool) -> Result<Vec<(String, bool)>, DbErr> {
    let own = ["device_id", "ts", "file_id", "line_number"];
    let is_aggregated =
        |c: &Column| !own.contains(&c.name.as_str()) && AGGREGATED.contains(&c.kind.to_lowercase().as_str());
    let columns = ordered_columns(db, embedded).await?.into_iter().filter(is_aggregated);
    Ok(columns.map(|c| (c.name, c.kind.eq_ignore_ascii_case("boolean"))).collect())
}

/// What [`column_type`] says of types that are aggregated.
const AGGREGATED: &[&str] = &["double precision", "real", "bigint", "integer", "boolean"];

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

/// Sensors of earlier contracts stay in the view: what was loaded can be read. A view that is there keeps its columns where
/// they are, new ones stand behind them, so that PostgreSQL replaces it in place: who may read it still may, and views that
/// others have made of it stay.
async fn readings_view(db: &impl ConnectionTrait, contract: &Contract, embedded: bool) -> Result<String, Cause> {
    let own = ["device_id", "ts", "file_id", "line_number"];
    let mut sensors: Vec<String> = contract.sensors.iter().map(|s| s.name.clone()).collect();
    for column in ordered_columns(db, embedded).await? {
        if !own.contains(&column.name.as_str()) && !sensors.contains(&column.name) {
            sensors.push(column.name);
        }
    }
    let mut columns: Vec<&str> = ["ts", "device"].to_vec();
    columns.extend(sensors.iter().map(String::as_str));
    columns.extend(["file", "line_number"]);
    let present = if embedded { Vec::new() } else { view_columns(db).await? };
    let is_replaced = !present.is_empty() && present.iter().all(|column| columns.contains(&column.as_str()));
    if is_replaced {
        let place = |column: &&str| present.iter().position(|there| there == column).unwrap_or(usize::MAX);
        columns.sort_by_key(place);
    }
    let (begin, end) = match (embedded, is_replaced) {
        (true, _) => ("DROP VIEW IF EXISTS iot_readings; CREATE VIEW".to_owned(), String::new()),
        (false, true) => ("CREATE OR REPLACE VIEW".to_owned(), String::new()),
        (false, false) => ("DROP VIEW IF EXISTS iot_readings; CREATE VIEW".to_owned(), grants(db).await?),
    };
    let columns: Vec<String> = columns.into_iter().map(|column| expression(column, embedded)).collect();
    Ok(format!(
        "{begin} iot_readings AS SELECT {}
         FROM iot_raw_data r JOIN device d ON d.id = r.device_id LEFT JOIN manifest m ON m.id = r.file_id;{end}",
        columns.join(", ")
    ))
}

/// What a column of the view is.
fn expression(column: &str, embedded: bool) -> String {
    match column {
        // Whole seconds are rounded down, also before 1970, so that the microseconds behind them are never negative.
        "ts" if embedded => {
            "strftime('%Y-%m-%dT%H:%M:%S', (r.ts - (r.ts % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch')
             || printf('.%06dZ', (r.ts % 1000000 + 1000000) % 1000000) AS ts"
                .to_owned()
        }
        "device" => "d.name AS device".to_owned(),
        "file" => "m.source AS file".to_owned(),
        column => format!("r.\"{column}\""),
    }
}

/// Columns of the view on PostgreSQL, in order; none where there is no such view.
async fn view_columns(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let query = "SELECT a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                 WHERE a.attrelid = to_regclass('iot_readings') AND c.relkind = 'v' AND a.attnum > 0 ORDER BY a.attnum";
    texts(db, query).await
}

/// The statements that let those read a view made anew who might read the one before.
async fn grants(db: &impl ConnectionTrait) -> Result<String, DbErr> {
    let query = "SELECT format(' GRANT %s ON iot_readings TO %s;', a.privilege_type,
                        CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
                 FROM pg_class c, aclexplode(c.relacl) a
                 WHERE c.oid = to_regclass('iot_readings') AND a.grantee <> c.relowner";
    Ok(texts(db, query).await?.concat())
}

async fn texts(db: &impl ConnectionTrait, query: &str) -> Result<Vec<String>, DbErr> {
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), query)).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}
