//! Names of files and their endings.

/// `x.csv.gz` → (`x`, `.csv.gz`); a name without a known ending gets `.csv`.
pub fn split_name(name: &str) -> (&str, &str) {
    let lower = name.to_ascii_lowercase();
    for ending in [".csv.gz", ".csv.zst", ".csv"] {
        if lower.ends_with(ending) && name.len() > ending.len() {
            return name.split_at(name.len() - ending.len());
        }
    }
    (name, ".csv")
}
