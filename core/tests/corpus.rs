//! What the fuzz targets saved, replayed: each file under `fuzz/corpus/<target>/` holds its property.

#[path = "../fuzz/properties.rs"]
mod properties;

use std::path::Path;

fn replay(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 5, "{} holds {} files", folder.display(), files.len());
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        if std::panic::catch_unwind(|| property(&bytes)).is_err() {
            panic!("the property of {target} does not hold for {}", file.display());
        }
    }
}

#[test]
fn parser() {
    replay("parser", properties::parser);
}

#[test]
fn json_lines() {
    replay("json_lines", properties::json_lines);
}

#[test]
fn line_protocol() {
    replay("line_protocol", properties::line_protocol);
}

#[test]
fn timestamp() {
    replay("timestamp", properties::timestamp);
}

#[test]
fn number() {
    replay("number", properties::number);
}

#[test]
fn contract() {
    replay("contract", properties::contract);
}

#[test]
fn pass() {
    replay("pass", properties::pass);
}

proptest::proptest! {
    #[test]
    fn the_properties_hold_for_what_looks_like_a_file(choice in proptest::num::u8::ANY, file in "[ab1 \t#\",;\n\r]{0,80}") {
        properties::parser(&[&[choice], file.as_bytes()].concat());
        properties::pass(file.as_bytes());
        properties::pass(&[b"L", file.as_bytes()].concat());
    }

    #[test]
    fn the_property_of_line_protocol_holds_for_what_looks_like_it(choice in proptest::num::u8::ANY, file in "((air|[a, #=\\\\\r]{1,4}) [a,t =\"\\\\1i\r]{0,9}|[a,t]=1 9|#|t|\n| ){0,9}") {
        properties::line_protocol(&[&[choice], file.as_bytes()].concat());
    }

    #[test]
    fn the_property_of_json_lines_holds_for_what_looks_like_them(choice in proptest::num::u8::ANY, file in "([{}\\[\\]\":,1e /\r]{0,9}|[{]\"ts\":[0-9{}]{1,3}[}]|\n){0,9}") {
        properties::json_lines(&[&[choice], file.as_bytes()].concat());
    }
}
