//! Files in another dress give the same readings: compression, column order, quoting, preamble, types.

use crate::on_both_databases;
use crate::support::{Db, HEADER, World, gzip, telemetry, zstd};

on_both_databases!(
    compressed_files,
    several_gzip_members,
    a_header_in_another_order,
    columns_without_a_name,
    quoted_scientific_notation,
    more_columns_than_the_contract_names,
    preamble_before_the_header,
    other_delimiter_and_null_values,
    integers_texts_and_optional_values,
    units_of_time,
    microseconds_are_rounded_to_the_nearest,
    names_that_are_hard_on_sql,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
const READINGS: &str =
    "SELECT ts, device, co, humidity, light, lpg, motion, smoke, temp FROM iot_readings ORDER BY 2, 1";

/// One reading of the built-in shape, as [`READINGS`] shows it, and as a row with its columns in the header's order.
const READING: &str = "2024-05-01T00:00:00Z|pump-1|0.005|51.5|1|0.007|0|0.02|21.5";

fn compressed_files(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 50));
    world.file("b.csv.gz", gzip(telemetry("pump-1", START + 50 * 60, 50)));
    world.file("c.csv.zst", zstd(telemetry("pump-1", START + 100 * 60, 50)));

    world.ok(&["run"]);

    let plain = World::new(db);
    plain.file("all.csv", telemetry("pump-1", START, 150));
    plain.ok(&["run"]);
    assert_eq!(world.lines(READINGS), plain.lines(READINGS));
    assert_eq!(world.files("processed"), ["a.csv", "b.csv.gz", "c.csv.zst"]);
}

fn several_gzip_members(db: Db) {
    let world = World::new(db);
    // What `cat a.csv.gz b.csv.gz` and log rotation make: one file, several members.
    let text = telemetry("pump-1", START, 100);
    let (first, second) = text.split_at(text.len() / 2);
    world.file("a.csv.gz", [gzip(first), gzip(second)].concat());
    world.file(
        "b.csv.zst",
        [zstd(first.replace("pump-1", "pump-2")), zstd(second.replace("pump-1", "pump-2"))].concat(),
    );
    world.ok(&["run"]);
    assert_eq!(
        world.lines("SELECT device, count(*) FROM iot_readings GROUP BY 1 ORDER BY 1"),
        ["pump-1|100", "pump-2|100"]
    );
}

fn a_header_in_another_order(db: Db) {
    let world = World::new(db);
    world.file(
        "a.csv",
        format!(
            "temp,smoke,motion,lpg,light,humidity,co,device,ts\n21.5,0.02,false,0.007,true,51.5,0.005,pump-1,{START}\n"
        ),
    );
    world.ok(&["run"]);
    assert_eq!(world.lines(READINGS), [READING]);
}

fn columns_without_a_name(db: Db) {
    let world = World::new(db);
    let rest = "pump-1,0.005,51.5,true,0.007,false,0.02,21.5";
    world.file("a.csv", format!("\"\",{HEADER},\n0,{START},{rest},\n1,{},{rest},x\n", START + 60));
    world.config("[contract]\nextra_columns = \"reject\"\n");
    world.ok(&["run"]);
    assert_eq!(world.lines(READINGS), [READING, &READING.replace("00:00:00Z", "00:01:00Z")]);
}

fn quoted_scientific_notation(db: Db) {
    let world = World::new(db);
    let header = HEADER.split(',').map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",");
    world.file(
        "a.csv",
        format!(
            "{header}\n\"1.5945984245023336E9\",\"0e:9c:00:4c:1c:51\",\"4.9E-3\",\"73.80000305175781\",\"false\",\
         \"0.014275626163619557\",\"TRUE\",\"0.039739889499066566\",\"18.899999618530273\"\n"
        ),
    );
    world.ok(&["run"]);
    assert_eq!(
        world.lines(READINGS),
        ["2020-07-13T00:00:24.502334Z|0e:9c:00:4c:1c:51|0.0049|73.80000305175781|0|0.014275626163619557|1|\
         0.039739889499066566|18.899999618530273"]
    );
}

fn more_columns_than_the_contract_names(db: Db) {
    let world = World::new(db);
    let file = format!("{HEADER},operator\n{START},pump-1,0.005,51.5,true,0.007,false,0.02,21.5,\"Li, Ada\"\n");
    world.file("a.csv", &file);
    world.ok(&["run"]);
    assert_eq!(world.lines(READINGS), [READING]);

    let strict = World::new(db);
    strict.config("[contract]\nextra_columns = \"reject\"\n");
    strict.file("a.csv", &file);
    strict.ok(&["run"]);
    let reason = strict.expect_refused_whole("a.csv", &file, "extra_column");
    assert!(reason.message.contains("operator"), "{}", reason.message);
}

fn preamble_before_the_header(db: Db) {
    let world = World::new(db);
    world.config("[csv]\nskip_lines = 2\n");
    let preamble = "Logger 7, \"hall\nfirmware, 2.1\n";
    let rest = "pump-1,0.005,51.5,true,0.007,false,0.02";
    let file = format!("{preamble}{HEADER}\n{START},{rest},21.5\n{},{rest},hot\n", START + 60);
    world.file("a.csv", &file);
    world.ok(&["run"]);
    assert_eq!(world.lines(READINGS), [READING]);
    assert_eq!(world.lines("SELECT line_number FROM iot_readings"), ["4"]);
    assert_eq!(world.reason_lines("a", &file), ["5 temp not_a_number"]);

    // The rejected rows, corrected, are a file that the same contract reads.
    let rejected = String::from_utf8(world.rejected("a", &file)).unwrap();
    let reason = world.reasons("a", &file)[0].rejected_line.unwrap();
    assert_eq!(rejected.lines().nth(reason as usize - 1), Some(format!("{},{rest},hot", START + 60).as_str()));
    world.file("a.corrected.csv", rejected.replace("hot", "22.5"));
    world.ok(&["run"]);
    assert_eq!(world.lines("SELECT temp FROM iot_readings ORDER BY ts"), ["21.5", "22.5"]);
}

fn other_delimiter_and_null_values(db: Db) {
    let world = World::new(db);
    world.config(
        "[csv]\ndelimiter = \"\\t\"\nnull_values = [\"-\", \"n/a\"]\n\n[contract]\nmax_rejected_ratio = 1.0\n\n\
         [[contract.sensor]]\nname = \"level\"\nrequired = false\n",
    );
    let file = format!(
        "ts\tdevice\tlevel\n{START}\ta\t-\n{START}\tb\tN/A\n{START}\tc\t1e2\n{START}\td\tnull\n{START}\t-\t1\n"
    );
    world.file("tank.csv", &file);
    world.ok(&["run"]);
    assert_eq!(world.lines("SELECT device, level FROM iot_readings ORDER BY device"), ["a|-", "b|-", "c|100"]);
    assert_eq!(world.reason_lines("tank", &file), ["5 level not_a_number", "6 device missing"]);
}

fn integers_texts_and_optional_values(db: Db) {
    let world = World::new(db);
    world.config(
        "[contract]\nmax_rejected_ratio = 1.0\n\n[[contract.sensor]]\nname = \"pulses\"\ntype = \"integer\"\nmin = 0\n\n\
         [[contract.sensor]]\nname = \"mode\"\ntype = \"text\"\nrequired = false\n",
    );
    let rows = [
        ("9007199254740993", "auto"), // above 2^53: no float on the way
        ("4", ""),
        ("3.5", "auto"),
        ("-1", "auto"),
        ("9223372036854775808", "auto"),
        ("", "auto"),
        ("7", "\"one, \"\"two\"\"\""),
    ];
    let mut file = "ts,device,pulses,mode\n".to_owned();
    for (i, (pulses, mode)) in (0i64..).zip(rows) {
        file += &format!("{},meter,{pulses},{mode}\n", START + i);
    }
    world.file("m.csv", &file);

    world.ok(&["run"]);

    let stored = "SELECT pulses, mode FROM iot_readings ORDER BY ts";
    assert_eq!(world.lines(stored), ["9007199254740993|auto", "4|-", "7|one, \"two\""]);
    assert_eq!(
        world.reason_lines("m", &file),
        ["4 pulses not_a_number", "5 pulses out_of_range", "6 pulses not_a_number", "7 pulses missing"]
    );
    assert_eq!(world.lines("SELECT sensor, count FROM sensor_summary"), ["pulses|3"], "text is not aggregated");
}

fn units_of_time(db: Db) {
    for (format, text) in [
        ("unix_seconds", "1714521600.25"),
        ("unix_millis", "1714521600250"),
        ("unix_micros", "1714521600250000"),
        ("unix_nanos", "1714521600250000000"),
        ("rfc3339", "2024-05-01T02:00:00.25+02:00"),
        ("%d.%m.%Y %H:%M:%S%.f", "01.05.2024 00:00:00.25"),
    ] {
        let world = World::new(db);
        world.config(&format!(
            "[contract]\ntimestamp = {{ column = \"when\", format = \"{format}\" }}\n\n[[contract.sensor]]\nname = \"v\"\n"
        ));
        world.file("a.csv", format!("when,device,v\n{text},a,1\n"));
        world.ok(&["run"]);
        assert_eq!(world.lines("SELECT ts FROM iot_readings"), ["2024-05-01T00:00:00.25Z"], "{format}");
    }
}

fn microseconds_are_rounded_to_the_nearest(db: Db) {
    let world = World::new(db);
    world.config("[contract]\nmin_timestamp = \"0001-01-01\"\n[[contract.sensor]]\nname = \"v\"\n");
    let file = "ts,device,v\n1714521600.1234564,a,1\n1714521600.1234566,b,1\n1714521600.9999999,c,1\n-0.0000006,d,1\n";
    world.file("a.csv", file);
    world.ok(&["run"]);
    assert_eq!(
        world.lines("SELECT ts FROM iot_readings ORDER BY device"),
        [
            "2024-05-01T00:00:00.123456Z",
            "2024-05-01T00:00:00.123457Z",
            "2024-05-01T00:00:01Z",
            "1969-12-31T23:59:59.999999Z"
        ]
    );
}

fn names_that_are_hard_on_sql(db: Db) {
    let world = World::new(db);
    world.config(
        "[[contract.sensor]]\nname = \"order\"\n\n[[contract.sensor]]\nname = \"select\"\ncolumn = \"Temp (°C)\"\n\n\
         [[contract.sensor]]\nname = \"_2\"\ncolumn = \"o'clock\"\n",
    );
    world.file("it's 100%.csv", format!("ts,device,order,Temp (°C),o'clock\n{START},\"d'or; \\ é\",1,2,3\n"));
    world.ok(&["run"]);
    let stored = "SELECT device, \"order\", \"select\", _2, file FROM iot_readings";
    let lines = world.lines(stored);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("d'or; \\ é|1|2|3|") && lines[0].ends_with("it's 100%.csv"), "{lines:?}");
    assert_eq!(world.lines("SELECT sensor FROM sensor_stats ORDER BY avg"), ["order", "select", "_2"]);
}
