//! Headers: absent, too short, spelled in several ways, in another encoding.

use super::{Case, PLAIN, hold};
use crate::on_both_databases;
use crate::support::{Db, World, gzip, zstd};

on_both_databases!(
    files_without_a_header,
    names_that_are_found_in_other_ways,
    columns_that_are_absent,
    encodings,
    compressions,
    devices_from_folders,
);

const TWO: [&str; 2] = ["w|2024-05-01T00:00:00Z|18.5|44", "w|2024-05-01T00:10:00Z|18.75|45"];
const FILE: &str = "ts,device,temp,humidity\n1714521600,w,18.5,44\n1714522200,w,18.75,45\n";

fn files_without_a_header(db: Db) {
    let rows = "1714521600,w,18.5,44\n1714522200,w,18.75,45\n";
    let named = "header = [\"ts\", \"device\", \"temp\", \"humidity\"]";
    // The columns of a logger that writes no header, by what stands in its first row.
    let tomst = "0;2024.05.01 00:00;4;18.5;44;\n1;2024.05.01 00:10;4;18.75;45;\n";
    let found = PLAIN
        .replace(
            "column = \"ts\", format = \"unix_seconds\"",
            "column = \"2024.05.01 00:00\", format = \"%Y.%m.%d %H:%M\"",
        )
        .replace("device = \"device\"", "device = { value = \"w\" }")
        .replace("\"temp\"", "\"temp\"\ncolumn = \"18.5\"")
        .replace("\"humidity\"", "\"humidity\"\ncolumn = \"44\"");
    let fitting =
        found.replace("2024.05.01 00:00", "time").replace("\"18.5\"", "\"t1\"").replace("\"44\"", "\"moisture\"");
    hold(
        db,
        vec![
            Case::plain("12", "", "none.csv", rows).refuses("none.csv", "missing_column", &["csv.header", "1714521600"]),
            Case::plain("12b", named, "none.csv", rows).gives(&TWO),
            Case::plain("12c", named, "bad.csv", rows.replace("18.75", "?")).gives(&TWO[..1]).sets_aside(&["2 temp not_a_number"]),
            Case::new("12d", &format!("[csv]\ndelimiter = \";\"\n{found}"), "tomst.csv", tomst).refuses(
                "tomst.csv",
                "missing_column",
                &["csv.header"],
            ),
            Case::new(
                "12e",
                &format!("[csv]\ndelimiter = \";\"\nheader = [\"i\", \"time\", \"tz\", \"t1\", \"moisture\"]\n{fitting}"),
                "tomst.csv",
                tomst,
            )
            .gives(&TWO),
            Case::plain("12f", &format!("skip_lines = 1\n{named}"), "short.csv", format!("ts,device\n{rows}")).gives(&TWO).skips(1),
            Case::plain("12g", "delimiter = \" \"", "r.txt", "\"ts\" \"device\" \"temp\" \"humidity\"\n\"1\" 1714521600 \"w\" 18.5 44\n\"2\" 1714522200 \"w\" 18.75 45\n\"3\" 1714522800 \"w\" hot 45\n")
                .gives(&TWO)
                .sets_aside(&["4 temp not_a_number"]),
            Case::plain("12h", "", "wide.csv", "ts,device,temp,humidity\n1714521600,w,18,5,44\n1714522200,w,18.75,45\n")
                .gives(&TWO[1..])
                .sets_aside(&["2  field_count"]),
        ],
    );
}

fn names_that_are_found_in_other_ways(db: Db) {
    let hobo = "\"#\",\"Date Time, GMT+02:00\",\"Temp, °C (LGR S/N: 20412, LBL: 5)\",\"RH, % (LGR S/N: 20412)\"\n1,05/01/24 02:00:00 AM,18.5,44\n2,05/01/24 02:10:00 AM,18.75,45\n";
    let by_pattern = r#"
[contract]
timestamp = { column = { match = "^Date Time" }, format = "%m/%d/%y %I:%M:%S %p", zone = "GMT+02:00" }
device = { value = "w" }

[[contract.sensor]]
name = "temp"
column = { match = "^Temp, °C.*LBL: 5\\)" }

[[contract.sensor]]
name = "humidity"
column = { match = "^RH" }
"#;
    let spelled = PLAIN.replace("name = \"temp\"", "name = \"temp\"\ncolumn = [\"temp\", \"Temperature\", \"T (°C)\"]");
    hold(
        db,
        vec![
            Case::new("31b", by_pattern, "hobo.csv", hobo).gives(&TWO),
            Case::new("31c", by_pattern, "two.csv", hobo.replace("\"#\"", "\"Date Time\"")).refuses(
                "two.csv",
                "missing_column",
                &["^Date Time", "twice"],
            ),
            Case::new("54b", &spelled, "a.csv", FILE.replace("temp", "T (°C)"))
                .and("b.csv", FILE.replace("temp", "Temperature").replace("w,", "x,"))
                .gives(&[TWO[0], TWO[1], "x|2024-05-01T00:00:00Z|18.5|44", "x|2024-05-01T00:10:00Z|18.75|45"]),
            Case::plain("54", "", "zwsp.csv", FILE.replace("device", "\u{200b}device")).refuses(
                "zwsp.csv",
                "missing_column",
                &["\\u{200b}device"],
            ),
            Case::plain("54d", "", "written.csv", FILE.replace("device", "\u{200b}device")).refuses(
                "written.csv",
                "missing_column",
                &["\"\\u200Bdevice\" only looks the same"],
            ),
            Case::new("54e", &spelled, "degrees.csv", FILE.replace("temp", "T (ºC)")).refuses(
                "degrees.csv",
                "missing_column",
                &["\"T (ºC)\" only looks the same", "U+00BA"],
            ),
            Case::new(
                "54f",
                &spelled.replace("T (°C)", "Température"),
                "accent.csv",
                FILE.replace("temp", "Tempe\u{301}rature"),
            )
            .refuses("accent.csv", "missing_column", &["only looks the same", "U+0301"]),
            Case::plain("54c", "", "nbsp.csv", FILE.replace("temp", "temp\u{a0}")).gives(&TWO),
            Case::plain("31", "", "case.csv", FILE.replace("temp", "Temp")).refuses(
                "case.csv",
                "missing_column",
                &["\"Temp\" differs by its case"],
            ),
            Case::plain("36", "", "semicolon.csv", FILE.replace(',', ";")).refuses(
                "semicolon.csv",
                "missing_column",
                &["csv.delimiter = \";\""],
            ),
            Case::plain("36c", "", "caret.csv", FILE.replace(',', "^")).refuses(
                "caret.csv",
                "missing_column",
                &["csv.delimiter = \"^\""],
            ),
            Case::plain("36d", "", "separator.csv", FILE.replace(',', "\u{1f}")).refuses(
                "separator.csv",
                "missing_column",
                &["csv.delimiter = \"\\u001F\""],
            ),
            Case::plain("36e", "", "bar.csv", FILE.replace(',', "¦")).refuses(
                "bar.csv",
                "missing_column",
                &["\"¦\", which is no character of ASCII"],
            ),
            Case::plain("30d", "", "lines.csv", FILE.lines().map(|line| format!("\"{line}\"\n")).collect::<String>())
                .refuses("lines.csv", "missing_column", &["each line stands in quotes as a whole"]),
            Case::plain("31d", "", "again.csv", FILE.replace("humidity", "temp")).refuses(
                "again.csv",
                "missing_column",
                &["stands twice", "csv.header"],
            ),
            Case::plain("36b", "", "tab.csv", FILE.replace(',', "\t")).refuses(
                "tab.csv",
                "missing_column",
                &["csv.delimiter = \"\\t\""],
            ),
        ],
    );
}

fn columns_that_are_absent(db: Db) {
    let optional = PLAIN.replace("name = \"humidity\"", "name = \"humidity\"\nrequired = false");
    hold(
        db,
        vec![
            Case::new("17", &optional, "new.csv", FILE)
                .and("old.csv", "ts,device,temp\n1714521600,x,18.5\n1714522200,x,warm\n1714522800,x,19\n")
                .gives(&[TWO[0], TWO[1], "x|2024-05-01T00:00:00Z|18.5|-", "x|2024-05-01T00:20:00Z|19|-"])
                .sets_aside(&["3 temp not_a_number"]),
            Case::new("17b", &optional, "none.csv", "ts,device,t\n1714521600,x,18.5\n").refuses(
                "none.csv",
                "missing_column",
                &["temp"],
            ),
            Case::new("17d", &optional, "alike.csv", FILE.replace("humidity", "humidity\u{200b}")).refuses(
                "alike.csv",
                "missing_column",
                &["\"humidity\\u200B\" only looks the same"],
            ),
            Case::new("17c", &optional, "case.csv", FILE.replace("humidity", "Humidity")).refuses(
                "case.csv",
                "missing_column",
                &["\"Humidity\" differs by its case"],
            ),
        ],
    );
}

fn encodings(db: Db) {
    let degrees = PLAIN.replace("name = \"temp\"", "name = \"temp\"\ncolumn = \"T (°C)\"");
    let text = FILE.replace("temp", "T (°C)").replace("18.75", "x");
    let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
    let utf_16 = |to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(to_bytes).collect()
    };
    let one_bad = ["3 T (°C) not_a_number"];
    let case =
        |number, csv: &str, name, file: &[u8]| Case::new(number, &format!("[csv]\n{csv}\n{degrees}"), name, file);
    hold(
        db,
        vec![
            case("06", "", "le.csv", &utf_16(u16::to_le_bytes)).gives(&TWO[..1]).sets_aside(&one_bad),
            case("06b", "", "be.csv", &utf_16(u16::to_be_bytes)).gives(&TWO[..1]).sets_aside(&one_bad),
            case("06c", "", "bare.csv", &utf_16(u16::to_le_bytes)[2..]).refuses(
                "bare.csv",
                "missing_column",
                &["utf-16le", "\\0"],
            ),
            case("06e", "", "big.csv", &utf_16(u16::to_be_bytes)[2..]).refuses(
                "big.csv",
                "missing_column",
                &["csv.encoding = \"utf-16be\""],
            ),
            case("06d", "encoding = \"utf-16le\"", "bare.csv", &utf_16(u16::to_le_bytes)[2..])
                .gives(&TWO[..1])
                .sets_aside(&one_bad),
            case("07", "", "latin.csv", &latin).refuses("latin.csv", "missing_column", &["csv.encoding"]),
            case("07b", "encoding = \"windows-1252\"", "latin.csv", &latin).gives(&TWO[..1]).sets_aside(&one_bad),
            case("07c", "encoding = \"windows-1252\"", "bom.csv", format!("\u{feff}{text}").as_bytes())
                .gives(&TWO[..1])
                .sets_aside(&one_bad),
            Case::plain("08", "", "power.csv", format!("{FILE}{}\n1714522800,w,19,46\n", "\0".repeat(300)))
                .gives(&[TWO[0], TWO[1], "w|2024-05-01T00:20:00Z|19|46"])
                .sets_aside(&["4  field_count"]),
            Case::plain("08b", "", "zeros.csv", [0; 512]).and("good.csv", FILE).gives(&TWO).refuses(
                "zeros.csv",
                "missing_column",
                &["NUL"],
            ),
        ],
    );

    // What was set aside is given back in the encoding in which it came, and is read again.
    for (csv, file) in [("", utf_16(u16::to_le_bytes)), ("encoding = \"windows-1252\"", latin)] {
        let world = World::new(db);
        world.config(&format!("[csv]\n{csv}\n{degrees}"));
        world.file("a.csv", &file);
        world.ok(&["run"]);
        let rejected = world.rejected("a", &file);
        let header = file.windows(2).position(|pair| pair[0] == b'\n').unwrap() + if csv.is_empty() { 2 } else { 1 };
        assert_eq!(rejected[..header], file[..header]);
        assert!(file.ends_with(&rejected[header..]), "{rejected:?}");
        world.ok(&["verify"]);
    }
}

fn compressions(db: Db) {
    let with = |device: &str| FILE.replace("w,", &format!("{device},"));
    let all = ["a", "b", "c", "d", "e"]
        .map(|d| [format!("{d}|2024-05-01T00:00:00Z|18.5|44"), format!("{d}|2024-05-01T00:10:00Z|18.75|45")]);
    let all: Vec<&'static str> = all.concat().into_iter().map(|line| &*Box::leak(line.into_boxed_str())).collect();
    hold(
        db,
        vec![
            Case::plain("14", "", "a.csv", gzip(with("a")))
                .and("b.CSV.GZ", gzip(with("b")))
                .and("c.dat", zstd(with("c")))
                .and("d.csv.gz", with("d"))
                .and("e.csv.gz", [gzip(with("e")), vec![0; 1000]].concat())
                .gives(&all),
            Case::plain("14b", "", "tail.csv.gz", [gzip(FILE), b"trailer".to_vec()].concat()).refuses(
                "tail.csv.gz",
                "unreadable",
                &["no gzip follow"],
            ),
            Case::plain("13", "", "b.csv.bz2", b"BZh91AY&SY\x01")
                .and("x.csv", b"\xfd7zXZ\x00\x00\x04")
                .and("z.csv", b"PK\x03\x04\x14\x00\x00")
                .refuses("b.csv.bz2", "unreadable", &["bzip2"])
                .refuses("x.csv", "unreadable", &["xz"])
                .refuses("z.csv", "unreadable", &["zip"]),
            Case::plain(
                "13b",
                "",
                "sheet.xlsx",
                [b"PK\x03\x04".as_slice(), &[0; 26], b"[Content_Types].xml <>"].concat(),
            )
            .and("old.xls", [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".as_slice(), &[0; 600]].concat())
            .and("tar.csv", [b"x.csv".as_slice(), &[0; 252], b"ustar\x0000", &[0; 300]].concat())
            .and("page.csv", "<!DOCTYPE html>\n<html><body>502</body></html>\n")
            .and("xml.csv", "<?xml version=\"1.0\"?>\n<rows/>\n")
            .and("pointer.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
            .and("noise.csv", [b"\x05\x06\x00".as_slice(), &[0xfe; 40], b"\n"].concat())
            .and("loggers.csv", "PAR1,PAR2\n1,2\n")
            .and("points.csv", "air,host=a temp=21.5 1714521600000000000\n")
            .refuses("sheet.xlsx", "unreadable", &["a spreadsheet (.xlsx)", "save it as CSV"])
            .refuses("old.xls", "unreadable", &["a spreadsheet (.xls)"])
            .refuses("tar.csv", "unreadable", &["tar -x"])
            .refuses("page.csv", "unreadable", &["a web page"])
            .refuses("xml.csv", "unreadable", &["it is XML"])
            .refuses("pointer.csv", "unreadable", &["git lfs pull"])
            .refuses("noise.csv", "missing_column", &["is this a text file?"])
            .refuses("loggers.csv", "missing_column", &["it has: PAR1, PAR2"])
            .refuses("points.csv", "missing_column", &["source.format = \"line_protocol\""]),
        ],
    );
}

fn devices_from_folders(db: Db) {
    let contract = PLAIN.replace("\"device\"", "{ from_path = \"^(?<device>[^/]+)/\" }");
    let file = FILE.replace(",device", "").replace(",w", "");
    hold(
        db,
        vec![
            // Equal contents of two devices are no duplicates.
            Case::new("34", &contract, "v/day.csv", &file)
                .and("w/day.csv", &file)
                .and("stray.csv", &file)
                .gives(&["v|2024-05-01T00:00:00Z|18.5|44", "v|2024-05-01T00:10:00Z|18.75|45", TWO[0], TWO[1]])
                .refuses("stray.csv", "missing_column", &["from_path", "stray.csv"]),
        ],
    );

    // Corrected rows still belong to the device of the folder that they came from.
    let world = World::new(db);
    world.config(&contract);
    let bad = file.replace("18.75", "warm");
    world.file("w/day.csv", &bad);
    world.ok(&["run"]);
    let name = world.files("quarantine").into_iter().find(|f| f.ends_with(".rejected.csv")).unwrap();
    let corrected = String::from_utf8(world.read(format!("quarantine/{name}"))).unwrap().replace("warm", "19");
    world.file(name.rsplit('/').next().unwrap(), corrected);
    world.ok(&["run"]);
    assert_eq!(world.lines("SELECT DISTINCT device FROM iot_readings"), ["w"]);
    assert_eq!(world.stored(), 2);
}
