//! Days as spreadsheets count them: 1 is 1900-01-01, and 60 is a 29th of February that never was.
//! Source: Microsoft, "Excel incorrectly assumes that the year 1900 is a leap year".

use jiff::civil;
use jiff::{Span, ToSpan};

use super::super::number::Decimal;
use super::local::LocalTime;
use super::unix::digits;

/// Decimal places of a day that are kept: a millionth of a microsecond.
const PLACES: i32 = 12;
const MILLIS_PER_DAY: i128 = 86_400_000;

/// Microseconds since 1970-01-01 UTC. To the nearest millisecond, which is what a spreadsheet keeps of a time.
pub(super) fn days(field: &[u8], decimal: Decimal, local: &LocalTime) -> Result<i64, String> {
    let not_a_day = || "not a number of days, as spreadsheets count them from 1900".to_owned();
    let fine = i128::from(digits(field, decimal, PLACES).filter(|days| *days >= 0).ok_or_else(not_a_day)?);
    let unit = 10i128.pow(PLACES as u32);
    let millis = (fine * MILLIS_PER_DAY + unit / 2) / unit;
    let (day, rest) = ((millis / MILLIS_PER_DAY) as i64, (millis % MILLIS_PER_DAY) as i64);
    let first = match day {
        60 => return Err("day 60 is 1900-02-29, which never was".to_owned()),
        ..60 => civil::date(1899, 12, 31),
        _ => civil::date(1899, 12, 30),
    };
    let span = Span::new().try_days(day).map_err(|_| not_a_day())?;
    let date = first.checked_add(span).map_err(|_| not_a_day())?;
    let time = date.at(0, 0, 0, 0).checked_add(rest.milliseconds()).map_err(|_| not_a_day())?;
    local.micros(time)
}
