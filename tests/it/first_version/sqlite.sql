-- The schema of the first version, with a contract whose one sensor is v. A record: it never changes.
CREATE TABLE seaql_migrations (version varchar NOT NULL PRIMARY KEY, applied_at bigint NOT NULL);
INSERT INTO seaql_migrations VALUES ('m20261124_000001_create_schema', 1714521600), ('m20261124_000002_index_manifest', 1714521600);
CREATE TABLE manifest (
    id integer PRIMARY KEY AUTOINCREMENT,
    source text NOT NULL, size bigint NOT NULL, modified_at text NOT NULL, sha256 text,
    state text NOT NULL CHECK (state IN
        ('arriving', 'pending', 'validated', 'aggregated', 'loaded', 'duplicate', 'rejected', 'failed')),
    contract_hash text, rows_total bigint, rows_loaded bigint, rows_rejected bigint, rows_duplicate bigint,
    attempts integer NOT NULL DEFAULT 0, last_error text, claimed_by text, lease_until text,
    discovered_at text NOT NULL, validated_at text, aggregated_at text, loaded_at text,
    archived_at text, parent_id bigint REFERENCES manifest (id)
);
CREATE UNIQUE INDEX manifest_in_place ON manifest (source) WHERE archived_at IS NULL;
CREATE INDEX manifest_sha256 ON manifest (sha256);
CREATE INDEX manifest_open ON manifest (id) WHERE state IN ('arriving', 'pending', 'validated', 'aggregated');
CREATE TABLE device (id integer PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE iot_raw_data (
    device_id integer NOT NULL, ts integer NOT NULL, file_id integer NOT NULL, line_number integer NOT NULL,
    PRIMARY KEY (device_id, ts)
) WITHOUT ROWID;
CREATE TABLE file_aggregates (
    file_id integer NOT NULL, device_id integer NOT NULL, sensor text NOT NULL, window_start integer NOT NULL,
    count integer NOT NULL, min real NOT NULL, max real NOT NULL, mean real NOT NULL, m2 real NOT NULL,
    PRIMARY KEY (file_id, device_id, sensor, window_start)
) WITHOUT ROWID;
CREATE TABLE sensor_aggregates (
    device_id integer NOT NULL, sensor text NOT NULL, window_start integer NOT NULL,
    count integer NOT NULL, min real NOT NULL, max real NOT NULL, avg real NOT NULL, m2 real NOT NULL, stddev real,
    PRIMARY KEY (device_id, sensor, window_start)
) WITHOUT ROWID;
CREATE VIEW sensor_stats AS
    SELECT d.name AS device, a.sensor,
           strftime('%Y-%m-%dT%H:%M:%SZ', a.window_start / 1000000, 'unixepoch') AS window_start,
           a.count, a.min, a.max, a.avg, a.stddev
    FROM sensor_aggregates a JOIN device d ON d.id = a.device_id;
CREATE VIEW sensor_summary AS
    SELECT d.name AS device, s.sensor, s.count, s.min, s.max, s.avg,
           CASE WHEN s.count > 1 THEN sqrt(s.m2 / (s.count - 1)) END AS stddev,
           (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', min(ts) / 1000000.0, 'unixepoch')
              FROM iot_raw_data r WHERE r.device_id = s.device_id) AS first_seen,
           (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', max(ts) / 1000000.0, 'unixepoch')
              FROM iot_raw_data r WHERE r.device_id = s.device_id) AS last_seen
    FROM (SELECT a.device_id, a.sensor, t.count, min(a.min) AS min, max(a.max) AS max, t.avg,
                 sum(a.m2 + a.count * (a.avg - t.avg) * (a.avg - t.avg)) AS m2
          FROM sensor_aggregates a
          JOIN (SELECT device_id, sensor, sum(count) AS count, sum(count * avg) / sum(count) AS avg
                FROM sensor_aggregates GROUP BY device_id, sensor) t
            ON t.device_id = a.device_id AND t.sensor = a.sensor
          GROUP BY a.device_id, a.sensor, t.count, t.avg) s
    JOIN device d ON d.id = s.device_id;
CREATE INDEX manifest_claimed ON manifest (claimed_by) WHERE claimed_by IS NOT NULL;
CREATE INDEX manifest_troubled ON manifest (id) WHERE last_error IS NOT NULL;
CREATE INDEX manifest_parent ON manifest (parent_id) WHERE parent_id IS NOT NULL;
ALTER TABLE iot_raw_data ADD COLUMN "v" real;
CREATE VIEW iot_readings AS
    SELECT strftime('%Y-%m-%dT%H:%M:%S', (r.ts - (r.ts % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch')
             || printf('.%06dZ', (r.ts % 1000000 + 1000000) % 1000000) AS ts, d.name AS device, r."v", m.source AS file, r.line_number
    FROM iot_raw_data r JOIN device d ON d.id = r.device_id LEFT JOIN manifest m ON m.id = r.file_id;
