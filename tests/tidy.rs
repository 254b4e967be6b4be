//! The house rules, held over the text of the sources and the documents. Each rule is a function that gives its findings
//! as `file:line: what is wrong: what to do`; a test runs it over the repository, and over a sample that breaks it.

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use clap::CommandFactory;
use iotpipe::cli::Cli;
use paths::{House, cycles};
use source::{Source, files_ending_in, has, lines, names_behind, words};

/// What each room may name; every arrow points down this table. `main` and `lib` are free, and any room of the program
/// may name the core.
const ARROWS: &[(&str, &str)] = &[
    (
        "command",
        "ingest observability progress telemetry terminal cli generate config manifest source error store failpoint",
    ),
    ("ingest", "observability progress terminal config manifest sink source error store failpoint"),
    ("observability", "progress config manifest source error store"),
    ("telemetry", "cli"),
    ("terminal", "cli"),
    ("cli", "generate"),
    ("generate", ""),
    ("config", ""),
    ("manifest", "source store"),
    ("sink", "source error store failpoint"),
    ("source", "progress error failpoint"),
    ("error", "store"),
    ("store", ""),
    ("failpoint", ""),
    ("progress", ""),
    ("core/learn", "core/contract core/parse core/validate core/offences core/printable core/reading"),
    ("core/validate", "core/contract core/parse core/offences core/printable core/reading core/devices"),
    ("core/aggregate", "core/contract core/reading"),
    ("core/offences", "core/reading"),
    ("core/parse", "core/contract"),
    ("core/contract", ""),
    ("core/printable", ""),
    ("core/reading", "core/devices"),
    ("core/devices", ""),
];

/// What the core is given instead of looking for itself.
const NOT_IN_THE_CORE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::time::SystemTime",
    "std::time::Instant",
    "tokio",
    "sea_orm",
    "sqlx",
    "rusqlite",
    "chrono",
];

const LONGEST_FILE: usize = 400;
const NAMES_THAT_SAY_NOTHING: &[&str] = &["utils", "util", "common", "helpers", "helper", "manager", "misc"];

/// Words of a language that only we spoke; the field has terms for these things.
const PRIVATE_WORDS: &[&str] = &["workshop", "workshops", "shop", "shops", "copyline", "twin", "twins"];
const PRIVATE_FUNCTIONS: &[&str] = &["feed", "give", "look"];

const WRITES_TO_THE_MANIFEST: &[&[&str]] = &[
    &["update", "manifest"],
    &["update", "only", "manifest"],
    &["into", "manifest"],
    &["delete", "from", "manifest"],
    &["delete", "from", "only", "manifest"],
    &["truncate", "manifest"],
    &["truncate", "table", "manifest"],
];

const PROGRAM: &[&str] = &["src", "core/src"];
const PRODUCT: &[&str] = &["src", "core/src", "migration/src"];

static SOURCES: LazyLock<Vec<Source>> =
    LazyLock::new(|| files_ending_in("rs").iter().map(|(path, text)| Source::new(path, text)).collect());

#[test]
fn files_are_short() {
    caught(too_long(&[Source::new("src/a.rs", &"\n".repeat(LONGEST_FILE + 1))]), "src/a.rs:401: 401 lines");
    tidy(too_long(&SOURCES));
}

fn too_long(sources: &[Source]) -> Vec<String> {
    let lines = sources.iter().map(|source| (&source.path, source.text.lines().count()));
    let long = lines.filter(|(_, lines)| *lines > LONGEST_FILE);
    long.map(|(path, lines)| format!("{path}:{lines}: {lines} lines, the most is {LONGEST_FILE}: split it")).collect()
}

#[test]
fn names_say_what_is_inside() {
    caught(empty_names(&[Source::new("src/store/utils.rs", "")]), "src/store/utils.rs:1: `utils`");
    caught(empty_names(&[Source::new("src/a.rs", "\nmod misc {}")]), "src/a.rs:2: `misc`");
    tidy(empty_names(&SOURCES));
}

fn empty_names(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        let files = source.path.trim_end_matches(".rs").split('/').map(|part| (1, part));
        let modules =
            lines(&source.code).filter_map(|(number, line)| Some((number, names_behind("mod", line).next()?)));
        for (number, name) in files.chain(modules).filter(|(_, name)| NAMES_THAT_SAY_NOTHING.contains(name)) {
            findings.push(format!("{}:{number}: `{name}` says nothing: name what is inside", source.path));
        }
    }
    findings
}

#[test]
fn words_are_those_of_the_field() {
    caught(private_words(&[Source::new("src/a.rs", "// A Workshop.")]), "src/a.rs:1: `Workshop`");
    caught(private_words(&[Source::new("core/src/a.rs", "struct PostgresTwin;")]), "core/src/a.rs:1: `PostgresTwin`");
    caught(private_words(&[Source::new("src/a.rs", "let the_shop = 1;")]), "src/a.rs:1: `the_shop`");
    caught(private_words(&[Source::new("src/a.rs", "fn give<T>() {}")]), "src/a.rs:1: `fn give`");
    tidy(private_words(&[Source::new(
        "src/a.rs",
        "fn give_back() {} // It feeds, and will look.\nconst A: &str = \"twin\";",
    )]));
    tidy(private_words(&SOURCES));
}

fn private_words(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_below(PROGRAM)) {
        let mut complain = |number, word: &str| {
            findings.push(format!("{}:{number}: `{word}` is a word that only we spoke: take the field's", source.path));
        };
        for (number, line) in lines(&source.code).chain(lines(&source.comments)) {
            words(line).filter(|word| is_private(word)).for_each(|word| complain(number, word));
            let functions = names_behind("fn", line).filter(|name| PRIVATE_FUNCTIONS.contains(name));
            functions.for_each(|name| complain(number, &format!("fn {name}")));
        }
    }
    findings
}

/// Whole, or as a part of a `snake_case` or `CamelCase` name.
fn is_private(word: &str) -> bool {
    let spaced: String = word.chars().flat_map(|c| c.is_uppercase().then_some('_').into_iter().chain([c])).collect();
    let is_listed = |part: &str| PRIVATE_WORDS.contains(&part.to_lowercase().as_str());
    is_listed(word) || word.split('_').any(is_listed) || spaced.split('_').any(is_listed)
}

#[test]
fn arrows_between_rooms_point_down() {
    caught(
        wrong_arrows(&[Source::new("src/config/mod.rs", "use crate::cli::Cli;")]),
        "src/config/mod.rs:1: config → cli",
    );
    caught(
        wrong_arrows(&[Source::new("src/store/a.rs", "\nfn a() { super::super::error::b(); }")]),
        "src/store/a.rs:2: store → error",
    );
    caught(
        wrong_arrows(&[Source::new("core/src/parse/row.rs", "use crate::reading::Batch;")]),
        "core/parse → core/reading",
    );
    caught(wrong_arrows(&[]), "tests/tidy.rs:1: terminal → cli is allowed, and nobody needs it");
    for (at, (room, named)) in ARROWS.iter().enumerate() {
        let below: Vec<&str> = ARROWS[at + 1..].iter().map(|row| row.0).collect();
        assert!(
            named.split_whitespace().all(|name| below.contains(&name)),
            "{room}: an arrow that points up the table"
        );
    }
    tidy(wrong_arrows(&SOURCES));
}

fn wrong_arrows(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut needed = BTreeSet::new();
    for (module, content) in &House::of(sources).0 {
        let Some(room) = room_of(module) else { continue };
        let mentions = content.mentions.iter().filter(|mention| mention.path.first() == module.first());
        for (line, other) in mentions.filter_map(|mention| Some((mention.line, room_of(&mention.path)?))) {
            needed.insert((room.clone(), other.clone()));
            if room != other && room != "main" && !allowed(&room).any(|name| name == other) {
                let file = &content.file;
                findings.push(format!("{file}:{line}: {room} → {other}: move what is named to a room below both"));
            }
        }
    }
    for (room, named) in ARROWS {
        for other in named.split_whitespace().filter(|other| !needed.contains(&(room.to_string(), other.to_string()))) {
            findings.push(format!("tests/tidy.rs:1: {room} → {other} is allowed, and nobody needs it: take it out"));
        }
    }
    findings
}

fn allowed(room: &str) -> impl Iterator<Item = &'static str> {
    ARROWS.iter().filter(move |row| row.0 == room).flat_map(|row| row.1.split_whitespace())
}

fn room_of(path: &[String]) -> Option<String> {
    match (path.first()?.as_str(), path.get(1)?) {
        ("iotpipe", room) => Some(room.clone()),
        ("iotpipe_core", room) => Some(format!("core/{room}")),
        _ => None,
    }
}

#[test]
fn no_files_name_each_other_in_a_circle() {
    let circle = [
        Source::new("src/a/mod.rs", "mod b; mod c; pub use b::B; pub use c::C;"),
        Source::new("src/a/b.rs", "use super::C; pub struct B(C);"),
        Source::new("src/a/c.rs", "\nfn c() -> crate::a::B {}"),
    ];
    caught(circles(&circle), "src/a/b.rs:1 → src/a/c.rs, src/a/c.rs:2 → src/a/b.rs");
    caught(circles(&[Source::new("src/a.rs", "use super::b::*;")]), "src/a.rs:1: `*` hides");
    tidy(circles(&SOURCES));
}

fn circles(sources: &[Source]) -> Vec<String> {
    let house = House::of(sources);
    let graph = house.graph();
    let mut findings = Vec::new();
    for circle in cycles(&graph) {
        let within = |from: &&str| -> Vec<String> {
            let to = graph[*from].iter().filter(|(to, _)| circle.contains(*to));
            to.map(|(to, line)| format!("{from}:{line} → {to}")).collect()
        };
        let edges = circle.iter().flat_map(within).collect::<Vec<_>>().join(", ");
        let first = circle.first().unwrap_or(&"");
        findings
            .push(format!("{first}:1: {} files in a circle: move what both need below both: {edges}", circle.len()));
    }
    for module in house.0.values() {
        let globs =
            module.mentions.iter().filter(|m| m.path[0].starts_with("iotpipe") && m.path.ends_with(&["*".into()]));
        findings.extend(globs.map(|m| format!("{}:{}: `*` hides what is named: name it", module.file, m.line)));
    }
    findings
}

#[test]
fn the_core_knows_no_clock_disk_network_or_database() {
    caught(impure(&[Source::new("core/src/a.rs", "use std::{fmt, fs::File};")]), "core/src/a.rs:1: `std::fs::File`");
    caught(
        impure(&[Source::new("core/src/a.rs", "use std::time;\nfn a() { time::Instant::now(); }")]),
        "core/src/a.rs:2",
    );
    caught(impure(&[Source::new("core/src/a.rs", "use std::time::*;")]), "core/src/a.rs:1: `std::time::*`");
    tidy(impure(&[Source::new("core/src/a.rs", "use std::time::Duration;\n#[cfg(test)]\nmod tests { use std::fs; }")]));
    tidy(impure(&SOURCES));
}

fn impure(sources: &[Source]) -> Vec<String> {
    let reaches = |path: &str| {
        let held = |denied: &&str| *path == **denied || path.starts_with(&format!("{denied}::"));
        let all_of = |denied: &&str| path.strip_suffix('*').is_some_and(|from| denied.starts_with(from));
        NOT_IN_THE_CORE.iter().any(|denied| held(denied) || all_of(denied))
    };
    let mut findings = Vec::new();
    for (_, module) in House::of(sources).0.iter().filter(|(path, _)| path[0] == "iotpipe_core") {
        let paths = module.mentions.iter().map(|mention| (mention.line, mention.path.join("::")));
        for (line, path) in paths.filter(|(_, path)| reaches(path)) {
            findings.push(format!("{}:{line}: `{path}` in the core: hand it a reader or a value", module.file));
        }
    }
    findings
}

#[test]
fn public_items_are_documented() {
    for path in ["src/lib.rs", "core/src/lib.rs"] {
        let source = SOURCES.iter().find(|source| source.path == path).unwrap();
        assert!(source.code.contains("#![warn(missing_docs)]"), "{path}:1: no #![warn(missing_docs)]: put it back");
    }
}

#[test]
fn only_the_manifest_writes_to_the_manifest() {
    let update = "// UPDATE manifest\nlet a = \"Update\\n   \\\"manifest\\\" SET\";";
    caught(foreign_writes(&[Source::new("src/store/a.rs", update)]), "src/store/a.rs:2: `update manifest`");
    caught(
        foreign_writes(&[Source::new("src/a.rs", "\"INSERT OR IGNORE INTO\\\n\n manifest\"")]),
        "src/a.rs:1: `into manifest`",
    );
    caught(
        foreign_writes(&[Source::new("src/a.rs", "concat!(\"DELETE FROM \", \"manifest\")")]),
        "src/a.rs:1: `delete from",
    );
    tidy(foreign_writes(&[
        Source::new("src/manifest/a.rs", update),
        Source::new("src/a.rs", "\"SELECT 1 FROM manifest\""),
    ]));
    tidy(foreign_writes(&SOURCES));
}

fn foreign_writes(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_below(&["src"]) && !source.is_below(&["src/manifest"])) {
        let sql = source.strings.replace("\\n", "  ").to_lowercase();
        let said: Vec<(usize, &str)> =
            lines(&sql).flat_map(|(number, line)| words(line).map(move |w| (number, w))).collect();
        for write in WRITES_TO_THE_MANIFEST {
            for found in said.windows(write.len()).filter(|found| found.iter().map(|word| &word.1).eq(*write)) {
                let (number, words) = (found[0].0, write.join(" "));
                findings.push(format!("{}:{number}: `{words}`: a verb of src/manifest/ writes it", source.path));
            }
        }
    }
    findings
}

#[test]
fn nothing_panics_and_one_printer_speaks() {
    for wrong in ["a.unwrap();", "a.expect(\"b\");", "todo!()", "dbg!(a)", "println!(\"a\")", "eprintln!(\"a\")"] {
        caught(panics_and_prints(&[Source::new("migration/src/a.rs", wrong)]), "migration/src/a.rs:1: `");
    }
    let fine = "//! a.unwrap()\nlet a = \"dbg!\"; a.unwrap_or(b); writeln!(c);\n#[cfg(test)]\nmod tests { todo!() }";
    tidy(panics_and_prints(&[Source::new("src/a.rs", fine), Source::new("src/terminal/a.rs", "println!(\"a\")")]));
    tidy(panics_and_prints(&SOURCES));
}

fn panics_and_prints(sources: &[Source]) -> Vec<String> {
    const PANICS: &[&str] = &[".unwrap()", ".expect(", "todo!", "unimplemented!", "dbg!"];
    const PRINTS: &[&str] = &["println!", "eprintln!", "print!", "eprint!"];
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_below(PRODUCT)) {
        for (number, line) in lines(&source.live) {
            let mut complain = |sign: &&&str, advice: &str| {
                findings.push(format!("{}:{number}: `{sign}`: {advice}", source.path));
            };
            PANICS.iter().filter(|sign| has(line, sign)).for_each(|sign| complain(&sign, "give an error instead"));
            if !source.is_below(&["src/terminal"]) {
                PRINTS.iter().filter(|sign| has(line, sign)).for_each(|sign| complain(&sign, "the printer says it"));
            }
        }
    }
    findings
}

#[test]
fn documents_name_what_exists_and_the_readme_leaves_nothing_out() {
    let cli = Cli::command();
    let commands: Vec<&str> = cli.get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name()).collect();
    let makefile = std::fs::read_to_string(source::root().join("Makefile")).unwrap();
    let targets = documents::targets_of(&makefile);
    assert!(!commands.is_empty() && !targets.is_empty());
    // The changelog tells of what was.
    let current = files_ending_in("md").into_iter().filter(|(path, _)| path != "CHANGELOG.md");
    tidy(current.flat_map(|(path, text)| documents::untrue(&path, &text, &commands, &targets)).collect());
    let findings = documents::untrue("README.md", "`iotpipe lode`\n`make tset`", &["load"], &["test"]);
    let expected =
        ["README.md:1: `iotpipe lode`", "README.md:2: `make tset`", "README.md:1: leaves out `iotpipe load`"];
    assert!(findings.iter().zip(expected).all(|(finding, start)| finding.starts_with(start)), "{findings:#?}");
}

#[track_caller]
fn tidy(findings: Vec<String>) {
    assert!(findings.is_empty(), "{} findings\n{}\n", findings.len(), findings.join("\n"));
}

/// A rule that finds nothing in a sample that breaks it holds nothing.
#[track_caller]
fn caught(findings: Vec<String>, expected: &str) {
    assert!(findings.iter().any(|finding| finding.contains(expected)), "no finding says {expected:?}: {findings:#?}");
}
