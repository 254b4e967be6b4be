//! Which file names which: every path in the code, led through imports and re-exports to the file that defines it.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;

/// A module or an item by its full path: `["iotpipe", "store", "StoreError"]`.
pub type Path = Vec<String>;

/// A path as it stands in the code.
pub struct Mention {
    pub line: usize,
    /// In full where it leads into one of our crates, as written where not.
    pub path: Path,
}

/// A source file as a module.
pub struct Module {
    pub file: String,
    pub mentions: Vec<Mention>,
    /// What the module passes on under a name of its own: name, and where it comes from.
    reexports: BTreeMap<String, Path>,
}

/// The modules of both crates by their paths.
pub struct House(pub BTreeMap<Path, Module>);

impl House {
    pub fn of(sources: &[Source]) -> House {
        let all = sources.iter().filter_map(|source| Some((module_path(&source.path)?, source)));
        House(all.map(|(path, source)| (path.clone(), Module::of(&path, source))).collect())
    }

    /// The file that defines what `path` names; `None` for a module itself and for what is not ours.
    pub fn definition(&self, path: &[String]) -> Option<&str> {
        let longest = (1..path.len()).rev().find(|&n| self.0.contains_key(&path[..n]))?;
        if self.0.contains_key(path) {
            return None;
        }
        let module = &self.0[&path[..longest]];
        match module.reexports.get(&path[longest]) {
            Some(origin) if origin != path => self.definition(origin),
            _ => Some(&module.file),
        }
    }

    /// Each file with the files that it names, and the line where it does so first.
    pub fn graph(&self) -> BTreeMap<&str, BTreeMap<&str, usize>> {
        let edges = |module: &Module| {
            let mut edges = BTreeMap::new();
            for mention in &module.mentions {
                if let Some(target) = self.definition(&mention.path).filter(|target| *target != module.file) {
                    edges.entry(target).or_insert(mention.line);
                }
            }
            edges
        };
        self.0.values().map(|module| (module.file.as_str(), edges(module))).collect()
    }
}

/// Groups of files that can't be read without each other: each reaches every other of its group.
pub fn cycles<'h>(graph: &BTreeMap<&'h str, BTreeMap<&'h str, usize>>) -> BTreeSet<BTreeSet<&'h str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = graph.keys().map(|&file| (file, reach(graph, file))).collect();
    let circle = |file: &&'h str| -> BTreeSet<&'h str> {
        reached[*file].iter().copied().filter(|other| reached[other].contains(*file)).collect()
    };
    graph.keys().map(circle).filter(|circle| !circle.is_empty()).collect()
}

fn reach<'h>(graph: &BTreeMap<&'h str, BTreeMap<&'h str, usize>>, from: &str) -> BTreeSet<&'h str> {
    let mut open: Vec<&str> = graph[from].keys().copied().collect();
    let mut reached = BTreeSet::new();
    while let Some(file) = open.pop() {
        if reached.insert(file) {
            open.extend(graph[file].keys());
        }
    }
    reached
}

/// `src/store/error.rs` → `["iotpipe", "store", "error"]`.
fn module_path(file: &str) -> Option<Path> {
    let (name, below) = match file.strip_prefix("core/src/") {
        Some(below) => ("iotpipe_core", below),
        None => ("iotpipe", file.strip_prefix("src/")?),
    };
    let below = below.strip_suffix(".rs")?;
    let below = below.strip_suffix("/mod").unwrap_or(if below == "lib" { "" } else { below });
    Some([name].into_iter().chain(below.split('/').filter(|part| !part.is_empty())).map(str::to_owned).collect())
}

impl Module {
    fn of(module: &Path, source: &Source) -> Module {
        let tokens = Tokens::of(&source.live);
        let mut names = BTreeMap::new();
        for pair in tokens.0.windows(3).filter(|w| w[0].1 == "mod" && w[2].1 == ";") {
            names.insert(pair[1].1.to_owned(), joined(module, pair[1].1));
        }
        let (mut mentions, mut reexports) = (Vec::new(), BTreeMap::new());
        let imports = tokens.imports();
        // Imports may lean on each other's names, and on modules declared here.
        for import in &imports {
            let path = full(module, &names, &import.path);
            if import.public {
                reexports.insert(import.name.clone(), path.clone());
            }
            mentions.push(Mention { line: import.line, path });
        }
        for (import, mention) in imports.iter().zip(&mentions) {
            names.insert(import.name.clone(), mention.path.clone());
        }
        for (line, path) in tokens.paths() {
            mentions.push(Mention { line, path: full(module, &names, &path) });
        }
        Module { file: source.path.clone(), mentions, reexports }
    }
}

/// Leads `path`, as written in `module`, to its full form.
fn full(module: &Path, names: &BTreeMap<String, Path>, path: &[String]) -> Path {
    let (mut base, mut rest) = match path[0].as_str() {
        "crate" => (module[..1].to_vec(), &path[1..]),
        "self" => (module.clone(), &path[1..]),
        "super" => (module.clone(), path),
        first => match names.get(first) {
            Some(base) => (base.clone(), &path[1..]),
            None => (Vec::new(), path),
        },
    };
    while rest.first().is_some_and(|segment| segment == "super") {
        base.pop();
        rest = &rest[1..];
    }
    base.extend_from_slice(rest);
    base
}

fn joined(path: &[String], name: &str) -> Path {
    path.iter().cloned().chain([name.to_owned()]).collect()
}

struct Import {
    line: usize,
    path: Path,
    /// The name under which it is known here; `*` for all that the path holds.
    name: String,
    public: bool,
}

/// Words and signs of the code, each with its line; `::` is one sign.
struct Tokens<'a>(Vec<(usize, &'a str)>);

impl<'a> Tokens<'a> {
    fn of(code: &'a str) -> Tokens<'a> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let mut tokens = Vec::new();
        for (number, line) in code.lines().enumerate() {
            let mut rest = line.trim_start();
            while let Some(first) = rest.chars().next() {
                let length = match rest.find(|c| !is_word(c)).unwrap_or(rest.len()) {
                    0 if rest.starts_with("::") => 2,
                    0 => first.len_utf8(),
                    word => word,
                };
                tokens.push((number + 1, &rest[..length]));
                rest = rest[length..].trim_start();
            }
        }
        Tokens(tokens)
    }

    fn text(&self, at: usize) -> &'a str {
        self.0.get(at).map_or("", |token| token.1)
    }

    /// The leaves of every `use`.
    fn imports(&self) -> Vec<Import> {
        let mut imports = Vec::new();
        for at in (0..self.0.len()).filter(|&at| self.opens_import(at)) {
            let public = at > 0 && matches!(self.text(at - 1), "pub" | ")");
            self.tree(at + 1, &mut Vec::new(), public, &mut imports);
        }
        imports
    }

    /// `use` is a word of precise capturing too: `impl Trait + use<'a>`.
    fn opens_import(&self, at: usize) -> bool {
        self.text(at) == "use" && self.text(at + 1) != "<"
    }

    /// Reads one branch of a `use` and says where it ends.
    fn tree(&self, mut at: usize, before: &mut Path, public: bool, found: &mut Vec<Import>) -> usize {
        let depth = before.len();
        loop {
            match self.text(at) {
                "::" => at += 1,
                "{" => {
                    while !matches!(self.text(at), "}" | ";" | "") {
                        at = self.tree(at + 1, before, public, found);
                    }
                    at += 1;
                    break;
                }
                "," | "}" | ";" | "" | "as" => {
                    self.leaf(at, before, depth, public, found);
                    at += if self.text(at) == "as" { 2 } else { 0 };
                    break;
                }
                segment => {
                    before.push(segment.to_owned());
                    at += 1;
                }
            }
        }
        before.truncate(depth);
        at
    }

    fn leaf(&self, at: usize, path: &Path, depth: usize, public: bool, found: &mut Vec<Import>) {
        // Nothing behind the last comma.
        if path.len() == depth {
            return;
        }
        let mut path = path.clone();
        path.pop_if(|last| last == "self" && depth > 0);
        let last = path.last().cloned().unwrap_or_default();
        let name = if self.text(at) == "as" { self.text(at + 1).to_owned() } else { last };
        found.push(Import { line: self.0[at - 1].0, path, name, public });
    }

    /// Every `a::b::c` outside of imports and of `pub(in …)`.
    fn paths(&self) -> Vec<(usize, Path)> {
        let is_name = |text: &str| text.starts_with(|c: char| c.is_alphabetic() || c == '_');
        let (mut at, mut found) = (0, Vec::new());
        while at < self.0.len() {
            let is_visibility = at > 1 && self.text(at - 1) == "in" && self.text(at - 2) == "(";
            if self.opens_import(at) || is_visibility {
                while !matches!(self.text(at), ";" | ")" | "") {
                    at += 1;
                }
            } else if is_name(self.text(at)) && self.text(at + 1) == "::" {
                let (line, mut path) = (self.0[at].0, vec![self.text(at).to_owned()]);
                while self.text(at + 1) == "::" && is_name(self.text(at + 2)) {
                    at += 2;
                    path.push(self.text(at).to_owned());
                }
                found.push((line, path));
            }
            at += 1;
        }
        found
    }
}

#[test]
fn a_path_leads_to_the_file_that_defines_it() {
    let sources = [
        ("src/lib.rs", "pub mod a; pub mod b;"),
        ("src/a.rs", "use crate::b::{self as other, Deep, inner::{Flat}};\nfn f() { other::Renamed::new(); }"),
        ("src/b/mod.rs", "mod inner; pub use inner::{Deep, Flat as Renamed}; pub struct Own;"),
        ("src/b/inner.rs", "use super::Own; use std::fs; pub(in crate::b) struct Deep; fn g() { fs::read(); }"),
    ];
    let sources = sources.map(|(path, text)| Source::new(path, text));
    let house = House::of(&sources);
    let graph = house.graph();
    assert_eq!(graph["src/a.rs"], BTreeMap::from([("src/b/inner.rs", 1)]));
    assert_eq!(graph["src/b/inner.rs"], BTreeMap::from([("src/b/mod.rs", 1)]));
    assert_eq!(graph["src/b/mod.rs"], BTreeMap::from([("src/b/inner.rs", 1)]));
    assert_eq!(cycles(&graph), BTreeSet::from([BTreeSet::from(["src/b/inner.rs", "src/b/mod.rs"])]));
    let inner = &house.0[&["iotpipe", "b", "inner"].map(str::to_owned)[..]];
    assert!(inner.mentions.iter().any(|mention| mention.path == ["std", "fs", "read"]));
}
