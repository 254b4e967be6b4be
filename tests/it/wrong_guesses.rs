//! A new user's path: five unlike files, the contract that reads each, and one wrong guess after the other in it. Each gets
//! a message that says what to write instead.

use crate::support::{Db, World};

/// A file, its contract, and what it is called.
struct Sample {
    name: &'static str,
    bytes: Vec<u8>,
    contract: &'static str,
    readings: i64,
}

/// What of the contract is guessed wrongly: the right text, the wrong one, and the words of the message.
type Guess = (&'static str, &'static str, &'static [&'static str]);

impl Sample {
    fn run(&self, contract: &str) -> (i32, String, i64) {
        let world = World::new(Db::Sqlite);
        let source = "[source]\npattern = \"**/*\"\nsettle = \"0s\"\n";
        std::fs::write(world.path("iotpipe.toml"), format!("{source}{contract}")).unwrap();
        world.file(self.name, &self.bytes);
        let outcome = world.iotpipe(&["run"]);
        let stored = if outcome.code == 2 { 0 } else { world.stored() };
        (outcome.code, outcome.stderr, stored)
    }

    #[track_caller]
    fn tells_of(&self, guesses: &[Guess]) {
        let (_, said, stored) = self.run(self.contract);
        assert_eq!(stored, self.readings, "{said}");
        let mut silent = Vec::new();
        for (right, wrong, words) in guesses {
            assert!(self.contract.contains(right), "{right}");
            let (_, said, stored) = self.run(&self.contract.replacen(right, wrong, 1));
            if !words.iter().all(|word| said.contains(word)) {
                silent.push(format!("{right:?} → {wrong:?} ({stored} stored) does not say {words:?}:\n{said}"));
            }
        }
        assert!(silent.is_empty(), "{}", silent.join("\n"));
    }
}

/// A spreadsheet of Western Europe: Windows' encoding, semicolons, decimal commas, local times.
#[test]
fn a_spreadsheet() {
    let text = "Datum;Gerät;Temp (°C);Feuchte (%);Tür;Zähler\r\n31.03.2024 01:30;Keller 1;8,5;71,25;zu;1.204\r\n\
        31.03.2024 03:30;Keller 1;8,75;71;auf;1.204\r\n";
    let sample = Sample {
        name: "keller.csv",
        bytes: text.chars().map(|c| c as u8).collect(),
        contract: r#"
[csv]
delimiter = ";"
decimal = ","
thousands = "."
encoding = "windows-1252"

[contract]
timestamp = { column = "Datum", format = "%d.%m.%Y %H:%M", zone = "Europe/Berlin" }
device = "Gerät"

[[contract.sensor]]
name = "temp"
column = "Temp (°C)"

[[contract.sensor]]
name = "door"
column = "Tür"
type = "boolean"
true_values = ["auf"]
false_values = ["zu"]

[[contract.sensor]]
name = "count"
column = "Zähler"
type = "integer"
"#,
        readings: 2,
    };
    sample.tells_of(&[
        ("delimiter = \";\"", "", &["is csv.delimiter = \";\"?"]),
        ("decimal = \",\"\nthousands = \".\"", "", &["csv.decimal"]),
        ("thousands = \".\"", "", &["csv.thousands"]),
        ("encoding = \"windows-1252\"", "", &["csv.encoding = \"windows-1252\""]),
        ("%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M", &["contract.timestamp.format = \"%d.%m.%Y %H:%M\" reads"]),
        ("%d.%m.%Y %H:%M", "%m.%d.%Y %H:%M", &["contract.timestamp.format = \"%d.%m.%Y %H:%M\" reads"]),
        ("\"%d.%m.%Y %H:%M\", zone = \"Europe/Berlin\"", "\"unix_seconds\"", &["\"%d.%m.%Y %H:%M\" reads"]),
        ("Europe/Berlin", "Berlin", &["Europe/Berlin"]),
        ("Europe/Berlin", "GMT+25:00", &["offset such as +01:00"]),
        ("column = \"Datum\"", "column = \"Zeit\"", &["no column \"Zeit\"", "Datum, Gerät"]),
        ("device = \"Gerät\"", "device = \"device\"", &["no column \"device\"", "{ value = \"…\" }"]),
        ("column = \"Temp (°C)\"", "column = \"temp\"", &["is \"Temp (°C)\" meant?"]),
        ("true_values = [\"auf\"]\nfalse_values = [\"zu\"]", "", &["true_values and false_values"]),
        (
            "column = \"Zähler\"\ntype = \"integer\"",
            "column = \"Temp (°C)\"\ntype = \"integer\"",
            &["type = \"float\""],
        ),
        ("delimiter = \";\"", "delimiter = \"; \"", &["csv.delimiter", "one ASCII character"]),
    ]);
}

/// A logger's table: a preamble, units and kinds of averages below the header.
#[test]
fn a_table_with_units() {
    let text = "\"TOA5\",\"weir\",\"CR1000X\"\n\"TIMESTAMP\",\"RECORD\",\"Stage_Avg\",\"Batt\"\n\"TS\",\"RN\",\"m\",\"V\"\n\"\",\"\",\"Avg\",\"Smp\"\n\
        \"2021-03-04 05:00:00\",1,\"1.204 m\",12.9\n\"2021-03-04 05:15:00\",2,\"NAN\",12.9\n";
    let sample = Sample {
        name: "weir_table.dat",
        bytes: text.into(),
        contract: r#"
[csv]
skip_lines = 1
skip_lines_after_header = 2
null_values = ["NAN"]

[contract]
timestamp = { column = "TIMESTAMP", format = "%Y-%m-%d %H:%M:%S" }
device = { from_name = "^(?<device>[^_]+)_" }

[[contract.sensor]]
name = "stage"
column = { match = "^Stage" }
unit = "m"
strip_unit = true
required = false

[[contract.sensor]]
name = "volt"
column = "Batt"
"#,
        readings: 2,
    };
    sample.tells_of(&[
        ("skip_lines = 1\n", "skip_lines = 0\n", &["line 2 has the names: csv.skip_lines = 1"]),
        ("skip_lines = 1\n", "skip_lines = 4\n", &["line 2 has the names: csv.skip_lines = 1"]),
        (
            "skip_lines_after_header = 2\nnull_values = [\"NAN\"]\n",
            "max_rejected = 1\n",
            &["unknown field", "max_rejected"],
        ),
        (
            "skip_lines_after_header = 2\n\
            null_values = [\"NAN\"]\n",
            "",
            &["csv.skip_lines_after_header"],
        ),
        ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", &["contract.timestamp.format = \"%Y-%m-%d %H:%M:%S%.f\" reads"]),
        ("\"%Y-%m-%d %H:%M:%S\"", "\"rfc3339\"", &["contract.timestamp.format = \"%Y-%m-%d %H:%M:%S%.f\" reads"]),
        ("\"%Y-%m-%d %H:%M:%S\"", "\"YYYY-MM-DD\"", &["contract.timestamp.format", "%Y-%m-%d %H:%M:%S"]),
        ("[^_]+)_", "[^/]+)/", &["gives no device", "from_path"]),
        ("^Stage", "^Level", &["the contract does not name", "Stage_Avg"]),
        ("\"Batt\"", "\"Batt_V\"", &["is \"Batt\" meant?"]),
    ]);
}

/// Columns aligned by spaces, `MM` for nothing.
#[test]
fn aligned_columns() {
    let text = "#YY  MM DD hh mm  WTMP   PRES\n#yr  mo dy hr mn  degC    hPa\n2019 08 07 06 50  17.2 1012.4\n2019 08 07 07 00    MM 1012.5\n";
    let sample = Sample {
        name: "44013.txt",
        bytes: text.into(),
        contract: r##"
[csv]
delimiter = "whitespace"
skip_lines_after_header = 1
null_values = ["MM"]

[contract]
timestamp = { column = ["#YY", "MM", "DD", "hh", "mm"], format = "%Y %m %d %H %M" }
device = { value = "44013" }

[[contract.sensor]]
name = "water"
column = "WTMP"
required = false

[[contract.sensor]]
name = "pressure"
column = "PRES"
min = 900.0
max = 1100.0
"##,
        readings: 2,
    };
    sample.tells_of(&[
        ("delimiter = \"whitespace\"", "", &["is csv.delimiter = \"whitespace\"?"]),
        ("delimiter = \"whitespace\"", "delimiter = \" \"", &["csv.delimiter = \"whitespace\""]),
        ("\"%Y %m %d %H %M\"", "\"%Y-%m-%d %H:%M\"", &["contract.timestamp.format = \"%Y %m %d %H %M\" reads"]),
        ("[\"#YY\"", "[\"YY\"", &["is \"#YY\" meant?"]),
        ("null_values = [\"MM\"]", "header = [\"y\", \"m\"]", &["no column \"#YY\""]),
        ("min = 900.0\nmax = 1100.0", "min = 900.0\nmax = 1000.0", &["above the maximum of 1000"]),
        ("{ value = \"44013\" }", "\"station\"", &["{ value = \"…\" }"]),
    ]);
}

/// No header at all.
#[test]
fn rows_without_a_header() {
    let text = "0;2022.02.03 04:15;4;3,25;2,5;1830;\n1;2022.02.03 04:30;4;3,1875;2,5;1829;\n";
    let sample = Sample {
        name: "data_94000001_0.csv",
        bytes: text.into(),
        contract: r#"
[csv]
delimiter = ";"
decimal = ","
header = ["i", "time", "tz", "t1", "t2", "moisture"]

[contract]
timestamp = { column = "time", format = "%Y.%m.%d %H:%M" }
device = { from_name = "^data_(?<device>[0-9]+)_" }

[[contract.sensor]]
name = "t1"

[[contract.sensor]]
name = "moisture"
type = "integer"
"#,
        readings: 2,
    };
    sample.tells_of(&[
        ("header = [\"i\", \"time\", \"tz\", \"t1\", \"t2\", \"moisture\"]", "", &["csv.header = [\"…\", …]"]),
        ("\"tz\", ", "", &["csv.header must name every column"]),
        ("delimiter = \";\"", "", &["is csv.delimiter right?"]),
        ("decimal = \",\"", "", &["csv.decimal"]),
        ("%Y.%m.%d %H:%M", "%d.%m.%Y %H:%M", &["contract.timestamp.format = \"%Y.%m.%d %H:%M\" reads"]),
        ("[0-9]+)_", "[a-z]+)$", &["gives no device by contract.device.from_name"]),
    ]);
}

/// Messages of a gateway.
#[test]
fn lines_of_json() {
    let text = "{\"ts\":1685577600123,\"dev\":{\"id\":\"b7\"},\"data\":{\"temp\":19.5,\"ok\":true}}\n{\"ts\":1685577660123,\"dev\":{\"id\":\"b7\"},\"data\":{\"temp\":20,\"ok\":false}}\n";
    let sample = Sample {
        name: "messages.jsonl",
        bytes: text.into(),
        contract: r#"
[contract]
timestamp = { column = "ts", format = "unix_millis" }
device = "dev.id"

[[contract.sensor]]
name = "temp"
column = "data.temp"

[[contract.sensor]]
name = "ok"
column = "data.ok"
type = "boolean"
"#,
        readings: 2,
    };
    sample.tells_of(&[
        ("unix_millis", "unix_seconds", &["contract.timestamp.format = \"unix_millis\" reads"]),
        ("unix_millis", "unix_micros", &["contract.timestamp.format = \"unix_millis\" reads"]),
        ("unix_millis", "rfc3339", &["contract.timestamp.format = \"unix_millis\" reads"]),
        ("\"data.temp\"", "\"temp\"", &["data.temp"]),
        ("\"dev.id\"", "\"id\"", &["dev.id"]),
        ("column = \"ts\"", "column = \"time\"", &["the object has", "ts, dev.id"]),
        ("type = \"boolean\"", "", &["type = \"boolean\" reads it"]),
    ]);
    let as_csv = Sample { name: "messages.log", bytes: text.into(), ..sample };
    let (_, said, stored) = as_csv.run(as_csv.contract);
    assert!(stored == 0 && said.contains("source.format = \"jsonl\""), "{said}");
    for (list, said) in [
        (format!("[\n{}\n]\n", text.trim().replace('\n', ",\n")), "`jq -c '.[]'`"),
        (text.replace('{', "{\n  ").replace(",\"", ",\n  \"").replace('}', "\n}"), "`jq -c .`"),
        (format!("# of the gateway\n// twice\n# so\n{text}"), "csv.comment"),
        (text.replace("19.5", "{\"v\":19.5}").replace("20,", "[20],"), "a path leads into"),
    ] {
        let list = Sample { bytes: list.into(), name: "list.jsonl", ..as_csv };
        let (_, told, _) = list.run(list.contract);
        assert!(told.contains(said), "{said} is not in {told}");
    }
    let list = Sample { name: "list.json", bytes: format!("[{}]\n", text.trim().replace('\n', ",")).into(), ..as_csv };
    let (_, told, _) = list.run(list.contract);
    assert!(told.contains("`jq -c '.[]'`"), "{told}");
    let csv = Sample { name: "a.jsonl", bytes: b"ts,dev,temp\n1,b,2\n".to_vec(), ..as_csv };
    let (_, said, _) = csv.run(csv.contract);
    assert!(said.contains("source.format = \"csv\""), "{said}");
}
