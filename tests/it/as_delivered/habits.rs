//! What programs write that follow the habits of a language: their minus, spaces, apostrophes, fractions and names.

use super::{Case, hold};
use crate::on_both_databases;
use crate::support::Db;

on_both_databases!(numbers, times);

fn contract(csv: &str, timestamp: &str, sensor: &str) -> String {
    format!(
        "[csv]\ndelimiter = \";\"\n{csv}\n[contract]\nmax_rejected_ratio = 1.0\ndevice = \"device\"\n\
         timestamp = {{ column = \"ts\", {timestamp} }}\n\n[[contract.sensor]]\nname = \"v\"\n{sensor}\n"
    )
}

/// Devices are called by the place of their row.
fn rows(rows: impl Iterator<Item = String>) -> String {
    let row = |(n, row): (usize, String)| format!("{n};{row}\n");
    format!("device;ts;v\n{}", rows.enumerate().map(row).collect::<String>())
}

fn numbers(db: Db) {
    let case = |number, csv: &str, sensor: &str, values: &[&str]| {
        let seconds = contract(csv, "format = \"unix_seconds\"", sensor);
        let file = rows(values.iter().map(|value| format!("1714521600;{value}")));
        Case::new(number, &seconds, "v.csv", file).showing("v")
    };
    hold(
        db,
        vec![
            case("18f", "", "", &["\u{2212}5.5", "-\u{2212}5", "\u{200e}6\u{200f}"])
                .gives(&["0|2024-05-01T00:00:00Z|-5.5", "2|2024-05-01T00:00:00Z|6"])
                .sets_aside(&["3 v not_a_number"]),
            case("18g", "thousands = \"\u{a0}\"\ndecimal = \",\"", "", &["\u{2212}1\u{202f}234,5", "1 234", "12 34"])
                .gives(&["0|2024-05-01T00:00:00Z|-1234.5", "1|2024-05-01T00:00:00Z|1234"])
                .sets_aside(&["4 v not_a_number"]),
            case("18h", "thousands = \"'\"", "", &["1’234.5", "1'234'567"])
                .gives(&["0|2024-05-01T00:00:00Z|1234.5", "1|2024-05-01T00:00:00Z|1234567"]),
            case("18i", "", "strip_unit = true\nunit = \"°C\"", &["5 ℃", "5 degC", "5 ℉", "5 degF"])
                .gives(&["0|2024-05-01T00:00:00Z|5", "1|2024-05-01T00:00:00Z|5"])
                .sets_aside(&["4 v not_a_number", "5 v not_a_number"]),
            case("18j", "", "strip_unit = true\nunit = \"µg/m³\"", &["5 \u{3bc}g/m3"])
                .gives(&["0|2024-05-01T00:00:00Z|5"]),
        ],
    );
}

fn times(db: Db) {
    let case = |number, format: &str, times: &[&str]| {
        let file = rows(times.iter().map(|time| format!("{time};1")));
        Case::new(number, &contract("", &format!("format = \"{format}\""), ""), "t.csv", file).showing("v")
    };
    let afternoon = ["0|2024-05-01T13:02:03Z|1", "1|2024-05-01T13:02:03Z|1", "2|2024-05-01T13:02:03Z|1"];
    hold(
        db,
        vec![
            case(
                "21b",
                "%m/%d/%Y, %I:%M:%S %p",
                &["5/1/2024, 1:02:03\u{202f}PM", "\u{200e}5/1/2024,\u{a0}1:02:03 p.\u{a0}m.", "5/1/2024, 1:02:03 PM"],
            )
            .gives(&afternoon),
            case(
                "23d",
                "%Y-%m-%d %H:%M:%S%.f",
                &["2024-05-01 13:02:03,5", "2024-05-01 13:02:03.5", "2024-05-01 13:02:03:5"],
            )
            .gives(&["0|2024-05-01T13:02:03.5Z|1", "1|2024-05-01T13:02:03.5Z|1"])
            .sets_aside(&["4 ts bad_timestamp"]),
            case("47i", "%d %b %Y %H:%M", &["1 Sept 2024 00:00", "1 Sep 2024 00:00", "1 September 2024 00:00"])
                .gives(&["0|2024-09-01T00:00:00Z|1", "1|2024-09-01T00:00:00Z|1"])
                .sets_aside(&["4 ts bad_timestamp"]),
            case(
                "47k",
                "%a %b %d %Y %H:%M:%S GMT%z",
                &[
                    "Wed May 01 2024 15:02:03 GMT+0200 (Central European Summer Time)",
                    "Wed May 01 2024 15:02:03 GMT+0200 (CEST)",
                    "Wed May 01 2024 15:02:03 GMT+0200",
                ],
            )
            .gives(&afternoon),
        ],
    );
}
