//! `iot_readings`: a row per device and time with a column per sensor, whichever layout the readings have.

use iotpipe_core::contract::Contract;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryOrder, Statement};

use super::columns::sensor_columns;
use super::entity::sensor;
use super::error::Cause;

/// The statements that make the view. Sensors of earlier contracts stay in it: what was loaded can be read. A view that is
/// there keeps its columns where they are, new ones stand behind them, so that PostgreSQL replaces it in place: who may read
/// it still may, and views that others have made of it stay. With `anew`, the present one's columns are of other types.
pub(super) async fn statements(
    db: &impl ConnectionTrait,
    contract: &Contract,
    anew: bool,
    embedded: bool,
) -> Result<String, Cause> {
    let rows = match contract.long {
        None => Rows::Wide(sensor_columns(db, embedded).await?),
        Some(_) => Rows::Long(sensor::Entity::find().order_by_asc(sensor::Column::Id).all(db).await?),
    };
    let mut sensors: Vec<String> = contract.sensors.iter().map(|s| s.name.clone()).collect();
    sensors.extend(rows.sensors().filter(|name| contract.sensors.iter().all(|s| s.name != **name)).cloned());
    let mut columns: Vec<&str> = ["ts", "device"].to_vec();
    columns.extend(sensors.iter().map(String::as_str));
    columns.extend(["file", "line_number"]);
    let present = if embedded { Vec::new() } else { present_columns(db).await? };
    let is_replaced = !anew && !present.is_empty() && present.iter().all(|column| columns.contains(&column.as_str()));
    if is_replaced {
        let place = |column: &&str| present.iter().position(|there| there == column).unwrap_or(usize::MAX);
        columns.sort_by_key(place);
    }
    let (begin, end) = match (embedded, is_replaced) {
        (true, _) => ("DROP VIEW IF EXISTS iot_readings; CREATE VIEW".to_owned(), String::new()),
        (false, true) => ("CREATE OR REPLACE VIEW".to_owned(), String::new()),
        (false, false) => ("DROP VIEW IF EXISTS iot_readings; CREATE VIEW".to_owned(), grants(db).await?),
    };
    let columns: Vec<String> = columns.into_iter().map(|column| rows.column(column, embedded)).collect();
    let from = rows.from(embedded);
    Ok(format!("{begin} iot_readings AS SELECT {} FROM {from};{end}", columns.join(", ")))
}

/// Where the values of a view's row stand.
enum Rows {
    /// In the columns of one row.
    Wide(Vec<String>),
    /// In the rows that have the same device and time.
    Long(Vec<sensor::Model>),
}

/// In the long layout: file and line of the first measurement, which no sensor can be named.
const FIRST: &str = "\"first line\"";

impl Rows {
    fn sensors(&self) -> Box<dyn Iterator<Item = &String> + '_> {
        match self {
            Rows::Wide(columns) => Box::new(columns.iter()),
            Rows::Long(sensors) => Box::new(sensors.iter().map(|sensor| &sensor.name)),
        }
    }

    /// What a column of the view is.
    fn column(&self, column: &str, embedded: bool) -> String {
        match (column, self) {
            // Whole seconds are rounded down, also before 1970, so that the microseconds behind them are never negative.
            ("ts", _) if embedded => {
                "strftime('%Y-%m-%dT%H:%M:%S', (r.ts - (r.ts % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch')
                 || printf('.%06dZ', (r.ts % 1000000 + 1000000) % 1000000) AS ts"
                    .to_owned()
            }
            ("device", Rows::Wide(_)) => "d.name AS device".to_owned(),
            ("file", _) => "m.source AS file".to_owned(),
            ("line_number", Rows::Long(_)) if embedded => {
                format!("CAST(substr(r.{FIRST}, 21) AS integer) AS line_number")
            }
            ("line_number", Rows::Long(_)) => format!("(r.{FIRST})[2] AS line_number"),
            (column, _) => format!("r.\"{column}\""),
        }
    }

    fn from(&self, embedded: bool) -> String {
        let sensors = match self {
            Rows::Wide(_) => {
                return "iot_raw_data r JOIN device d ON d.id = r.device_id LEFT JOIN manifest m ON m.id = r.file_id"
                    .to_owned();
            }
            Rows::Long(sensors) => sensors.iter().map(|sensor| pivoted(sensor, embedded)).collect::<String>(),
        };
        let (first, file) = match embedded {
            true => (
                "min(printf('%020d%020d', v.file_id, v.line_number))",
                "CAST(substr(r.\"first line\", 1, 20) AS integer)",
            ),
            false => ("min(ARRAY[v.file_id, v.line_number])", "(r.\"first line\")[1]"),
        };
        format!(
            "(SELECT v.ts, d.name AS device{sensors}, {first} AS {FIRST}
              FROM iot_raw_values v JOIN device d ON d.id = v.device_id GROUP BY v.device_id, d.name, v.ts) r
             LEFT JOIN manifest m ON m.id = {file}"
        )
    }
}

/// The one value of a sensor among rows of the same device and time.
fn pivoted(sensor: &sensor::Model, embedded: bool) -> String {
    let (choose, value) = match (sensor.kind.as_str(), embedded) {
        ("integer", _) => ("max", "coalesce(v.whole, CAST(v.value AS bigint))"),
        ("boolean", true) => ("max", "CAST(v.value AS integer)"),
        ("boolean", false) => ("bool_or", "v.value <> 0"),
        ("text", _) => ("max", "v.text"),
        _ => ("max", "v.value"),
    };
    format!(", {choose}(CASE WHEN v.sensor_id = {} THEN {value} END) AS \"{}\"", sensor.id, sensor.name)
}

/// Columns of the view on PostgreSQL, in order; none where there is no such view.
async fn present_columns(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
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
