//! Local times, which a clock change may skip or repeat.

use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::instant::micros_of;

/// What to make of a local time that a clock change repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ambiguous {
    /// It can't be told.
    Reject,
    /// The first of the two instants.
    Earliest,
    /// The second.
    Latest,
}

/// How local times become instants.
#[derive(Debug, Clone)]
pub struct LocalTime {
    /// Their zone.
    pub(super) zone: TimeZone,
    /// Which of two instants a repeated one means.
    pub(super) ambiguous: Ambiguous,
}

impl LocalTime {
    /// Microseconds since 1970-01-01 UTC, rounded to the nearest.
    pub(super) fn micros(&self, time: civil::DateTime) -> Result<i64, String> {
        let local = self.zone.to_ambiguous_timestamp(time);
        let name = self.zone.iana_name().unwrap_or("its zone");
        let chosen = match (local.offset(), self.ambiguous) {
            (AmbiguousOffset::Gap { .. }, _) => {
                return Err(format!("does not exist in {name}: clocks were put forward"));
            }
            (AmbiguousOffset::Fold { .. }, Ambiguous::Reject) => {
                return Err(format!("exists twice in {name}: clocks were put back; see contract.timestamp.ambiguous"));
            }
            (AmbiguousOffset::Fold { .. }, Ambiguous::Earliest) => local.earlier(),
            (AmbiguousOffset::Fold { .. }, Ambiguous::Latest) => local.later(),
            (AmbiguousOffset::Unambiguous { .. }, _) => local.compatible(),
        };
        chosen.map(micros_of).map_err(|e| e.to_string())
    }
}
