//! Databases in which something stands that is not ours, or is set in an odd way: what can't work is told at once, with
//! what to do; all else works.

use crate::on_both_databases;
use crate::support::{Db, World, telemetry};

on_both_databases!(
    a_table_of_somebody_else,
    migrations_of_somebody_else,
    a_newer_schema,
    more_sensors_than_a_table_has_columns,
    sensors_called_like_columns_of_ours,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

/// It ends with 2, says `words`, and leaves the file where it is.
#[track_caller]
fn expect_refused(world: &World, words: &[&str]) {
    world.file("a.csv", telemetry("pump-1", START, 5));
    for command in ["run", "migrate", "status"] {
        let outcome = world.iotpipe(&[command, "--output", "json"]).expect_code(2).expect_stderr(words);
        assert_eq!(outcome.json()["step"], command);
    }
    assert_eq!(world.files("data"), ["a.csv"]);
}

fn a_table_of_somebody_else(db: Db) {
    for name in ["device", "manifest", "iot_raw_data", "worker", "setting", "sensor_stats", "iot_readings"] {
        let world = World::new(db);
        world.execute(&format!("CREATE TABLE {name} (theirs text); INSERT INTO {name} VALUES ('theirs')"));
        expect_refused(&world, &[name, "a database of its own"]);
        assert_eq!(world.lines(&format!("SELECT theirs FROM {name}")), ["theirs"]);
    }
}

/// Another program that keeps its migrations as this one does.
fn migrations_of_somebody_else(db: Db) {
    let world = World::new(db);
    world.execute(
        "CREATE TABLE seaql_migrations (version text PRIMARY KEY, applied_at bigint NOT NULL);
         INSERT INTO seaql_migrations VALUES ('m20220101_000001_create_users', 1)",
    );
    expect_refused(&world, &["m20220101_000001_create_users", "of its own"]);
}

fn a_newer_schema(db: Db) {
    let world = World::new(db);
    world.ok(&["migrate"]);
    world.execute("INSERT INTO seaql_migrations VALUES ('m20990101_000001_of_tomorrow', 1)");
    expect_refused(&world, &["newer iotpipe", "m20990101_000001_of_tomorrow"]);
}

fn sensors(range: std::ops::Range<usize>, rest: &str) -> String {
    range.map(|n| format!("[[contract.sensor]]\nname = 's{n}'\n{rest}\n")).collect()
}

fn more_sensors_than_a_table_has_columns(db: Db) {
    let world = World::new(db);
    let most = match db {
        Db::Sqlite => 2000 - 4,
        Db::Postgres => 1600 - 4,
    };
    world.config(&sensors(0..most + 1, "required = false"));
    expect_refused(&world, &["columns", "too many", "fewer sensors"]);
    // As many as there are, of which a row has few.
    world.config(&sensors(0..most, "required = false"));
    let header: String = (0..most).map(|n| format!(",s{n}")).collect();
    world.file("a.csv", format!("ts,device{header}\n{START},d,1{}\n", ",".repeat(most - 1)));
    world.ok(&["run"]);
    assert_eq!(world.stored(), 1);
    world.ok(&["verify"]);
    // Those of an earlier contract keep their columns.
    world.config(&sensors(most..most + 1, ""));
    expect_refused(&world, &["earlier contracts"]);
    if db == Db::Postgres {
        let world = World::new(db);
        world.config(&sensors(0..1100, ""));
        expect_refused(&world, &["a row", "bytes", "required = false"]);
    }
}

/// A sensor of each name that a column of a table or view has, but for those that are reserved.
fn sensors_called_like_columns_of_ours(db: Db) {
    let (world, ours) = (World::new(db), World::new(db));
    ours.ok(&["migrate"]);
    let reserved = ["device_id", "device", "ts", "file_id", "file", "line_number"];
    let columns = match db {
        Db::Sqlite => {
            "SELECT DISTINCT c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type IN ('table', 'view')"
        }
        Db::Postgres => {
            "SELECT DISTINCT column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        }
    };
    let others = ["oid", "rowid", "excluded", "old", "new", "r", "m", "d", "select", "value"];
    let mut names: Vec<String> = ours.lines(columns);
    names.extend(others.map(str::to_owned));
    names.retain(|name| !reserved.contains(&name.as_str()));
    names.sort();
    names.dedup();
    assert!(["state", "source", "id", "sha256", "last_error"].iter().all(|name| names.contains(&(*name).to_owned())));
    let contract: String = names.iter().map(|name| format!("[[contract.sensor]]\nname = '{name}'\n")).collect();
    world.config(&contract);
    let row = |second: i64| {
        let values: String = (0..names.len()).map(|n| format!(",{}", second + n as i64)).collect();
        format!("{},d{values}\n", START + second)
    };
    let header: String = names.iter().map(|name| format!(",{name}")).collect();
    let file = |rows: std::ops::Range<i64>| format!("ts,device{header}\n{}", rows.map(row).collect::<String>());
    world.file("a.csv", file(1..5));
    world.ok(&["run"]);
    // Some come again, so that the stored rows are looked up.
    world.file("b.csv", file(3..9));
    world.file("c.csv", format!("ts,device{header}\n{}{}", row(2).replace(",3,", ",7,"), row(20)));
    world.ok(&["run"]);
    assert_eq!((world.stored(), world.files("data").len()), (9, 0));
    assert_eq!(world.lines("SELECT sum(rows_duplicate) FROM manifest"), ["3"]);
    assert_eq!(world.number("SELECT count(*) FROM sensor_summary WHERE count = 9"), names.len() as i64);
    world.ok(&["verify"]);
    world.ok(&["unload", "a.csv"]);
    world.ok(&["run"]);
    world.ok(&["reaggregate", "--window", "1d"]);
    world.config(&format!("[aggregate]\nwindow = '1d'\n{contract}"));
    world.ok(&["verify"]);
    world.ok(&["status"]);
}

/// A world on a database of the server that is created with `options`.
fn postgres_with(options: &str) -> World {
    let world = World::new(Db::Postgres);
    let (server, name) = world.url().rsplit_once('/').unwrap();
    let other = format!("{name}_x");
    let admin = World::on(Db::Postgres, format!("{server}/postgres"));
    admin.execute(&format!("CREATE DATABASE {other} TEMPLATE template0 {options}"));
    World::on(Db::Postgres, format!("{server}/{other}"))
}

#[test]
fn a_server_whose_texts_are_not_utf_8() {
    let world = postgres_with("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'");
    expect_refused(&world, &["LATIN1", "ENCODING 'UTF8'"]);
    let world = postgres_with("ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'");
    world.file("ä.csv", telemetry("pümp", START, 5));
    world.ok(&["run"]);
    assert_eq!(world.lines("SELECT DISTINCT device, file FROM iot_readings"), ["pümp|ä.csv"]);
    world.ok(&["verify"]);
}

fn set(world: &World, setting: &str) {
    let name = world.url().rsplit_once('/').unwrap().1;
    world.execute(&format!("ALTER DATABASE {name} SET {setting}"));
}

#[test]
fn settings_under_which_nothing_works() {
    for (setting, words) in [
        ("standard_conforming_strings = off", ["standard_conforming_strings", "ALTER DATABASE"]),
        ("search_path = 'nowhere'", ["search_path", "nowhere"]),
    ] {
        let world = World::new(Db::Postgres);
        set(&world, setting);
        expect_refused(&world, &words);
    }
}

/// Settings that only look as if they mattered.
#[test]
fn settings_that_do_not_matter() {
    for setting in [
        "datestyle = 'German, DMY'",
        "intervalstyle = 'sql_standard'",
        "timezone = 'Asia/Kolkata'",
        "bytea_output = 'escape'",
        "extra_float_digits = -15",
        "array_nulls = off",
        "transform_null_equals = on",
        "client_encoding = 'LATIN1'",
        "lc_numeric = 'C'",
        "default_transaction_deferrable = on",
        "enable_indexscan = off",
    ] {
        let world = World::new(Db::Postgres);
        set(&world, setting);
        world.config("[[contract.sensor]]\nname = 'v'\n[[contract.sensor]]\nname = 'o'\nrequired = false\n");
        let row = |n: i64| format!("{},d{},1e{n},\n", START + n, n % 3);
        let file = |rows: std::ops::Range<i64>| format!("ts,device,v,o\n{}", rows.map(row).collect::<String>());
        world.file("a.csv", file(0..150));
        world.ok(&["run"]);
        world.file("b.csv", file(100..250));
        world.ok(&["run"]);
        assert_eq!(world.stored(), 250, "{setting}");
        world.ok(&["verify"]);
    }
}

/// What is committed is on the disk before its file moves, whatever the server's default is.
#[test]
fn a_server_that_commits_in_its_own_time() {
    let world = World::new(Db::Postgres);
    set(&world, "synchronous_commit = off");
    world.ok(&["migrate"]);
    world.execute(
        "CREATE TABLE seen (setting text);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
             $$BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END$$;
         CREATE TRIGGER note AFTER INSERT ON iot_raw_data FOR EACH STATEMENT EXECUTE FUNCTION note();
         CREATE TRIGGER note AFTER UPDATE ON manifest FOR EACH STATEMENT EXECUTE FUNCTION note()",
    );
    world.file("a.csv", telemetry("pump-1", START, 5));
    world.ok(&["run"]);
    assert_eq!(world.lines("SELECT DISTINCT setting FROM seen"), ["on"]);
}
