//! What ARCHITECTURE.md draws is what the program does.

use std::path::Path;

const BEGIN: &str = "<!-- transitions -->\n";
const END: &str = "<!-- /transitions -->";

/// `ARCHITECTURE_UPDATE=1 cargo test --test it architecture` draws it anew.
#[test]
fn the_table_of_transitions_is_drawn_from_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (drawn, after) = rest.split_once(END).unwrap();
    let table = iotpipe::manifest::drawn();
    if std::env::var_os("ARCHITECTURE_UPDATE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(drawn, table, "ARCHITECTURE_UPDATE=1 cargo test --test it architecture draws it anew");
}
