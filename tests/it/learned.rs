//! `init --from`: a contract that loads the file from which it was learned, or says what is to be decided.

use std::fs;

use crate::on_both_databases;
use crate::support::{Db, World, gzip};

on_both_databases!(files_of_many_kinds);

/// A file, what its readings then say, and words of the contract.
struct Sample {
    name: &'static str,
    bytes: Vec<u8>,
    readings: &'static str,
    first: &'static str,
    rows: usize,
    count: usize,
    says: &'static [&'static str],
}

fn sample(name: &'static str, bytes: impl AsRef<[u8]>) -> Sample {
    Sample { name, bytes: bytes.as_ref().to_vec(), readings: "temp", first: "", rows: 3, count: 3, says: &[] }
}

impl Sample {
    fn gives(self, readings: &'static str, first: &'static str) -> Sample {
        Sample { readings, first, ..self }
    }

    fn says(self, says: &'static [&'static str]) -> Sample {
        Sample { says, ..self }
    }

    #[track_caller]
    fn holds(&self, db: Db) {
        let world = World::new(db);
        fs::remove_file(world.path("iotpipe.toml")).unwrap();
        world.file(self.name, &self.bytes);
        let learned = world.ok(&["init", "--from", &format!("data/{}", self.name), "--output", "json"]);
        let toml = String::from_utf8(world.read("iotpipe.toml")).unwrap();
        let at = format!("{} on {db:?}\n{toml}\n{}", self.name, learned.stderr);
        assert_eq!((learned.count("rows"), learned.count("loaded")), (self.rows as i64, self.rows as i64), "{at}");
        assert!(toml.contains(&format!("all {} rows", self.rows)), "{at}");
        for words in self.says {
            assert!(toml.contains(words), "{words} is not said: {at}");
        }
        let settle = if toml.contains("[source]\n") {
            toml.replace("[source]\n", "[source]\nsettle = \"0s\"\n")
        } else {
            format!("{toml}\n[source]\nsettle = \"0s\"\n")
        };
        fs::write(world.path("iotpipe.toml"), settle).unwrap();
        world.ok(&["run"]);
        let lines = world.lines(&format!("SELECT device, ts, {} FROM iot_readings ORDER BY ts, device", self.readings));
        assert_eq!((lines.len(), lines[0].as_str()), (self.count, self.first), "{at}");
    }
}

fn files_of_many_kinds(db: Db) {
    let plain = "ts,device,Temp (°C),note\n1714521600,a,18.5,ok\n1714522200,a,,\n1714522800,b,19.25,-\n";
    let latin: Vec<u8> = plain.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let utf_16: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let european = "Anlage 7\nSerial;4711\n\nDatum;Uhrzeit;Gerät;Temperatur;Status\n;;;°C;\n\
                    31.05.2024;00:00;K1;18,5;ein\n31.05.2024;00:10;K1;---;ein\n31.05.2024;00:20;K1;19,25;aus\n";
    let buoy = "#YY  MM DD hh mm WTMP\n#yr  mo dy hr mn degC\n2024 05 01 00 00 18.5\n2024 05 01 00 10   MM\n2024 05 01 00 20 19.2\n";
    let long = "time,sensor_id,parameter,value\n2024-05-01T00:00:00Z,s1,temp,18.5\n2024-05-01T00:00:00Z,s1,door,true\n2024-05-01T00:10:00Z,s1,temp,19\n";
    let json = "{\"at\":\"2024-05-01T00:00:00Z\",\"dev\":{\"id\":\"b7\"},\"data\":{\"temp\":18.5,\"ok\":true}}\n\
                {\"at\":\"2024-05-01T00:10:00Z\",\"dev\":{\"id\":\"b7\"},\"data\":{\"temp\":null,\"ok\":true}}\n\
                {\"at\":\"2024-05-01T00:20:00Z\",\"dev\":{\"id\":\"b7\"},\"data\":{\"temp\":19.5,\"ok\":false}}\n";
    let points = "air,host=a temp=18.5 1714521600000000000\nair,host=a temp=19i 1714522200000000000\nair,host=b temp=20 1714522800000000000\n";
    let bare = "1714521600,18.5,44\n1714522200,18.75,45\n1714522800,19,46\n";
    let repeated = "time,value,value\n2024-05-01 00:00:00,1,18.5\n2024-05-01 00:10:00,2,19\n2024-05-01 00:20:00,3,20\n";
    let first = "a|2024-05-01T00:00:00Z|18.5|ok";
    let samples = [
        sample("plain.csv", plain).gives("temp_c, note", first).says(&["device = \"device\"", "type = \"text\""]),
        sample("packed.csv.gz", gzip(plain)).gives("temp_c, note", first),
        sample("latin.csv", latin).gives("temp_c, note", first).says(&["encoding = \"windows-1252\""]),
        sample("wide.txt", utf_16).gives("temp_c, note", first).says(&["encoding = \"utf-16le\"", "**/*.txt"]),
        sample("europe.csv", european).gives("temperatur", "K1|2024-05-31T00:00:00Z|18.5").says(&[
            "skip_lines = 3",
            "skip_lines_after_header = 1",
            "decimal = \",\"",
            "[\"Datum\", \"Uhrzeit\"]",
            "null_values = [\"---\"]",
            "say where the clock is",
        ]),
        sample("buoy.dat", buoy)
            .gives("wtmp", "buoy|2024-05-01T00:00:00Z|18.5")
            .says(&["whitespace", "{ value = \"buoy\" }"]),
        Sample { count: 2, ..sample("long.csv", long).gives("temp, door", "s1|2024-05-01T00:00:00Z|18.5|1") }
            .says(&["layout = \"long\"", "metric = \"parameter\""]),
        sample("messages.ndjson", json).gives("temp, ok", "b7|2024-05-01T00:00:00Z|18.5|1").says(&["\"data.temp\""]),
        sample("points.lp", points).gives("temp", "a|2024-05-01T00:00:00Z|18.5").says(&["line_protocol", "unix_nanos"]),
        sample("bare.csv", bare).gives("column_2, column_3", "bare|2024-05-01T00:00:00Z|18.5|44").says(&["header = ["]),
        sample("again.csv", repeated)
            .gives("value_2, value_3", "again|2024-05-01T00:00:00Z|1|18.5")
            .says(&["header = ["]),
    ];
    samples.iter().for_each(|sample| sample.holds(db));
}

#[test]
fn what_can_not_be_learned() {
    let world = World::new(Db::Sqlite);
    let before = world.read("iotpipe.toml");
    world.file("a.csv", "ts,device,temp\n1714521600,a,18.5\n");
    world.iotpipe(&["init", "--from", "data/a.csv"]).expect_code(2).expect_stderr(&["--force"]);
    assert_eq!(world.read("iotpipe.toml"), before);
    world.file("empty.csv", "");
    world.file("page.csv", "<!DOCTYPE html>\n<html></html>\n");
    for (name, words) in [("empty.csv", "no rows"), ("page.csv", "a web page")] {
        let args = ["init", "--force", "--from", &format!("data/{name}")];
        world.iotpipe(&args).expect_code(2).expect_stderr(&[name, words]);
        assert_eq!(world.read("iotpipe.toml"), before, "{name}");
    }
    world.iotpipe(&["init", "--force", "--from", "data/none.csv"]).expect_code(1).expect_stderr(&["none.csv"]);
    // A block that was never written hides no row before it.
    world.file("lost.csv", [b"ts,device,temp\n1714521600,a,18.5\n".as_slice(), &[0; 500]].concat());
    world.ok(&["init", "--force", "--from", "data/lost.csv"]).expect_stderr(&["loads 1 of the 2 rows"]);
    // Nothing says which column is the time: the file says what to decide.
    world.file("odd.csv", "name,when\na,long ago\nb,yesterday\n");
    world.ok(&["init", "--force", "--from", "data/odd.csv"]).expect_stderr(&["0 of the"]);
    let toml = String::from_utf8(world.read("iotpipe.toml")).unwrap();
    assert!(toml.contains("No column was found that holds a time"), "{toml}");
}
