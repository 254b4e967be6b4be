//! How far a source file may come, and where it may lie.

/// How far a source file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// Given up after too many attempts.
    Failed,
    /// Its rows were taken out again.
    Unloaded,
    /// Gone before it was read.
    Vanished,
}

impl State {
    /// Every state, in order.
    pub const ALL: [State; 10] = [
        State::Arriving,
        State::Pending,
        State::Validated,
        State::Aggregated,
        State::Loaded,
        State::Duplicate,
        State::Rejected,
        State::Failed,
        State::Unloaded,
        State::Vanished,
    ];
    /// Those with work left on them.
    pub const OPEN: &'static [State] = &[State::Arriving, State::Pending, State::Validated, State::Aggregated];

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
            State::Unloaded => "unloaded",
            State::Vanished => "vanished",
        }
    }

    /// The state of that name.
    pub fn of(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|s| s.as_str() == name)
    }

    /// Whether there is work left on the file.
    pub fn is_open(self) -> bool {
        State::OPEN.contains(&self)
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

    /// Where a file of this state belongs. Open ones have no goal: they lie in the inbox, or are held between steps.
    pub fn goal(self) -> Option<Place> {
        match self {
            State::Loaded | State::Duplicate | State::Unloaded => Some(Place::Processed),
            State::Rejected => Some(Place::Quarantine),
            State::Failed => Some(Place::Inbox),
            State::Arriving | State::Pending | State::Validated | State::Aggregated | State::Vanished => None,
        }
    }
}

/// Where a source file lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In `data/`, under the name with which it was delivered; while it is claimed, perhaps under its private one.
    Inbox,
    /// In `data/`, under its private name.
    Held,
    /// In `processed/`.
    Processed,
    /// In `quarantine/`, whole.
    Quarantine,
    /// Nowhere: it vanished, or was overwritten after its rows were committed.
    Nowhere,
}

impl Place {
    /// Every place.
    pub const ALL: [Place; 5] = [Place::Inbox, Place::Held, Place::Processed, Place::Quarantine, Place::Nowhere];

    /// The name in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Place::Inbox => "inbox",
            Place::Held => "held",
            Place::Processed => "processed",
            Place::Quarantine => "quarantine",
            Place::Nowhere => "none",
        }
    }

    /// The place of that name.
    pub fn of(name: &str) -> Option<Place> {
        Place::ALL.into_iter().find(|p| p.as_str() == name)
    }
}
