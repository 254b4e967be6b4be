//! InfluxDB line protocol: time, tags and fields of a line by their keys, as the row of a wide file.

use crate::on_both_databases;
use crate::support::{Db, World, gzip};

on_both_databases!(lines_of_a_collector, bad_lines_and_corrected_ones, by_the_measurement, what_the_contract_must_say);

const CONTRACT: &str = r#"
[source]
settle = "0s"
format = "line_protocol"

[contract]
timestamp = { column = "time", format = "unix_nanos" }
device = "host"

[[contract.sensor]]
name = "temp"
min = -50.0
max = 60.0

[[contract.sensor]]
name = "pulses"
column = ["pulses", "pulse count"]
type = "integer"
required = false

[[contract.sensor]]
name = "door"
type = "boolean"
required = false

[[contract.sensor]]
name = "note"
type = "text"
required = false
"#;
const READINGS: &str = "SELECT ts, device, temp, pulses, door, note FROM iot_readings ORDER BY device, ts";

fn world(db: Db) -> World {
    let world = World::new(db);
    std::fs::write(world.path("iotpipe.toml"), CONTRACT).unwrap();
    world
}

fn lines_of_a_collector(db: Db) {
    let world = world(db);
    let file = "# from the roof\n\
        weather,host=roof,zone=1 temp=21.5,pulse\\ count=9007199254740993i,door=t,note=\"a \\\"b\\\", c\" 1714521600000000000\n\
        cpu,host=roof usage=3 1714521600000000000\n\
        \nweather,host=the\\ roof temp=-1e1,door=FALSE 1714521600123456789\r\n\
        weather,host=roof temp=20i 1714521660000000000\n";
    world.file("a.lp", file);
    world.file("b.lp.gz", gzip(file.replace("roof", "cellar")));
    world.file("c.csv", "not,mine\n");
    for _ in 0..2 {
        world.ok(&["run"]);
    }
    let of = |host: &str| {
        [
            format!("2024-05-01T00:00:00Z|{host}|21.5|9007199254740993|1|a \"b\", c"),
            format!("2024-05-01T00:01:00Z|{host}|20|-|-|-"),
            format!("2024-05-01T00:00:00.123457Z|the {host}|-10|-|0|-"),
        ]
    };
    let mut expected = [of("cellar"), of("roof")].concat();
    expected.swap(2, 3);
    expected.swap(3, 4);
    expected.sort_by_key(|line| line.split('|').nth(1).unwrap().to_owned());
    assert_eq!(world.lines(READINGS), expected);
    assert_eq!(world.lines("SELECT rows_total, rows_loaded, rows_skipped FROM manifest ORDER BY id"), ["3|3|3"; 2]);
    let places = "SELECT line_number FROM iot_readings WHERE device LIKE '%roof' ORDER BY 1";
    assert_eq!(world.lines(places), ["2", "5", "6"]);
    world.ok(&["verify"]);
}

fn bad_lines_and_corrected_ones(db: Db) {
    let world = world(db);
    let good = |second: u32| format!("weather,host=roof temp=1 17145216{second:02}000000000\n");
    let bad = [
        "weather,host=roof temp= 1714521600000000000",
        "{\"temp\":1}",
        "weather temp=1 1714521600000000000",
        "weather,host=roof temp=1",
        "weather,host=roof temp=99 1714521600000000000",
        "weather,host=roof pulses=1.5,temp=\"warm\" 1714521600000000000",
        "weather,host=roof pulses=1i 1714521600000000000",
    ];
    let file = format!("{}{}\n{}", (10..20).map(good).collect::<String>(), bad.join("\n"), good(10));
    world.file("a.lp", &file);
    world.ok(&["run"]);
    let expected = [
        "11  not_line_protocol",
        "12  not_line_protocol",
        "13 host missing",
        "14 time missing",
        "15 temp out_of_range",
        "16 temp not_a_number",
        "16 pulses not_a_number",
        "17 temp missing",
        "18  duplicate_key",
    ];
    assert_eq!(world.reason_lines("a", &file), expected);
    let name = world.files("quarantine").into_iter().find(|name| name.ends_with(".rejected.lp")).unwrap();
    let path = format!("quarantine/{name}");
    let rejected = String::from_utf8(world.read(&path)).unwrap();
    assert_eq!(rejected, format!("{}\n{}", bad.join("\n"), good(10)));
    world.ok(&["verify"]);
    std::fs::write(world.path(&path), rejected.replace("temp=99", "temp=9")).unwrap();
    assert_eq!(world.ok(&["replay", &path, "--output", "json"]).count("loaded"), 1);
    assert_eq!(world.ok(&["replay", &path, "--output", "json"]).count("loaded"), 0);
    assert_eq!(world.stored(), 11);
    world.ok(&["verify"]);
    // The repeated line is in both files: the correction's is stored now.
    world.ok(&["unload", "a.lp"]);
    assert_eq!(world.stored(), 2);
    world.nothing_differs();
}

/// Several measurements in one file: what the contract asks for is taken; their name is a column, too.
fn by_the_measurement(db: Db) {
    let world = World::new(db);
    let contract = CONTRACT
        .replace("device = \"host\"", "device = \"_measurement\"")
        .replace("unix_nanos", "unix_seconds")
        .replace("\"note\"\n", "\"note\"\ncolumn = \"zone\"\n");
    std::fs::write(world.path("iotpipe.toml"), contract).unwrap();
    world.file(
        "a.lp",
        "weather,zone=roof temp=1 1714521600\nboiler,zone=cellar temp=60 1714521600\ndisk,zone=x free=1 1714521600\n",
    );
    world.ok(&["run"]);
    let readings = "SELECT device, temp, note FROM iot_readings ORDER BY 1";
    assert_eq!(world.lines(readings), ["boiler|60|cellar", "weather|1|roof"]);
    assert_eq!(world.lines("SELECT rows_total, rows_skipped FROM manifest"), ["2|1"]);
    world.file("b.lp", "disk,zone=x free=1 1714521600\n");
    world.ok(&["run"]).expect_stderr(&["no line has a field that the contract names"]);
    world.ok(&["verify"]);
}

fn what_the_contract_must_say(db: Db) {
    let world = world(db);
    let long = CONTRACT.replace("[contract]", "[contract]\nlayout = \"long\"");
    std::fs::write(world.path("iotpipe.toml"), long).unwrap();
    world.iotpipe(&["run"]).expect_code(2).expect_stderr(&["contract.layout", "line_protocol", "wide"]);
    // Nanoseconds read as seconds lie beyond all times: the message asks for the format.
    std::fs::write(world.path("iotpipe.toml"), CONTRACT.replace("unix_nanos", "unix_seconds")).unwrap();
    world.file("a.lp", "weather,host=roof temp=1 1714521600000000000\n");
    world.ok(&["run"]).expect_stderr(&["too_many_rejected", "time"]);
}
