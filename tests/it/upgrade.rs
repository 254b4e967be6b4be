//! A database of the first version: any command brings it up to date, nothing of it is lost or done twice, and programs of
//! the first version that are still running can't touch it any more.

use std::fs;

use crate::on_both_databases;
use crate::support::assertions::sha256;
use crate::support::{Db, World};

on_both_databases!(
    any_command_migrates,
    every_state_goes_on_as_it_should,
    the_first_version_can_write_nothing_any_more,
    held_files_are_handed_back_on_request,
);

const CONTRACT: &str = "[contract]\nmax_rejected_ratio = 1.0\n[[contract.sensor]]\nname = \"v\"\n";
/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

/// A file of the device `d` with a good row in the `hour`-th hour, and `bad` bad ones.
fn readings(hour: i64, bad: usize) -> String {
    format!("ts,device,v\n{},d,{hour}\n{}", START + hour * 3600, "soon,d,1\n".repeat(bad))
}

/// An entry as the first version left it: name, content, state, whether it has left `data/`, counts, error.
type Entry = (&'static str, String, &'static str, bool, [Option<usize>; 3], Option<&'static str>);

fn entries() -> Vec<Entry> {
    let refused = "ts,co\n1,2\n".to_owned();
    let (all, none) = ([Some(1), Some(1), Some(0)], [None; 3]);
    let same = Some("same content as loaded.csv");
    vec![
        ("loaded.csv", readings(1, 0), "loaded", true, all, None),
        ("sub/rejects.csv", readings(2, 2), "loaded", true, [Some(3), Some(1), Some(2)], None),
        ("loaded-unmoved.csv", readings(3, 0), "loaded", false, all, None),
        ("duplicate.csv", readings(1, 0), "duplicate", true, none, same),
        ("duplicate-unmoved.csv", readings(1, 0), "duplicate", false, none, same),
        ("refused.csv", refused.clone(), "rejected", true, none, Some("missing_column: v")),
        ("refused-unmoved.csv", refused + "3,4\n", "rejected", false, none, Some("missing_column: v")),
        ("given-up.csv", readings(4, 0), "failed", false, none, Some("given up after 5 attempts: ...")),
        ("gone.csv", readings(5, 0), "failed", true, none, Some("the file vanished before it was read; ...")),
        ("unloaded.csv", readings(6, 0), "failed", true, all, Some("unloaded on request; put the file back ...")),
        ("pending.csv", readings(7, 1), "pending", false, none, None),
        ("validated.csv", readings(8, 1), "validated", false, [Some(2), None, Some(1)], None),
        ("aggregated.csv", readings(9, 1), "aggregated", false, [Some(2), None, Some(1)], None),
        ("arriving.csv", readings(10, 0), "arriving", false, none, None),
    ]
}

/// The folders and the database that the first version left.
fn first_version(db: Db) -> World {
    let hash = {
        let world = World::new(db);
        world.config(CONTRACT);
        world.file("a.csv", readings(1, 0));
        world.ok(&["run"]);
        world.lines("SELECT contract_hash FROM manifest").remove(0)
    };
    let world = World::new(db);
    world.config(CONTRACT);
    world.execute(match db {
        Db::Sqlite => include_str!("first_version/sqlite.sql"),
        Db::Postgres => include_str!("first_version/postgres.sql"),
    });
    let instant = |seconds: i64| match db {
        Db::Sqlite => (seconds * 1_000_000).to_string(),
        Db::Postgres => format!("to_timestamp({seconds})"),
    };
    world.execute("INSERT INTO device (id, name) VALUES (1, 'd')");
    for (id, (name, content, state, left, [total, loaded, rejected], error)) in (1..).zip(entries()) {
        let (short, stem) =
            (&sha256(content.as_bytes())[..12], name.rsplit('/').next().unwrap().trim_end_matches(".csv"));
        let folder = match (left, state) {
            (true, "rejected") => format!("quarantine/{stem}.{short}.csv"),
            (true, _) => format!("processed/{name}"),
            (false, _) => format!("data/{name}"),
        };
        if name != "gone.csv" {
            put(&world, &folder, &content);
        }
        if state == "rejected" {
            let reasons = "line,rejected_line,column,value,rule,message\n,,,,missing_column,v\n";
            put(&world, &format!("quarantine/{stem}.{short}.reasons.csv"), reasons);
        } else if rejected.is_some_and(|rows| rows > 0) {
            put_rejected(&world, &format!("quarantine/{stem}.{short}"), rejected.unwrap());
        }
        let text = |value: Option<&str>| value.map_or("NULL".to_owned(), |value| format!("'{value}'"));
        let number = |value: Option<usize>| value.map_or("NULL".to_owned(), |value| value.to_string());
        let then = "'2024-05-02T00:00:00+00:00'";
        let (judged, stored) = (total.map_or("NULL", |_| then), loaded.map_or("NULL", |_| then));
        let modified = fs::metadata(world.path(&folder)).and_then(|metadata| metadata.modified());
        let modified = jiff::Timestamp::try_from(modified.unwrap_or(std::time::UNIX_EPOCH)).unwrap();
        // A worker of another machine had it in hand, for a day.
        let (claimed_by, lease) = match state {
            "pending" => ("'elsewhere/pid:[1]/1/1'", "'2124-05-02T00:00:00+00:00'"),
            _ => ("NULL", "NULL"),
        };
        world.execute(&format!(
            "INSERT INTO manifest (source, size, modified_at, sha256, state, contract_hash, rows_total, rows_loaded,
                 rows_rejected, rows_duplicate, last_error, claimed_by, lease_until, discovered_at, validated_at,
                 aggregated_at, loaded_at, archived_at)
             VALUES ('{name}', {}, '{}', {}, '{state}', {}, {}, {}, {}, {}, {}, {claimed_by}, {lease}, {then}, {judged},
                 {judged}, {stored}, {})",
            content.len(),
            modified.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00"),
            if state == "arriving" { "NULL".to_owned() } else { text(Some(&sha256(content.as_bytes()))) },
            total.map_or("NULL".to_owned(), |_| text(Some(&hash))),
            number(total),
            number(loaded),
            number(rejected),
            number(loaded.map(|_| 0)),
            text(error),
            if left { then } else { "NULL" },
        ));
        let hour = content.lines().nth(1).unwrap().rsplit(',').next().unwrap();
        let at = instant(content.lines().nth(1).unwrap().split(',').next().unwrap().parse().unwrap());
        if state == "loaded" {
            world.execute(&format!(
                "INSERT INTO iot_raw_data VALUES (1, {at}, {id}, 2, {hour});
                 INSERT INTO sensor_aggregates VALUES (1, 'v', {at}, 1, {hour}, {hour}, {hour}, 0, NULL)"
            ));
        }
        if ["loaded", "aggregated"].contains(&state) {
            world.execute(&format!(
                "INSERT INTO file_aggregates VALUES ({id}, 1, 'v', {at}, 1, {hour}, {hour}, {hour}, 0)"
            ));
        }
    }
    world
}

fn put(world: &World, path: &str, content: &str) {
    fs::create_dir_all(world.path(path).parent().unwrap()).unwrap();
    fs::write(world.path(path), content).unwrap();
}

fn put_rejected(world: &World, stem: &str, rows: usize) {
    put(world, &format!("{stem}.rejected.csv"), &("ts,device,v\n".to_owned() + &"soon,d,1\n".repeat(rows)));
    let message = "\"\"\"soon\"\" is neither a number nor an RFC 3339 timestamp\"";
    let reason = |row: usize| format!("{},{},ts,soon,bad_timestamp,{message}\n", row + 3, row + 2);
    let reasons: String = (0..rows).map(reason).collect();
    put(
        world,
        &format!("{stem}.reasons.csv"),
        &("line,rejected_line,column,value,rule,message\n".to_owned() + &reasons),
    );
}

/// What the manifest says after the migration alone.
const MIGRATED: [&str; 14] = [
    "loaded.csv|loaded|processed|loaded.csv",
    "sub/rejects.csv|loaded|processed|sub/rejects.csv",
    "loaded-unmoved.csv|loaded|inbox|-",
    "duplicate.csv|duplicate|processed|duplicate.csv",
    "duplicate-unmoved.csv|duplicate|inbox|-",
    "refused.csv|rejected|quarantine|-",
    "refused-unmoved.csv|rejected|inbox|-",
    "given-up.csv|failed|inbox|-",
    "gone.csv|vanished|none|-",
    "unloaded.csv|unloaded|processed|unloaded.csv",
    "pending.csv|pending|inbox|-",
    "validated.csv|validated|inbox|-",
    "aggregated.csv|aggregated|inbox|-",
    "arriving.csv|arriving|inbox|-",
];
const ENTRIES: &str = "SELECT source, state, place, place_name FROM manifest ORDER BY id";

fn any_command_migrates(db: Db) {
    for command in [["migrate"].as_slice(), &["status"], &["verify", "sub/rejects.csv"], &["retry", "given-up.csv"]] {
        let world = first_version(db);
        world.ok(command);
        let mut expected = MIGRATED.map(str::to_owned);
        if command[0] == "retry" {
            // Taking up what was interrupted is part of it.
            expected[2] = "loaded-unmoved.csv|loaded|processed|loaded-unmoved.csv".to_owned();
            expected[4] = "duplicate-unmoved.csv|duplicate|processed|duplicate-unmoved.csv".to_owned();
            expected[6] = world.lines(ENTRIES)[6].clone();
            assert!(
                expected[6].starts_with("refused-unmoved.csv|rejected|quarantine|refused-unmoved."),
                "{expected:?}"
            );
            expected[7] = "given-up.csv|pending|inbox|-".to_owned();
        }
        assert_eq!(world.lines(ENTRIES), expected, "{command:?}");
        assert_eq!((world.stored(), world.number("SELECT count(*) FROM sensor_stats")), (3, 3));
        world.nothing_differs();
    }
}

fn every_state_goes_on_as_it_should(db: Db) {
    let world = first_version(db);
    world.ok(&["run"]);
    assert_eq!(
        world.lines("SELECT state, place, count(*) FROM manifest GROUP BY state, place ORDER BY state, place"),
        [
            "duplicate|processed|2",
            "failed|inbox|1",
            "loaded|processed|7",
            "rejected|quarantine|2",
            "unloaded|processed|1",
            "vanished|none|1"
        ]
    );
    assert_eq!(world.files("data"), ["given-up.csv"]);
    assert_eq!((world.stored(), world.number("SELECT sum(count) FROM sensor_stats")), (7, 7));
    world.nothing_differs();
    // Each rejected row stands in one place.
    let names = world.files("quarantine");
    let rejected: Vec<_> = names.iter().filter(|name| name.ends_with(".rejected.csv")).collect();
    let rows = |name: &&String| world.read(format!("quarantine/{name}")).split(|b| *b == b'\n').count() - 2;
    assert_eq!((rejected.len(), rejected.iter().map(rows).sum::<usize>()), (4, 5), "{names:?}");

    world.ok(&["retry"]);
    world.ok(&["unload", "loaded.csv", "--again"]);
    fs::rename(world.path("processed/unloaded.csv"), world.path("data/unloaded.csv")).unwrap();
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("data").len()), (9, 0));
    world.nothing_differs();
}

/// A rolling deployment: it began before the migration, and goes on behind it.
fn the_first_version_can_write_nothing_any_more(db: Db) {
    let world = first_version(db);
    let then = "'2024-05-02T00:00:00+00:00'";
    let statements = [
        // a claim, its renewal, its end
        format!("UPDATE manifest SET claimed_by = 'me', lease_until = {then} WHERE id IN (SELECT id FROM manifest)"),
        format!("UPDATE manifest SET lease_until = {then} WHERE claimed_by = 'me'"),
        "UPDATE manifest SET claimed_by = NULL, lease_until = NULL WHERE id = 11 AND claimed_by = 'me'".to_owned(),
        // a load, a refusal, a file that changed, one that is given up
        "UPDATE manifest SET state = 'loaded', claimed_by = NULL WHERE id = 11 AND claimed_by = 'me'".to_owned(),
        "UPDATE manifest SET state = 'failed', last_error = '', claimed_by = NULL, lease_until = NULL WHERE id = 11"
            .to_owned(),
        // what a scan found
        "UPDATE manifest SET state = 'pending', size = 1 WHERE id = 11 AND claimed_by IS NULL".to_owned(),
        format!(
            "INSERT INTO manifest (source, size, modified_at, sha256, state, attempts, discovered_at)
             VALUES ('new.csv', 1, {then}, '', 'pending', 0, {then})"
        ),
        "SELECT id, source, claimed_by, lease_until FROM manifest WHERE archived_at IS NULL".to_owned(),
    ];
    for statement in &statements {
        world.try_execute(&format!("BEGIN; {statement}; ROLLBACK")).unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
    world.ok(&["migrate"]);
    for statement in &statements {
        assert!(world.try_execute(statement).is_err(), "{statement}");
    }
    assert_eq!(world.lines(ENTRIES), MIGRATED);
}

/// The way back: the files lie as the first version knows them.
fn held_files_are_handed_back_on_request(db: Db) {
    let world = first_version(db);
    world.ok(&["validate"]);
    assert_eq!(world.lines("SELECT source FROM manifest WHERE place = 'held'"), ["pending.csv"]);
    assert!(!world.path("data/pending.csv").exists());
    world.ok(&["release"]);
    assert_eq!(world.lines("SELECT count(*) FROM manifest WHERE place = 'held'"), ["0"]);
    let expected = ["aggregated.csv", "arriving.csv", "given-up.csv", "pending.csv", "validated.csv"];
    assert_eq!(world.files("data"), expected);
    assert_eq!(world.lines("SELECT state FROM manifest WHERE source = 'pending.csv'"), ["pending"]);
    assert!(!world.files("quarantine").iter().any(|name| name.starts_with("pending.")));
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("data")), (7, vec!["given-up.csv".to_owned()]));
    world.nothing_differs();
}
