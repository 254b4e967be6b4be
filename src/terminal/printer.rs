//! What the terminal shows: one summary per step, a bar per long pass, JSON for other programs.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::cli::Output;

/// Files below this size get no bar.
const LONG_FILE: u64 = 8 << 20;

/// Whether a part of a result could not be written: a full disk, or a reader that went away.
static UNHEARD: AtomicBool = AtomicBool::new(false);

fn print(line: &str) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        UNHEARD.store(true, Ordering::Relaxed);
    }
}

/// Owns stdout and stderr.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    output: Output,
    quiet: bool,
}

impl Printer {
    /// With the form of the result on stdout, and whether to be quiet on stderr.
    pub fn new(output: Output, quiet: bool) -> Self {
        Self { output, quiet }
    }

    /// A line for people, on stderr.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{}", visible(line));
        }
    }

    /// What went wrong, on stderr, however quiet.
    pub fn error(&self, line: &str) {
        let _ = writeln!(std::io::stderr(), "error: {}", visible(line));
    }

    /// A result that people asked for, on stdout; for programs, [`Printer::result`] says it.
    pub fn show(&self, text: &str) {
        if self.output == Output::Text {
            print(&visible(text));
        }
    }

    /// The one JSON object of a command, on stdout.
    pub fn result(&self, result: &impl Serialize) {
        if self.output == Output::Json
            && let Ok(line) = serde_json::to_string(result)
        {
            print(&line);
        }
    }

    /// Whether all of a result could be written to stdout.
    pub fn was_heard(&self) -> bool {
        std::io::stdout().flush().is_ok() && !UNHEARD.load(Ordering::Relaxed)
    }

    /// A bar over the bytes of a file: on a terminal only, and only for files that take a while.
    pub fn progress(&self, name: &str, bytes: u64) -> ProgressBar {
        if self.quiet || bytes < LONG_FILE || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
        let template = "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg} eta {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(visible(name).into_owned());
        bar
    }
}

/// `text` without what a terminal would obey: names of devices, files and columns come from strangers.
fn visible(text: &str) -> Cow<'_, str> {
    let is_obeyed =
        |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| if is_obeyed(c) { c.escape_unicode().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escaped).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(visible("\u{1b}]0;owned\u{7} 21.5 °C\n"), "\\u{1b}]0;owned\\u{7} 21.5 °C\n");
        assert_eq!(visible("a\u{202e}b\rc"), "a\\u{202e}b\\u{d}c");
        assert!(matches!(visible("plain\ntext"), Cow::Borrowed(_)));
    }
}
