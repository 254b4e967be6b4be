//! The statistics are those that PostgreSQL itself computes from the stored readings, and the databases agree.

use crate::support::{Db, World};

const SENSORS: [&str; 7] = ["co", "humidity", "light", "lpg", "motion", "smoke", "temp"];
const READINGS: &str = "SELECT ts, device, co, humidity, light, lpg, motion, smoke, temp, line_number \
                        FROM iot_readings ORDER BY device, ts";
const STATS: &str = "SELECT device, sensor, window_start, count, min, max, avg, stddev \
                     FROM sensor_stats ORDER BY device, sensor, window_start";

/// Name and bytes of a file of 30 000 good readings: the real ones of `IOTPIPE_SAMPLE` where that names a file, else
/// generated ones in the same dress.
fn sample() -> (String, Vec<u8>) {
    if let Some(path) = std::env::var_os("IOTPIPE_SAMPLE") {
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("IOTPIPE_SAMPLE={path:?}: {e}"));
        return ("sample.csv.gz".to_owned(), bytes);
    }
    let world = World::new(Db::Sqlite);
    world.ok(&["generate", "--seed", "1", "--rows", "30000", "--files", "1", "--error-rate", "0", "--style", "quoted"]);
    let files = world.files("data");
    assert_eq!(files.len(), 1, "{files:?}");
    let bytes = world.read(format!("data/{}", files[0]));
    assert!(bytes.starts_with(b"\"ts\",\"device\","), "{}", String::from_utf8_lossy(&bytes[..80]));
    (files[0].clone(), bytes)
}

fn load(db: Db, name: &str, bytes: &[u8]) -> World {
    let world = World::new(db);
    world.file(name, bytes);
    let outcome = world.ok(&["run", "--output", "json"]);
    assert_eq!((outcome.count("loaded"), outcome.count("rejected")), (30_000, 0));
    world
}

/// What PostgreSQL makes of the readings, in the columns and order of [`STATS`].
fn computed_by_postgres(world: &World) -> Vec<Vec<Option<String>>> {
    let per_sensor = SENSORS.map(|sensor| {
        let value = if ["light", "motion"].contains(&sensor) { "::int::float8" } else { "" };
        format!(
            "SELECT device, '{sensor}' AS sensor, date_trunc('hour', ts, 'UTC') AS hour, count(v), min(v), max(v), avg(v), \
             stddev_samp(v) FROM (SELECT device, ts, {sensor}{value} AS v FROM iot_readings) r \
             WHERE v IS NOT NULL GROUP BY device, hour"
        )
    });
    world.query(&format!("{} ORDER BY device, sensor, hour", per_sensor.join(" UNION ALL ")))
}

#[test]
fn statistics_equal_what_postgres_computes_and_both_databases_agree() {
    let (name, bytes) = sample();
    let postgres = load(Db::Postgres, &name, &bytes);
    let sqlite = load(Db::Sqlite, &name, &bytes);

    let readings = postgres.lines(READINGS);
    assert_eq!(readings.len(), 30_000);
    assert!(readings == sqlite.lines(READINGS), "the readings differ between the databases");

    let stats = postgres.query(STATS);
    assert!(stats.len() > 7, "{} windows", stats.len());
    same_statistics(&stats, &computed_by_postgres(&postgres));
    same_statistics(&sqlite.query(STATS), &stats);
}

/// Keys, counts and extremes the same; averages and deviations to 1e-9 of their size.
fn same_statistics(a: &[Vec<Option<String>>], b: &[Vec<Option<String>>]) {
    assert_eq!(a.len(), b.len(), "windows");
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a[..6], b[..6]);
        let spread = number(&a[5]).unwrap() - number(&a[4]).unwrap();
        for (column, scale) in [(6, 0.0), (7, spread * 1e-3)] {
            match (number(&a[column]), number(&b[column])) {
                (None, None) => {}
                (Some(x), Some(y)) => {
                    let size = f64::max(y.abs(), scale).max(f64::MIN_POSITIVE);
                    assert!((x - y).abs() / size <= 1e-9, "{a:?}\n{b:?}");
                }
                _ => panic!("{a:?}\n{b:?}"),
            }
        }
    }
}

fn number(text: &Option<String>) -> Option<f64> {
    text.as_ref().map(|text| text.parse().unwrap())
}
