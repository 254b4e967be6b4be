//! Loggers that are read out on the spot.

use crate::as_delivered::{Case, hold};
use crate::on_both_databases;
use crate::support::Db;

on_both_databases!(hobo, campbell, tomst, weatherlink, r);

/// A title, serial numbers in the names of columns, the offset in that of the time, rows of the logger's own events.
fn hobo(db: Db) {
    let contract = r#"
[csv]
skip_lines = 1

[contract]
timestamp = { column = { match = "^Date Time, GMT" }, format = "%m/%d/%y %I:%M:%S %p", zone = "GMT-05:00" }
device = { from_name = "^(?<device>[^_]+)_" }

[[contract.sensor]]
name = "temp"
column = { match = "^Temp, °C" }
required = false

[[contract.sensor]]
name = "humidity"
column = { match = "^RH, %" }
required = false
"#;
    let export = "\u{feff}\"Plot Title: ridge-2\"\r\n\
        \"#\",\"Date Time, GMT-05:00\",\"Temp, °C (LGR S/N: 2019841, SEN S/N: 2019841, LBL: air)\",\"RH, % (LGR S/N: 2019841, SEN S/N: 2019841)\",\"Coupler Attached (LGR S/N: 2019841)\",\"End Of File (LGR S/N: 2019841)\"\r\n\
        1,06/30/23 11:45:00 PM,14.218,81.207,,\r\n\
        2,07/01/23 12:00:00 AM,14.17,81.4,,\r\n\
        3,07/01/23 12:03:41 AM,,,Logged,\r\n\
        4,07/01/23 12:15:00 PM,21.06,err,,\r\n\
        5,07/01/23 12:20:02 PM,,,,Logged\r\n";
    hold(
        db,
        vec![
            Case::new("HOBO", contract, "ridge-2_0.csv", export)
                .gives(&[
                    "ridge-2|2023-07-01T04:45:00Z|14.218|81.207",
                    "ridge-2|2023-07-01T05:00:00Z|14.17|81.4",
                    "ridge-2|2023-07-01T05:03:41Z|-|-",
                    "ridge-2|2023-07-01T17:20:02Z|-|-",
                ])
                .sets_aside(&["6 RH, % (LGR S/N: 2019841, SEN S/N: 2019841) not_a_number"])
                .skips(1),
        ],
    );
}

/// Tables with units and kinds of averages; arrays without a header, of several kinds in one file.
fn campbell(db: Db) {
    let toa5 = r#"
[csv]
skip_lines = 1
skip_lines_after_header = 2
null_values = ["", "NAN", "-7999"]

[contract]
timestamp = { column = "TIMESTAMP", format = "%Y-%m-%d %H:%M:%S%.f", zone = "-07:00" }
device = { from_name = "^(?<device>[^_]+)_" }

[[contract.sensor]]
name = "air"
column = "AirTC_Avg"
required = false

[[contract.sensor]]
name = "rain"
column = "Rain_mm_Tot"
"#;
    let table = "\"TOA5\",\"mesa\",\"CR300\",\"4411\",\"CR300.Std.10.03\",\"CPU:mesa.CR300\",\"30117\",\"TenMin\"\r\n\
        \"TIMESTAMP\",\"RECORD\",\"AirTC_Avg\",\"Rain_mm_Tot\"\r\n\
        \"TS\",\"RN\",\"Deg C\",\"mm\"\r\n\
        \"\",\"\",\"Avg\",\"Tot\"\r\n\
        \"2022-11-05 23:50:00\",901,-3.117,0\r\n\
        \"2022-11-06 00:00:00\",902,\"NAN\",0.2\r\n\
        \"2022-11-06 00:10:00.5\",903,-7999,0.2\r\n\
        \"2022-11-06 00:20:00\",904,-3.4,\"NAN\"\r\n";
    let arrays = r#"
[csv]
comment = ["202,", "303,"]
header = ["array", "year", "day", "time", "battery", "air"]

[contract]
timestamp = { column = ["year", "day", "time"], format = "%Y %j hhmm", zone = "-07:00" }
device = { value = "mesa" }

[[contract.sensor]]
name = "air"
null_values = ["-6999"]
required = false

[[contract.sensor]]
name = "battery"
"#;
    let old = "101,2003,59,2350,12.71,-6.314\r\n101,2003,59,2400,12.7,-6999\r\n202,2003,60,12.66,41\r\n\
        101,2003,60,10,12.7,-6.5\r\n303,8\r\n101,2003,60,130,12.69,-6.83\r\n101,2003,60,2401,12.69,-6.9\r\n";
    hold(
        db,
        vec![
            Case::new("TOA5", toa5, "mesa_TenMin.dat", table)
                .showing("air, rain")
                .gives(&[
                    "mesa|2022-11-06T06:50:00Z|-3.117|0",
                    "mesa|2022-11-06T07:00:00Z|-|0.2",
                    "mesa|2022-11-06T07:10:00.5Z|-|0.2",
                ])
                .sets_aside(&["8 Rain_mm_Tot missing"])
                .skips(3),
            Case::new("arrays", arrays, "mesa.dat", old)
                .showing("air, battery")
                .gives(&[
                    "mesa|2003-03-01T06:50:00Z|-6.314|12.71",
                    "mesa|2003-03-01T07:00:00Z|-|12.7",
                    "mesa|2003-03-01T07:10:00Z|-6.5|12.7",
                    "mesa|2003-03-01T08:30:00Z|-6.83|12.69",
                ])
                .sets_aside(&["7 year day time bad_timestamp"])
                .skips(2),
        ],
    );
}

/// No header, a delimiter behind the last field, decimal commas, the serial number in the file's name.
fn tomst(db: Db) {
    let contract = r#"
[csv]
delimiter = ";"
decimal = ","
header = ["i", "time", "quarters", "t1", "t2", "t3", "moisture", "shake", "error"]

[contract]
timestamp = { column = "time", format = ["%Y.%m.%d %H:%M", "%d.%m.%Y %H:%M:%S"] }
device = { from_name = "^data_(?<device>\\d+)_" }

[[contract.sensor]]
name = "t1"
null_values = ["-200"]
required = false

[[contract.sensor]]
name = "moisture"
type = "integer"
"#;
    let export = "0;2021.09.30 22:45;8;11,3125;11,75;12;1804;202;0;\r\n1;2021.09.30 23:00;8;-200;11,6875;12,0625;1803;202;0;\r\n\
        2;30.09.2021 23:15:00;8;11,1875;11,625;11,9375;1803;202;0;\r\n3;2021.09.30;8;11;11;11;1803;202;0;\r\n";
    hold(
        db,
        vec![
            Case::new("TOMST", contract, "data_95137402_2021_10_01_0.csv", export)
                .showing("t1, moisture")
                .gives(&[
                    "95137402|2021-09-30T22:45:00Z|11.3125|1804",
                    "95137402|2021-09-30T23:00:00Z|-|1803",
                    "95137402|2021-09-30T23:15:00Z|11.1875|1803",
                ])
                .sets_aside(&["4 time bad_timestamp"]),
        ],
    );
}

/// The web's export has a preamble and `--`; the desktop's has names over two lines, dashes below, and `a` and `p`.
fn weatherlink(db: Db) {
    let web = r#"
[csv]
skip_lines = 5
null_values = ["", "--"]

[contract]
timestamp = { column = "Date & Time", format = "%m/%d/%y %I:%M %p", zone = "Europe/London" }
device = { value = "allotment" }

[[contract.sensor]]
name = "temp"
column = { match = "^Temp - °" }
required = false

[[contract.sensor]]
name = "humidity"
column = "Hum - %"
"#;
    let export = "\"Allotment\"\n\"Model: Vantage Vue\"\n\"\"\n\"Generated 4/1/23\"\n\n\
        \"Date & Time\",\"Temp - °C\",\"Hum - %\",\"Rain - mm\"\n\
        \"3/25/23 11:55 PM\",\"6.3\",\"91\",\"0.0\"\n\"3/26/23 12:00 AM\",\"--\",\"91\",\"0.0\"\n\
        \"3/26/23 1:30 AM\",\"6.1\",\"92\",\"0.0\"\n\"3/26/23 2:00 AM\",\"6.1\",\"92\",\"0.0\"\n\"3/26/23 2:05 AM\",\"6.0\",\"--\",\"0.0\"\n";
    let desktop = r#"
[csv]
delimiter = "whitespace"
skip_lines = 2
skip_lines_after_header = 1
header = ["date", "time", "temp", "high", "low", "humidity", "direction"]
null_values = ["---"]

[contract]
timestamp = { column = ["date", "time"], format = "%d/%m/%y %I:%M%p", zone = "Europe/London" }
device = { value = "allotment" }

[[contract.sensor]]
name = "temp"

[[contract.sensor]]
name = "humidity"
required = false
"#;
    let text = "                 Temp    Hi    Low   Out   Wind\r\n  Date    Time    Out   Temp   Temp   Hum   Dir\r\n\
        ------------------------------------------------\r\n\
        14/06/19  11:55p  12.3  12.4  12.3  88  WSW\r\n15/06/19  12:00a  12.2  12.3  12.2  ---  ---\r\n\
        15/06/19  12:30p  17.9  18.0  17.8  61  W\r\n15/06/19   1:00x  18.1  18.2  18.0  60  W\r\n";
    hold(
        db,
        vec![
            Case::new("WeatherLink.com", web, "Allotment.csv", export)
                .gives(&[
                    "allotment|2023-03-25T23:55:00Z|6.3|91",
                    "allotment|2023-03-26T00:00:00Z|-|91",
                    "allotment|2023-03-26T01:00:00Z|6.1|92",
                ])
                .sets_aside(&["9 Date & Time bad_timestamp", "11 Hum - % missing"])
                .skips(5),
            Case::new("WeatherLink", desktop, "download.txt", text)
                .gives(&[
                    "allotment|2019-06-14T22:55:00Z|12.3|88",
                    "allotment|2019-06-14T23:00:00Z|12.2|-",
                    "allotment|2019-06-15T11:30:00Z|17.9|61",
                ])
                .sets_aside(&["7 date time bad_timestamp"])
                .skips(3),
        ],
    );
}

/// Row names: an unnamed first column (`write.csv`), or none in the header at all (`write.table`).
fn r(db: Db) {
    let contract = |csv: &str| {
        format!(
            r#"
[csv]
{csv}

[contract]
timestamp = {{ column = "when", format = "%Y-%m-%d %H:%M:%S", zone = "America/Halifax" }}
device = "plot"

[[contract.sensor]]
name = "temp"
column = "temp.C"
required = false

[[contract.sensor]]
name = "wet"
type = "boolean"
"#
        )
    };
    let readings = ["p1|2020-02-29T04:30:00Z|-1.25|1", "p1|2020-02-29T05:30:00Z|-|0"];
    let csv = "\"\",\"when\",\"plot\",\"temp.C\",\"wet\"\n\"1\",\"2020-02-29 00:30:00\",\"p1\",-1.25,TRUE\n\
        \"2\",\"2020-02-29 01:30:00\",\"p1\",NA,FALSE\n\"3\",NA,\"p1\",0.5,FALSE\n";
    let table = "\"when\" \"plot\" \"temp.C\" \"wet\"\n\"1\" \"2020-02-29 00:30:00\" \"p1\" -1.25 TRUE\n\
        \"2\" \"2020-02-29 01:30:00\" \"p1\" NA FALSE\n\"3\" NA \"p1\" 0.5 FALSE\n";
    hold(
        db,
        vec![
            Case::new("write.csv", &contract(""), "plots.csv", csv)
                .showing("temp, wet")
                .gives(&readings)
                .sets_aside(&["4 when missing"]),
            Case::new("write.table", &contract("delimiter = \" \""), "plots.txt", table)
                .showing("temp, wet")
                .gives(&readings)
                .sets_aside(&["4 when missing"]),
        ],
    );
}
