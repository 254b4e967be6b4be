//! What a row means: metrics, types, ranges, rows that nobody asked for.

use super::{READINGS, SENSORS, START, values, world};
use crate::on_both_databases;
use crate::support::{Db, World};

on_both_databases!(
    a_row_is_a_measurement,
    columns_by_other_names,
    each_sensor_has_its_own_rules,
    unknown_metrics_are_skipped,
    unknown_metrics_are_rejected,
    lines_of_json,
    a_metric_that_fits_two_patterns,
    nothing_that_the_contract_names,
    numbers_that_no_float_is,
);

fn a_row_is_a_measurement(db: Db) {
    let world = world(db, "");
    world.file(
        "a.csv",
        "ts,device,metric,value\n\
         1714521600,p,temperature,20.5\n1714521600,p,door,yes\n1714521600,p,note,\"a, b\"\n1714521600,p,pulses,7\n\
         1714521660,p,Temp (°C),21\n1714521660,q,temp,-5\n1714521660,q,pulses,\n",
    );
    world.ok(&["run"]);
    let expected =
        ["2024-05-01T00:00:00Z|p|20.5|7|1|a, b", "2024-05-01T00:01:00Z|p|21|-|-|-", "2024-05-01T00:01:00Z|q|-5|-|-|-"];
    assert_eq!(world.lines(READINGS), expected);
    let expected = [
        "2|p|temp|20.5|-|-",
        "3|p|door|1|-|-",
        "4|p|note|-|-|a, b",
        "5|p|pulses|7|-|-",
        "6|p|temp|21|-|-",
        "7|q|temp|-5|-|-",
        "8|q|pulses|-|-|-",
    ];
    assert_eq!(values(&world), expected);
    let places = "SELECT device, file, line_number FROM iot_readings ORDER BY device, ts";
    assert_eq!(world.lines(places), ["p|a.csv|2", "p|a.csv|6", "q|a.csv|7"]);
    let statistics =
        "SELECT device, sensor, window_start, count, min, max, avg, stddev IS NULL FROM sensor_stats ORDER BY 1, 2";
    let expected = [
        "p|door|2024-05-01T00:00:00Z|1|1|1|1|1",
        "p|pulses|2024-05-01T00:00:00Z|1|7|7|7|1",
        "p|temp|2024-05-01T00:00:00Z|2|20.5|21|20.75|0",
        "q|temp|2024-05-01T00:00:00Z|1|-5|-5|-5|1",
    ];
    assert_eq!(world.lines(statistics), expected);
    let summary = "SELECT device, sensor, count, first_seen, last_seen FROM sensor_summary WHERE sensor = 'door'";
    assert_eq!(world.lines(summary), ["p|door|1|2024-05-01T00:00:00Z|2024-05-01T00:01:00Z"]);
    let entry = world.manifest("a.csv");
    assert_eq!((entry.total, entry.loaded), (7, 7));
    world.ok(&["verify"]);
}

/// Files of gateways name these columns as they like; a header may come again in another order.
fn columns_by_other_names(db: Db) {
    let world = world(db, "metric = ['Messgröße', 'quantity']\nvalue = { match = '^Wert' }");
    world.file("a.csv", "quantity,Wert [SI],ts,device,unit\ntemp,1,1714521600,p,°C\nts,device,quantity,Wert [SI],unit\n1714521660,p,temp,2,K\n");
    world.ok(&["run"]);
    assert_eq!(values(&world), ["2|p|temp|1|-|-", "4|p|temp|2|-|-"]);
    world.ok(&["verify"]);
}

fn each_sensor_has_its_own_rules(db: Db) {
    let world = world(db, "max_rejected_ratio = 1.0");
    let file = "ts,device,metric,value\n\
        1714521600,p,temperature,99\n1714521600,p,temperature,warm\n1714521600,p,pulses,1.5\n1714521600,p,door,ajar\n\
        1714521600,p,temperature,\n1714521600,p,,5\nsoon,,door,1\n1714521600,p,door\n";
    world.file("a.csv", file);
    world.ok(&["run"]);
    let expected = [
        "2 value out_of_range",
        "3 value not_a_number",
        "4 value not_a_number",
        "5 value not_a_boolean",
        "6 value missing",
        "7 metric missing",
        "8 ts bad_timestamp",
        "8 device missing",
        "9  field_count",
    ];
    assert_eq!(world.reason_lines("a", file), expected);
    let messages: Vec<_> = world.reasons("a", file).into_iter().map(|reason| reason.message).collect();
    assert_eq!(messages[0], "temp: above the maximum of 60 °C");
    assert!(messages[1].starts_with("temp: not a finite number") && messages[3].starts_with("door: "), "{messages:?}");
    assert_eq!(values(&world), [""; 0]);
    world.ok(&["verify"]);
}

const MIXED: &str = "ts,device,metric,value\n1714521600,p,temp,1\n1714521600,p,rssi,-70\nnever,p,rssi,x\n\
    ts,device,metric,value\n1714521660,p,TEMPERATURE,2\n1714521720,p,temp,3\n";

/// As columns that the contract does not name: left unread, and counted.
fn unknown_metrics_are_skipped(db: Db) {
    for keys in ["", "extra_columns = 'ignore'", "unknown_metrics = 'ignore'\nextra_columns = 'reject'"] {
        let world = world(db, keys);
        world.file("a.csv", MIXED);
        let outcome = world.ok(&["run", "--output", "json"]);
        assert_eq!((outcome.count("rows"), outcome.count("loaded"), outcome.count("rejected")), (3, 2, 1), "{keys}");
        assert_eq!(world.reason_lines("a", MIXED), ["5  header_again"]);
        assert_eq!(world.number("SELECT rows_skipped FROM manifest"), 3);
        assert_eq!(values(&world), ["2|p|temp|1|-|-", "7|p|temp|3|-|-"]);
        world.ok(&["verify"]);
    }
}

fn unknown_metrics_are_rejected(db: Db) {
    for keys in ["extra_columns = 'reject'", "unknown_metrics = 'reject'"] {
        let world = world(db, &format!("{keys}\nmax_rejected_ratio = 1.0"));
        world.file("a.csv", MIXED);
        world.ok(&["run"]);
        let expected = [
            "3 metric unknown_metric",
            "4 ts bad_timestamp",
            "4 metric unknown_metric",
            "5  header_again",
            "6 metric unknown_metric",
        ];
        assert_eq!(world.reason_lines("a", MIXED), expected, "{keys}");
        let reasons = world.reasons("a", MIXED);
        assert!(reasons[0].message.contains("contract.unknown_metrics"), "{reasons:?}");
        assert!(reasons[4].message.contains("\"temperature\" differs by its case alone"), "{reasons:?}");
        let counted = "SELECT column_name, count FROM file_rejections WHERE rule = 'unknown_metric'";
        assert_eq!(world.lines(counted), ["metric|3"]);
        world.ok(&["verify"]);
    }
}

/// The metric and the value may lie deeper; values are numbers, truth, texts, nothing.
fn lines_of_json(db: Db) {
    let world = world(db, "metric = 'm.name'\nvalue = ['v', 'm.value']\nunknown_metrics = 'reject'");
    let file = "{\"ts\":1714521600,\"device\":\"p\",\"m\":{\"name\":\"temp\",\"value\":20.5}}\n\
        {\"ts\":1714521600,\"device\":\"p\",\"m\":{\"name\":\"door\"},\"v\":true}\n\
        {\"ts\":1714521600,\"device\":\"p\",\"m\":{\"name\":\"note\"},\"v\":\"caf\\u00e9\"}\n\
        {\"ts\":1714521660,\"device\":\"p\",\"m\":{\"name\":\"pulses\",\"value\":null}}\n\
        {\"ts\":1714521660,\"device\":\"p\",\"m\":{\"name\":\"rssi\",\"value\":1}}\n{\"ts\":\n";
    world.file("a.jsonl", file);
    world.ok(&["run"]);
    assert_eq!(world.lines(READINGS), ["2024-05-01T00:00:00Z|p|20.5|-|1|café", "2024-05-01T00:01:00Z|p|-|-|-|-"]);
    assert_eq!(
        world.lines("SELECT rule, column_name FROM file_rejections ORDER BY 1"),
        ["not_json|", "unknown_metric|m.name"]
    );
    world.ok(&["verify"]);
    world.config(&super::contract("metric = 'm.name'\nvalue = ['v', 'm.value']"));
    world.file("b.jsonl", file.replace("\"p\"", "\"q\""));
    world.ok(&["run"]);
    assert_eq!(world.lines("SELECT rows_total, rows_skipped FROM manifest ORDER BY id"), ["6|0", "5|1"]);
    world.ok(&["verify"]);
}

fn a_metric_that_fits_two_patterns(db: Db) {
    let world = World::new(db);
    world.config(
        "[contract]\nlayout = 'long'\n[[contract.sensor]]\nname = 'pm'\ncolumn = { match = '^pm' }\n
         [[contract.sensor]]\nname = 'ten'\ncolumn = { match = '10$' }\n",
    );
    let file = "ts,device,metric,value\n1714521600,p,pm2.5,1\n1714521600,p,no10,2\n1714521600,p,pm10,3\n";
    world.file("a.csv", file);
    world.ok(&["run"]);
    assert_eq!(values(&world), ["2|p|pm|1|-|-", "3|p|ten|2|-|-"]);
    let reasons = world.reasons("a", file);
    assert_eq!(
        (reasons[0].rule.as_str(), reasons[0].message.as_str()),
        ("unknown_metric", "the metric fits two sensors, pm and ten")
    );
    world.ok(&["verify"]);
}

/// A wrong guess is told: of the columns, of the layout, of the metrics.
fn nothing_that_the_contract_names(db: Db) {
    let wide = World::new(db);
    wide.config("[[contract.sensor]]\nname = 'temp'\n");
    wide.file("a.csv", "ts,device,metric,value\n1714521600,p,temp,1\n");
    let said = wide.ok(&["run"]);
    said.expect_stderr(&[
        "missing_column",
        "contract.layout = \"long\" with metric = \"metric\" and value = \"value\"",
    ]);

    let long = world(db, "metric = 'sensor'");
    long.file("a.csv", "ts,device,metric,value\n1714521600,p,temp,1\n");
    long.ok(&["run"]).expect_stderr(&["missing_column", "\"sensor\"", "ts, device, metric, value"]);

    let other = world(db, "");
    other.file("a.csv", "ts,device,metric,value\n1714521600,p,lux,1\n1714521600,p,rain,1\n");
    other.ok(&["run"]).expect_stderr(&["no row has a metric that the contract names", "contract.unknown_metrics"]);
    assert_eq!(other.lines("SELECT state, rows_total, rows_skipped FROM manifest"), ["loaded|0|2"]);
    other.ok(&["verify"]);

    for (keys, words) in [
        ("[contract]\nmetric = 'm'", ["contract.metric", "layout = \"long\""]),
        ("[contract]\nunknown_metrics = 'ignore'", ["contract.unknown_metrics", "layout = \"long\""]),
        ("[contract]\nlayout = 'tall'", ["layout", "wide"]),
        ("[contract]\nlayout = 'long'\n[[contract.sensor]]\nname = 'temperature'", ["two sensors", "temperature"]),
    ] {
        let world = World::new(db);
        world.config(&format!("{keys}\n{SENSORS}"));
        world.iotpipe(&["run"]).expect_code(2).expect_stderr(&words);
    }
}

fn numbers_that_no_float_is(db: Db) {
    let world = world(db, "");
    let file = |device: &str, ninth: &str| {
        let numbers = ["9007199254740993", "-9223372036854775808", "9223372036854775807", "4503599627370496", ninth];
        let row = |(n, number): (usize, &&str)| format!("{},{device},pulses,{number}\n", START + n as i64);
        format!("ts,device,metric,value\n{}", numbers.iter().enumerate().map(row).collect::<String>())
    };
    world.file("a.csv", file("p", "1"));
    world.file("b.csv", file("p", "2"));
    world.ok(&["run"]);
    let numbers = ["9007199254740993", "-9223372036854775808", "9223372036854775807", "4503599627370496", "1"];
    assert_eq!(world.lines("SELECT pulses FROM iot_readings ORDER BY ts"), numbers);
    let messages: Vec<_> = world.reasons("b", file("p", "2")).into_iter().map(|reason| reason.message).collect();
    assert!(
        messages[..4].iter().all(|m| m.ends_with("device, metric and timestamp already: same values")),
        "{messages:?}"
    );
    assert!(messages[4].contains("differs in pulses"), "{messages:?}");
    world.ok(&["verify"]);
    world.execute("UPDATE iot_raw_values SET whole = whole + 1 WHERE line_number = 2");
    world.iotpipe(&["verify"]).expect_code(1);
}
