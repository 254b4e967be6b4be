//! What is written about `iotpipe.toml` holds: its schema, its reference, and every example of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::file::ConfigFile;
use super::{Config, TEMPLATE, database_below};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema() -> Value {
    schemars::schema_for!(ConfigFile).to_value()
}

#[test]
fn the_schema_is_that_of_the_types() {
    let path = root().join("docs/iotpipe.schema.json");
    let written = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("SCHEMA_UPDATE").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == written, "docs/iotpipe.schema.json is another: SCHEMA_UPDATE=1 cargo test --lib config");
}

#[test]
fn the_reference_names_every_key() {
    let reference = std::fs::read_to_string(root().join("docs/contract.md")).unwrap();
    let mut keys = BTreeSet::new();
    collect_keys(&schema(), &mut keys);
    assert!(keys.len() > 40, "the types are walked: {keys:?}");
    let is_named = |key: &str| {
        reference.contains(&format!("`{key}`"))
            || reference.contains(&format!("{{ {key} = "))
            || reference.contains(&format!("[{key}]"))
    };
    let missing: Vec<&String> = keys.iter().filter(|key| !is_named(key)).collect();
    assert!(missing.is_empty(), "docs/contract.md leaves out {missing:?}");
}

fn collect_keys(schema: &Value, keys: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| collect_keys(value, keys));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_keys(value, keys)),
        _ => {}
    }
}

#[test]
fn every_example_is_read() {
    let mut documents: Vec<PathBuf> = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    documents.extend(std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    documents.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut read = 0;
    for path in documents {
        let text = std::fs::read_to_string(&path).unwrap();
        for example in text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let config = Config::from_text(example, None);
            assert!(config.is_ok(), "{}: {}\n{example}", path.display(), config.unwrap_err());
            read += 1;
        }
    }
    assert!(read >= 5, "{read} examples");
}

#[test]
fn the_template_says_what_the_defaults_say() {
    let built_in = Config::from_text("", None).unwrap();
    let template = Config::from_text(TEMPLATE, None).unwrap();
    assert_eq!(built_in.contract.hash, template.contract.hash);
    assert_eq!(built_in.database_url, template.database_url);
    assert_eq!((built_in.settle, built_in.empty_after), (template.settle, template.empty_after));
    assert_eq!((built_in.http, built_in.lineage), (template.http, template.lineage));
    assert_eq!((built_in.patterns, built_in.trust_close), (template.patterns, template.trust_close));
}

#[test]
fn the_default_pattern_follows_the_format() {
    let taken = |format: &str| {
        let config = Config::from_text(&format!("[source]\n{format}"), None).unwrap();
        let name = |ending: &&str| config.patterns.iter().any(|pattern| pattern.matches(&format!("x/a.{ending}")));
        let endings =
            ["csv", "csv.gz", "csv.zst", "jsonl", "jsonl.zst", "ndjson", "ndjson.gz", "csv.bak", "json", "lp", "txt"];
        endings.into_iter().filter(name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(taken(""), "csv csv.gz csv.zst jsonl jsonl.zst ndjson ndjson.gz");
    assert_eq!(taken("format = 'csv'"), "csv csv.gz csv.zst");
    assert_eq!(taken("format = 'jsonl'"), "jsonl jsonl.zst ndjson ndjson.gz");
    assert_eq!(taken("format = 'line_protocol'"), "lp");
    assert_eq!(taken("format = 'jsonl'\npattern = ['**/*.TXT', '**/*.json']"), "json txt");
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let error = Config::from_text("[contract]\nmax_rejectd_ratio = 0.5\n", None).unwrap_err();
    assert!(error.contains("line 2") && error.contains("max_rejectd_ratio"), "{error}");
}

#[test]
fn relative_paths_are_below_the_folder_of_the_file() {
    let below = |url: &str| database_below(Path::new("a%b/c?"), url.to_owned());
    assert_eq!(below("sqlite://x.db?mode=ro"), "sqlite://a%25b/c%3F/x.db?mode=ro");
    assert_eq!(below("sqlite:///x.db"), "sqlite:///x.db");
    assert_eq!(below("postgres://h/d"), "postgres://h/d");
    let config = Config::from_text("[paths]\nlogs = '/var/log'", None).unwrap().below(Path::new("conf"), true);
    assert_eq!((config.paths.data, config.paths.logs), ("conf/data".into(), "/var/log".into()));
    assert_eq!(config.database_url, "sqlite://conf/iotpipe.db");
}
