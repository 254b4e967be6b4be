//! Networks that publish what their stations measure.

use crate::as_delivered::{Case, hold};
use crate::on_both_databases;
use crate::support::Db;

on_both_databases!(noaa_buoys, usgs, sensor_community, purple_air, air_quality_networks);

/// Columns aligned by spaces, the date in five of them, units below the names, `MM` where nothing was measured.
fn noaa_buoys(db: Db) {
    let contract = r##"
[csv]
delimiter = "whitespace"
skip_lines_after_header = 1
null_values = ["MM", "999.0"]

[contract]
timestamp = { column = ["#YY", "MM", "DD", "hh", "mm"], format = "%Y %m %d %H %M" }
device = { from_name = "^(?<device>\\w+)\\." }

[[contract.sensor]]
name = "wind"
column = "WSPD"
null_values = ["99.0"]
required = false

[[contract.sensor]]
name = "water"
column = "WTMP"
required = false
"##;
    let buoy = "#YY  MM DD hh mm WDIR WSPD GST   WVHT  ATMP  WTMP\n#yr  mo dy hr mn degT m/s  m/s      m  degC  degC\n\
        2021 12 31 23 50 210  7.0  9.0    MM  11.2  12.9\n2022 01 01 00 00 200 99.0  9.0   1.2    MM 999.0\n\
        2022 01 01 00 10  MM   MM   MM    MM    MM    MM\n2022 01 01 00 2x 200  6.0  8.0   1.2  11.0  12.8\n";
    hold(
        db,
        vec![
            Case::new("NDBC", contract, "tplm2.txt", buoy)
                .showing("wind, water")
                .gives(&[
                    "tplm2|2021-12-31T23:50:00Z|7|12.9",
                    "tplm2|2022-01-01T00:00:00Z|-|-",
                    "tplm2|2022-01-01T00:10:00Z|-|-",
                ])
                .sets_aside(&["6 #YY MM DD hh mm bad_timestamp"])
                .skips(1),
        ],
    );
}

/// Comments, tabs, a line of widths below the names, and the zone of each row in a column of its own: the hour that
/// clocks repeat is no riddle.
fn usgs(db: Db) {
    let contract = r##"
[csv]
delimiter = "\t"
comment = "#"
skip_lines_after_header = 1
null_values = ["", "Ice", "Eqp"]

[contract]
timestamp = { column = ["datetime", "tz_cd"], format = "%Y-%m-%d %H:%M %Z", zone_names = { EST = "-05:00", EDT = "-04:00" } }
device = "site_no"

[[contract.sensor]]
name = "discharge"
column = { match = "_00060$" }
required = false

[[contract.sensor]]
name = "quality"
column = { match = "_00060_cd$" }
type = "text"
required = false
"##;
    let rdb = "# Data provided for site 09990001\n#\n# TS   parameter   Description\n\
        agency_cd\tsite_no\tdatetime\ttz_cd\t7702_00060\t7702_00060_cd\n5s\t15s\t20d\t6s\t14n\t10s\n\
        USGS\t09990001\t2023-11-05 01:45\tEDT\t312\tP\nUSGS\t09990001\t2023-11-05 01:45\tEST\t309\tP\n\
        # gap\nUSGS\t09990001\t2023-11-05 02:00\tEST\tIce\tP\nUSGS\t09990001\t2023-11-05 02:15\tPST\t300\tP\n";
    hold(
        db,
        vec![
            Case::new("RDB", contract, "site.rdb", rdb)
                .showing("discharge, quality")
                .gives(&[
                    "09990001|2023-11-05T05:45:00Z|312|P",
                    "09990001|2023-11-05T06:45:00Z|309|P",
                    "09990001|2023-11-05T07:00:00Z|-|P",
                ])
                .sets_aside(&["10 datetime tz_cd bad_timestamp"])
                .skips(5),
        ],
    );
}

/// The archive (UTC without an offset, `nan`) and what the station's own page gives.
fn sensor_community(db: Db) {
    let archive = r#"
[csv]
delimiter = ";"

[contract]
timestamp = { column = "timestamp", format = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f%z"] }
device = "sensor_id"

[[contract.sensor]]
name = "pm10"
column = "P1"
required = false

[[contract.sensor]]
name = "pm25"
column = "P2"
"#;
    let day = "sensor_id;sensor_type;location;lat;lon;timestamp;P1;durP1;ratioP1;P2;durP2;ratioP2\n\
        7170;SDS011;3601;48.10;11.50;2022-12-31T23:58:41;412.30;;;198.47;;\n\
        7170;SDS011;3601;48.10;11.50;2023-01-01T00:01:09.112301;nan;;;211.9;;\n\
        7170;SDS011;3601;48.10;11.50;2023-01-01T00:03:37+00:00;388.1;;;190.25;;\n\
        7170;SDS011;3601;48.10;11.50;2023-01-01T00:06:05;388.1;;;unavailable;;\n";
    let own = r#"
[csv]
delimiter = ";"

[contract]
timestamp = { column = "Time", format = "%Y/%m/%d %H:%M:%S" }
device = { from_name = "^data-(?<device>[^-]+-[0-9]+)-" }

[[contract.sensor]]
name = "pm10"
column = "SDS_P1"

[[contract.sensor]]
name = "temp"
column = ["Temp", "BME280_temperature"]
required = false
"#;
    let page = "Time;durP1;ratioP1;P1;durP2;ratioP2;P2;SDS_P1;SDS_P2;Temp;Humidity;BMP_temperature;Samples;Signal\n\
        2017/03/26 01:00:12;;;;;;;21.30;14.07;9.80;77.10;;614230;-71\n2017/03/26 01:02:38;;;;;;;20.97;13.80;;;;614102;-70\n\
        2017/03/26 01:05:04;;;;;;;;;;;;614102;-70\n";
    hold(
        db,
        vec![
            Case::new("archive", archive, "2023-01-01_sds011_sensor_7170.csv", day)
                .showing("pm10, pm25")
                .gives(&[
                    "7170|2022-12-31T23:58:41Z|412.3|198.47",
                    "7170|2023-01-01T00:01:09.112301Z|-|211.9",
                    "7170|2023-01-01T00:03:37Z|388.1|190.25",
                ])
                .sets_aside(&["5 P2 not_a_number"]),
            Case::new("airrohr", own, "data-esp8266-1184032-2017-03-26.csv", page)
                .showing("pm10, temp")
                .gives(&[
                    "esp8266-1184032|2017-03-26T01:00:12Z|21.3|9.8",
                    "esp8266-1184032|2017-03-26T01:02:38Z|20.97|-",
                ])
                .sets_aside(&["4 SDS_P1 missing"]),
        ],
    );
}

/// The card of a sensor, with a small `z` and the header once more at each start.
fn purple_air(db: Db) {
    let contract = r#"
[contract]
timestamp = { column = "UTCDateTime", format = "%Y/%m/%dT%H:%M:%S%z" }
device = "mac_address"

[[contract.sensor]]
name = "pm25"
column = ["pm2_5_atm", "pm2.5_atm"]

[[contract.sensor]]
name = "temp_f"
column = "current_temp_f"
type = "integer"
min = -60.0
max = 160.0
"#;
    let card = "UTCDateTime,mac_address,firmware_ver,current_temp_f,pm2_5_atm\n\
        2020/09/12T18:01:58z,84:f3:eb:0:1:2,6.01,71,412.05\nUTCDateTime,mac_address,firmware_ver,current_temp_f,pm2_5_atm\n\
        2020/09/12T18:03:58z,84:f3:eb:0:1:2,6.01,71,409.4\n2020/09/12T18:05:58z,84:f3:eb:0:1:2,6.01,-224,409.4\n";
    hold(
        db,
        vec![
            Case::new("PurpleAir", contract, "20200912.csv", card)
                .showing("pm25, temp_f")
                .gives(&[
                    "84:f3:eb:0:1:2|2020-09-12T18:01:58Z|412.05|71",
                    "84:f3:eb:0:1:2|2020-09-12T18:03:58Z|409.4|71",
                ])
                .sets_aside(&["3  header_again", "5 current_temp_f out_of_range"]),
        ],
    );
}

/// Days that end at 24:00, equal names of columns that nobody asks for, a preamble.
fn air_quality_networks(db: Db) {
    let contract = r#"
[csv]
skip_lines = 3
null_values = ["", "No data"]

[contract]
timestamp = { column = ["Date", "time"], format = "%d-%m-%Y hh:mm" }
device = { value = "harbour" }

[[contract.sensor]]
name = "no2"
column = "Nitrogen dioxide"
required = false

[[contract.sensor]]
name = "ozone"
column = "Ozone"
"#;
    let hours = "Data supplied on 2/3/2019\nAll Data GMT hour ending\n,,Harbour\nDate,time,Nitrogen dioxide,status,unit,Ozone,status,unit\n\
        31-12-2018,23:00,20.5,R,ugm-3,31.2,R,ugm-3\n31-12-2018,24:00,No data,,,30.8,R,ugm-3\n01-01-2019,01:00,19.75,R,ugm-3,30,R,ugm-3\n\
        01-01-2019,24:01,19.75,R,ugm-3,30,R,ugm-3\n01-01-2019,03:00,19,R,ugm-3,No data,,\n";
    hold(
        db,
        vec![
            Case::new("hour ending", contract, "harbour_2018.csv", hours)
                .showing("no2, ozone")
                .gives(&[
                    "harbour|2018-12-31T23:00:00Z|20.5|31.2",
                    "harbour|2019-01-01T00:00:00Z|-|30.8",
                    "harbour|2019-01-01T01:00:00Z|19.75|30",
                ])
                .sets_aside(&["8 Date time bad_timestamp", "9 Ozone missing"])
                .skips(3),
        ],
    );
}
