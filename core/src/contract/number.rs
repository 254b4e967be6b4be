//! Numbers as CSV files write them.

use unicode_normalization::UnicodeNormalization;

/// What stands between the whole and the fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decimal {
    /// `21.5`
    Point,
    /// `21,5`
    Comma,
}

impl Decimal {
    /// The separator's byte.
    #[inline]
    pub fn byte(self) -> u8 {
        match self {
            Decimal::Point => b'.',
            Decimal::Comma => b',',
        }
    }
}

/// Longest number that is read where the decimal separator is a comma, in bytes.
const MAX_NUMBER: usize = 64;
/// Whole numbers below this are exact in an f64: 2^53. It may itself stand for a neighbour that was rounded.
const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;

/// A finite number, rounded as `str::parse::<f64>` rounds; `None` for anything else (NaN and infinities too).
#[inline]
pub fn parse_float(field: &[u8], decimal: Decimal) -> Option<f64> {
    let value = match decimal {
        Decimal::Point => fast_float2::parse::<f64, _>(field).ok()?,
        Decimal::Comma => {
            let mut buffer = [0; MAX_NUMBER];
            let text = buffer.get_mut(..field.len())?;
            for (to, from) in text.iter_mut().zip(field) {
                *to = match from {
                    b',' => b'.',
                    b'.' => return None,
                    byte => *byte,
                };
            }
            fast_float2::parse::<f64, _>(&*text).ok()?
        }
    };
    value.is_finite().then_some(value)
}

/// A whole number of 64 bits; `3.0` and `3e2` count as whole below 2^53.
#[inline]
pub fn parse_integer(field: &[u8], decimal: Decimal) -> Option<i64> {
    if let Some(value) = std::str::from_utf8(field).ok().and_then(|text| text.parse().ok()) {
        return Some(value);
    }
    let value = parse_float(field, decimal)?;
    (value.fract() == 0.0 && value.abs() < EXACT_BELOW).then_some(value as i64)
}

/// How numbers are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberStyle {
    /// The decimal separator.
    pub decimal: Decimal,
    /// What groups the digits of large numbers by three.
    pub thousands: Option<char>,
}

/// What may stand behind a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suffix<'u> {
    /// Nothing.
    None,
    /// This unit; its degree sign may be left out.
    Unit(&'u str),
    /// Any text without digits.
    Any,
}

impl NumberStyle {
    /// What a number looks like without the dress in which people and spreadsheets put it: spaces that are no ASCII and marks
    /// of direction around it, a typographic minus, groups of three digits, a unit behind it. `None` where there is nothing
    /// to take off. To be asked for fields that are no number as they stand.
    pub fn plain(&self, field: &[u8], suffix: Suffix<'_>) -> Option<String> {
        let text = std::str::from_utf8(field).ok()?;
        let bare =
            without_suffix(text.trim_matches(|c: char| c.is_whitespace() || is_mark_of_direction(c)), suffix)?.trim();
        // Several languages write it so, and programs that follow their habits.
        let signed = bare.replace('\u{2212}', "-");
        let ungrouped = match self.thousands {
            Some(mark) => without_groups(&signed, mark, self.decimal)?,
            None => signed,
        };
        (ungrouped != text).then_some(ungrouped)
    }
}

fn without_suffix<'t>(text: &'t str, suffix: Suffix<'_>) -> Option<&'t str> {
    let behind_digits = text.rfind(|c: char| c.is_ascii_digit() || matches!(c, '.' | ',')).map_or(0, |at| at + 1);
    let end = match suffix {
        // It may have digits of its own: `m3`.
        Suffix::Unit(unit) if unit.contains(|c: char| c.is_ascii_digit() || matches!(c, '²' | '³')) => {
            let mut places = text.char_indices().map(|(at, _)| at);
            places.find(|at| bare_unit(&text[*at..]) == bare_unit(unit)).unwrap_or(behind_digits)
        }
        _ => behind_digits,
    };
    let (number, behind) = text.split_at(end);
    let fits = behind.is_empty()
        || match suffix {
            Suffix::None => false,
            Suffix::Unit(unit) => bare_unit(unit) == bare_unit(behind),
            Suffix::Any => true,
        };
    fits.then_some(number)
}

/// Without a degree's sign and spaces, in small letters, each character in the one form that it shares with its look-alikes.
fn bare_unit(unit: &str) -> String {
    let one_form: String = unit.chars().filter(|c| *c != 'º').nfkc().collect();
    let bare = one_form.replace(|c: char| c == '°' || c.is_whitespace(), "").to_lowercase();
    bare.strip_prefix("deg").map_or(bare.clone(), str::to_owned)
}

/// What programs put before a text that may be read from right to left.
pub(super) fn is_mark_of_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// `None` where the marks do not stand before groups of three digits.
fn without_groups(text: &str, mark: char, decimal: Decimal) -> Option<String> {
    // People's spaces are of several kinds, and so are their apostrophes.
    let alike =
        [&[' ', '\u{a0}', '\u{202f}', '\u{2009}'][..], &['\'', '’']].into_iter().find(|alike| alike.contains(&mark));
    let is_mark = |c: char| c == mark || alike.is_some_and(|alike| alike.contains(&c));
    let whole_end = text.find([char::from(decimal.byte()), 'e', 'E']).unwrap_or(text.len());
    let (whole, rest) = text.split_at(whole_end);
    let unsigned = whole.trim_start_matches(['+', '-']);
    let mut groups = unsigned.split(is_mark);
    let first = groups.next().unwrap_or_default();
    let mut others = groups.peekable();
    let grouped = others.peek().is_some();
    if grouped && !(1..=3).contains(&first.len()) || others.any(|group| group.len() != 3) {
        return None;
    }
    Some(whole.chars().filter(|c| !is_mark(*c)).chain(rest.chars()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn floats_are_read_as_the_standard_library_reads_them(value in any::<f64>()) {
            let text = format!("{value:e}");
            let expected = text.parse::<f64>().ok().filter(|v| v.is_finite());
            prop_assert_eq!(parse_float(text.as_bytes(), Decimal::Point), expected);
            prop_assert_eq!(parse_float(text.replace('.', ",").as_bytes(), Decimal::Comma), expected);
        }

        #[test]
        fn what_is_accepted_the_standard_library_accepts(text in "[-+]?[0-9eE.]{0,12}") {
            let expected = text.parse::<f64>().ok().filter(|v| v.is_finite());
            prop_assert_eq!(parse_float(text.as_bytes(), Decimal::Point), expected);
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in ["", "-", "e5", "NaN", "inf", "-Infinity", "1e999", "1,5", "12 3", "0x10"] {
            assert_eq!(parse_float(text.as_bytes(), Decimal::Point), None, "{text}");
        }
        assert_eq!(parse_float(b"1.234,5", Decimal::Comma), None);
    }

    #[test]
    fn integers() {
        assert_eq!(parse_integer(b"9223372036854775807", Decimal::Point), Some(i64::MAX));
        assert_eq!(parse_integer(b"3.0", Decimal::Point), Some(3));
        assert_eq!(parse_integer(b"3e2", Decimal::Point), Some(300));
        assert_eq!(parse_integer(b"3,0", Decimal::Comma), Some(3));
        assert_eq!(parse_integer(b"3.5", Decimal::Point), None);
        assert_eq!(parse_integer(b"9007199254740991.0", Decimal::Point), Some(9_007_199_254_740_991));
        assert_eq!(parse_integer(b"9007199254740993.0", Decimal::Point), None, "would be stored as another number");
    }

    #[test]
    fn numbers_in_the_dress_of_people() {
        let style = |decimal, thousands| NumberStyle { decimal, thousands };
        let (plain, grouped) = (style(Decimal::Point, None), style(Decimal::Point, Some(',')));
        let european = style(Decimal::Comma, Some('.'));
        for (style, text, suffix, expected) in [
            (&plain, "\u{a0}21.5\u{a0}", Suffix::None, Some("21.5")),
            (&plain, "21.5 °C", Suffix::None, None),
            (&plain, "21.5 °C", Suffix::Unit("°C"), Some("21.5")),
            (&plain, "21.5C", Suffix::Unit("°C"), Some("21.5")),
            (&plain, "70 °F", Suffix::Unit("°C"), None),
            (&plain, "45%", Suffix::Any, Some("45")),
            (&grouped, "-1,234,567.5", Suffix::None, Some("-1234567.5")),
            (&grouped, "1,23", Suffix::None, None),
            (&grouped, "1234,567", Suffix::None, None),
            (&grouped, "1,2345", Suffix::None, None),
            (&grouped, "1,020 hPa", Suffix::Unit("hPa"), Some("1020")),
            (&european, "1.021,5", Suffix::None, Some("1021,5")),
            (&style(Decimal::Comma, Some(' ')), "12\u{202f}345,6", Suffix::None, Some("12345,6")),
            (&style(Decimal::Comma, Some('\u{a0}')), "12 345,6", Suffix::None, Some("12345,6")),
            (&style(Decimal::Point, Some('\'')), "12’345.6", Suffix::None, Some("12345.6")),
            (&plain, "\u{2212}5.5", Suffix::None, Some("-5.5")),
            (&plain, "\u{200e}5.5\u{200e}", Suffix::None, Some("5.5")),
            (&plain, "5 \u{2103}", Suffix::Unit("°C"), Some("5")),
            (&plain, "5 degC", Suffix::Unit("°C"), Some("5")),
            (&plain, "5 \u{b5}g/m³", Suffix::Unit("\u{3bc}g/m3"), Some("5")),
            (&plain, "5 degF", Suffix::Unit("°C"), None),
            (&plain, "5 W/m2", Suffix::Unit("W/m²"), Some("5")),
            (&plain, "5.25 m3", Suffix::Unit("m3"), Some("5.25")),
            (&plain, "5 m2", Suffix::Unit("m3"), None),
        ] {
            assert_eq!(style.plain(text.as_bytes(), suffix).as_deref(), expected, "{text}");
        }
    }
}
