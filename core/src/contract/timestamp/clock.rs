//! Clocks that strptime does not know: hours and minutes that are not padded, the end of a day, `a` and `p`.

use std::ops::Range;

/// In a pattern: hours and minutes without a separator, of one to four digits, padded from the left; 2400 is the next
/// day's 0000.
pub(super) const HHMM: &str = "hhmm";
/// In a pattern: hours and minutes apart; 24:00 is the next day's 00:00.
pub(super) const HH_MM: &str = "hh:mm";

/// Hours and minutes that are made ready for strptime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// As [`HHMM`].
    Joined,
    /// As [`HH_MM`].
    Apart,
}

impl Clock {
    /// That with which `pattern` begins.
    pub(super) fn in_pattern(pattern: &str) -> Option<Clock> {
        [Clock::Joined, Clock::Apart].into_iter().find(|clock| pattern.starts_with(clock.written()))
    }

    /// As a pattern has it.
    pub(super) fn written(self) -> &'static str {
        match self {
            Clock::Joined => HHMM,
            Clock::Apart => HH_MM,
        }
    }

    /// How many runs of digits it is.
    pub(super) fn runs(self) -> usize {
        match self {
            Clock::Joined => 1,
            Clock::Apart => 2,
        }
    }

    /// The text with its hours and minutes as strptime reads them, the first of whose runs stands at `place`, and the days
    /// that they add.
    pub(super) fn padded(self, text: &str, place: Option<Range<usize>>) -> Result<(String, i64), String> {
        let most = if self == Clock::Joined { 4 } else { 2 };
        let place = place.filter(|place| place.len() <= most);
        let place =
            place.ok_or_else(|| format!("has no hours and minutes of one to four digits ({})", self.written()))?;
        let padded = match self {
            Clock::Joined => format!("{:0>4}", &text[place.clone()]),
            Clock::Apart => text[place.clone()].to_owned(),
        };
        let (clock, days) = match padded.as_str() {
            "2400" => ("0000", 1),
            "24" => ("00", 1),
            padded => (padded, 0),
        };
        Ok((format!("{}{clock}{}", &text[..place.start], &text[place.end..]), days))
    }
}

/// The text with `AM` and `PM` as strptime reads them, where they stood as `a`, `p`, `a.m.` or `p.m.`.
pub(super) fn spelled_out(text: &str) -> Option<String> {
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        if before.is_ascii_digit() || before.is_whitespace() {
            let half = match letter {
                'a' | 'A' => Some("AM"),
                'p' | 'P' => Some("PM"),
                _ => None,
            };
            let behind = [".m.", ".M.", ".m", ".M", ". m.", ""].into_iter().find_map(|rest| {
                let behind = text[at + letter.len_utf8()..].strip_prefix(rest)?;
                (behind.is_empty() || behind.starts_with(char::is_whitespace)).then_some(behind)
            });
            if let (Some(half), Some(behind)) = (half, behind) {
                return Some(format!("{}{half}{behind}", &text[..at]));
            }
        }
        before = letter;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_a_day() {
        for (text, expected) in [
            ("05/01/24 12:30a", Some("05/01/24 12:30AM")),
            ("1:02 p.m.", Some("1:02 PM")),
            ("1:02P May", Some("1:02PM May")),
            ("1:02 a. m.", Some("1:02 AM")),
            ("1:02 AM", None),
            ("1 Apr 1:02", None),
        ] {
            assert_eq!(spelled_out(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_end_of_a_day() {
        assert_eq!(Clock::Joined.padded("130", Some(0..3)), Ok(("0130".to_owned(), 0)));
        assert_eq!(Clock::Joined.padded("2400", Some(0..4)), Ok(("0000".to_owned(), 1)));
        assert_eq!(Clock::Apart.padded("5/1 24:00", Some(4..6)), Ok(("5/1 00:00".to_owned(), 1)));
        assert_eq!(Clock::Apart.padded("5/1 9:05", Some(4..5)), Ok(("5/1 9:05".to_owned(), 0)));
        assert!(Clock::Apart.padded("5/1", None).is_err());
    }
}
