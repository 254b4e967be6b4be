//! Statistics that nothing poisons, and the length of their windows.
//!
//! Where a value lies beyond ±1e100 there is no mean and no deviation (`iotpipe_core::aggregate::MAX_AVERAGED`); the
//! views compute without leaving the range of a 64-bit float, which PostgreSQL answers with an error. SQLite's views no
//! longer cut or round times: windows of less than a second have a start of their own.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements = match manager.get_database_backend() {
            DbBackend::Postgres => POSTGRES,
            _ => SQLITE,
        };
        let db = manager.get_connection();
        db.execute_unprepared(statements).await?;
        db.execute_unprepared(BOTH).await?;
        Ok(())
    }

    async fn down(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration(
            "statistics without a mean have no place in the earlier schema: restore a backup".to_owned(),
        ))
    }
}

// `setting` pins what every process on this database must agree about. `to_reaggregate` has the loaded files whose
// statistics are still of another window than the pinned one; the totals leave them out.
const BOTH: &str = "
CREATE TABLE setting (name text PRIMARY KEY, value bigint NOT NULL);
CREATE TABLE to_reaggregate (file_id bigint PRIMARY KEY);";

const POSTGRES: &str = "
ALTER TABLE file_aggregates ALTER COLUMN mean DROP NOT NULL, ALTER COLUMN m2 DROP NOT NULL;
ALTER TABLE sensor_aggregates ALTER COLUMN avg DROP NOT NULL, ALTER COLUMN m2 DROP NOT NULL;
UPDATE file_aggregates SET mean = NULL, m2 = NULL WHERE min < -1e100 OR max > 1e100;
UPDATE sensor_aggregates SET avg = NULL, m2 = NULL, stddev = NULL WHERE min < -1e100 OR max > 1e100;
CREATE OR REPLACE VIEW sensor_summary AS
    SELECT d.name AS device, s.sensor, s.count, s.min, s.max, s.avg,
           CASE WHEN s.count > 1 THEN CASE WHEN s.m2 < 1e-280 THEN 0 ELSE sqrt(s.m2 / (s.count - 1)) END END AS stddev,
           (SELECT min(ts) FROM iot_raw_data r WHERE r.device_id = s.device_id) AS first_seen,
           (SELECT max(ts) FROM iot_raw_data r WHERE r.device_id = s.device_id) AS last_seen
    FROM (SELECT a.device_id, a.sensor, t.count, min(a.min) AS min, max(a.max) AS max, t.avg,
                 CASE WHEN t.avg IS NOT NULL
                      THEN sum(a.m2 + a.count * (CASE WHEN abs(a.avg - t.avg) < 1e-140 THEN 0 ELSE a.avg - t.avg END)
                                              * (CASE WHEN abs(a.avg - t.avg) < 1e-140 THEN 0 ELSE a.avg - t.avg END))
                 END AS m2
          FROM sensor_aggregates a
          JOIN (SELECT device_id, sensor, sum(count)::bigint AS count,
                       CASE WHEN min(min) >= -1e100 AND max(max) <= 1e100
                            THEN (CASE WHEN abs(sum(count * avg)) < 1e-140 THEN 0 ELSE sum(count * avg) END) / sum(count)
                       END AS avg
                FROM sensor_aggregates GROUP BY device_id, sensor) t
            ON t.device_id = a.device_id AND t.sensor = a.sensor
          GROUP BY a.device_id, a.sensor, t.count, t.avg) s
    JOIN device d ON d.id = s.device_id;";

// A column's NOT NULL can't be dropped in place. Whole seconds are rounded down, also before 1970.
const SQLITE: &str = "
DROP VIEW sensor_stats;
DROP VIEW sensor_summary;
CREATE TABLE file_aggregates_new (
    file_id integer NOT NULL, device_id integer NOT NULL, sensor text NOT NULL, window_start integer NOT NULL,
    count integer NOT NULL, min real NOT NULL, max real NOT NULL, mean real, m2 real,
    PRIMARY KEY (file_id, device_id, sensor, window_start)
) WITHOUT ROWID;
INSERT INTO file_aggregates_new
    SELECT file_id, device_id, sensor, window_start, count, min, max,
           CASE WHEN min >= -1e100 AND max <= 1e100 THEN mean END, CASE WHEN min >= -1e100 AND max <= 1e100 THEN m2 END
    FROM file_aggregates;
DROP TABLE file_aggregates;
ALTER TABLE file_aggregates_new RENAME TO file_aggregates;
CREATE TABLE sensor_aggregates_new (
    device_id integer NOT NULL, sensor text NOT NULL, window_start integer NOT NULL,
    count integer NOT NULL, min real NOT NULL, max real NOT NULL, avg real, m2 real, stddev real,
    PRIMARY KEY (device_id, sensor, window_start)
) WITHOUT ROWID;
INSERT INTO sensor_aggregates_new
    SELECT device_id, sensor, window_start, count, min, max,
           CASE WHEN min >= -1e100 AND max <= 1e100 THEN avg END, CASE WHEN min >= -1e100 AND max <= 1e100 THEN m2 END,
           CASE WHEN min >= -1e100 AND max <= 1e100 THEN stddev END
    FROM sensor_aggregates;
DROP TABLE sensor_aggregates;
ALTER TABLE sensor_aggregates_new RENAME TO sensor_aggregates;
CREATE VIEW sensor_stats AS
    SELECT d.name AS device, a.sensor,
           strftime('%Y-%m-%dT%H:%M:%S', (a.window_start - (a.window_start % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch')
           || CASE WHEN a.window_start % 1000000 = 0 THEN 'Z'
                   ELSE printf('.%06dZ', (a.window_start % 1000000 + 1000000) % 1000000) END AS window_start,
           a.count, a.min, a.max, a.avg, a.stddev
    FROM sensor_aggregates a JOIN device d ON d.id = a.device_id;
CREATE VIEW sensor_summary AS
    SELECT d.name AS device, s.sensor, s.count, s.min, s.max, s.avg,
           CASE WHEN s.count > 1 THEN CASE WHEN s.m2 < 1e-280 THEN 0.0 ELSE sqrt(s.m2 / (s.count - 1)) END END AS stddev,
           (SELECT strftime('%Y-%m-%dT%H:%M:%S', (min(ts) - (min(ts) % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch')
                   || printf('.%06dZ', (min(ts) % 1000000 + 1000000) % 1000000)
              FROM iot_raw_data r WHERE r.device_id = s.device_id) AS first_seen,
           (SELECT strftime('%Y-%m-%dT%H:%M:%S', (max(ts) - (max(ts) % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch')
                   || printf('.%06dZ', (max(ts) % 1000000 + 1000000) % 1000000)
              FROM iot_raw_data r WHERE r.device_id = s.device_id) AS last_seen
    FROM (SELECT a.device_id, a.sensor, t.count, min(a.min) AS min, max(a.max) AS max, t.avg,
                 CASE WHEN t.avg IS NOT NULL
                      THEN sum(a.m2 + a.count * (a.avg - t.avg) * (a.avg - t.avg)) END AS m2
          FROM sensor_aggregates a
          JOIN (SELECT device_id, sensor, sum(count) AS count,
                       CASE WHEN min(min) >= -1e100 AND max(max) <= 1e100 THEN sum(count * avg) / sum(count) END AS avg
                FROM sensor_aggregates GROUP BY device_id, sensor) t
            ON t.device_id = a.device_id AND t.sensor = a.sensor
          GROUP BY a.device_id, a.sensor, t.count, t.avg) s
    JOIN device d ON d.id = s.device_id;";
