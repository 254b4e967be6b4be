//! Numbers as CSV files write them.

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
}
