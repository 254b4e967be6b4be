//! Platforms and gateways: what they give out as CSV, and their messages as one JSON object per line.

use crate::as_delivered::{Case, hold};
use crate::on_both_databases;
use crate::support::Db;

on_both_databases!(grafana, influx, thing_speak, torque, things_network, aws_iot, telegraf, kaggle);

/// A line for spreadsheets, CRs in pairs, values with their units, and a series that ends earlier.
fn grafana(db: Db) {
    let contract = r#"
[csv]
null_values = ["", "null", "undefined"]

[contract]
timestamp = { column = "Time", format = ["%Y-%m-%d %H:%M:%S%.f", "unix_millis"], zone = "Asia/Kolkata" }
device = { value = "boiler" }

[[contract.sensor]]
name = "flow"
column = { match = "^flow" }
unit = "°C"
strip_unit = true

[[contract.sensor]]
name = "rate"
column = { match = "^rate" }
strip_unit = true
required = false
"#;
    let export = "sep=,\r\r\n\"Time\",\"flow {unit=\"\"b1\"\"}\",\"rate {unit=\"\"b1\"\"}\"\r\r\n\
        2024-02-10 05:29:30,54.1 °C,12.5 l/min\r\r\n2024-02-10 05:30:00.250,54.3 °C,undefined\r\r\n1707523260000,54.4 °C,\r\r\n\
        2024-02-10 05:31:30,130 °F,\r\r\n";
    hold(
        db,
        vec![
            Case::new("Grafana", contract, "panel.csv", export)
                .showing("flow, rate")
                .gives(&[
                    "boiler|2024-02-09T23:59:30Z|54.1|12.5",
                    "boiler|2024-02-10T00:00:00.25Z|54.3|-",
                    "boiler|2024-02-10T00:01:00Z|54.4|-",
                ])
                .sets_aside(&["6 flow {unit=\"b1\"} not_a_number"])
                .skips(1),
        ],
    );
}

/// Annotations, an empty line between tables, and the header of the next one.
fn influx(db: Db) {
    let contract = r##"
[csv]
comment = "#"

[contract]
timestamp = { column = "_time", format = "rfc3339" }
device = "host"

[[contract.sensor]]
name = "temp"

[[contract.sensor]]
name = "fan"
type = "integer"
required = false
"##;
    let export = "#group,false,false,true,false,false,false\r\n#datatype,string,long,string,dateTime:RFC3339Nano,double,long\r\n#default,_result,,,,,\r\n\
        ,result,table,host,_time,temp,fan\r\n,,0,rack-a,2023-09-09T09:09:09.123456789Z,41.5,1200\r\n,,0,rack-a,2023-09-09T09:10:09Z,41.75,\r\n\r\n\
        #group,false,false,true,false,false,false\r\n,result,table,host,_time,temp,fan\r\n,,1,rack-b,2023-09-09T09:09:09Z,39,900.5\r\n,,1,rack-b,2023-09-09T09:10:09Z,39.25,900\r\n";
    hold(
        db,
        vec![
            Case::new("annotated", contract, "query.csv", export)
                .showing("temp, fan")
                .gives(&[
                    "rack-a|2023-09-09T09:09:09.123457Z|41.5|1200",
                    "rack-a|2023-09-09T09:10:09Z|41.75|-",
                    "rack-b|2023-09-09T09:10:09Z|39.25|900",
                ])
                .sets_aside(&["9  header_again", "10 fan not_a_number"])
                .skips(5),
        ],
    );
}

/// Times that end in the name of their zone, or in an offset, by the day on which they were exported.
fn thing_speak(db: Db) {
    let contract = r#"
[contract]
timestamp = { column = "created_at", format = ["%Y-%m-%d %H:%M:%S %Z", "rfc3339"] }
device = { from_name = "^(?<device>[0-9]+)" }

[[contract.sensor]]
name = "level"
column = "field1"
required = false
"#;
    let feed = "created_at,entry_id,field1,latitude,longitude\n2019-07-04 11:59:59 UTC,88,140.25,,\n2019-07-04T14:00:14+02:00,89,,,\n2019-07-04 12:00:29 CEST,90,140,,\n";
    hold(
        db,
        vec![
            Case::new("ThingSpeak", contract, "441200.csv", feed)
                .showing("level")
                .gives(&["441200|2019-07-04T11:59:59Z|140.25", "441200|2019-07-04T12:00:14Z|-"])
                .sets_aside(&["4 created_at bad_timestamp"]),
        ],
    );
}

/// Weekday, month's name and offset in one time; `-` where nothing is known; the header again at each start.
fn torque(db: Db) {
    let contract = r#"
[csv]
null_values = ["", "-"]

[contract]
timestamp = { column = "GPS Time", format = "%a %b %d %H:%M:%S GMT%z %Y" }
device = { value = "van" }

[[contract.sensor]]
name = "rpm"
column = "Engine RPM(rpm)"

[[contract.sensor]]
name = "coolant"
column = "Engine Coolant Temperature(°C)"
required = false
"#;
    let header = "GPS Time, Device Time, Longitude, Latitude,Engine RPM(rpm),Engine Coolant Temperature(°C)\n";
    let log = format!(
        "{header}Thu Feb 29 23:59:58 GMT+01:00 2024,29-Feb-2024 23:59:58.911,9.1,45.4,812.5,-\n\
         Fri Mar 01 00:00:00 GMT+01:00 2024,01-Mar-2024 00:00:00.904,9.1,45.4,830,88\n{header}\
         Fri Mar 01 00:09:00 GMT+01:00 2024,01-Mar-2024 00:09:00.004,9.1,45.4,-,88\n"
    );
    hold(
        db,
        vec![
            Case::new("Torque", contract, "trackLog.csv", log)
                .showing("rpm, coolant")
                .gives(&["van|2024-02-29T22:59:58Z|812.5|-", "van|2024-02-29T23:00:00Z|830|88"])
                .sets_aside(&["4  header_again", "5 Engine RPM(rpm) missing"]),
        ],
    );
}

/// Messages of a LoRaWAN network: values deep inside, the signal of the first gateway in a list.
fn things_network(db: Db) {
    let contract = r#"
[contract]
timestamp = { column = "received_at", format = "rfc3339" }
device = "end_device_ids.device_id"

[[contract.sensor]]
name = "soil"
column = "uplink_message.decoded_payload.soil_moisture"

[[contract.sensor]]
name = "rssi"
column = "uplink_message.rx_metadata.0.rssi"
type = "integer"
required = false
"#;
    let messages = r#"{"end_device_ids":{"device_id":"field-07","application_ids":{"application_id":"farm"}},"received_at":"2023-05-05T05:05:05.123456789Z","uplink_message":{"f_cnt":901,"decoded_payload":{"battery":3.61,"soil_moisture":27.5},"rx_metadata":[{"gateway_ids":{"gateway_id":"gw1"},"rssi":-107,"snr":2.5},{"rssi":-119}]}}
{"end_device_ids":{"device_id":"field-07"},"received_at":"2023-05-05T05:15:05.2Z","uplink_message":{"decoded_payload":{"soil_moisture":27.25},"rx_metadata":[]}}
{"end_device_ids":{"device_id":"field-07"},"received_at":"2023-05-05T05:25:05Z","join_accept":{}}
{"end_device_ids":{"device_id":"field-07"},"received_at":"2023-05-05T05:3
"#;
    hold(
        db,
        vec![
            Case::new("TTN", contract, "uplinks.jsonl", messages)
                .showing("soil, rssi")
                .gives(&["field-07|2023-05-05T05:05:05.123457Z|27.5|-107", "field-07|2023-05-05T05:15:05.2Z|27.25|-"])
                .sets_aside(&["3 uplink_message.decoded_payload.soil_moisture missing", "4  not_json"]),
        ],
    );
}

/// Shadows of a thing, milliseconds, the device from a folder of the bucket's copy.
fn aws_iot(db: Db) {
    let contract = r#"
[contract]
timestamp = { column = "state.reported.ts", format = "unix_millis" }
device = { from_path = "^(?<device>[^/]+)/" }

[[contract.sensor]]
name = "temp"
column = ["state.reported.temp", "temperature"]

[[contract.sensor]]
name = "valve"
column = "state.reported.valve"
type = "boolean"
required = false
true_values = ["OPEN"]
false_values = ["CLOSED"]
"#;
    let shadow = "{\"state\":{\"reported\":{\"ts\":1685577600123,\"temp\":\"19.5\",\"valve\":\"OPEN\"}},\"version\":7}\n\
        {\"state\":{\"reported\":{\"ts\":1685577660123,\"temp\":19.75,\"valve\":null}},\"version\":8}\n\
        {\"state\":{\"reported\":{\"ts\":1685577720123,\"temp\":{\"c\":19.75}}},\"version\":9}\n";
    hold(
        db,
        vec![
            Case::new("AWS IoT", contract, "greenhouse/part-0001.ndjson", shadow)
                .showing("temp, valve")
                .gives(&["greenhouse|2023-06-01T00:00:00.123Z|19.5|1", "greenhouse|2023-06-01T00:01:00.123Z|19.75|-"])
                .sets_aside(&["3 state.reported.temp not_a_number"]),
        ],
    );
}

/// Fields and tags of a collector.
fn telegraf(db: Db) {
    let contract = r#"
[contract]
timestamp = { column = "timestamp", format = "unix_seconds" }
device = "tags.host"

[[contract.sensor]]
name = "load1"
column = "fields.load1"

[[contract.sensor]]
name = "uptime"
column = "fields.uptime"
type = "integer"
required = false
"#;
    let metrics = "{\"fields\":{\"load1\":0.41,\"uptime\":9007199254740993},\"name\":\"system\",\"tags\":{\"host\":\"edge-1\"},\"timestamp\":1700000010}\n\
        {\"fields\":{\"load1\":\"\"},\"name\":\"system\",\"tags\":{\"host\":\"edge-1\"},\"timestamp\":1700000020}\n";
    hold(
        db,
        vec![
            Case::new("Telegraf", contract, "metrics.jsonl", metrics)
                .showing("load1, uptime")
                .gives(&["edge-1|2023-11-14T22:13:30Z|0.41|9007199254740993"])
                .sets_aside(&["2 fields.load1 missing"]),
        ],
    );
}

/// Names with slashes, two ids in each row, readings delivered twice.
fn kaggle(db: Db) {
    let contract = r#"
[contract]
timestamp = { column = "noted_date", format = "%d-%m-%Y %H:%M", zone = "Asia/Kolkata" }
device = "room_id/id"

[[contract.sensor]]
name = "temp"
type = "integer"

[[contract.sensor]]
name = "place"
column = "out/in"
type = "text"
"#;
    let set = "id,room_id/id,noted_date,temp,out/in\n__export__.1,Admin,01-01-2019 00:12,29,In\n__export__.2,Admin,01-01-2019 00:12,29,In\n\
        __export__.3,Admin,01-01-2019 00:12,41,Out\n__export__.4,Admin,13-13-2019 00:13,41,Out\n";
    hold(
        db,
        vec![
            Case::new("Kaggle", contract, "temps.csv", set)
                .showing("temp, place")
                .gives(&["Admin|2018-12-31T18:42:00Z|29|In"])
                .sets_aside(&["3  duplicate_key", "4  duplicate_key", "5 noted_date bad_timestamp"]),
        ],
    );
}
