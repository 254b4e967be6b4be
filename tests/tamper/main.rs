//! `verify` finds what was changed behind the program's back, and raises no alarm where nothing was.
//!
//! `make test` does some of both. `make tamper`: `TAMPER_TIMES` manipulations (500) per database, one at a time, and
//! `TAMPER_HISTORIES` honest histories (200), from the seed `TAMPER_SEED`.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the other tests, which use all of it")]
mod support;

mod files;
mod histories;
mod manipulations;
mod tables;

use std::fmt::Write;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use support::HEADER;

/// 2024-05-01T00:00:00Z.
pub const START: i64 = 1_714_521_600;

pub fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// Some rows of some devices at times that other files have too, a few of them bad.
pub fn rows(random: &mut ChaCha8Rng) -> String {
    let mut text = format!("{HEADER}\n");
    for _ in 0..random.random_range(1..40) {
        let (minute, device) = (random.random_range(0..180), random.random_range(0..3));
        let temp = match random.random_range(0..8) {
            0 => "hot".to_owned(),
            n => format!("{}.{}", 10 + n, random.random_range(0..100)),
        };
        writeln!(text, "{},pump-{device},0.5,40,1,0.25,0,0.125,{temp}", START + minute * 60).unwrap();
    }
    text
}
