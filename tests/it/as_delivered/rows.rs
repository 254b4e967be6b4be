//! Rows and names as anybody writes them, and what is said of columns and files that nobody asked for.

use super::{Case, PLAIN, hold};
use crate::on_both_databases;
use crate::support::{Db, World};

on_both_databases!(
    whole_numbers,
    names_of_files_and_devices,
    headers_and_preambles,
    rows_that_come_more_than_once,
    a_new_column,
    files_that_nobody_takes,
    a_writer_that_goes_on_in_the_archive,
    what_was_appended_is_taken_up_by_two_at_once,
);

const FILE: &str = "ts,device,temp,humidity\n1714521600,w,18.5,44\n1714522200,w,18.75,45\n";
const TWO: [&str; 2] = ["w|2024-05-01T00:00:00Z|18.5|44", "w|2024-05-01T00:10:00Z|18.75|45"];

fn whole_numbers(db: Db) {
    let contract = PLAIN
        .replace("\"temp\"\nmin = -50.0\nmax = 60.0", "\"n\"\ntype = \"integer\"")
        .replace("[[contract.sensor]]\nname = \"humidity\"\nmin = 0.0\nmax = 100.0\n", "");
    let rows = "ts,device,n\n1,a,9223372036854775807\n1,b,-9223372036854775808\n1,c,4.0\n1,d,2e3\n1,e,+7\n1,f,007\n\
        1,g,9223372036854775808\n1,h,3.7\n1,i,1 000\n";
    hold(
        db,
        vec![
            Case::new("20", &contract, "n.csv", rows.replace("1,", "1714521600,"))
                .showing("n")
                .gives(&[
                    "a|2024-05-01T00:00:00Z|9223372036854775807",
                    "b|2024-05-01T00:00:00Z|-9223372036854775808",
                    "c|2024-05-01T00:00:00Z|4",
                    "d|2024-05-01T00:00:00Z|2000",
                    "e|2024-05-01T00:00:00Z|7",
                    "f|2024-05-01T00:00:00Z|7",
                ])
                .sets_aside(&["8 n not_a_number", "9 n not_a_number", "10 n not_a_number"]),
        ],
    );
}

fn names_of_files_and_devices(db: Db) {
    let with = |device: &str| FILE.replace("w,", &format!("{device},"));
    let from_name = PLAIN.replace("\"device\"", "{ from_name = \"^(?<device>[^_]+)_\" }");
    let no_device = FILE.replace(",device", "").replace(",w", "");
    hold(
        db,
        vec![
            Case::plain("33", "", "hall no 2 (copy).csv", with("a"))
                .and("été.csv", with("b"))
                .and("two\nlines.csv", with("c"))
                .and("day.csv.1", with("d"))
                .gives(&[
                    "a|2024-05-01T00:00:00Z|18.5|44",
                    "a|2024-05-01T00:10:00Z|18.75|45",
                    "b|2024-05-01T00:00:00Z|18.5|44",
                    "b|2024-05-01T00:10:00Z|18.75|45",
                    "c|2024-05-01T00:00:00Z|18.5|44",
                    "c|2024-05-01T00:10:00Z|18.75|45",
                    "d|2024-05-01T00:00:00Z|18.5|44",
                    "d|2024-05-01T00:10:00Z|18.75|45",
                ]),
            Case::new("35", &from_name, "v_1.csv", &no_device).and("w_1.csv", &no_device).gives(&[
                "v|2024-05-01T00:00:00Z|18.5|44",
                "v|2024-05-01T00:10:00Z|18.75|45",
                TWO[0],
                TWO[1],
            ]),
        ],
    );
}

fn headers_and_preambles(db: Db) {
    hold(
        db,
        vec![
            Case::plain("32b", "", "hash.csv", format!("#{FILE}")).refuses(
                "hash.csv",
                "missing_column",
                &["is \"#ts\" meant?"],
            ),
            Case::plain("32d", "", "notes.csv", format!("# logger 7\n{FILE}")).refuses(
                "notes.csv",
                "missing_column",
                &["csv.comment = \"#\"", "csv.skip_lines = 1"],
            ),
            Case::plain("36d", "", "pipes.csv", FILE.replace(',', "||")).refuses(
                "pipes.csv",
                "missing_column",
                &["csv.delimiter = \"|\""],
            ),
            Case::plain("36e", "delimiter = \"|\"", "pipes.csv", FILE.replace(',', "||")).gives(&TWO),
            Case::plain("49", "", "escape.csv", format!("\x1b[31m{FILE}")).refuses(
                "escape.csv",
                "missing_column",
                &["\\u{1b}[31mts"],
            ),
            Case::plain("53", "", "single.csv", FILE.replace("ts,", "'ts',")).refuses(
                "single.csv",
                "missing_column",
                &["is \"'ts'\" meant?"],
            ),
            Case::plain("54d", "", "marks.csv", format!("\u{feff}\u{feff}{FILE}")).refuses(
                "marks.csv",
                "missing_column",
                &["\\u{feff}ts"],
            ),
            Case::plain("55", "skip_lines = 1", "report.csv", format!("\u{feff}report of May\n{FILE}"))
                .gives(&TWO)
                .skips(1),
            Case::plain("55b", "skip_lines = 1", "lines.csv", format!("\"report,\nof May\"\n{FILE}")).refuses(
                "lines.csv",
                "missing_column",
                &["line 3 has the names: csv.skip_lines = 2"],
            ),
            Case::plain("56", "", "gap.csv", FILE.replace("18.5,", ","))
                .gives(&TWO[1..])
                .sets_aside(&["2 temp missing"]),
        ],
    );
}

fn rows_that_come_more_than_once(db: Db) {
    let thrice = "ts,device,temp,humidity\n1714521600,w,18.5,44\n1714521600,w,18.5,44\n1714522200,w,18.75,45\n1714521600,w,18.5,44\n";
    hold(
        db,
        vec![
            Case::plain("45", "", "mqtt.csv", thrice).gives(&TWO).sets_aside(&["3  duplicate_key", "5  duplicate_key"]),
        ],
    );

    // 29b: closer than a microsecond is the same time.
    let world = World::new(db);
    world.config(&PLAIN.replace("unix_seconds", "unix_nanos"));
    let rows: String = (0..8).map(|i| format!("{},w,{i},44\n", 1_714_521_600_000_000_000_u64 + 200 * i)).collect();
    world.file("vibration.csv", format!("ts,device,temp,humidity\n{rows}"));
    world.ok(&["run"]).expect_stderr(&["kept to the microsecond"]);
    assert_eq!((world.manifest("vibration.csv").loaded, world.manifest("vibration.csv").duplicate), (2, 6));
}

/// 57: said once, kept for `status` until the contract has it.
fn a_new_column(db: Db) {
    let world = World::new(db);
    let wider = |device: &str| {
        FILE.replace("humidity", "humidity,co2")
            .replace(",44\n", ",44,400\n")
            .replace(",45\n", ",45,401\n")
            .replace("w,", &format!("{device},"))
    };
    world.config(PLAIN);
    world.file("day1.csv", FILE);
    let outcome = world.ok(&["run"]);
    assert!(!outcome.stderr.contains("new columns"), "{}", outcome.stderr);
    world.file("day2.csv", wider("x"));
    world.ok(&["run"]).expect_stderr(&["day2.csv", "the contract does not name: co2"]);
    world.file("day3.csv", wider("y"));
    let outcome = world.ok(&["run"]);
    assert!(!outcome.stderr.contains("co2"), "{}", outcome.stderr);
    let status = world.ok(&["status"]).stdout;
    assert!(status.contains("column      \"co2\" of \"day2.csv\" is not in the contract"), "{status}");
    let json = world.ok(&["status", "--output", "json"]).json();
    assert_eq!(json["unnamed_columns"], serde_json::json!([{ "name": "co2", "source": "day2.csv" }]));
    world.config(&format!("{PLAIN}\n[[contract.sensor]]\nname = \"co2\"\nrequired = false\n"));
    world.file("day4.csv", wider("z"));
    world.ok(&["run"]);
    assert!(!world.ok(&["status"]).stdout.contains("co2"));
    assert_eq!(world.lines("SELECT co2 FROM iot_readings WHERE device = 'z' ORDER BY ts"), ["400", "401"]);
}

fn files_that_nobody_takes(db: Db) {
    let world = World::new(db);
    world.config(PLAIN);
    for name in ["a.tsv", "b.txt", "c.csv.zip"] {
        world.file(name, FILE);
    }
    world.ok(&["run"]).expect_stderr(&["3 files do not match source.pattern, for example", "must be unpacked"]);
    assert_eq!(world.files("data"), ["a.tsv", "b.txt", "c.csv.zip"]);
}

/// Its file was archived while it had it open: what it appends is named, and loaded where that is asked for.
fn a_writer_that_goes_on_in_the_archive(db: Db) {
    use std::io::Write;

    let world = World::new(db);
    world.config(PLAIN);
    world.file("day.csv", FILE);
    world.ok(&["run"]);
    assert!(!world.ok(&["status"]).stdout.contains("archive"));
    let mut writer = std::fs::File::options().append(true).open(world.path("processed/day.csv")).unwrap();
    writer.write_all(b"1714522800,w,19,46\n").unwrap();
    drop(writer);
    let longer = world.read("processed/day.csv");
    world.ok(&["run"]).expect_stderr(&["day.csv", "changed after it was loaded", "iotpipe retry day.csv"]);
    assert!(world.ok(&["status"]).stdout.contains("\"day.csv\" changed after it was loaded"));
    assert_eq!(world.stored(), 2);
    world.ok(&["retry", "day.csv"]);
    assert_eq!((world.read("processed/day.csv"), world.read("data/day.csv")), (FILE.into(), longer.clone()));
    world.ok(&["run"]);
    let third = "w|2024-05-01T00:20:00Z|19|46";
    assert_eq!(world.lines("SELECT device, ts, temp, humidity FROM iot_readings ORDER BY ts"), [TWO[0], TWO[1], third]);
    let entries = world.manifests("day.csv");
    assert_eq!(entries.len(), 2);
    assert_eq!((entries[1].state.as_str(), entries[1].loaded, entries[1].duplicate), ("loaded", 1, 2));
    assert_eq!(world.files("data"), [""; 0]);
    assert!(!world.ok(&["status"]).stdout.contains("changed after"));
    world.ok(&["verify"]);

    // Where the beginning is another, nothing is given back.
    world.file("other.csv", FILE.replace("w,", "x,"));
    world.ok(&["run"]);
    let mut changed = FILE.replace("w,", "y,");
    changed.push_str("1714522800,y,19,46\n");
    std::fs::write(world.path("processed/other.csv"), &changed).unwrap();
    world.iotpipe(&["retry", "other.csv"]).expect_code(2).expect_stderr(&["no longer begins with", "another name"]);
    assert_eq!((world.read("processed/other.csv"), world.files("data").len()), (changed.into_bytes(), 0));
}

/// Whoever comes second finds the name taken, and harms nothing of the first.
fn what_was_appended_is_taken_up_by_two_at_once(db: Db) {
    let world = World::new(db);
    world.config(PLAIN);
    let names: Vec<String> = (0..5).map(|n| format!("{n}.csv")).collect();
    let file = |name: &str| FILE.replace("w,", &format!("w{name},"));
    names.iter().for_each(|name| world.file(name, file(name)));
    world.ok(&["run"]);
    for name in &names {
        let longer = file(name) + &format!("1714522800,w{name},19,46\n");
        std::fs::write(world.path(format!("processed/{name}")), &longer).unwrap();
        let both = [world.start(&["retry", name]), world.start(&["retry", name])];
        let codes = both.map(|mut retry| retry.child.wait().unwrap().code());
        assert!(codes.contains(&Some(0)), "{codes:?}");
        assert_eq!(world.read(format!("processed/{name}")), file(name).into_bytes());
        assert_eq!(world.read(format!("data/{name}")), longer.into_bytes());
    }
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("data").len()), (15, 0));
    world.ok(&["verify"]);
}
