//! What the documents tell a reader to type.

use std::collections::BTreeSet;

/// Commands and targets that `text` names and that do not exist; and of the README, commands that it leaves out.
pub fn untrue(path: &str, text: &str, commands: &[&str], targets: &[&str]) -> Vec<String> {
    let (mut findings, mut named) = (Vec::new(), BTreeSet::new());
    for (line, typed) in commands_in(text) {
        if let Some(command) = subcommand(&typed) {
            named.insert(command.to_owned());
            if !commands.contains(&command) {
                findings.push(format!("{path}:{line}: `iotpipe {command}` does not exist: name one that does"));
            }
        }
        for target in make_targets(&typed).iter().filter(|target| !targets.contains(target)) {
            findings.push(format!("{path}:{line}: `make {target}` does not exist: name one of the Makefile's"));
        }
    }
    let left_out = commands.iter().filter(|command| path == "README.md" && !named.contains(**command));
    findings.extend(left_out.map(|command| format!("{path}:1: leaves out `iotpipe {command}`: say what it does")));
    findings
}

/// The commands in a Markdown text, one each: inline code, and fenced blocks that are shell (of a `console` block only
/// what is typed behind `$ `).
fn commands_in(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fence: Option<String> = None;
    for (number, line) in text.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(language.trim().to_owned()) };
            continue;
        }
        let typed: Vec<&str> = match fence.as_deref() {
            None => line.split('`').skip(1).step_by(2).collect(),
            Some("sh" | "bash" | "") => vec![line],
            Some("console") => line.trim_start().strip_prefix("$ ").into_iter().collect(),
            Some(_) => Vec::new(),
        };
        for part in typed.iter().flat_map(|code| code.split([';', '|', '&'])) {
            found.push((number + 1, without_comment(part).to_owned()));
        }
    }
    found
}

fn without_comment(command: &str) -> &str {
    let hash = command.find(" #").or(command.starts_with('#').then_some(0));
    command[..hash.unwrap_or(command.len())].trim()
}

/// The words of a command, without `NAME=value` in front.
fn words(command: &str) -> Vec<&str> {
    let is_setting = |word: &&str| word.split_once('=').is_some_and(|(name, _)| is_name(name, char::is_uppercase));
    command.split_whitespace().skip_while(is_setting).collect()
}

fn is_name(word: &str, letter: impl Fn(char) -> bool) -> bool {
    word.starts_with(&letter) && word.chars().all(|c| letter(c) || matches!(c, '-' | '_'))
}

/// The subcommand in `iotpipe [global options] subcommand …`.
fn subcommand(command: &str) -> Option<&str> {
    let mut words = words(command).into_iter();
    let program = words.next()?;
    if program.rsplit('/').next() != Some("iotpipe") {
        return None;
    }
    let mut first = words.next()?;
    while first.starts_with('-') {
        if matches!(first, "--config" | "--database-url" | "--output" | "--log-format") {
            words.next()?;
        }
        first = words.next()?;
    }
    is_name(first, |c| c.is_ascii_lowercase()).then_some(first)
}

/// The targets in `make target…`.
fn make_targets(command: &str) -> Vec<&str> {
    match words(command).split_first() {
        Some((&"make", targets)) => {
            targets.iter().copied().take_while(|word| is_name(word, |c| c.is_ascii_lowercase())).collect()
        }
        _ => Vec::new(),
    }
}

/// The targets of a Makefile.
pub fn targets_of(makefile: &str) -> Vec<&str> {
    let rules = makefile.lines().filter_map(|line| line.split_once(':')).filter(|(_, rest)| !rest.starts_with('='));
    rules.map(|(name, _)| name).filter(|name| is_name(name, |c| c.is_ascii_lowercase())).collect()
}

#[test]
fn a_document_is_read_as_its_reader_would() {
    let text = "Call `iotpipe --output json load --workers 2 && ./iotpipe scan`; see `make test`.\n```sh\n\
                export A=1\nA=\"1\" make run lint  # make none\n```\n```console\n$ iotpipe run\niotpipe: not typed\n```\n\
                ```text\nmake nothing\n```\n`iotpipe verify [FILE…]` or `target/release/iotpipe --help`\n";
    let typed = commands_in(text);
    let named: Vec<&str> = typed.iter().filter_map(|(_, command)| subcommand(command)).collect();
    assert_eq!(named, ["load", "scan", "run", "verify"]);
    let made: Vec<&str> = typed.iter().flat_map(|(_, command)| make_targets(command)).collect();
    assert_eq!(made, ["test", "run", "lint"]);
    assert_eq!(typed.iter().find(|(_, command)| command == "iotpipe run").unwrap().0, 7);
    assert_eq!(targets_of("A := b\nrun: build ## x\n\techo\nbench-core:\n.PHONY: run\n"), ["run", "bench-core"]);
}
