//! Instants, to the microsecond.

/// A minute, in microseconds.
const MINUTE: i64 = 60_000_000;

/// Whether the sixtieth second of a minute is named: what a leap second is read as, too.
pub(super) fn is_second_59(micros: i64) -> bool {
    micros.rem_euclid(MINUTE) >= 59_000_000
}

/// A leap second is the first instant of the next minute; only the last minute of a day has one.
pub(super) fn leap_second(micros: i64, is_last_minute: bool) -> Result<i64, String> {
    let next = micros - micros.rem_euclid(MINUTE) + MINUTE;
    match is_last_minute || next.rem_euclid(24 * 60 * MINUTE) == 0 {
        true => Ok(next),
        false => Err("second 60 is there in the last minute of a day alone".to_owned()),
    }
}

pub(super) fn micros_of(timestamp: jiff::Timestamp) -> i64 {
    let nanos = timestamp.as_nanosecond();
    let away = if nanos < 0 { -500 } else { 500 };
    ((nanos + away) / 1000) as i64
}
