//! How far a source file may come.

/// How far a source file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Still being written.
    Arriving,
    /// Settled; its bytes are fixed by a hash.
    Pending,
    /// Every row has its verdict.
    Validated,
    /// Its aggregates are stored.
    Aggregated,
    /// Its rows are committed.
    Loaded,
    /// Same content as a loaded file.
    Duplicate,
    /// Refused whole.
    Rejected,
    /// Given up.
    Failed,
}

impl State {
    /// Every state, in order.
    pub const ALL: [State; 8] = [
        State::Arriving,
        State::Pending,
        State::Validated,
        State::Aggregated,
        State::Loaded,
        State::Duplicate,
        State::Rejected,
        State::Failed,
    ];

    /// The name in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Arriving => "arriving",
            State::Pending => "pending",
            State::Validated => "validated",
            State::Aggregated => "aggregated",
            State::Loaded => "loaded",
            State::Duplicate => "duplicate",
            State::Rejected => "rejected",
            State::Failed => "failed",
        }
    }

    /// The state of that name.
    pub fn of(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|s| s.as_str() == name)
    }

    /// Whether there is work left on the file.
    pub fn is_open(self) -> bool {
        matches!(self, State::Arriving | State::Pending | State::Validated | State::Aggregated)
    }

    /// The states in which a file may be taken up to bring it to `self`.
    pub fn reached_from(self) -> &'static [State] {
        match self {
            State::Validated => &[State::Pending],
            State::Aggregated => &[State::Validated],
            State::Loaded => &[State::Pending, State::Validated, State::Aggregated],
            _ => &[],
        }
    }
}
