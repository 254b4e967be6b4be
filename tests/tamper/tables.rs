//! Tables whose rows are changed.

/// Columns that prove nothing are left out: times, attempts, errors, claims, and the origin, which is a folder's.
pub const TABLES: &[(&str, &str, &[&str])] = &[
    (
        "iot_raw_data",
        "file_id = {file_id} AND line_number = {line_number}",
        &["device_id", "ts", "file_id", "line_number", "co", "humidity", "light", "lpg", "motion", "smoke", "temp"],
    ),
    (
        "file_aggregates",
        "file_id = {file_id} AND device_id = {device_id} AND sensor = '{sensor}' AND window_start = {window_start}",
        &["file_id", "device_id", "sensor", "window_start", "count", "min", "max", "mean", "m2"],
    ),
    (
        "sensor_aggregates",
        "device_id = {device_id} AND sensor = '{sensor}' AND window_start = {window_start}",
        &["device_id", "sensor", "window_start", "count", "min", "max", "avg", "m2", "stddev"],
    ),
    (
        "iot_raw_values",
        "file_id = {file_id} AND line_number = {line_number}",
        &["device_id", "sensor_id", "ts", "file_id", "line_number", "value", "whole", "text"],
    ),
    ("sensor", "id = {id}", &["id", "name", "type"]),
    (
        "file_rejections",
        "file_id = {file_id} AND rule = '{rule}' AND column_name = '{column_name}'",
        &["file_id", "rule", "column_name", "count"],
    ),
    (
        "rejection_sample",
        "file_id = {file_id} AND line_number = {line_number} AND rule = '{rule}' AND column_name = '{column_name}'",
        &["file_id", "line_number", "rule", "column_name", "value", "message"],
    ),
    ("device", "id = {id}", &["id", "name"]),
    ("set_aside", "file_id = {file_id} AND because_of = {because_of}", &["file_id", "because_of", "rows"]),
    ("contract", "hash = '{hash}'", &["hash", "body"]),
    (
        "manifest",
        "id = {id}",
        &[
            "id",
            "sha256",
            "state",
            "place",
            "place_name",
            "rows_total",
            "rows_loaded",
            "rows_rejected",
            "rows_duplicate",
            "contract_hash",
            "quarantine_name",
            "duplicate_of",
            "source",
        ],
    ),
];
