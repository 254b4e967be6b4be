//! Which names under `data/` are those of source files.

use std::path::Path;

/// Endings that writers and copiers give to files that are not yet whole.
const UNDER_WAY: [&str; 3] = [".tmp", ".part", "~"];

/// Whether one of `patterns`, which are in lower case, takes the path `relative` below `data/`. Hidden names, those in
/// hidden folders and those of files under way are never taken.
pub fn is_taken(relative: &Path, patterns: &[glob::Pattern]) -> bool {
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: false,
    };
    let name = relative.to_string_lossy().to_lowercase();
    !is_never_taken(relative) && patterns.iter().any(|pattern| pattern.matches_with(&name, options))
}

/// Whether no pattern takes the path `relative` below `data/`: it is hidden, or under way.
pub fn is_never_taken(relative: &Path) -> bool {
    let is_hidden = relative.iter().any(|part| part.as_encoded_bytes().starts_with(b"."));
    let name = relative.to_string_lossy().to_lowercase();
    is_hidden || UNDER_WAY.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(patterns: &[&str], name: &str) -> bool {
        let patterns: Vec<_> = patterns.iter().map(|p| glob::Pattern::new(p).unwrap()).collect();
        is_taken(Path::new(name), &patterns)
    }

    #[test]
    fn names_under_way_are_never_taken() {
        for (name, expected) in [
            ("a.csv", true),
            ("x/y/a.csv.gz", true),
            ("A.CSV", true),
            ("X/Ä.Csv", true),
            ("a.csv.tmp", false),
            ("a.csv.TMP", false),
            ("a.csv.part", false),
            ("a.csv~", false),
            (".a.csv", false),
            (".x/a.csv", false),
            ("a.txt", false),
        ] {
            assert_eq!(taken(&["**/*.csv*"], name), expected, "{name}");
        }
    }

    #[test]
    fn one_of_several_patterns_is_enough() {
        let patterns = ["in/*.csv", "**/ä_*.dat"];
        for (name, expected) in [("in/a.csv", true), ("in/x/a.csv", false), ("x/Ä_1.DAT", true), ("x/b_1.dat", false)]
        {
            assert_eq!(taken(&patterns, name), expected, "{name}");
        }
    }
}
