//! A Rust file as text, taken apart: code, comments, strings, and what is left without its tests.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// A file of the repository. The views are as long as the text, line by line; what is not in them is blank.
pub struct Source {
    /// Below the repository, with `/`.
    pub path: String,
    pub text: String,
    pub code: String,
    pub comments: String,
    pub strings: String,
    /// `code` without what `#[cfg(test)]` guards.
    pub live: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let chars: Vec<char> = text.chars().collect();
        let kinds = kinds(&chars);
        let view = |kind| -> String {
            let keep = |(&c, &k): (&char, &Kind)| if k == kind || c == '\n' { c } else { ' ' };
            chars.iter().zip(&kinds).map(keep).collect()
        };
        let code = view(Kind::Code);
        let is_test = path.ends_with("/tests.rs");
        let live = if is_test { blank(&code, 0..code.chars().count()) } else { without_tests(&code) };
        let (comments, strings) = (view(Kind::Comment), view(Kind::String));
        Source { path: path.to_owned(), text: text.to_owned(), code, comments, strings, live }
    }

    /// Whether the file lies below one of `folders`.
    pub fn is_below(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    }
}

/// Where the repository lies.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below the repository whose name ends in `.ext`, in order of their paths.
pub fn files_ending_in(extension: &str) -> Vec<(String, String)> {
    let mut folders = vec![PathBuf::new()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap_or_default();
            let path = folder.join(&name);
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && name != "target" && name != ".git" {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|e| e == extension) {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                found.push((path.to_str().unwrap().replace('\\', "/"), text));
            }
        }
    }
    found.sort();
    found
}

/// What each character belongs to.
fn kinds(chars: &[char]) -> Vec<Kind> {
    let mut kinds = vec![Kind::Code; chars.len()];
    let mut at = 0;
    while at < chars.len() {
        let (kind, end) = match chars[at..] {
            ['/', '/', ..] => (Kind::Comment, until(chars, at, |rest| rest[0] == '\n')),
            ['/', '*', ..] => (Kind::Comment, block_comment_end(chars, at)),
            ['"', ..] => (Kind::String, quoted_end(chars, at)),
            ['\'', '\\', ..] => (Kind::String, until(chars, at + 3, |rest| rest[0] == '\'') + 1),
            ['\'', _, '\'', ..] => (Kind::String, at + 3),
            ['r', '"' | '#', ..] => match raw_string_end(chars, at) {
                Some(end) => (Kind::String, end),
                None => (Kind::Code, at + 1),
            },
            _ => (Kind::Code, at + 1),
        };
        let end = end.min(chars.len());
        kinds[at..end].fill(kind);
        at = end;
    }
    kinds
}

fn until(chars: &[char], from: usize, stop: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len()).find(|&at| stop(&chars[at..])).unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0);
    while at < chars.len() {
        let (step, change) = match chars[at..] {
            ['/', '*', ..] => (2, 1),
            ['*', '/', ..] => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth += change;
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted_end(chars: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The end of `r"…"` or `r#"…"#`; `None` for a name such as `r#type` or one that ends in `r`.
fn raw_string_end(chars: &[char], from: usize) -> Option<usize> {
    let is_name = |at: usize| chars[at].is_alphanumeric() || chars[at] == '_';
    let is_prefix = |at: usize| matches!(chars[at], 'b' | 'c') && (at == 0 || !is_name(at - 1));
    if from > 0 && is_name(from - 1) && !is_prefix(from - 1) {
        return None;
    }
    let hashes = chars[from + 1..].iter().take_while(|&&c| c == '#').count();
    let start = from + 1 + hashes;
    let closes = |rest: &[char]| rest[0] == '"' && rest[1..].iter().take_while(|&&c| c == '#').count() >= hashes;
    (chars.get(start) == Some(&'"')).then(|| until(chars, start + 1, closes) + 1 + hashes)
}

/// Blanks each item behind `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut live = code.to_owned();
    while let Some(start) = live.find(MARK) {
        let start = live[..start].chars().count();
        let rest: Vec<char> = live.chars().skip(start + MARK.len()).collect();
        live = blank(&live, start..start + MARK.len() + item_end(&rest));
    }
    live
}

/// An item ends with the bracket that closes its body, or with a semicolon outside all brackets.
fn item_end(code: &[char]) -> usize {
    let mut depth = 0;
    for (at, c) in code.iter().enumerate() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(c, '}' | ';') {
            return at + 1;
        }
    }
    code.len()
}

fn blank(text: &str, range: Range<usize>) -> String {
    let keep = |(at, c)| if range.contains(&at) && c != '\n' { ' ' } else { c };
    text.chars().enumerate().map(keep).collect()
}

/// Lines with their numbers.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

pub fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The names that follow `keyword` in a line of code.
pub fn names_behind<'l>(keyword: &str, line: &'l str) -> impl Iterator<Item = &'l str> {
    words(line).zip(words(line).skip(1)).filter(move |(before, _)| *before == keyword).map(|(_, name)| name)
}

/// Whether `sign` stands in `line`, and not as the end of a longer word.
pub fn has(line: &str, sign: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(sign).any(|(at, _)| sign.starts_with('.') || !line[..at].ends_with(is_word))
}

#[test]
fn a_file_is_taken_apart() {
    let text = "let a = r#\"b \"c\" \"#; // d \"e\"\n/* f /* g */ h */ let i = '\"'; let j: &'k str = \"l\\\"m\";\n\
                #[cfg(test)]\nmod tests {\n    fn n() {}\n}\nfn o(br: u8) {}\n";
    let source = Source::new("src/a.rs", text);
    let words = |view: &str| {
        let word = |w: &str| w.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        view.split_whitespace().map(word).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(words(&source.comments), "d e f g h");
    assert_eq!(words(&source.strings), "rb c lm");
    assert_eq!(words(&source.live), "let a let i let j k str fn obr u8");
    assert!(source.code.contains("fn n()"));
    assert_eq!(source.live.lines().count(), text.lines().count());
}
