//! Input that is out to do harm: memory stays bounded, nothing outside the folders is touched, nothing is executed.

use std::io::Write;
use std::os::unix::fs::symlink;

use crate::on_both_databases;
use crate::support::{Db, HEADER, World, gzip, row, telemetry};

on_both_databases!(
    a_line_without_end,
    a_zip_bomb,
    rows_of_a_million_fields,
    a_hundred_thousand_columns,
    names_that_play_with_paths,
    links_out_of_the_folder,
    devices_that_speak_sql,
    cells_that_are_formulas,
    bad_rows_without_end,
    rows_that_break_every_rule,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
const MAX_RESIDENT: i64 = 64 << 10;

/// Runs the program; fails when it took more than 64 MiB of memory at any time.
fn run_in_bounds(world: &World) {
    let (outcome, peak) = world.run_with_peak(&["run", "--workers", "1"]);
    outcome.expect_code(0);
    assert!(peak > 0 && peak <= MAX_RESIDENT, "{peak} KiB");
}

/// A compressed file of `head` and then `bytes` times `fill`.
fn bomb(head: &str, fill: u8, bytes: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(head.as_bytes()).unwrap();
    let block = vec![fill; 1 << 20];
    for _ in 0..bytes >> 20 {
        encoder.write_all(&block).unwrap();
    }
    encoder.finish().unwrap()
}

fn quarantine_bytes(world: &World) -> u64 {
    world.files("quarantine").iter().map(|f| world.path("quarantine").join(f).metadata().unwrap().len()).sum()
}

/// Two gigabytes in one line, behind a good one: the file is refused before it is read to the end.
fn a_line_without_end(db: Db) {
    let world = World::new(db);
    let head = format!("{HEADER}\n{}\n", row(START, "pump-1", 20.0));
    let bytes = bomb(&head, b'x', 2 << 30);
    world.file("long.csv.gz", &bytes);
    world.file("next.csv", telemetry("pump-2", START, 5));
    run_in_bounds(&world);
    world.expect_refused_whole("long.csv.gz", &bytes, "too_long");
    assert_eq!(world.stored(), 5, "the file behind it");
    assert!(quarantine_bytes(&world) < bytes.len() as u64 + 4096, "nothing is unpacked onto the disk");
}

/// Ten gigabytes of zeros in ten megabytes.
fn a_zip_bomb(db: Db) {
    let world = World::new(db);
    let bytes = bomb("", 0, 10 << 30);
    world.file("bomb.csv.gz", &bytes);
    world.file("next.csv", telemetry("pump-2", START, 5));
    run_in_bounds(&world);
    world.expect_refused_whole("bomb.csv.gz", &bytes, "too_long");
    assert_eq!(world.stored(), 5);
}

/// A gigabyte of short bad rows: refused when enough of them were seen.
fn bad_rows_without_end(db: Db) {
    let world = World::new(db);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(format!("{HEADER}\n").as_bytes()).unwrap();
    let block = b"no,good,at,all,0123456789012345678901234567890123456789\n".repeat(20_000);
    (0..1000).for_each(|_| encoder.write_all(&block).unwrap());
    let bytes = encoder.finish().unwrap();
    world.file("bad.csv.gz", &bytes);
    run_in_bounds(&world);
    world.expect_refused_whole("bad.csv.gz", &bytes, "too_many_rejected");
    assert!(quarantine_bytes(&world) < bytes.len() as u64 + 4096);
}

/// Short rows with a reason for nearly every cell: the reasons weigh a hundred times what the rows do.
fn rows_that_break_every_rule(db: Db) {
    let world = World::new(db);
    let rows = format!("{}\n", ["x"; 9].join(",")).repeat(100_000);
    let bytes = gzip(format!("{HEADER}\n{rows}"));
    world.file("bad.csv.gz", &bytes);
    run_in_bounds(&world);
    world.expect_refused_whole("bad.csv.gz", &bytes, "too_many_rejected");
}

/// Rows that are nothing but a million delimiters: where each field stands takes more room than its bytes.
fn rows_of_a_million_fields(db: Db) {
    let world = World::new(db);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(format!("{HEADER}\n").as_bytes()).unwrap();
    let row = [",".repeat((1 << 20) - 2), "1\n".to_owned()].concat();
    (0..100).for_each(|_| encoder.write_all(row.as_bytes()).unwrap());
    let bytes = encoder.finish().unwrap();
    world.file("commas.csv.gz", &bytes);
    run_in_bounds(&world);
    world.expect_refused_whole("commas.csv.gz", &bytes, "too_many_rejected");
}

fn a_hundred_thousand_columns(db: Db) {
    let world = World::new(db);
    let more: String = (0..100_000).map(|i| format!(",c{i}")).collect();
    let values = ",1".repeat(100_000);
    let rows: String = (0..20).map(|i| format!("{}{values}\n", row(START + i, "pump-1", 20.0))).collect();
    world.file("wide.csv", format!("{HEADER}{more}\n{rows}"));
    run_in_bounds(&world);
    assert_eq!(world.stored(), 20);
}

fn names_that_play_with_paths(db: Db) {
    let world = World::new(db);
    let long = format!("{}.csv", "n".repeat(251));
    let names = [
        "..csv.csv",
        "a..b.csv",
        "-rf.csv",
        "new\nline.csv",
        "semi;colon'\"`$(x).csv",
        "back\\slash.csv",
        "%2e%2e%2f.csv",
        &long,
    ];
    for (i, name) in names.iter().enumerate() {
        let bad = "soon,pump-1,0,0,1,0,1,0,0\n";
        world.file(name, format!("{}{bad}", telemetry(&format!("pump-{i}"), START, 3)));
    }
    run_in_bounds(&world);
    // A name that begins with a dot is never taken.
    assert_eq!(world.stored(), 3 * (names.len() as i64 - 1));
    assert_eq!(world.files("data"), ["..csv.csv"]);
    assert_eq!(world.files("processed").len(), names.len() - 1);
    assert_eq!(world.files("quarantine").len(), 2 * (names.len() - 1));
    let known = ["data/", "processed/", "quarantine/", "logs/", "iotpipe.toml", "iotpipe.db"];
    let strange: Vec<_> = world.files("").into_iter().filter(|f| !known.iter().any(|k| f.starts_with(k))).collect();
    assert_eq!(strange, [""; 0], "files outside the folders");
    world.ok(&["verify"]);
}

fn links_out_of_the_folder(db: Db) {
    let world = World::new(db);
    let secret = telemetry("secret", START, 3);
    std::fs::create_dir(world.path("outside")).unwrap();
    std::fs::write(world.path("outside/secret.csv"), &secret).unwrap();
    symlink(world.path("outside/secret.csv"), world.path("data/link.csv")).unwrap();
    symlink(world.path("outside"), world.path("data/folder")).unwrap();
    symlink("/nowhere", world.path("data/dangling.csv")).unwrap();
    world.file("good.csv", telemetry("pump-1", START, 3));
    world.iotpipe(&["run"]).expect_code(1).expect_stderr(&["link.csv", "symbolic link", "dangling.csv"]);
    assert_eq!(world.stored(), 3);
    assert_eq!(world.read("outside/secret.csv"), secret.as_bytes());
    assert!(world.path("data/link.csv").symlink_metadata().unwrap().is_symlink(), "left where it is");
}

fn devices_that_speak_sql(db: Db) {
    let world = World::new(db);
    let names =
        ["'; DROP TABLE device; --", "\"); DELETE FROM manifest; --", "a'b\"c\\d", "$1", "%s{}", "\u{202e}evil"];
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let rows: String = names.iter().map(|name| format!("{}\n", row(START, &quoted(name), 20.0))).collect();
    let nul = format!("{START},pump\0,0,1,true,0,false,0,20\n");
    world.file("sql.csv", format!("{HEADER}\n{rows}{nul}"));
    run_in_bounds(&world);
    let mut expected: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut stored = world.lines("SELECT device FROM iot_readings");
    expected.sort();
    stored.sort();
    assert_eq!(stored, expected);
    assert_eq!(world.manifest("sql.csv").rejected, 1, "a NUL byte is no text");
    world.ok(&["status"]);
    world.ok(&["verify"]);
    world.ok(&["unload", "sql.csv"]);
    assert_eq!(world.stored(), 0);
}

/// They are data: kept byte for byte, so that the row can be corrected and sent again.
fn cells_that_are_formulas(db: Db) {
    let world = World::new(db);
    let bad = "=cmd|' /C calc'!A0,pump-1,0,1,true,0,false,0,20\n@SUM(1),pump-1,0,1,true,0,false,0,20\n";
    let content = format!("{}{bad}", telemetry("=1+1", START, 5));
    world.file("formula.csv", &content);
    run_in_bounds(&world);
    assert_eq!(world.lines("SELECT DISTINCT device FROM iot_readings"), ["=1+1"]);
    assert_eq!(world.rejected("formula", &content), format!("{HEADER}\n{bad}").into_bytes());
    // The reasons are read by people, in spreadsheets: a cell that is a formula stands behind an apostrophe there.
    assert_eq!(world.reasons("formula", &content)[0].value, "'=cmd|' /C calc'!A0");
    world.ok(&["verify"]);
}
