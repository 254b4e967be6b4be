//! Every rule on a row: what is set aside, with which reasons, and what becomes of the corrected file.

use crate::on_both_databases;
use crate::support::{Db, HEADER, World, row};

on_both_databases!(
    every_rule,
    every_reason_of_a_row,
    crlf_and_byte_order_mark,
    rows_of_several_lines,
    empty_lines_are_no_rows,
    a_corrected_file_loads_the_rest,
    too_long_lines,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

fn good(minute: i64) -> String {
    row(START + minute * 60, "pump-1", 21.5)
}

/// One bad row per rule, with `line column rule` for each reason that it gives when it stands on that line.
fn bad_rows() -> Vec<(Vec<u8>, &'static [&'static str])> {
    let rows: Vec<(&[u8], &[&str])> = vec![
        (b"1714530000,pump-1,0.005,51.5,true,0.007,false,0.02,", &["temp missing"]),
        (b"1714530000,,0.005,51.5,true,0.007,false,0.02,21.5", &["device missing"]),
        (b"1714530000,pump-1,five,51.5,true,0.007,false,0.02,21.5", &["co not_a_number"]),
        (b"1714530000,pump-1,0.005,inf,true,0.007,false,0.02,21.5", &["humidity not_a_number"]),
        (b"1714530000,pump-1,0.005,51.5,maybe,0.007,false,0.02,21.5", &["light not_a_boolean"]),
        (b"yesterday,pump-1,0.005,51.5,true,0.007,false,0.02,21.5", &["ts bad_timestamp"]),
        (b"4102444800,pump-1,0.005,51.5,true,0.007,false,0.02,21.5", &["ts out_of_range"]),
        (b"1714530000,pump-1,0.005,51.5,true,0.007,false,0.02,50.01", &["temp out_of_range"]),
        (b"1714530000,pump-1,0.005,-0.5,true,0.007,false,0.02,21.5", &["humidity out_of_range"]),
        (b"1714530000,pump-1,0.005,51.5,true,0.007,false,0.02", &[" field_count"]),
        (b"1714530000,pump-1,0.005,51.5,true,0.007,false,0.02,21.5,9", &[" field_count"]),
        (b"1714530000,pump\xff,0.005,51.5,true,0.007,false,0.02,21.5", &["device not_utf8"]),
        (
            b"null,,,,,,,,",
            &[
                "ts missing",
                "device missing",
                "co missing",
                "humidity missing",
                "light missing",
                "lpg missing",
                "motion missing",
                "smoke missing",
                "temp missing",
            ],
        ),
        // Last, since nothing tells where an unclosed quote was meant to end.
        (b"1714530000,\"pump-1,0.005,51.5,true,0.007,false,0.02,21.5", &[" unclosed_quote"]),
    ];
    rows.into_iter().map(|(bytes, reasons)| (bytes.to_vec(), reasons)).collect()
}

/// A file in which two good rows go before each bad one, the same as it should lie in the quarantine, and the reasons.
fn file_with_every_rule(line_end: &str) -> (Vec<u8>, Vec<u8>, Vec<String>) {
    let mut file = [HEADER, line_end].concat().into_bytes();
    let (mut rejected, mut reasons) = (file.clone(), Vec::new());
    for (i, (bad, broken)) in (0i64..).zip(bad_rows()) {
        for minute in [2 * i, 2 * i + 1] {
            file.extend([good(minute).as_str(), line_end].concat().as_bytes());
        }
        let line = file.iter().filter(|&&b| b == b'\n').count() + 1;
        reasons.extend(broken.iter().map(|rule| format!("{line} {rule}")));
        for target in [&mut file, &mut rejected] {
            target.extend(&bad);
            target.extend(line_end.as_bytes());
        }
    }
    (file, rejected, reasons)
}

fn every_rule(db: Db) {
    let world = World::new(db);
    let (file, rejected, reasons) = file_with_every_rule("\n");
    // Without its last line end, so that the unclosed quote holds just its line.
    let file = file.strip_suffix(b"\n").unwrap();
    world.file("plant.csv", file);

    let outcome = world.ok(&["run", "--output", "json"]);

    assert_eq!((outcome.count("loaded"), outcome.count("rejected")), (28, 14));
    assert_eq!(world.stored(), 28);
    assert_eq!(String::from_utf8_lossy(&world.rejected("plant", file)), String::from_utf8_lossy(&rejected));
    assert_eq!(world.rejected("plant", file), rejected);
    assert_eq!(world.reason_lines("plant", file), reasons);
    for (i, reason) in world.reasons("plant", file).iter().enumerate().take(12) {
        assert_eq!(reason.rejected_line, Some(i as u64 + 2), "the header is line 1: {reason:?}");
        assert!(!reason.message.is_empty(), "{reason:?}");
    }
    assert_eq!(world.reasons("plant", file)[2].value, "five");
    assert_eq!(world.files("processed"), ["plant.csv"]);
    assert_eq!(world.read("processed/plant.csv"), file);
    assert_eq!(world.files("data"), [""; 0]);
}

fn every_reason_of_a_row(db: Db) {
    let world = World::new(db);
    let file = format!("{HEADER}\n{}\n{}\nsoon,,x,120,perhaps,2,true,0.02,\n{}\n", good(0), good(1), good(2));
    world.file("plant.csv", &file);

    world.ok(&["run"]);

    assert_eq!(
        world.reason_lines("plant", &file),
        [
            "4 ts bad_timestamp",
            "4 device missing",
            "4 co not_a_number",
            "4 humidity out_of_range",
            "4 light not_a_boolean",
            "4 lpg out_of_range",
            "4 temp missing"
        ]
    );
    assert_eq!(world.manifest("plant.csv").rejected, 1, "a row with seven reasons is one row");
}

fn crlf_and_byte_order_mark(db: Db) {
    let world = World::new(db);
    let (file, rejected, reasons) = file_with_every_rule("\r\n");
    let file = [b"\xef\xbb\xbf", file.strip_suffix(b"\r\n").unwrap()].concat();
    world.file("windows.csv", &file);

    world.ok(&["run"]);

    assert_eq!(world.stored(), 28);
    let kept = world.rejected("windows", &file);
    let kept = kept.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&kept); // with or without its mark, it can be read again
    assert_eq!(String::from_utf8_lossy(kept), String::from_utf8_lossy(&rejected));
    assert_eq!(kept, rejected);
    assert_eq!(world.reason_lines("windows", &file), reasons);
}

fn rows_of_several_lines(db: Db) {
    let world = World::new(db);
    world.config("[csv]\nmultiline = true\n");
    let bad = "1714530000,\"pump\n1\",x,51.5,true,0.007,false,0.02,21.5";
    let last = "1714530060,pump-1,x,51.5,true,0.007,false,0.02,21.5";
    let file = format!("{HEADER}\n{}\n{bad}\n{}\n{last}\n{}\n", good(0), good(1), good(2));
    world.file("plant.csv", &file);

    world.ok(&["run"]);

    assert_eq!(world.rejected("plant", &file), format!("{HEADER}\n{bad}\n{last}\n").into_bytes());
    let places: Vec<_> = world.reasons("plant", &file).iter().map(|r| (r.line, r.rejected_line)).collect();
    assert_eq!(places, [(Some(3), Some(2)), (Some(3), Some(2)), (Some(6), Some(4))], "lines as an editor counts them");
    assert_eq!(world.lines("SELECT line_number FROM iot_readings ORDER BY ts"), ["2", "5", "7"]);
}

fn empty_lines_are_no_rows(db: Db) {
    let world = World::new(db);
    let file = format!("{HEADER}\n\n{}\n\n\n{}\n\n", good(0), good(1));
    world.file("plant.csv", &file);

    world.ok(&["run"]);

    let entry = world.manifest("plant.csv");
    assert_eq!((entry.total, entry.loaded, entry.rejected), (2, 2, 0));
    assert_eq!(world.lines("SELECT line_number FROM iot_readings ORDER BY ts"), ["3", "6"]);
    assert_eq!(world.files("quarantine"), [""; 0]);
}

fn a_corrected_file_loads_the_rest(db: Db) {
    let world = World::new(db);
    let wrong = format!(
        "{HEADER}\n{}\n{}\n{}\n{}\n{}\n",
        good(0),
        good(1).replace("21.5", "215"),
        good(2),
        good(3).replace("0.005", "five"),
        good(4)
    );
    world.file("plant.csv", &wrong);
    world.ok(&["run"]);
    assert_eq!(world.stored(), 3);

    let rejected = String::from_utf8(world.rejected("plant", &wrong)).unwrap();
    let name = world.files("quarantine").into_iter().find(|f| f.ends_with(".rejected.csv")).unwrap();
    let corrected = rejected.replace("215", "21.5").replace("five", "0.005");
    world.file(&name, &corrected);
    let outcome = world.ok(&["run", "--output", "json"]);

    assert_eq!((outcome.count("loaded"), outcome.count("rejected"), outcome.count("duplicates")), (2, 0, 0));
    let minutes = ["00", "01", "02", "03", "04"].map(|m| format!("2024-05-01T00:{m}:00Z|21.5|0.005"));
    assert_eq!(world.lines("SELECT ts, temp, co FROM iot_readings ORDER BY ts"), minutes);
    assert_eq!(world.lines("SELECT count, min, max FROM sensor_stats WHERE sensor = 'temp'"), ["5|21.5|21.5"]);

    world.file(&name, &corrected);
    let again = world.ok(&["run", "--output", "json"]);
    assert_eq!(again.count("loaded"), 0);
    assert_eq!(world.stored(), 5);
}

fn too_long_lines(db: Db) {
    let world = World::new(db);
    let long = format!("1714530000,{},0.005,51.5,true,0.007,false,0.02,21.5", "x".repeat((1 << 20) + 1));
    let file = format!("{HEADER}\n{}\n{long}\n{}\n{}\n", good(0), good(1), good(2));
    world.file("plant.csv", &file);

    world.ok(&["run"]);

    assert_eq!(world.stored(), 3);
    assert!(world.rejected("plant", &file) == format!("{HEADER}\n{long}\n").into_bytes(), "all of its bytes");
    assert_eq!(world.reason_lines("plant", &file), ["3  too_long"]);
    let value = &world.reasons("plant", &file)[0].value;
    assert!(value.chars().count() <= 201 && value.starts_with("1714530000,xxx"), "{} characters", value.len());
    assert_eq!(world.lines("SELECT line_number FROM iot_readings ORDER BY ts"), ["2", "4", "5"]);
}
