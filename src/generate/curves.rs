//! What an imaginary device measures: curves over the day, an offset of its own, a little noise.
//!
//! Plain arithmetic only (no `sin` of the platform), so that a seed gives the same bytes everywhere.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const HOUR: f64 = 3_600e6;
const DAY: i64 = 86_400_000_000;

/// The years 1 to 9999, in microseconds since 1970-01-01 UTC.
const YEARS: std::ops::Range<i128> = -62_135_596_800_000_000..253_402_300_800_000_000;

/// The values of one reading, as whole numbers of their smallest step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Index of the device.
    pub device: u32,
    /// Microseconds since 1970-01-01 UTC.
    pub ts: i64,
    /// Carbon monoxide, in 1e-9.
    pub co: i64,
    /// Relative humidity, in 0.1 %.
    pub humidity: i64,
    /// Whether there is light.
    pub light: bool,
    /// Liquefied petroleum gas, in 1e-9.
    pub lpg: i64,
    /// Whether something moved.
    pub motion: bool,
    /// Smoke, in 1e-9.
    pub smoke: i64,
    /// Temperature, in 0.1 °C.
    pub temp: i64,
}

/// What sets one device apart from the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The device's name, in the form of a MAC address.
    pub name: String,
    temp: f64,
    humidity: f64,
    co: f64,
    sunrise: f64,
    sunset: f64,
    bustle: f64,
}

impl Profile {
    /// The first `count` devices of `seed`.
    pub fn list(seed: u64, count: usize) -> Vec<Profile> {
        let mut rng = stream(seed, u64::MAX);
        (0..count as u32)
            .map(|index| Profile {
                name: device_name(index),
                temp: 21.0 + rng.random_range(-6.0..6.0),
                humidity: 55.0 + rng.random_range(-12.0..12.0),
                co: rng.random_range(0.0030..0.0055),
                sunrise: rng.random_range(5.5..7.5),
                sunset: rng.random_range(18.5..21.0),
                bustle: rng.random_range(0.05..0.20),
            })
            .collect()
    }

    /// What this device, which has the index `device`, measures at `ts`.
    pub fn measure(&self, device: u32, ts: i64, rng: &mut ChaCha8Rng) -> Sample {
        let mut bits = rng.next_u64();
        // A share in -1..1, from the next bits of one random number.
        let mut noise = || {
            let share = (bits & 0x3ff) as f64 / 511.5 - 1.0;
            bits >>= 10;
            share
        };
        let hour = ts.rem_euclid(DAY) as f64 / HOUR;
        let afternoon = wave((hour - 9.0) / 24.0);
        let weather = wave(ts.rem_euclid(9 * DAY) as f64 / (9 * DAY) as f64);
        let day = (self.sunrise..self.sunset).contains(&hour);

        let temp = self.temp + 4.5 * afternoon + 1.5 * weather + 0.3 * noise();
        let humidity = self.humidity - 12.0 * afternoon - 4.0 * weather + 1.5 * noise();
        let co = self.co * (1.0 + 0.15 * wave((hour - 13.0) / 24.0) + 0.05 * noise());
        let lpg = 0.0015 + 1.25 * co * (1.0 + 0.01 * noise());
        let smoke = 0.0011 + 3.9 * co * (1.0 + 0.01 * noise());
        let chance = if day { self.bustle } else { self.bustle / 10.0 };
        Sample {
            device,
            ts,
            co: steps(co, 1e9),
            humidity: steps(humidity.clamp(0.0, 100.0), 10.0),
            light: day,
            lpg: steps(lpg, 1e9),
            motion: (noise() + 1.0) / 2.0 < chance,
            smoke: steps(smoke, 1e9),
            temp: steps(temp.clamp(-50.0, 50.0), 10.0),
        }
    }
}

/// When the devices of one file report, in microseconds: each once per interval, one slot after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    start: i64,
    interval: i64,
    slot: i64,
}

impl Schedule {
    /// For file `index` of those that begin at `start`; `None` where that lies outside the years 1 to 9999.
    pub(super) fn new(start: i64, interval: i64, devices: u32, rows: u64, index: u32) -> Option<Schedule> {
        let duration = i128::from(rows.div_ceil(u64::from(devices))).saturating_mul(i128::from(interval));
        let first = duration.saturating_mul(i128::from(index)).saturating_add(i128::from(start));
        let inside = YEARS.contains(&first) && YEARS.contains(&first.saturating_add(duration));
        let start = i64::try_from(first).ok().filter(|_| inside)?;
        Some(Schedule { start, interval, slot: interval / i64::from(devices) })
    }

    /// Up to half a slot late, at most half a second: never twice at the same time, never out of order.
    pub(super) fn at(self, round: i64, device: u32, rng: &mut ChaCha8Rng) -> i64 {
        let late = rng.random_range(0..(self.slot / 2).clamp(1, 500_000));
        self.start + round * self.interval + i64::from(device) * self.slot + late
    }
}

/// The random numbers of `seed`, from the start of one of its many streams.
pub(super) fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}

fn steps(value: f64, per_unit: f64) -> i64 {
    (value * per_unit).round() as i64
}

/// `b8:27:eb:…`, another for each index: multiplying by an odd number only shuffles the 24 bits.
fn device_name(index: u32) -> String {
    let low = index.wrapping_mul(0x9e_37_79).wrapping_add(0xbf_9d_51) & 0xff_ff_ff;
    let high = 0xeb_u8.wrapping_add((index >> 24) as u8);
    format!("b8:27:{high:02x}:{:02x}:{:02x}:{:02x}", low >> 16, low >> 8 & 0xff, low & 0xff)
}

/// The sine of `turns` full turns, by Bhaskara's approximation (off by at most 0.002).
fn wave(turns: f64) -> f64 {
    let x = turns - turns.floor();
    let (t, sign) = if x < 0.5 { (2.0 * x, 1.0) } else { (2.0 * x - 1.0, -1.0) };
    let p = t * (1.0 - t);
    sign * 16.0 * p / (5.0 - 4.0 * p)
}

/// The decimal digits of `value`, at least `least` of them, in `digits`; gives where they begin.
fn digits_of(mut value: u64, least: usize, digits: &mut [u8; 24]) -> usize {
    let mut at = digits.len();
    while value > 0 || digits.len() - at < least {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    at
}

/// Appends `value`, which counts units of 10^-`decimals`.
pub(super) fn push_fixed(line: &mut Vec<u8>, value: i64, decimals: usize) {
    let mut digits = [0; 24];
    let start = digits_of(value.unsigned_abs(), decimals + 1, &mut digits);
    let point = digits.len() - decimals;
    if value < 0 {
        line.push(b'-');
    }
    line.extend_from_slice(&digits[start..point]);
    line.push(b'.');
    line.extend_from_slice(&digits[point..]);
}

/// Appends `value`, which counts units of 10^-`decimals`, as it looks after a stay in 32 bits: `21.6` becomes
/// `21.600000381469727`.
pub(super) fn push_widened(line: &mut Vec<u8>, value: i64, decimals: usize) {
    let single = (value as f64 / 10f64.powi(decimals as i32)) as f32;
    line.extend_from_slice(format!("{:?}", f64::from(single)).as_bytes());
}

/// Appends `micros` as seconds, the way Java writes large numbers: `1.594598424502334E9`.
pub(super) fn push_scientific(line: &mut Vec<u8>, micros: i64) {
    let mut digits = [0; 24];
    let start = digits_of(micros.unsigned_abs(), 1, &mut digits);
    let exponent = (digits.len() - start) as i64 - 7;
    if exponent < 0 {
        return push_fixed(line, micros, 6);
    }
    let zeros = digits.iter().rev().take_while(|d| **d == b'0').count();
    let end = (digits.len() - zeros).max(start + 2);
    if micros < 0 {
        line.push(b'-');
    }
    line.push(digits[start]);
    line.push(b'.');
    line.extend_from_slice(&digits[start + 1..end]);
    line.extend_from_slice(format!("E{exponent}").as_bytes());
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_device_has_a_name_of_its_own() {
        let indices = (0..50_000).chain((1 << 24)..(1 << 24) + 1_000);
        let names: HashSet<String> = indices.map(device_name).collect();
        assert_eq!(names.len(), 51_000);
        assert_eq!(device_name(0), "b8:27:eb:bf:9d:51");
    }

    #[test]
    fn the_wave_is_a_sine() {
        for i in -200..200 {
            let turns = f64::from(i) / 50.0;
            assert!((wave(turns) - (turns * std::f64::consts::TAU).sin()).abs() < 0.002, "at {turns}");
        }
    }

    #[test]
    fn every_value_keeps_the_contract() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let profiles = Profile::list(7, 50);
        for minute in 0..20_000_i64 {
            let device = (minute % 50) as u32;
            let s = profiles[device as usize].measure(device, minute * 60_000_000 - DAY, &mut rng);
            assert!((-500..=500).contains(&s.temp), "{s:?}");
            assert!((0..=1000).contains(&s.humidity), "{s:?}");
            assert!([s.co, s.lpg, s.smoke].iter().all(|v| (1..1_000_000_000).contains(v)), "{s:?}");
        }
    }

    #[test]
    fn days_are_warm_and_bright_nights_are_still() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let profile = &Profile::list(7, 1)[0];
        let mut at = |hour: i64| -> Vec<Sample> {
            (0..1_000).map(|s| profile.measure(0, hour * 3_600_000_000 + s * 1_000_000, &mut rng)).collect()
        };
        let (night, day) = (at(3), at(15));
        let motion = |samples: &[Sample]| samples.iter().filter(|s| s.motion).count();
        assert!(day.iter().all(|s| s.light) && !night.iter().any(|s| s.light));
        assert!(day[0].temp > night[0].temp + 50 && day[0].humidity < night[0].humidity);
        assert!(motion(&day) > 2 * motion(&night));
    }

    #[test]
    fn numbers() {
        let text = |push: fn(&mut Vec<u8>, i64), value| {
            let mut line = Vec::new();
            push(&mut line, value);
            String::from_utf8_lossy(&line).into_owned()
        };
        let fixed = |value| text(|line, v| push_fixed(line, v, 6), value);
        assert_eq!(fixed(0), "0.000000");
        assert_eq!(fixed(-1), "-0.000001");
        assert_eq!(fixed(i64::MIN), "-9223372036854.775808");
        let scientific = |value| text(push_scientific, value);
        assert_eq!(scientific(1_594_598_400_000_000), "1.5945984E9");
        assert_eq!(scientific(1_000_000_000_000_000), "1.0E9");
        assert_eq!(scientific(-1_500_000), "-1.5E0");
        assert_eq!(scientific(20), "0.000020");
        for micros in [1_594_598_424_502_334_i64, 1_594_598_424_000_001, 999_999_999_999_999, 1_900_000_000_123_450] {
            let back: f64 = scientific(micros).parse().unwrap_or(f64::NAN);
            assert_eq!((back * 1e6).round() as i64, micros);
        }
    }
}
