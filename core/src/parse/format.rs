//! What a source file is written in.

/// What a source file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Fields between delimiters, under a header.
    Csv,
    /// An object per line.
    JsonLines,
    /// InfluxDB line protocol.
    LineProtocol,
}

impl FileFormat {
    /// What the names of such files end with.
    pub fn ending(self) -> &'static str {
        match self {
            FileFormat::Csv => "csv",
            FileFormat::JsonLines => "jsonl",
            FileFormat::LineProtocol => "lp",
        }
    }

    /// By the ending of a file's name, compressed or not.
    pub fn of(name: &str) -> FileFormat {
        let lower = name.to_ascii_lowercase();
        let bare = [".gz", ".zst"].iter().find_map(|ending| lower.strip_suffix(ending)).unwrap_or(&lower);
        match [".jsonl", ".ndjson"].iter().any(|ending| bare.ends_with(ending)) {
            true => FileFormat::JsonLines,
            false => FileFormat::Csv,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_by_the_name() {
        for (name, expected) in [
            ("a.jsonl", FileFormat::JsonLines),
            ("A.NDJSON.gz", FileFormat::JsonLines),
            ("a.jsonl.zst", FileFormat::JsonLines),
            ("a.json", FileFormat::Csv),
            ("jsonl", FileFormat::Csv),
        ] {
            assert_eq!(FileFormat::of(name), expected, "{name}");
        }
    }
}
