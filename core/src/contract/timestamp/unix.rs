//! Numbers of time units, by their digits, never by way of a float.

use super::super::number::Decimal;

/// Digits that are kept: more can't change the nearest microsecond of any year.
const MAX_DIGITS: u32 = 30;

/// A decimal number times 10^`shift`, rounded half away from zero. By its digits, never by way of a float.
#[inline]
pub(super) fn unix(field: &[u8], decimal: Decimal, shift: i32) -> Result<i64, String> {
    match few_digits(field, decimal, shift) {
        Some(micros) => Ok(micros),
        None => unusual(field, decimal, shift),
    }
}

#[cold]
fn unusual(field: &[u8], decimal: Decimal, shift: i32) -> Result<i64, String> {
    let micros =
        many_digits(field, decimal, shift).ok_or_else(|| "not a number of time units since 1970".to_owned())?;
    match last_place(field, decimal).is_some_and(|place| place + shift > SECOND) {
        true => {
            Err("a spreadsheet rounded it: its last digit is coarser than a second; format the column as a number \
                     there, or take the file as the device wrote it"
                .to_owned())
        }
        false => Ok(micros),
    }
}

/// A second is 10^6 microseconds.
const SECOND: i32 = 6;

/// The power of ten of the last digit, where the number has an exponent the way spreadsheets write it (`1.7E+09`: with
/// its sign and two digits). Other exponents keep all digits, so theirs may be zeros that were left out.
fn last_place(field: &[u8], decimal: Decimal) -> Option<i32> {
    let [mantissa @ .., b'e' | b'E', sign @ (b'+' | b'-'), tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = field else {
        return None;
    };
    let size = i32::from(tens - b'0') * 10 + i32::from(ones - b'0');
    let fraction = mantissa.iter().position(|b| *b == decimal.byte()).map_or(0, |at| mantissa.len() - at - 1);
    let exponent = if *sign == b'-' { -size } else { size };
    Some(exponent - i32::try_from(fraction).ok()?)
}

pub(super) fn digits(field: &[u8], decimal: Decimal, shift: i32) -> Option<i64> {
    few_digits(field, decimal, shift).or_else(|| many_digits(field, decimal, shift))
}

/// Digits of which every number fits into 64 bits, without a sign.
const FEW_DIGITS: usize = 19;

/// The powers of ten that fit.
const POWERS_OF_TEN: [u64; FEW_DIGITS + 1] = {
    let mut powers = [1; FEW_DIGITS + 1];
    let mut n = 1;
    while n < powers.len() {
        powers[n] = 10 * powers[n - 1];
        n += 1;
    }
    powers
};

/// [`many_digits`] for what devices write: no sign, few digits, a one-digit exponent if any. `None` for all else.
fn few_digits(field: &[u8], decimal: Decimal, shift: i32) -> Option<i64> {
    let (mantissa, exponent) = match field {
        [mantissa @ .., b'e' | b'E', digit @ b'0'..=b'9'] => (mantissa, i32::from(digit - b'0')),
        _ => (field, 0),
    };
    if mantissa.len() > FEW_DIGITS {
        return None;
    }
    let (whole, behind) = with_leading_digits(0, mantissa);
    let (value, fraction) = match behind {
        [] => (whole, behind),
        [point, fraction @ ..] if *point == decimal.byte() => match with_leading_digits(whole, fraction) {
            (value, []) => (value, fraction),
            _ => return None,
        },
        _ => return None,
    };
    let power = exponent + shift - fraction.len() as i32;
    let factor = *POWERS_OF_TEN.get(power.unsigned_abs() as usize)?;
    let micros = match power {
        // Nothing, or a point alone.
        _ if behind.len() == mantissa.len() && fraction.is_empty() => return None,
        0.. => value.checked_mul(factor)?,
        _ => value / factor + u64::from(value % factor >= factor / 2),
    };
    i64::try_from(micros).ok()
}

/// `value` with the digits behind it with which `text` begins, and what follows them. All fit.
#[inline]
fn with_leading_digits(mut value: u64, mut text: &[u8]) -> (u64, &[u8]) {
    while let [byte, rest @ ..] = text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        (value, text) = (value * 10 + u64::from(digit), rest);
    }
    (value, text)
}

fn many_digits(field: &[u8], decimal: Decimal, shift: i32) -> Option<i64> {
    let (negative, unsigned) = match field {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mark = unsigned.iter().position(|b| matches!(b, b'e' | b'E'));
    let (mantissa, exponent) = match mark {
        Some(at) => (&unsigned[..at], std::str::from_utf8(&unsigned[at + 1..]).ok()?.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (mut value, mut kept, mut scale, mut seen, mut fraction) = (0u128, 0, 0i32, false, false);
    for &byte in mantissa {
        match byte {
            b'0'..=b'9' => {
                seen = true;
                if kept < MAX_DIGITS {
                    value = value * 10 + u128::from(byte - b'0');
                    kept += u32::from(value > 0);
                    scale -= i32::from(fraction);
                } else {
                    scale = scale.checked_add(i32::from(!fraction))?;
                }
            }
            b if b == decimal.byte() && !fraction => fraction = true,
            _ => return None,
        }
    }
    let power = scale.checked_add(exponent)?.checked_add(shift)?;
    let rounded = match power {
        _ if !seen => return None,
        _ if value == 0 => 0,
        0.. => value.checked_mul(10u128.checked_pow(power as u32)?)?,
        _ => match 10u128.checked_pow(power.unsigned_abs()) {
            Some(divisor) => value / divisor + u128::from(value % divisor >= divisor.div_ceil(2)),
            None => 0,
        },
    };
    let micros = i64::try_from(rounded).ok()?;
    Some(if negative { -micros } else { micros })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn few_digits_are_read_as_many_are(field in "[0-9]{0,12}[.,]?[0-9]{0,9}([eE]-?[0-9]{1,2})?", shift in -3i32..7) {
            for decimal in [Decimal::Point, Decimal::Comma] {
                if let Some(micros) = few_digits(field.as_bytes(), decimal, shift) {
                    prop_assert_eq!(Some(micros), many_digits(field.as_bytes(), decimal, shift));
                }
            }
        }
    }
}
