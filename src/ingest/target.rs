//! Where a file is to go once it is done, and under which name.

use crate::manifest::{Entry, Place, State, Whereabouts};
use crate::source::{MAX_NAME_BYTES, cut, own_stem, split_name};

/// The entry as the commit left it.
pub fn closed_as(entry: &Entry, state: State, lies: &Whereabouts) -> Entry {
    let goal = state.goal().unwrap_or(Place::Processed);
    Entry {
        state: state.as_str().to_owned(),
        place: lies.place.as_str().to_owned(),
        place_name: lies.name.clone(),
        archive_name: archive_name(entry, goal, lies),
        ..entry.clone()
    }
}

/// What is written ahead of the move to `goal`: the name that the file has, where it is there already.
pub fn archive_name(entry: &Entry, goal: Place, lies: &Whereabouts) -> Option<String> {
    match goal {
        Place::Inbox => None,
        goal if goal == lies.place => lies.name.clone().or_else(|| target_names(entry, goal).next()),
        goal => target_names(entry, goal).next(),
    }
}

/// Names for a file below the folder of its goal, the first choice first. In `processed/` it keeps its path where that is
/// free; in `quarantine/` each entry has a name of its own.
pub fn target_names(entry: &Entry, goal: Place) -> impl Iterator<Item = String> + use<> {
    let sha256 = entry.sha256.clone().unwrap_or_default();
    let (stem, extension) = split_name(entry.file_name());
    let hash = sha256.get(..12).unwrap_or(&sha256).to_owned();
    let own = own_stem(entry.file_name(), &sha256, entry.id, LONGEST_ENDING);
    let mut names = Vec::new();
    match goal {
        Place::Quarantine => {
            names.push(format!("{own}{extension}"));
            names.push(format!("{own}.{}{extension}", entry.claim_no));
        }
        _ => {
            let folder = entry.source.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
            names.push(entry.source.clone());
            let room = MAX_NAME_BYTES.saturating_sub(hash.len() + 1 + extension.len());
            names.push(format!("{folder}{}.{hash}{extension}", cut(stem, room)));
            names.push(format!("{folder}{own}{extension}"));
            names.push(format!("{folder}{own}.{}{extension}", entry.claim_no));
            // Where another file has the name of its folder.
            names.push(format!("{own}{extension}"));
            names.push(format!("{own}.{}{extension}", entry.claim_no));
        }
    }
    names.into_iter()
}

/// Room for `.<claim>.rejected.csv` behind an entry's own names.
const LONGEST_ENDING: usize = 48;
