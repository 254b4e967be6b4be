//! Times as spreadsheets, loggers without a clock and other standards write them.

use super::{Case, hold};
use crate::on_both_databases;
use crate::support::Db;

on_both_databases!(years_and_digits, offsets_and_zones, names_and_fractions, spreadsheets, clocks, several_formats);

/// A device, and a time as `timestamp` describes it.
fn contract(timestamp: &str, more: &str) -> String {
    format!(
        "[csv]\ndelimiter = \";\"\n[contract]\nmax_rejected_ratio = 1.0\ndevice = \"d\"\ntimestamp = {{ {timestamp} }}\n{more}\n\
         [[contract.sensor]]\nname = \"v\"\n"
    )
}

/// The times in turn, each of a device of its own: `a`, `b`, …
fn case(number: &'static str, timestamp: &str, more: &str, times: &[&str]) -> Case {
    let devices = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let rows: String = times.iter().zip(devices).map(|(time, device)| format!("{time};{device};1\n")).collect();
    Case::new(number, &contract(timestamp, more), "t.csv", format!("ts;d;v\n{rows}")).showing("v")
}

fn years_and_digits(db: Db) {
    let pattern = |format: &str| format!("column = \"ts\", format = \"{format}\"");
    hold(
        db,
        vec![
            case("22", &pattern("%d/%m/%Y %H:%M"), "", &["1/5/2024 0:00", "01/05/24 00:00", "1/5/202 0:00"])
                .gives(&["a|2024-05-01T00:00:00Z|1"])
                .sets_aside(&["3 ts bad_timestamp", "4 ts bad_timestamp"]),
            case("28", &pattern("%d.%m.%y %H:%M:%S"), "", &["01.05.24 00:00:00", "01.05.2024 00:00:00"])
                .gives(&["a|2024-05-01T00:00:00Z|1"])
                .sets_aside(&["3 ts bad_timestamp"]),
            case("47h", &pattern("%Y-%m-%d %H%M"), "", &["2024-05-01 0130", "2024-05-01 130", "2024-05-01 30"])
                .gives(&["a|2024-05-01T01:30:00Z|1"])
                .sets_aside(&["3 ts bad_timestamp", "4 ts bad_timestamp"]),
            case(
                "47e",
                &pattern("%Y,%j,hhmm"),
                "",
                &["2024,122,0", "2024,122,30", "2024,122,130", "2024,122,2400", "2024,122,2401"],
            )
            .gives(&[
                "a|2024-05-01T00:00:00Z|1",
                "b|2024-05-01T00:30:00Z|1",
                "c|2024-05-01T01:30:00Z|1",
                "d|2024-05-02T00:00:00Z|1",
            ])
            .sets_aside(&["6 ts bad_timestamp"]),
            case("47f", &pattern("%Y%m%d%H%M%S"), "", &["20240501000000", "2024050100000"])
                .gives(&["a|2024-05-01T00:00:00Z|1"])
                .sets_aside(&["3 ts bad_timestamp"]),
        ],
    );
}

fn offsets_and_zones(db: Db) {
    let pattern = |format: &str, zone: &str| format!("column = \"ts\", format = \"{format}\", zone = \"{zone}\"");
    let midnight = ["a|2024-05-01T00:00:00Z|1", "b|2024-05-01T00:00:00Z|1", "c|2024-05-01T00:00:00Z|1"];
    let three = ["2024-05-01T00:00:00Z", "2024-05-01T01:00:00+01:00", "2024-05-01T01:00:00+0100"];
    hold(
        db,
        vec![
            case("25", "column = \"ts\", format = \"%Y-%m-%dT%H:%M:%S%z\"", "", &three).gives(&midnight),
            case("47", "column = \"ts\", format = \"%Y-%m-%dT%H:%M:%S%:z\"", "", &three).gives(&midnight),
            case("27b", &pattern("%Y-%m-%d %H:%M", "+01:00"), "", &["2024-05-01 01:00"]).gives(&midnight[..1]),
            case("27c", &pattern("%Y-%m-%d %H:%M", "GMT-02:00"), "", &["2024-04-30 22:00"]).gives(&midnight[..1]),
        ],
    );
}

fn names_and_fractions(db: Db) {
    let pattern = |format: &str, more: &str| format!("column = \"ts\", format = \"{format}\"{more}");
    let zones = ", zone_names = { CET = \"+01:00\" }";
    let one = ["a|2024-05-01T13:02:03Z|1", "b|2024-05-01T13:02:03Z|1", "c|2024-05-01T13:02:03Z|1"];
    let half = "a|2024-05-01T00:00:00.5Z|1";
    hold(
        db,
        vec![
            case(
                "21",
                &pattern("%m/%d/%Y %I:%M:%S %p", ""),
                "",
                &["5/1/2024 1:02:03 PM", "05/01/2024 01:02:03pm", "5/1/2024 1:02:03 p.m.", "5/1/2024 13:02:03 PM"],
            )
            .gives(&one)
            .sets_aside(&["5 ts bad_timestamp"]),
            case(
                "47b",
                &pattern("%Y-%m-%d %H:%M:%S %Z", zones),
                "",
                &[
                    "2024-05-01 13:02:03 UTC",
                    "2024-05-01 14:02:03 CET",
                    "2024-05-01 13:02:03 GMT",
                    "2024-05-01 13:02:03 EST",
                ],
            )
            .gives(&one)
            .sets_aside(&["5 ts bad_timestamp"]),
            case("23b", &pattern("%Y-%m-%d %H:%M:%S.%f", ""), "", &["2024-05-01 00:00:00.5", "2024-05-01 00:00:00"])
                .gives(&[half])
                .sets_aside(&["3 ts bad_timestamp"]),
            case(
                "23c",
                &pattern("%Y-%m-%d %H:%M:%S,%f", ""),
                "",
                &["2024-05-01 00:00:00,500", "2024-05-01 00:00:00.500"],
            )
            .gives(&[half])
            .sets_aside(&["3 ts bad_timestamp"]),
            case("47c", &pattern("%Y%m%d%H%M%S%3f", ""), "", &["20240501000000500"]).gives(&[half]),
            case("47d", &pattern("%Y-%m-%d %H:%M:%S UTC", ""), "", &["2024-05-01 13:02:03 UTC"]).gives(&one[..1]),
            case(
                "47g",
                &pattern("%d-%b-%Y %H:%M:%S", ""),
                "",
                &["01-May-2024 13:02:03", "1-MAY-2024 13:02:03", "01-Mai-2024 13:02:03"],
            )
            .gives(&one[..2])
            .sets_aside(&["4 ts bad_timestamp"]),
            case(
                "24",
                "column = \"ts\", format = \"rfc3339\"",
                "",
                &["2024-05-01T13:02:03Z", "2024-05-01 15:02:03+02:00", "2024-05-01t13:02:03z", "2024-05-01T13:02:03"],
            )
            .gives(&one)
            .sets_aside(&["5 ts bad_timestamp"]),
            case(
                "27",
                &pattern("%Y-%m-%d %H:%M", ", zone = \"Europe/Berlin\""),
                "",
                &["2024-05-01 02:00", "2024-03-31 02:30", "2024-10-27 02:30"],
            )
            .gives(&["a|2024-05-01T00:00:00Z|1"])
            .sets_aside(&["3 ts bad_timestamp", "4 ts bad_timestamp"]),
            case("22b", &pattern("%d/%m/%Y hh:mm", ""), "", &["30/4/2024 24:00", "1/5/2024 24:30"])
                .gives(&["a|2024-05-01T00:00:00Z|1"])
                .sets_aside(&["3 ts bad_timestamp"]),
            case("29", "column = \"ts\", format = \"unix_nanos\"", "", &["1714568523000000400", "1714568522999999600"])
                .gives(&one[..2]),
        ],
    );
}

fn spreadsheets(db: Db) {
    let unix = "column = \"ts\", format = \"unix_seconds\"";
    hold(
        db,
        vec![
            case("04", unix, "", &["1.71452E+09", "1.7145216E9", "1.714521600E+09", "1.7E+09"])
                .gives(&["b|2024-05-01T00:00:00Z|1", "c|2024-05-01T00:00:00Z|1"])
                .sets_aside(&["2 ts bad_timestamp", "5 ts bad_timestamp"]),
            case("26", unix, "", &["45413.5", "45413"]).sets_aside(&["2 ts out_of_range", "3 ts out_of_range"]),
            case(
                "26b",
                "column = \"ts\", format = \"excel_days\"",
                "",
                &["45413", "45413.0069444444", "60", "2024-05-01"],
            )
            .gives(&["a|2024-05-01T00:00:00Z|1", "b|2024-05-01T00:10:00Z|1"])
            .sets_aside(&["4 ts bad_timestamp", "5 ts bad_timestamp"]),
            case("26c", "column = \"ts\", format = \"excel_days\", zone = \"+02:00\"", "", &["45413.25"])
                .gives(&["a|2024-05-01T04:00:00Z|1"]),
        ],
    );
}

fn clocks(db: Db) {
    let unix = |unit: &str| format!("column = \"ts\", format = \"unix_{unit}\"");
    hold(
        db,
        vec![
            case("05", &unix("seconds"), "", &["3", "0", "-1", "1714521600"])
                .gives(&["d|2024-05-01T00:00:00Z|1"])
                .sets_aside(&["2 ts out_of_range", "3 ts out_of_range", "4 ts out_of_range"]),
            case("05b", &unix("millis"), "", &["1714521600000", "1714521600"])
                .gives(&["a|2024-05-01T00:00:00Z|1"])
                .sets_aside(&["3 ts out_of_range"]),
            case("05c", &unix("seconds"), "min_timestamp = \"0001-01-01\"", &["3"])
                .gives(&["a|1970-01-01T00:00:03Z|1"]),
            case(
                "05d",
                &unix("seconds"),
                "min_timestamp = \"2024-05-01T02:00:00+02:00\"",
                &["1714521599", "1714521600"],
            )
            .gives(&["b|2024-05-01T00:00:00Z|1"])
            .sets_aside(&["2 ts out_of_range"]),
            case(
                "29c",
                "column = \"ts\", format = \"rfc3339\"",
                "",
                &["2016-12-31T23:59:60Z", "2017-01-01T00:00:59Z", "2017-01-01T12:00:60Z"],
            )
            .gives(&["a|2017-01-01T00:00:00Z|1", "b|2017-01-01T00:00:59Z|1"])
            .sets_aside(&["4 ts bad_timestamp"]),
            case("23", "column = \"ts\", format = \"%F %T%.f\"", "", &["2024-05-01 23:59:60", "2024-05-01 00:00:60"])
                .gives(&["a|2024-05-02T00:00:00Z|1"])
                .sets_aside(&["3 ts bad_timestamp"]),
        ],
    );
}

fn several_formats(db: Db) {
    let both =
        "column = \"ts\", format = [\"%Y-%m-%d %H:%M\", \"%d.%m.%Y %H:%M\", \"unix_seconds\"], zone = \"Europe/Rome\"";
    hold(
        db,
        vec![
            case("41", both, "", &["2024-05-01 02:00", "01.05.2024 02:00", "1714521600", "05/01/2024"])
                .gives(&["a|2024-05-01T00:00:00Z|1", "b|2024-05-01T00:00:00Z|1", "c|2024-05-01T00:00:00Z|1"])
                .sets_aside(&["5 ts bad_timestamp"]),
        ],
    );
}
