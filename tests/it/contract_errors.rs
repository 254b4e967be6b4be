//! What can never work as asked ends with exit code 2, what may work later with 1; both say what to do about it.

use crate::support::{Db, Outcome, World, telemetry};

/// The outcome of `run` with this `iotpipe.toml`; whatever it says, a file in `data/` is left alone.
fn run_with(toml: &str) -> Outcome {
    let world = World::new(Db::Sqlite);
    world.config(toml);
    world.file("a.csv", telemetry("pump-1", 1_714_521_600, 5));
    let outcome = world.iotpipe(&["run"]);
    if outcome.code != 0 {
        assert_eq!(world.files("data"), ["a.csv"]);
    }
    outcome
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    // Lines 1 to 3 are `[source]`, its key, and an empty one.
    let outcome = run_with("[contract]\nextra_columns = \"ignore\"\nmax_rejectd_ratio = 0.5\n");
    outcome.expect_code(2).expect_stderr(&["iotpipe.toml", "max_rejectd_ratio", "line 6"]);
}

#[test]
fn two_sensors_of_one_name_are_named() {
    let outcome = run_with("[[contract.sensor]]\nname = \"temp\"\n\n[[contract.sensor]]\nname = \"temp\"\n");
    outcome.expect_code(2).expect_stderr(&["iotpipe.toml", "temp", "two"]);
}

#[test]
fn values_that_make_no_sense_are_named() {
    for (toml, words) in [
        ("[contract]\nmax_rejected_ratio = 1.5\n", "max_rejected_ratio"),
        ("[contract]\nmax_future = \"soon\"\n", "max_future"),
        ("[aggregate]\nwindow = \"0s\"\n", "window"),
        ("[csv]\ndelimiter = \"tab\"\n", "delimiter"),
        ("[csv]\ndecimal = \";\"\n", "decimal"),
        ("[contract]\ntimestamp = { column = \"t\", format = \"unix\" }\n", "format"),
        ("[contract]\ntimestamp = { column = \"t\", format = \"%F\", zone = \"Europe/Atlantis\" }\n", "Atlantis"),
        ("[contract]\ndevice = { from_name = \"^[^_]+_\" }\n", "device"),
        ("[[contract.sensor]]\nname = \"Temp (C)\"\n", "Temp (C)"),
        ("[[contract.sensor]]\nname = \"ts\"\n", "ts"),
        ("[[contract.sensor]]\nname = \"t\"\ntype = \"decimal\"\n", "decimal"),
        ("[[contract.sensor]]\nname = \"t\"\nmin = 2.0\nmax = 1.0\n", "min"),
        ("[[contract.sensor]]\nname = \"t\"\nmin = nan\n", "finite"),
        ("[[contract.sensor]]\nname = \"t\"\nmax = -inf\n", "finite"),
        ("[contract]\ndevice = { value = \"a\\u0000b\" }\n", "printable"),
        ("[contract]\ndevice = { value = \"a\\u001b[31m\" }\n", "printable"),
        ("[aggregate]\nwindow = \"290000y\"\n", "window"),
        ("[aggregate]\nwindow = \"10ns\"\n", "window"),
        ("[paths]\ndata = \"\"\n", "paths.data"),
        ("[paths]\nlogs = \"\"\n", "paths.logs"),
        ("[paths]\nquarantine = \"a\\u0000\"\n", "paths.quarantine"),
        ("[contract\n", "line 4"),
    ] {
        run_with(toml).expect_code(2).expect_stderr(&["iotpipe.toml", words]);
    }
}

#[test]
fn the_built_in_contract_needs_no_file() {
    let world = World::new(Db::Sqlite);
    std::fs::remove_file(world.path("iotpipe.toml")).unwrap();
    world.file("a.csv", telemetry("pump-1", 1_714_521_600, 5));
    world.ok(&["run"]);
    assert_eq!(world.stored(), 5);
    world.iotpipe(&["run", "--config", "elsewhere.toml"]).expect_code(2).expect_stderr(&["elsewhere.toml"]);
}

#[test]
fn usage_errors_end_with_2() {
    let world = World::new(Db::Sqlite);
    for args in [
        &["lod"][..],
        &["run", "--colour"],
        &["loop", "--interval", "often"],
        &["loop", "--interval", "0s"],
        &["loop", "--interval", "1ms"],
        &["reaggregate", "--window", "290000y"],
        &["run", "--output", "xml"],
        &[],
    ] {
        assert_eq!(world.iotpipe(args).code, 2, "{args:?}");
    }
    world
        .iotpipe(&["run", "--database-url", "mysql://here/there"])
        .expect_code(2)
        .expect_stderr(&["sqlite", "postgres"]);
}

#[test]
fn a_database_that_is_away_is_named_without_its_password() {
    let world = World::new(Db::Sqlite);
    world.file("a.csv", telemetry("pump-1", 1_714_521_600, 5));
    let url = "postgres://user:s3cret@127.0.0.1:1/x";
    for args in [["run", "-v"], ["scan", "-v"], ["load", "-v"], ["status", "-v"], ["migrate", "-v"]] {
        let outcome = world.iotpipe(&[&args[..], &["--database-url", url]].concat()).expect_code(1);
        assert!(!outcome.stdout.contains("s3cret") && !outcome.stderr.contains("s3cret"), "{}", outcome.stderr);
        outcome.expect_stderr(&["127.0.0.1:1"]);
    }
    for log in world.files("logs") {
        let text = String::from_utf8_lossy(&world.read(format!("logs/{log}"))).into_owned();
        assert!(!text.contains("s3cret"), "logs/{log}: {text}");
    }
    assert_eq!(world.files("data"), ["a.csv"]);
}

/// Names that a database has in every table, and those of the program's own columns, on either database.
#[test]
fn names_that_are_taken_are_told() {
    let own = ["device_id", "ts", "file_id", "line_number", "device", "file"];
    for name in ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"].iter().chain(&own) {
        let outcome = run_with(&format!("[[contract.sensor]]\nname = \"{name}\"\n"));
        outcome.expect_code(2).expect_stderr(&["iotpipe.toml", &format!("\"{name}\""), "choose another"]);
    }
}

/// An empty variable is one that is not set: the file's database, or the default, is meant.
#[test]
fn an_empty_database_url_is_none() {
    let world = World::new(Db::Sqlite);
    world.file("a.csv", telemetry("pump-1", 1_714_521_600, 5));
    let mut run = world.command(&["run"]);
    Outcome::of(&["run"], {
        run.env("DATABASE_URL", "");
        run
    })
    .expect_code(0);
    assert_eq!(world.stored(), 5);
    world.config("[database]\nurl = \"sqlite://other.db\"\n");
    let mut status = world.command(&["status"]);
    let outcome = Outcome::of(&["status"], {
        status.env("DATABASE_URL", "");
        status
    })
    .expect_code(0);
    assert!(outcome.stdout.contains("other.db"), "{}", outcome.stdout);
    world.config("[database]\nurl = \"\"\n");
    let mut status = world.command(&["status"]);
    Outcome::of(&["status"], {
        status.env_remove("DATABASE_URL");
        status
    })
    .expect_code(2)
    .expect_stderr(&["sqlite://"]);
}

#[test]
fn a_password_that_is_wrong_or_malformed_never_shows() {
    let world = World::new(Db::Sqlite);
    for url in ["postgres://user:s3cret@127.0.0.1:port/x", "postgres://user:s3cret@[::1/x", "postgres//user:s3cret@h/x"]
    {
        let outcome = world.iotpipe(&["run", "--database-url", url]);
        assert_ne!(outcome.code, 0, "{url}");
        assert!(!outcome.stdout.contains("s3cret") && !outcome.stderr.contains("s3cret"), "{}", outcome.stderr);
    }
}
