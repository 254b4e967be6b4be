//! Files nothing like the built-in ones load by a contract file alone.

use crate::on_both_databases;
use crate::support::{Db, World};

on_both_databases!(italian_air_quality, the_hour_that_clocks_repeat, one_file_per_device, forty_sensors_with_offsets,);

/// `Date;Time;CO(GT);T`: decimal commas, -200 for missing, Rome time, one station.
fn italian_contract(ambiguous: &str) -> String {
    format!(
        r#"
[csv]
delimiter = ";"
decimal = ","
null_values = ["", "-200"]

[contract]
timestamp = {{ column = ["Date", "Time"], format = "%d/%m/%Y %H.%M.%S", zone = "Europe/Rome", ambiguous = "{ambiguous}" }}
device = {{ value = "station-1" }}
extra_columns = "reject"

[[contract.sensor]]
name = "co"
column = "CO(GT)"
unit = "mg/m³"
min = 0.0
max = 50.0
required = false

[[contract.sensor]]
name = "t"
column = "T"
unit = "°C"
min = -30.0
max = 60.0
"#
    )
}

fn italian_air_quality(db: Db) {
    let world = World::new(db);
    world.config(&italian_contract("reject"));
    let file = "Date;Time;CO(GT);T;;\r
10/03/2004;18.00.00;2,6;13,6;;\r
01/07/2004;12.00.00;-200;31,25;;\r
02/07/2004;12.00.00;1,5;-200;;\r
03/07/2004;12.00.00;1.5;20,0;;\r
04/07/2004;12.00.00;1,5;99,5;;\r
28/03/2004;02.30.00;1,0;10,0;;\r
31/10/2004;02.30.00;1,0;10,0;;\r
31/02/2004;12.00.00;1,0;10,0;;\r
28/03/2004;03.30.00;1,0;-3,5;;\r
05/07/2004;12.00.00;1e-1;20;;\r
06/07/2004;00.00.00;0;0;;\r
07/07/2004;23.59.59;50;60;;\r
08/07/2004;23.59.59;50;60;;\r
;;;;;\r
";
    world.file("AirQualityUCI.csv", file);

    world.ok(&["run"]);

    assert_eq!(
        world.lines("SELECT ts, device, co, t FROM iot_readings ORDER BY ts"),
        [
            "2004-03-10T17:00:00Z|station-1|2.6|13.6",
            "2004-03-28T01:30:00Z|station-1|1|-3.5",
            "2004-07-01T10:00:00Z|station-1|-|31.25",
            "2004-07-05T10:00:00Z|station-1|0.1|20",
            "2004-07-05T22:00:00Z|station-1|0|0",
            "2004-07-07T21:59:59Z|station-1|50|60",
            "2004-07-08T21:59:59Z|station-1|50|60",
        ]
    );
    assert_eq!(
        world.reason_lines("AirQualityUCI", file),
        [
            "4 T missing",
            "5 CO(GT) not_a_number",
            "6 T out_of_range",
            "7 Date Time bad_timestamp",
            "8 Date Time bad_timestamp",
            "9 Date Time bad_timestamp",
        ]
    );
    assert_eq!(world.reasons("AirQualityUCI", file)[3].value, "28/03/2004 02.30.00");
    assert_eq!(world.lines("SELECT sensor, count FROM sensor_summary ORDER BY sensor"), ["co|6", "t|7"]);
}

fn the_hour_that_clocks_repeat(db: Db) {
    for (ambiguous, expected) in [("earliest", "2004-10-31T00:30:00Z"), ("latest", "2004-10-31T01:30:00Z")] {
        let world = World::new(db);
        world.config(&italian_contract(ambiguous));
        let file = "Date;Time;CO(GT);T\n31/10/2004;02.30.00;1,0;10,0\n28/03/2004;02.30.00;1,0;10,0\n";
        world.file("a.csv", file);
        world.ok(&["run"]);
        assert_eq!(world.lines("SELECT ts FROM iot_readings"), [expected], "{ambiguous}");
        assert_eq!(world.reason_lines("a", file), ["3 Date Time bad_timestamp"], "an hour that never was");
    }
}

fn one_file_per_device(db: Db) {
    let world = World::new(db);
    world.config(
        r#"
[contract]
timestamp = { column = "timestamp", format = "%Y-%m-%d %H:%M:%S" }
device = { from_name = "^(?<device>[^_]+)_" }

[[contract.sensor]]
name = "pressure"
column = "value"
min = 0.0
"#,
    );
    let first = "timestamp,value\n2024-05-01 00:00:00,1.5\n2024-05-01 00:01:00,high\n2024-05-01 00:02:00,2.5\n";
    let second = "timestamp,value\n2024-05-01 00:00:00,7\n2024-05-01,8\n2024-05-01 00:02:00,9\n2024-05-01 00:02:00,9\n,3\n2024-05-01 00:03:00,10\n";
    world.file("hall/pump-1_2024-05-01.csv", first);
    world.file("hall/pump-2_2024-05-01.csv", second);
    world.file("nobody.csv", first);

    world.ok(&["run"]);

    assert_eq!(
        world.lines("SELECT device, ts, pressure FROM iot_readings ORDER BY device, ts"),
        [
            "pump-1|2024-05-01T00:00:00Z|1.5",
            "pump-1|2024-05-01T00:02:00Z|2.5",
            "pump-2|2024-05-01T00:00:00Z|7",
            "pump-2|2024-05-01T00:02:00Z|9",
            "pump-2|2024-05-01T00:03:00Z|10",
        ]
    );
    let rules = |name: &str, content: &str| {
        let file = world.files("quarantine").into_iter().find(|f| f.contains(name) && f.ends_with(".rejected.csv"));
        let stem = file.unwrap().split(name).next().unwrap().to_owned() + name;
        world.reason_lines(&stem, content)
    };
    assert_eq!(rules("pump-1_2024-05-01", first), ["3 value not_a_number"]);
    assert_eq!(
        rules("pump-2_2024-05-01", second),
        ["3 timestamp bad_timestamp", "5  duplicate_key", "6 timestamp missing"]
    );
    assert_eq!(world.manifest("nobody.csv").state, "rejected", "its name tells no device");

    // The corrected rows still belong to the device of the file that they came from.
    let rejected = world.files("quarantine").into_iter().find(|f| f.contains("pump-1") && f.ends_with(".rejected.csv"));
    let rejected = rejected.unwrap();
    let corrected = String::from_utf8(world.read(format!("quarantine/{rejected}"))).unwrap().replace("high", "2.25");
    world.file(rejected.rsplit('/').next().unwrap(), corrected);
    world.ok(&["run"]);
    let loaded = "SELECT device FROM iot_readings WHERE pressure = 2.25";
    assert_eq!(world.lines(loaded), ["pump-1"]);
}

fn forty_sensors_with_offsets(db: Db) {
    let world = World::new(db);
    let names: Vec<String> = (0..40).map(|i| format!("s{i:02}")).collect();
    let mut contract =
        "[contract]\ntimestamp = { column = \"time\", format = \"rfc3339\" }\ndevice = \"id\"\n".to_owned();
    for name in &names {
        contract += &format!("\n[[contract.sensor]]\nname = \"{name}\"\nmin = -1000.0\nmax = 1000.0\n");
    }
    world.config(&contract);
    let row = |time: &str, id: &str, change: Option<(usize, &str)>| {
        let mut values: Vec<String> = (0..40).map(|i| format!("{}.5", i * 10)).collect();
        if let Some((at, value)) = change {
            values[at] = value.to_owned();
        }
        format!("{time},{id},{}\n", values.join(","))
    };
    let file = [
        format!("time,id,{}\n", names.join(",")),
        row("2024-05-01T02:00:00+02:00", "a", None),
        row("2024-05-01T00:30:00Z", "a", None),
        row("2024-04-30T19:00:00.5-05:00", "b", None),
        row("2024-05-01T00:00:00Z", "a", None),
        row("2024-05-01T00:31:00Z", "a", Some((0, ""))),
        row("2024-05-01T00:32:00Z", "a", Some((7, "1000.5"))),
        row("2024-05-01T00:33:00Z", "a", Some((39, "x"))),
        row("2024-05-01T00:34:00", "a", None),
        row("2024-05-01T00:35:00+05:45", "c", Some((39, "-1000"))),
        row("2024-05-01T00:36:00Z", "c", None),
    ]
    .concat();
    world.file("array.csv", &file);

    world.ok(&["run"]);

    assert_eq!(
        world.lines("SELECT ts, device, s00, s07, s39 FROM iot_readings ORDER BY ts, device"),
        [
            "2024-04-30T18:50:00Z|c|0.5|70.5|-1000",
            "2024-05-01T00:00:00Z|a|0.5|70.5|390.5",
            "2024-05-01T00:00:00.5Z|b|0.5|70.5|390.5",
            "2024-05-01T00:30:00Z|a|0.5|70.5|390.5",
            "2024-05-01T00:36:00Z|c|0.5|70.5|390.5",
        ]
    );
    assert_eq!(
        world.reason_lines("array", &file),
        ["5  duplicate_key", "6 s00 missing", "7 s07 out_of_range", "8 s39 not_a_number", "9 time bad_timestamp",]
    );
    assert_eq!(world.number("SELECT count(DISTINCT sensor) FROM sensor_stats"), 40);
    let summary = "SELECT count, min, max FROM sensor_summary WHERE device = 'c' AND sensor = 's39'";
    assert_eq!(world.lines(summary), ["2|-1000|390.5"]);
}
