//! The whole command line, as its users read it. A change of it is seen in the diff of one snapshot.

use std::process::{Command, Stdio};

use clap::CommandFactory;
use iotpipe::cli::Cli;

#[test]
fn the_command_line_is_reviewed() {
    let cli = Cli::command();
    let subcommands = cli.get_subcommands().filter(|command| !command.is_hide_set()).map(|command| command.get_name());
    let pages: Vec<String> = [None].into_iter().chain(subcommands.map(Some)).map(page).collect();
    insta::assert_snapshot!("command_line", pages.join("\n"));
}

/// What was typed, and all that was printed.
fn page(subcommand: Option<&str>) -> String {
    let args: Vec<&str> = subcommand.into_iter().chain(["--help"]).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_iotpipe"));
    // Away from a terminal, the width is what COLUMNS says.
    command.args(&args).env("COLUMNS", "100").env_remove("DATABASE_URL").stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "iotpipe {}: {output:?}", args.join(" "));
    let printed = String::from_utf8(output.stdout).unwrap();
    // Clap leaves blanks at the ends of empty lines; editors take them away.
    let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
    format!("$ iotpipe {}\n{}\n", args.join(" "), lines.join("\n"))
}
