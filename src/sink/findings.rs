//! What an audit found, in bounded memory.

/// Findings that are kept word for word.
const SHOWN: usize = 20;

/// What differs, in words: the first of them, and how many more there are.
#[derive(Debug, Default)]
pub struct Findings {
    shown: Vec<String>,
    more: u64,
}

impl Findings {
    /// Adds one.
    pub fn add(&mut self, finding: String) {
        if self.shown.len() < SHOWN {
            self.shown.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// All that is to be said.
    pub fn into_lines(mut self) -> Vec<String> {
        if self.more > 0 {
            self.shown.push(format!("… and {} more", self.more));
        }
        self.shown
    }
}
