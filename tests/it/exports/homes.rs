//! Sensors of homes and gardens, as their apps and hubs export them.

use crate::as_delivered::{Case, hold};
use crate::on_both_databases;
use crate::support::Db;

on_both_databases!(airthings, home_assistant, netatmo, shelly, tempest, ecowitt, aranet, sensor_push);

/// Each sensor reports in its own rows, and half of the lines are nothing but delimiters.
fn airthings(db: Db) {
    let contract = r#"
[csv]
delimiter = ";"

[contract]
timestamp = { column = "recorded", format = "%Y-%m-%dT%H:%M:%S", zone = "Europe/Oslo", ambiguous = "earliest" }
device = { from_name = "^(?<device>[0-9]+)-" }

[[contract.sensor]]
name = "radon"
column = { match = "^RADON_SHORT_TERM_AVG" }
required = false

[[contract.sensor]]
name = "temp"
column = "TEMP °C"
required = false
"#;
    let export = "recorded;RADON_SHORT_TERM_AVG Bq/m3;TEMP °C;HUMIDITY %;CO2 ppm\r\n\
        2021-10-31T01:58:20;41.0;20.7;;\r\n;;;;\r\n2021-10-31T02:03:20;;20.69;38.5;612.0\r\n;;;;\r\n2021-10-31T03:03:20;44.0;;;\r\n\
        2021-10-31 03:08:20;44.0;;;\r\n";
    hold(
        db,
        vec![
            Case::new("Airthings", contract, "2930012345-latest.csv", export)
                .showing("radon, temp")
                .gives(&[
                    "2930012345|2021-10-30T23:58:20Z|41|20.7",
                    "2930012345|2021-10-31T00:03:20Z|-|20.69",
                    "2930012345|2021-10-31T02:03:20Z|44|-",
                ])
                .sets_aside(&["7 recorded bad_timestamp"])
                .skips(2),
        ],
    );
}

/// One entity per row and no unit; what it says when it is away is no value.
fn home_assistant(db: Db) {
    let contract = r#"
[csv]
null_values = ["", "unavailable", "unknown"]

[contract]
timestamp = { column = "last_changed", format = "rfc3339" }
device = "entity_id"

[[contract.sensor]]
name = "state"
required = false
"#;
    let history = "entity_id,state,last_changed\nsensor.attic_temperature,23.41,2024-08-01T21:59:58.214Z\n\
        sensor.attic_temperature,unavailable,2024-08-01T22:04:10.001Z\nsensor.meter_power,-412,2024-08-01T22:00:03.000Z\n\
        binary_sensor.door,on,2024-08-01T22:00:04.000Z\n";
    hold(
        db,
        vec![
            Case::new("Home Assistant", contract, "history.csv", history)
                .showing("state")
                .gives(&[
                    "sensor.attic_temperature|2024-08-01T21:59:58.214Z|23.41",
                    "sensor.attic_temperature|2024-08-01T22:04:10.001Z|-",
                    "sensor.meter_power|2024-08-01T22:00:03Z|-412",
                ])
                .sets_aside(&["5 state not_a_number"]),
        ],
    );
}

/// Who and where it is stands in two lines before the header; the zone in the name of a column that nobody needs.
fn netatmo(db: Db) {
    let contract = r#"
[csv]
delimiter = ";"
skip_lines = 2

[contract]
timestamp = { column = "Timestamp", format = "unix_seconds" }
device = { from_path = "^(?<device>[^/]+)/" }

[[contract.sensor]]
name = "temp"
column = "Temperature"

[[contract.sensor]]
name = "co2"
column = "CO2"
type = "integer"
required = false
"#;
    let export = "Name;Long;Lat;ModuleName;ModuleType\n\"Flat\";2.1;48.8;\"Bedroom\";\"Main\"\n\
        Timestamp;\"Timezone : Europe/Paris\";Temperature;Humidity;CO2\n1648342500;\"2022/03/27 01:55:00\";18.3;51;702\n\
        1648342800;\"2022/03/27 03:00:00\";18.2;51;\n1648343100;\"2022/03/27 03:05:00\";;51;700\n";
    hold(
        db,
        vec![
            Case::new("Netatmo", contract, "bedroom/Flat_27_3_2022.csv", export)
                .showing("temp, co2")
                .gives(&["bedroom|2022-03-27T00:55:00Z|18.3|702", "bedroom|2022-03-27T01:00:00Z|18.2|-"])
                .sets_aside(&["6 Temperature missing"])
                .skips(2),
        ],
    );
}

/// A meter's own memory.
fn shelly(db: Db) {
    let contract = r#"
[contract]
timestamp = { column = { match = "^Date/time" }, format = "%Y-%m-%d %H:%M" }
device = { from_name = "^(?<device>shellyem3-[0-9A-F]+)" }

[[contract.sensor]]
name = "energy"
column = "Active energy Wh (A)"
min = 0.0

[[contract.sensor]]
name = "volt_max"
column = "Max V"
"#;
    let export = "Date/time UTC,Active energy Wh (A),Returned energy Wh (A),Min V,Max V\n2023-02-28 23:50,17.31,0.00,231.1,233.9\n\
        2023-03-01 00:00,17.42,0.00,231.0,234.02\n2023-03-01 00:10,-1,0.00,231.0,234.0\n";
    hold(
        db,
        vec![
            Case::new("Shelly", contract, "shellyem3-C45BBE6A.csv", export)
                .showing("energy, volt_max")
                .gives(&[
                    "shellyem3-C45BBE6A|2023-02-28T23:50:00Z|17.31|233.9",
                    "shellyem3-C45BBE6A|2023-03-01T00:00:00Z|17.42|234.02",
                ])
                .sets_aside(&["4 Active energy Wh (A) out_of_range"]),
        ],
    );
}

/// Two times in each row: the one in UTC is taken.
fn tempest(db: Db) {
    let contract = r#"
[contract]
timestamp = { column = "timestamp_UTC", format = "%Y-%m-%d %H:%M:%S" }
device = "device_id"

[[contract.sensor]]
name = "temp"
column = "temperature"

[[contract.sensor]]
name = "strikes"
column = "lightning_strike_count"
type = "integer"
"#;
    let export = "device_id,timestamp_UTC,timestamp_local,temperature,lightning_strike_count\n\
        61043,2023-06-01 05:59:00,2023-05-31 23:59:00,14.6,0\n61043,2023-06-01 06:00:00,2023-06-01 00:00:00,14.6,2\n\
        61043,2023-06-01 06:01:00,2023-06-01 00:01:00,14.6,0.5\n";
    hold(
        db,
        vec![
            Case::new("Tempest", contract, "tempest.csv", export)
                .showing("temp, strikes")
                .gives(&["61043|2023-06-01T05:59:00Z|14.6|0", "61043|2023-06-01T06:00:00Z|14.6|2"])
                .sets_aside(&["4 lightning_strike_count not_a_number"]),
        ],
    );
}

/// Groups of columns above the header, in which the same names come again: names of one's own replace them.
fn ecowitt(db: Db) {
    let contract = r#"
[csv]
skip_lines = 2
header = ["time", "outdoor", "outdoor humidity", "indoor", "indoor humidity"]
null_values = ["", "-", "--"]

[contract]
timestamp = { column = "time", format = "%Y-%m-%d %H:%M", zone = "Australia/Adelaide" }
device = { value = "gw" }

[[contract.sensor]]
name = "outdoor"
required = false

[[contract.sensor]]
name = "indoor"
"#;
    let export = ",\"Outdoor\",\"Outdoor\",\"Indoor\",\"Indoor\"\r\nTime,Temperature(℃),Humidity(%),Temperature(℃),Humidity(%)\r\n\
        2024-01-01 00:00,31.4,22,26.1,35\r\n2024-01-01 00:05,-,-,26.1,35\r\n2024-01-01 00:10,31.2,22,--,35\r\n";
    hold(
        db,
        vec![
            Case::new("Ecowitt", contract, "gw.csv", export)
                .showing("outdoor, indoor")
                .gives(&["gw|2023-12-31T13:30:00Z|31.4|26.1", "gw|2023-12-31T13:35:00Z|-|26.1"])
                .sets_aside(&["5 indoor missing"])
                .skips(2),
        ],
    );
}

/// The format of the time stands in its column's name, and changes with the phone's language.
fn aranet(db: Db) {
    let contract = r#"
[csv]
thousands = " "

[contract]
timestamp = { column = { match = "^Time\\(" }, format = ["%d/%m/%Y %I:%M:%S %p", "%d.%m.%Y %H:%M:%S"], zone = "Europe/Riga" }
device = { value = "office" }

[[contract.sensor]]
name = "co2"
column = "Carbon dioxide(ppm)"
type = "integer"

[[contract.sensor]]
name = "temp"
column = "Temperature(°C)"
"#;
    let export = "\"Time(DD/MM/YYYY h:mm:ss A)\",\"Carbon dioxide(ppm)\",\"Temperature(°C)\",\"Relative humidity(%)\"\n\
        \"09/11/2023 11:58:12 AM\",\"1\u{202f}104\",\"22.4\",\"31\"\n\"09/11/2023 12:03:12 PM\",\"998\",\"22.5\",\"31\"\n\
        \"09.11.2023 12:08:12\",\"990\",\"22.5\",\"31\"\n\"11/31/2023 12:13:12 PM\",\"990\",\"22.5\",\"31\"\n";
    hold(
        db,
        vec![
            Case::new("Aranet", contract, "Aranet4.csv", export)
                .showing("co2, temp")
                .gives(&[
                    "office|2023-11-09T09:58:12Z|1104|22.4",
                    "office|2023-11-09T10:03:12Z|998|22.5",
                    "office|2023-11-09T10:08:12Z|990|22.5",
                ])
                .sets_aside(&["5 Time(DD/MM/YYYY h:mm:ss A) bad_timestamp"]),
        ],
    );
}

/// Units in the names, of which a fleet has two.
fn sensor_push(db: Db) {
    let contract = r#"
[contract]
timestamp = { column = { match = "^Timestamp" }, format = "%Y-%m-%d %H:%M", zone = "America/Denver" }
device = { from_name = "^(?<device>[^_]+)_" }

[[contract.sensor]]
name = "humidity"
column = ["Relative Humidity (%)", "Humidity (%)"]

[[contract.sensor]]
name = "dew_point"
column = { match = "^Dew Point" }
required = false
"#;
    hold(
        db,
        vec![
            Case::new(
                "SensorPush",
                contract,
                "Cellar_2022-11-06.csv",
                "Timestamp (America/Denver),Temperature (°F),Relative Humidity (%)\n2022-11-06 00:59,58.1,71.3\n2022-11-06 01:30,58.1,71.3\n",
            )
            .and("Wine_2022-11-06.csv", "Timestamp (America/Denver),Temperature (°C),Humidity (%),Dew Point (°C)\n2022-11-06 02:00,12.6,68.02,6.88\n")
            .showing("humidity, dew_point")
            .gives(&["Cellar|2022-11-06T06:59:00Z|71.3|-", "Wine|2022-11-06T09:00:00Z|68.02|6.88"])
            .sets_aside(&["3 Timestamp (America/Denver) bad_timestamp"]),
        ],
    );
}
