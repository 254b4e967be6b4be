//! Numbers, booleans and nothing, as people and spreadsheets write them.

use super::{Case, PLAIN, hold};
use crate::on_both_databases;
use crate::support::Db;

on_both_databases!(numbers_in_other_dress, no_value, booleans);

/// One sensor, and text as it stood.
fn one_sensor(csv: &str, sensor: &str) -> String {
    format!(
        "[csv]\ndelimiter = \";\"\n{csv}\n[contract]\nmax_rejected_ratio = 1.0\ndevice = {{ value = \"w\" }}\n\
         timestamp = {{ column = \"ts\", format = \"unix_seconds\" }}\n\n[[contract.sensor]]\nname = \"v\"\n{sensor}\n"
    )
}

/// One row per value, a second apart.
fn values(values: &[&str]) -> String {
    let row = |(i, value): (usize, &&str)| format!("{};{value}\n", 1_714_521_600 + i);
    format!("ts;v\n{}", values.iter().enumerate().map(row).collect::<String>())
}

fn numbers_in_other_dress(db: Db) {
    let case = |number, csv: &str, sensor: &str, all: &[&str]| {
        Case::new(number, &one_sensor(csv, sensor), "v.csv", values(all)).showing("v")
    };
    hold(
        db,
        vec![
            case("18", "thousands = \",\"", "", &["1,234.5", "-12,345", "1,23", "7"])
                .gives(&["w|2024-05-01T00:00:00Z|1234.5", "w|2024-05-01T00:00:01Z|-12345", "w|2024-05-01T00:00:03Z|7"])
                .sets_aside(&["4 v not_a_number"]),
            case("39", "decimal = \",\"\nthousands = \".\"", "", &["1.021,5", "1.021", "21.5"])
                .gives(&["w|2024-05-01T00:00:00Z|1021.5", "w|2024-05-01T00:00:01Z|1021"])
                .sets_aside(&["4 v not_a_number"]),
            case("18b", "", "unit = \"°C\"\nstrip_unit = true", &["21.5 °C", "22C", "70 °F", "\u{a0}23\u{a0}"])
                .gives(&["w|2024-05-01T00:00:00Z|21.5", "w|2024-05-01T00:00:01Z|22", "w|2024-05-01T00:00:03Z|23"])
                .sets_aside(&["4 v not_a_number"]),
            case("18c", "", "strip_unit = true", &["45%", "45 % rF", "%"])
                .gives(&["w|2024-05-01T00:00:00Z|45", "w|2024-05-01T00:00:01Z|45"])
                .sets_aside(&["4 v not_a_number"]),
            case("18d", "", "", &["45%", "1,234.5"]).sets_aside(&["2 v not_a_number", "3 v not_a_number"]),
        ],
    );
}

fn no_value(db: Db) {
    let case = |number, csv: &str, sensor: &str, all: &[&str]| {
        Case::new(number, &one_sensor(csv, sensor), "v.csv", values(all)).showing("v")
    };
    let two = PLAIN
        .replace("name = \"temp\"", "name = \"temp\"\nrequired = false\nnull_values = [\"99\"]")
        .replace("name = \"humidity\"", "name = \"humidity\"\nrequired = false");
    hold(
        db,
        vec![
            case("16", "null_values = [\"-9999\"]", "required = false", &["-9999.0", "-9.999e3", "-9999", "21"]).gives(
                &[
                    "w|2024-05-01T00:00:00Z|-",
                    "w|2024-05-01T00:00:01Z|-",
                    "w|2024-05-01T00:00:02Z|-",
                    "w|2024-05-01T00:00:03Z|21",
                ],
            ),
            case("16b", "null_values = [\"-9999\"]", "", &["-9999.00", "21"])
                .gives(&["w|2024-05-01T00:00:01Z|21"])
                .sets_aside(&["2 v missing"]),
            case("18e", "", "required = false", &["N/A", "#N/A", "None", "#DIV/0!"])
                .gives(&["w|2024-05-01T00:00:00Z|-", "w|2024-05-01T00:00:01Z|-", "w|2024-05-01T00:00:02Z|-"])
                .sets_aside(&["5 v not_a_number"]),
            Case::new("16c", &two, "own.csv", "ts,device,temp,humidity\n1714521600,w,99.0,99\n1714522200,w,18.75,\n")
                .gives(&["w|2024-05-01T00:00:00Z|-|99", "w|2024-05-01T00:10:00Z|18.75|-"]),
        ],
    );
}

fn booleans(db: Db) {
    let case = |number, sensor: &str, all: &[&str]| {
        Case::new(number, &one_sensor("", &format!("type = \"boolean\"\n{sensor}")), "v.csv", values(all)).showing("v")
    };
    hold(
        db,
        vec![
            case("19", "", &["1.0", "0.0", "on", "2.0"])
                .gives(&["w|2024-05-01T00:00:00Z|1", "w|2024-05-01T00:00:01Z|0", "w|2024-05-01T00:00:02Z|1"])
                .sets_aside(&["5 v not_a_boolean"]),
            case(
                "19b",
                "true_values = [\"open\", \"0\"]\nfalse_values = [\"closed\", \"1\"]",
                &["OPEN", "closed", "0", "yes"],
            )
            .gives(&[
                "w|2024-05-01T00:00:00Z|1",
                "w|2024-05-01T00:00:01Z|0",
                "w|2024-05-01T00:00:02Z|1",
                "w|2024-05-01T00:00:03Z|1",
            ]),
        ],
    );
}
