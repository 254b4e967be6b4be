//! What the program needs of a database and of the folders, and what it leaves alone.

use std::fs;

use crate::on_both_databases;
use crate::support::{Db, World, telemetry};

on_both_databases!(
    paths_are_relative_to_the_configuration,
    windows_and_times_below_a_second,
    names_that_a_terminal_would_obey,
    what_is_logged_is_asked_for_in_the_environment,
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

/// A role of its own name for each test; the server has them all.
fn role(world: &World, name: &str) -> String {
    let role = format!("{name}_{}", world.url().rsplit('/').next().unwrap());
    world.execute(&format!("CREATE ROLE \"{role}\" LOGIN"));
    format!("\"{role}\"")
}

#[test]
fn a_role_that_may_create_nothing() {
    let world = World::new(Db::Postgres);
    world.config("[database]\nauto_migrate = false\n");
    world.ok(&["migrate"]);
    let role = role(&world, "loader");
    world.execute(&format!(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
         ALTER ROLE {role} SET statement_timeout = '60s'"
    ));
    let run_as = format!("SET ROLE {role}");
    let may = world.query(&format!("SELECT has_schema_privilege({}, 'public', 'CREATE')", role.replace('"', "'")));
    assert_eq!(may[0][0].as_deref(), Some("0"), "{run_as}");
    let url = with_user(world.url(), role.trim_matches('"'));
    world.file("a.csv", telemetry("pump-1", START, 5));
    for args in [&["scan"][..], &["load"], &["status"], &["verify"], &["unload", "a.csv"]] {
        let output = world.command(args).env("DATABASE_URL", &url).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn with_user(url: &str, user: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{user}@{host}")
}

#[test]
fn views_and_rights_of_others_survive_a_new_sensor() {
    let world = World::new(Db::Postgres);
    let contract = |sensors: &[&str]| {
        let blocks: Vec<String> = sensors.iter().map(|s| format!("[[contract.sensor]]\nname = \"{s}\"\n")).collect();
        world.config(&blocks.concat());
    };
    contract(&["v"]);
    world.file("a.csv", "ts,device,v\n1714521600,d,1\n");
    world.ok(&["run"]);
    let role = role(&world, "reader");
    world.execute(&format!(
        "GRANT SELECT ON iot_readings TO {role}; CREATE VIEW theirs AS SELECT ts, v FROM iot_readings WHERE v > 0"
    ));
    contract(&["w", "v"]);
    world.file("b.csv", "ts,device,v,w\n1714521601,d,2,3\n");
    for command in ["status", "run"] {
        world.ok(&[command]);
    }
    assert_eq!(world.lines("SELECT v FROM theirs ORDER BY ts"), ["1", "2"]);
    assert_eq!(world.lines("SELECT v, w FROM iot_readings ORDER BY ts"), ["1|-", "2|3"]);
    let may = format!("SELECT has_table_privilege({}, 'iot_readings', 'SELECT')", role.replace('"', "'"));
    assert_eq!(world.lines(&may), ["1"]);
    // Where it can't be replaced in place, it is made anew, and may still be read.
    world.execute("DROP VIEW theirs; DROP VIEW iot_readings; CREATE VIEW iot_readings AS SELECT 1 AS something");
    world.execute(&format!("GRANT SELECT ON iot_readings TO {role}"));
    contract(&["w", "v", "x"]);
    world.ok(&["status"]);
    assert_eq!(world.lines("SELECT v, w, x FROM iot_readings ORDER BY ts"), ["1|-|-", "2|3|-"]);
    assert_eq!(world.lines(&may), ["1"]);
}

fn paths_are_relative_to_the_configuration(db: Db) {
    let world = World::new(db);
    fs::create_dir(world.path("conf")).unwrap();
    fs::create_dir(world.path("work")).unwrap();
    let url = if db == Db::Sqlite { "sqlite://sub%20folder/my.db" } else { world.url() };
    fs::write(
        world.path("conf/iotpipe.toml"),
        format!("[source]\nsettle = \"0s\"\n[paths]\ndata = \"in\"\n[database]\nurl = \"{url}\"\n"),
    )
    .unwrap();
    fs::create_dir(world.path("conf/in")).unwrap();
    fs::write(world.path("conf/in/a.csv"), telemetry("pump-1", START, 5)).unwrap();
    let command = |args: &[&str]| {
        let mut command = world.command(args);
        command.args(["--config", "../conf/iotpipe.toml"]).current_dir(world.path("work")).env_remove("DATABASE_URL");
        command
    };
    for args in [["run"], ["verify"]] {
        let output = command(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(fs::read_dir(world.path("work")).unwrap().count(), 0, "nothing is made in the working folder");
    assert!(world.path("conf/processed/a.csv").exists() && world.path("conf/logs").exists());
    assert!(db != Db::Sqlite || world.path("conf/sub folder/my.db").exists());
    // A flag's and the environment's are relative to the working folder, as paths that are typed are.
    if db == Db::Sqlite {
        let output = command(&["status", "--database-url", "sqlite://typed.db"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(world.path("work/typed.db").exists());
    }
}

#[test]
fn a_url_is_read_once() {
    for (url, file) in [
        ("sqlite://my%20db.db", "my db.db"),
        ("sqlite://sp ace.db", "sp ace.db"),
        ("sqlite://100%25.db?mode=rwc", "100%.db"),
        ("sqlite://sub/deep/x.db", "sub/deep/x.db"),
        ("sqlite://127.0.0.1:55998/x.db", "127.0.0.1:55998/x.db"),
    ] {
        let world = World::new(Db::Sqlite);
        world.file("a.csv", telemetry("pump-1", START, 5));
        let run = |args: &[&str], url: &str| world.command(args).env("DATABASE_URL", url).output().unwrap();
        let output = run(&["run"], url);
        assert_eq!(output.status.code(), Some(0), "{url}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(world.path(file).is_file(), "{url}");
        let names: Vec<_> = fs::read_dir(world.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
        let own = ["data", "processed", "quarantine", "logs", "iotpipe.toml"];
        let first = file.split('/').next().unwrap();
        let stray: Vec<_> =
            names.iter().filter(|n| !own.iter().any(|o| n == o) && !n.to_string_lossy().starts_with(first)).collect();
        assert!(stray.is_empty(), "{url}: {stray:?}");
        let plain = url.split('?').next().unwrap();
        assert_eq!(run(&["status"], &format!("{plain}?mode=ro")).status.code(), Some(0), "{url}");
        world.file("b.csv", telemetry("pump-2", START, 5));
        assert_ne!(run(&["run"], &format!("{plain}?mode=ro")).status.code(), Some(0), "{url}");
        assert_ne!(run(&["status"], "sqlite://missing.db?mode=ro").status.code(), Some(0));
        assert!(!world.path("missing.db").exists(), "what is only read is not made");
    }
    let world = World::new(Db::Sqlite);
    for url in ["postgres://u:12/s3cret@host/db", "postgres://u:12#s3cret@host/db", "postgres://u:1?s3cret@host/db"] {
        let output = world.command(&["-vv", "status"]).env("DATABASE_URL", url).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert_eq!(output.status.code(), Some(2), "{url}");
        assert!(!String::from_utf8_lossy(&said).contains("s3cret"), "{url}");
    }
}

/// The same on both databases, also before 1970.
fn windows_and_times_below_a_second(db: Db) {
    let world = World::new(db);
    world.config("[contract]\nmin_timestamp = \"1900-01-01\"\n[[contract.sensor]]\nname = \"v\"\n[aggregate]\nwindow = \"250ms\"\n");
    if world.iotpipe(&["migrate"]).code == 2 {
        // Without a limit that could be set.
        world.config("[[contract.sensor]]\nname = \"v\"\n[aggregate]\nwindow = \"250ms\"\n");
    }
    let times = ["1714521600.1", "1714521600.3", "1714521600.999999", "-0.1", "-1.9", "59.999999"];
    let rows: String = times.iter().map(|ts| format!("{ts},d,1\n")).collect();
    world.file("a.csv", format!("ts,device,v\n{rows}"));
    world.ok(&["run"]);
    let starts = world.lines("SELECT window_start FROM sensor_stats ORDER BY window_start");
    let mut sorted = starts.clone();
    sorted.dedup();
    assert_eq!((starts.len(), sorted.len()), (6, 6), "{starts:?}");
    assert!(
        starts.contains(&"1969-12-31T23:59:58Z".to_owned()) && starts.contains(&"1969-12-31T23:59:59.75Z".to_owned())
    );
    assert_eq!(
        world.lines("SELECT first_seen, last_seen FROM sensor_summary"),
        ["1969-12-31T23:59:58.1Z|2024-05-01T00:00:00.999999Z"]
    );
    world.ok(&["verify"]);
}

fn names_that_a_terminal_would_obey(db: Db) {
    let world = World::new(db);
    let evil = "\u{1b}]0;owned\u{7}";
    world.file("a.csv", telemetry(evil, START, 3));
    world.file("b.csv", telemetry("pump-1", START + 90_000, 3));
    world.file("c.csv", format!("ts,{evil}\n1,2\n"));
    let run = world.iotpipe(&["run"]);
    let status = world.ok(&["status"]);
    world.execute("UPDATE iot_raw_data SET temp = temp + 1");
    let verify = world.iotpipe(&["verify"]).expect_code(1);
    assert!(run.stderr.contains("owned") && status.stdout.contains("owned"), "{}{}", run.stderr, status.stdout);
    for text in [run.stderr, status.stdout, verify.stdout, verify.stderr] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text}");
    }
}

fn what_is_logged_is_asked_for_in_the_environment(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 3));
    let output = world.command(&["run"]).env("IOTPIPE_LOG", "iotpipe=info").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("committed"), "{output:?}");
    world.file("b.csv", telemetry("pump-2", START, 3));
    assert!(!world.ok(&["run"]).stderr.contains("committed"));
}
