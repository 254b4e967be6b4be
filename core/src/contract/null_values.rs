//! What means "no value".

use super::number::{Decimal, parse_float};

/// Texts that mean "no value", compared without regard to ASCII case; those that are numbers, as numbers too.
#[derive(Debug, Clone)]
pub struct NullValues {
    texts: Vec<String>,
    longest: usize,
    /// Whether one of the texts begins with this byte, in either case.
    begins: Box<[bool; 256]>,
    numbers: Vec<f64>,
}

impl NullValues {
    /// These texts, of which the numbers have this decimal separator, or a point.
    pub fn new(texts: Vec<String>, decimal: Decimal) -> Self {
        let longest = texts.iter().map(String::len).max().unwrap_or(0);
        let mut begins = Box::new([false; 256]);
        for first in texts.iter().filter_map(|text| text.bytes().next()) {
            begins[usize::from(first.to_ascii_lowercase())] = true;
            begins[usize::from(first.to_ascii_uppercase())] = true;
        }
        let number = |text: &String| {
            parse_float(text.trim().as_bytes(), decimal).or_else(|| parse_float(text.as_bytes(), Decimal::Point))
        };
        let numbers = texts.iter().filter_map(number).collect();
        Self { texts, longest, begins, numbers }
    }

    /// The texts, as they were given.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Whether `field` (already trimmed) is one of them. Nearly every field is told apart by its length or first byte.
    #[inline]
    pub fn contains(&self, field: &[u8]) -> bool {
        field.len() <= self.longest
            && field.first().is_none_or(|first| self.begins[usize::from(*first)])
            && self.texts.iter().any(|text| text.as_bytes().eq_ignore_ascii_case(field))
    }

    /// Whether a number is one of them: `-9999.0` where `-9999` is.
    #[inline]
    pub fn contains_number(&self, value: f64) -> bool {
        !self.numbers.is_empty() && self.numbers.contains(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn null_values_are_found_as_by_comparing_with_each(
            texts in prop::collection::vec("[aAbB-]{0,2}", 0..4),
            field in "[aAbBc-]{0,3}",
        ) {
            let expected = texts.iter().any(|text| text.eq_ignore_ascii_case(&field));
            prop_assert_eq!(NullValues::new(texts, Decimal::Point).contains(field.as_bytes()), expected);
        }
    }

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        let nulls = NullValues::new(vec!["-9999".into(), "-1,5".into(), "NaN".into()], Decimal::Comma);
        assert!([-9999.0, -9.999e3, -1.5].iter().all(|v| nulls.contains_number(*v)));
        assert!(!nulls.contains_number(9999.0));
    }
}
