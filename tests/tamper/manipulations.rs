//! One thing is changed, in the database, the archive or the quarantine; `verify` says so; it is changed back.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::files::Files;
use crate::support::{Db, HEADER, World};
use crate::tables::TABLES;
use crate::{START, number_from, rows};

#[test]
fn some_on_sqlite() {
    storm(Db::Sqlite, 40);
}

#[test]
fn some_on_postgres() {
    storm(Db::Postgres, 25);
}

#[test]
#[ignore = "minutes; make tamper"]
fn many_on_sqlite() {
    storm(Db::Sqlite, number_from("TAMPER_TIMES", 500));
}

#[test]
#[ignore = "minutes; make tamper"]
fn many_on_postgres() {
    storm(Db::Postgres, number_from("TAMPER_TIMES", 500));
}

/// Loaded files with bad and repeated rows, one that was corrected, one refused, a duplicate, one taken out.
fn world(db: Db, files: Files, random: &mut ChaCha8Rng) -> World {
    let world = World::new(db);
    let ending = files.ending();
    world.config(files.contract());
    for n in 0..5 {
        world.file(format!("{n}.{ending}"), files.of_wide(&rows(random)));
        world.ok(&["run"]);
    }
    let first = world.files("processed").into_iter().find(|name| name.ends_with(ending)).unwrap();
    world.file(format!("again.{ending}"), world.read(format!("processed/{first}")));
    world.file("refused.csv", "no,columns\n1,2\n");
    let one = format!("{HEADER}\n{START},pump-9,0.5,40,1,0.25,0,0.125,20\n");
    world.file(format!("out.{ending}"), files.of_wide(&one));
    world.ok(&["run"]);
    world.ok(&["unload", &format!("out.{ending}")]);
    world.ok(&["verify"]);
    world
}

/// What was done, and how it is undone.
enum Undo {
    Sql(Vec<String>),
    File(PathBuf, Option<Vec<u8>>),
}

fn storm(db: Db, times: u64) {
    let seed = number_from("TAMPER_SEED", 20_261_126);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    // Some of each.
    let worlds = Files::ALL.iter().cycle().zip(std::iter::repeat(times.div_ceil(3 * (1 + times / 150))));
    for (files, each) in worlds {
        let left = times - found.values().sum::<u64>();
        if left == 0 {
            break;
        }
        manipulate_often(&world(db, *files, &mut random), *files, each.min(left), &mut random, &mut found);
    }
    println!("tamper on {db:?}: seed {seed}, {} manipulations, each found", found.values().sum::<u64>());
    found.iter().for_each(|(what, n)| println!("    {n:4} times {what}"));
}

fn manipulate_often(
    here: &World,
    files: Files,
    times: u64,
    random: &mut ChaCha8Rng,
    found: &mut BTreeMap<String, u64>,
) {
    let (db, seed) = (here.db, number_from("TAMPER_SEED", 20_261_126));
    let mut n = 0;
    while n < times {
        let Some((what, undo)) = manipulate(here, random) else { continue };
        n += 1;
        let outcome = here.iotpipe(&["verify"]);
        assert!(
            [1, 3].contains(&outcome.code) && !outcome.stderr.contains("every line accounted for"),
            "seed {seed}, {db:?}, {files:?}, number {n}: {what}: exit {}\n{}{}",
            outcome.code,
            outcome.stdout,
            outcome.stderr
        );
        let named = ["DIFFERS", "waiting ", "UNKNOWN ", "in part "].iter().any(|word| outcome.stdout.contains(word));
        assert!(named, "seed {seed}, {files:?}, number {n}: {what} is not named\n{}{}", outcome.stdout, outcome.stderr);
        let kind = format!("{files:?}: {} (exit {})", what.split(':').next().unwrap(), outcome.code);
        *found.entry(kind).or_default() += 1;
        match undo {
            Undo::Sql(statements) => statements.iter().for_each(|sql| here.execute(sql)),
            Undo::File(path, Some(bytes)) => fs::write(path, bytes).unwrap(),
            Undo::File(path, None) => fs::remove_file(path).unwrap(),
        }
        let after = here.iotpipe(&["verify"]);
        assert_eq!(
            after.code, 0,
            "seed {seed}, {db:?}, {files:?}: not undone: {what}\n{}{}",
            after.stdout, after.stderr
        );
    }
}

fn manipulate(world: &World, random: &mut ChaCha8Rng) -> Option<(String, Undo)> {
    match random.random_range(0..4) {
        0 => in_a_folder(world, random),
        _ => in_a_table(world, random),
    }
}

/// A byte changed, a line or the whole taken away, a file added.
fn in_a_folder(world: &World, random: &mut ChaCha8Rng) -> Option<(String, Undo)> {
    let folder = *["processed", "quarantine"].choose(random)?;
    let files = world.files(folder);
    let name = files.choose(random)?;
    let path = world.path(folder).join(name);
    let bytes = fs::read(&path).unwrap();
    let kind =
        ["reasons.csv", "rejected.csv", "rejected.jsonl"].iter().find(|kind| name.ends_with(**kind)).unwrap_or(&"file");
    let undo = Undo::File(path.clone(), Some(bytes.clone()));
    let what = match random.random_range(0..4) {
        0 => {
            fs::remove_file(&path).unwrap();
            "removed"
        }
        1 => {
            let mut changed = bytes.clone();
            // Not in a message, which is for people, and not a line end, which leaves all rows as they are.
            let end = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
            let at = random.random_range(0..end.max(1));
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            if *kind == "reasons.csv" {
                return None;
            }
            fs::write(&path, changed).unwrap();
            "changed"
        }
        2 => {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            let gone = random.random_range(1..lines.len().max(2)).min(lines.len() - 1);
            let kept = lines.iter().enumerate().filter(|(i, _)| *i != gone).map(|(_, line)| format!("{line}\n"));
            fs::write(&path, kept.collect::<String>()).unwrap();
            "a line taken away"
        }
        _ => {
            let alien = world.path(folder).join(format!("alien-{}.csv", random.random_range(0..1000)));
            fs::write(&alien, &bytes).unwrap();
            return Some((format!("{folder}, {kind}: a copy added: {name}"), Undo::File(alien, None)));
        }
    };
    Some((format!("{folder}, {kind}, {what}: {name}"), undo))
}

/// A row taken away, or one of its values changed.
fn in_a_table(world: &World, random: &mut ChaCha8Rng) -> Option<(String, Undo)> {
    let (table, key, columns) = TABLES.choose(random)?;
    // That of the other layout has not even the columns.
    if world.number(&format!("SELECT count(*) FROM {table}")) == 0 {
        return None;
    }
    let list = columns.join(", ");
    // Times as the database keeps them, so that they can be written back.
    let listed: Vec<String> = columns.iter().map(|column| as_kept(world, column)).collect();
    let all = world.query(&format!("SELECT {} FROM {table} ORDER BY {list}", listed.join(", ")));
    let row = all.choose(random)?;
    let value = |column: &str| columns.iter().position(|c| c == &column).and_then(|i| row[i].clone());
    let mut which = (*key).to_owned();
    for column in columns.iter() {
        let text = value(column).unwrap_or_default();
        let text = if *column == "window_start" { literal(world, column, Some(&text)) } else { text };
        which = which.replace(&format!("{{{column}}}"), &text);
    }
    let values = |row: &Vec<Option<String>>| -> String {
        let value = |(column, value): (&&str, &Option<String>)| match (*table, value) {
            ("rejection_sample", Some(text)) if *column == "value" => quoted(text),
            (_, value) => literal(world, column, value.as_deref()),
        };
        let values: Vec<String> = columns.iter().zip(row).map(value).collect();
        format!("({})", values.join(", "))
    };
    // The whole table as it was, but for the manifest, which has more columns.
    let every: Vec<String> = all.iter().map(values).collect();
    let back =
        vec![format!("DELETE FROM {table}"), format!("INSERT INTO {table} ({list}) VALUES {}", every.join(", "))];
    if *table == "device" && !is_used(world, "device_id", row[0].as_deref()?) {
        return None;
    }
    if *table == "sensor" && !is_used(world, "sensor_id", row[0].as_deref()?) {
        return None;
    }
    // A file that is not loaded has no rows with which they could be compared.
    if table.starts_with("rejection") || *table == "file_rejections" {
        let loaded = format!("SELECT count(*) FROM manifest WHERE state = 'loaded' AND id = {}", row[0].as_deref()?);
        if world.number(&loaded) == 0 {
            return None;
        }
    }
    let state = value("state");
    if random.random_bool(0.2) {
        // An entry that nothing else knows of is a file that was never delivered; that a contract was not kept is no change.
        if ["manifest", "contract"].contains(table) {
            return None;
        }
        world.execute(&format!("DELETE FROM {table} WHERE {which}"));
        return Some((format!("{table}, a row taken away: {which}"), Undo::Sql(back)));
    }
    let at = random.random_range(0..columns.len());
    let column = columns[at];
    // Messages are for people, and what kind of value a sensor has is the contract's to say.
    if ["message", "type"].contains(&column) {
        return None;
    }
    // The number of an entry says something where rows or notes have it, and its counts where it is loaded.
    let is_of_loaded = column == "id" || column.starts_with("rows_");
    if *table == "manifest" && is_of_loaded && state.as_deref() != Some("loaded") {
        return None;
    }
    let changed = other(world, table, column, row[at].as_deref(), random)?;
    world.try_execute(&format!("UPDATE {table} SET {column} = {changed} WHERE {which}")).ok()?;
    let what = format!("{table}.{column} changed: {which}: {:?} to {changed}", row[at]);
    if *table != "manifest" {
        return Some((what, Undo::Sql(back)));
    }
    let now = if column == "id" { format!("id = {} + 5000", row[0].as_deref()?) } else { which };
    let was = literal(world, column, row[at].as_deref());
    Some((what, Undo::Sql(vec![format!("UPDATE {table} SET {column} = {was} WHERE {now}")])))
}

fn is_used(world: &World, column: &str, id: &str) -> bool {
    let tables = if column == "device_id" { &["iot_raw_data", "iot_raw_values"][..] } else { &["iot_raw_values"] };
    tables.iter().any(|table| world.number(&format!("SELECT count(*) FROM {table} WHERE {column} = {id}")) > 0)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn as_kept(world: &World, column: &str) -> String {
    match (world.db, column) {
        (Db::Postgres, "ts" | "window_start") => format!("CAST({column} AS text)"),
        _ => column.to_owned(),
    }
}

const TEXTS: &[&str] = &[
    "sensor",
    "name",
    "hash",
    "body",
    "sha256",
    "state",
    "place",
    "place_name",
    "contract_hash",
    "quarantine_name",
    "source",
    "type",
    "text",
    "rule",
    "column_name",
    "message",
];

fn literal(world: &World, column: &str, value: Option<&str>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some(text) if TEXTS.contains(&column) => quoted(text),
        Some(text) if world.db == Db::Postgres && ["ts", "window_start"].contains(&column) => format!("'{text}'"),
        Some(text) if world.db == Db::Postgres && ["light", "motion"].contains(&column) => format!("{text} = 1"),
        Some(text) => text.to_owned(),
    }
}

/// Another value for `column`; `None` where a change of it would say nothing untrue.
fn other(world: &World, table: &str, column: &str, value: Option<&str>, random: &mut ChaCha8Rng) -> Option<String> {
    let n = random.random_range(1..1000);
    Some(match column {
        "ts" | "window_start" if world.db == Db::Postgres => format!("{column} + interval '{n} seconds'"),
        "ts" | "window_start" => format!("{column} + {n}000000"),
        "light" | "motion" if world.db == Db::Postgres => format!("NOT {column}"),
        "light" | "motion" => format!("1 - {column}"),
        "sensor" | "rule" | "column_name" => "'another'".to_owned(),
        "text" => format!("'another-{n}'"),
        "value" if table == "rejection_sample" => format!("'another-{n}'"),
        "name" => format!("'another-{n}'"),
        "body" => "'csv = { decimal = \",\" }'".to_owned(),
        "state" => {
            let states = ["pending", "loaded", "duplicate", "rejected", "failed", "unloaded", "vanished"];
            let state = states.choose(random)?;
            // An entry of a file that vanished proves nothing where another has its content.
            if value == Some(state) || *state == "vanished" {
                return None;
            }
            format!("'{state}'")
        }
        "place" => {
            let place = ["inbox", "processed", "quarantine", "none"].choose(random)?;
            if value == Some(place) {
                return None;
            }
            format!("'{place}'")
        }
        "hash" | "sha256" | "contract_hash" => {
            let text = value?;
            format!("'{}{}'", if text.starts_with('0') { "1" } else { "0" }, &text[1..])
        }
        "place_name" | "source" => {
            value?;
            format!("'other-{n}.csv'")
        }
        "quarantine_name" => {
            value?;
            format!("'other-{n}'")
        }
        // What was not counted is not said to be anything.
        "rows_total" | "rows_loaded" | "rows_rejected" | "rows_duplicate" => {
            value?;
            format!("{column} + {n}")
        }
        "duplicate_of" => {
            value?;
            format!("{}", 900 + n)
        }
        "id" if table == "manifest" => format!("{column} + 5000"),
        _ => {
            value?;
            format!("{column} + {n}")
        }
    })
}
