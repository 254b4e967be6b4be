//! Every line of every file ends in exactly one place: over generated files with random defects, what goes in is
//! loaded, rejected or a duplicate, and the reasons are those that were planted.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::on_both_databases;
use crate::support::{Db, World};

on_both_databases!(every_generated_row_is_accounted_for, the_same_seed_gives_the_same_files);

fn every_generated_row_is_accounted_for(db: Db) {
    let shape = (any::<u32>(), 0.0..0.4f64, 1..400u32, 1..4u32, 1..5u32, any::<bool>());
    let config = Config { cases: 16, max_shrink_iters: 16, failure_persistence: None, ..Config::default() };
    let checked = TestRunner::new(config).run(&shape, |(seed, error_rate, rows, files, devices, quoted)| {
        check(
            db,
            &[
                ("--seed", seed.to_string()),
                ("--error-rate", format!("{error_rate:.3}")),
                ("--rows", rows.to_string()),
                ("--files", files.to_string()),
                ("--devices", devices.to_string()),
                ("--style", if quoted { "quoted" } else { "plain" }.to_owned()),
            ],
        );
        Ok(())
    });
    checked.unwrap_or_else(|e| panic!("{e}"));
}

fn check(db: Db, options: &[(&str, String)]) {
    let world = World::new(db);
    world.config("[contract]\nmax_rejected_ratio = 1.0\n");
    let mut args = vec!["generate", "--output", "json"];
    args.extend(options.iter().flat_map(|(flag, value)| [*flag, value.as_str()]));
    let generated = world.ok(&args).json();
    let files: BTreeMap<String, Vec<u8>> =
        world.files("data").into_iter().map(|f| (f.clone(), world.read(format!("data/{f}")))).collect();

    let outcome = world.ok(&["run", "--output", "json"]);

    // The totals of the step, of the manifest and of the tables are the same.
    assert_eq!(outcome.count("rows"), generated["rows"].as_i64().unwrap(), "{generated}");
    let (loaded, rejected, duplicates) =
        (outcome.count("loaded"), outcome.count("rejected"), outcome.count("duplicates"));
    assert_eq!(outcome.count("rows"), loaded + rejected + duplicates);
    assert_eq!(world.stored(), loaded);
    let uneven = "SELECT source FROM manifest WHERE rows_total <> rows_loaded + rows_rejected + rows_duplicate";
    assert_eq!(world.lines(uneven), [""; 0]);
    let per_file = "SELECT m.source FROM manifest m WHERE m.state <> 'loaded' OR m.rows_loaded <> \
                    (SELECT count(*) FROM iot_raw_data r WHERE r.file_id = m.id)";
    assert_eq!(world.lines(per_file), [""; 0]);
    assert_eq!(world.number("SELECT count(*) FROM manifest"), files.len() as i64);

    // What was planted is what was found.
    let planted: BTreeMap<String, i64> = generated["defects"]
        .as_object()
        .unwrap_or_else(|| panic!("no defects in {generated}"))
        .iter()
        .map(|(rule, count)| (rule.clone(), count.as_i64().unwrap()))
        .filter(|(_, count)| *count > 0)
        .collect();
    let mut found: BTreeMap<String, i64> = BTreeMap::new();
    let mut set_aside = 0;
    for (name, content) in &files {
        let entry = world.manifest(name);
        if entry.rejected + entry.duplicate == 0 {
            continue;
        }
        let stem = name.split('.').next().unwrap();
        let mut reasons = world.reasons(stem, content);
        // A row counts once for each rule that it breaks.
        reasons.dedup_by_key(|r| (r.line, r.rule.clone()));
        reasons.iter().for_each(|r| *found.entry(r.rule.clone()).or_default() += 1);
        let mut lines: Vec<_> = reasons.iter().map(|r| r.line).collect();
        lines.dedup();
        set_aside += lines.len() as i64;
        assert_eq!(lines.len() as i64, entry.rejected + entry.duplicate, "{name}");
    }
    assert_eq!(found, planted, "{generated}");
    assert_eq!(set_aside, rejected + duplicates);
}

fn the_same_seed_gives_the_same_files(db: Db) {
    let make = |seed: &str| {
        let world = World::new(db);
        let start = ["--start", "2024-05-01T00:00:00Z"];
        let args = ["generate", "--seed", seed, "--rows", "200", "--files", "2", "--error-rate", "0.1"];
        world.ok(&[args.as_slice(), start.as_slice()].concat());
        let files = world.files("data");
        files.iter().map(|f| (f.clone(), world.read(format!("data/{f}")))).collect::<Vec<_>>()
    };
    let files = make("7");
    assert_eq!(files.len(), 2);
    assert!(files == make("7"), "the same seed, other files");
    assert!(files != make("8"), "another seed, the same files");
}
