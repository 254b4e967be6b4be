//! Where lines and fields end.

use super::{Case, PLAIN, hold};
use crate::on_both_databases;
use crate::support::{Db, World};

on_both_databases!(
    line_ends,
    headers_within_the_file,
    a_last_line_that_was_cut,
    quotes,
    lines_that_are_no_rows,
    whitespace,
    a_cut_value_and_its_whole_row,
);

/// Two readings of a device, as they are shown.
const TWO: [&str; 2] = ["w|2024-05-01T00:00:00Z|18.5|44", "w|2024-05-01T00:10:00Z|18.75|45"];

fn line_ends(db: Db) {
    let file = |end: &str| ["ts,device,temp,humidity", "1714521600,w,18.5,44", "1714522200,w,18.75,45", ""].join(end);
    hold(
        db,
        vec![
            Case::plain("01", "", "cr.csv", file("\r")).gives(&TWO),
            Case::plain("01b", "", "crlf.csv", file("\r\n")).gives(&TWO),
            Case::plain("37", "", "grafana.csv", file("\r\r\n")).gives(&TWO),
            Case::plain("66", "", "x.csv", file("\n").replacen('\n', "\r", 1)).gives(&TWO),
            Case::plain("01c", "", "bad.csv", file("\r").replace("18.75", "warm"))
                .gives(&TWO[..1])
                .sets_aside(&["3 temp not_a_number"]),
            Case::plain(
                "67",
                "",
                "y.csv",
                file("\n").replacen("44\n", "44\r", 1) + "1714522800,w,19,46\n1714523400,w,19,46\n",
            )
            .gives(&["w|2024-05-01T00:20:00Z|19|46", "w|2024-05-01T00:30:00Z|19|46"])
            .sets_aside(&["2  field_count"]),
        ],
    );
}

fn headers_within_the_file(db: Db) {
    let again =
        "ts,device,temp,humidity\n1714521600,w,18.5,44\n\u{feff}ts, device ,humidity,temp\n1714522200,w,45,18.75\n";
    let same = "ts,device,temp,humidity\n1714521600,w,18.5,44\nts,device,temp,humidity\n1714522200,w,18.75,45\n";
    hold(
        db,
        vec![
            Case::plain("02", "", "order.csv", again).gives(&TWO).sets_aside(&["3  header_again"]),
            Case::plain("02c", "", "same.csv", same).gives(&TWO).sets_aside(&["3  header_again"]),
        ],
    );

    // Counted, but by neither limit; and what follows it in the rejected file is read by it.
    let world = World::new(db);
    let file = format!("{again}1714522800,w,46,hot\n");
    world
        .config(&format!("{PLAIN}\n").replace("device = \"device\"", "device = \"device\"\nmax_rejected_ratio = 0.25"));
    world.file("a.csv", again);
    world.ok(&["run", "--strict"]);
    assert_eq!((world.manifest("a.csv").rejected, world.manifest("a.csv").total), (1, 3));
    world.config(PLAIN);
    world.file("b.csv", file.replace(",w,", ",v,"));
    world.ok(&["run"]);
    let rejected = world.rejected("b", file.replace(",w,", ",v,"));
    world.file("b.corrected.csv", String::from_utf8(rejected).unwrap().replace("hot", "19.5"));
    world.ok(&["run"]);
    assert_eq!(world.lines("SELECT temp, humidity FROM iot_readings WHERE temp = 19.5"), ["19.5|46"]);
}

fn a_last_line_that_was_cut(db: Db) {
    let cut = "ts,device,temp,humidity\n1714521600,w,18.5,44\n1714522200,w,18.75,4";
    hold(
        db,
        vec![
            Case::plain("38", "final_newline = \"required\"", "cut.csv", cut)
                .gives(&TWO[..1])
                .sets_aside(&["3  unterminated_line"]),
            Case::plain("38b", "", "cut.csv", cut).gives(&[TWO[0], "w|2024-05-01T00:10:00Z|18.75|4"]),
        ],
    );
}

fn a_cut_value_and_its_whole_row(db: Db) {
    let world = World::new(db);
    world.config(PLAIN);
    world.file("a.csv", "ts,device,temp,humidity\n1714521600,w,18.5,44\n1714522200,w,18.75,4");
    world.ok(&["run"]);
    let whole = "ts,device,temp,humidity\n1714521600,w,18.5,44\n1714522200,w,18.75,45\n1714522800,w,19,45\n1714523400,w,19,45\n";
    world.file("b.csv", whole);
    world.ok(&["run"]);
    let reasons = world.reasons("b", whole);
    assert!(reasons[0].message.contains("same values"), "{reasons:?}");
    assert!(reasons[1].message.contains("csv.final_newline"), "{reasons:?}");
}

fn quotes(db: Db) {
    let stray = "ts,device,temp,humidity\n1714521600,\"w,18.5,44\n1714522200,w,18.75,45\n1714522800,w\",19,46\n1714523400,w,20,47\n";
    let spaces = "\"ts\", \"device\", \"temp\", \"humidity\"\n1714521600, \"w\", \"18.5\",  44\n1714522200, \"w\", 18.75, \"45\"\n";
    let with_note = format!("{PLAIN}\n[[contract.sensor]]\nname = \"note\"\ntype = \"text\"\nrequired = false\n");
    let lines = "ts,device,temp,humidity,note\n1714521600,w,18.5,44,\"door\nopen\"\n1714522200,w,18.75,45,\n";
    hold(
        db,
        vec![
            Case::plain("30", "", "stray.csv", stray)
                .gives(&[TWO[1], "w|2024-05-01T00:30:00Z|20|47", "w\"|2024-05-01T00:20:00Z|19|46"])
                .sets_aside(&["2  unclosed_quote"]),
            Case::plain("52", "", "spaces.csv", spaces).gives(&TWO),
            Case::plain("52b", "", "behind.csv", spaces.replace("\"w\",", "\"w\"  ,").replace("\"\n", "\" \r\n"))
                .gives(&TWO),
            Case::plain("52c", "", "cr.csv", spaces.replace("\"w\",", "\"w\" ,").replace('\n', "\r")).gives(&TWO),
            Case::plain("52d", "", "text.csv", spaces.replacen("\"w\",", "\"w\" x,", 1))
                .gives(&TWO[1..])
                .sets_aside(&["2  unclosed_quote"]),
            Case::plain("30b", "", "comma.csv", spaces.replace("\"w\"", "\"hall, north\""))
                .gives(&["hall, north|2024-05-01T00:00:00Z|18.5|44", "hall, north|2024-05-01T00:10:00Z|18.75|45"]),
            Case::new("30c", &format!("[csv]\nmultiline = true\n{with_note}"), "note.csv", lines)
                .showing("temp, note")
                .gives(&["w|2024-05-01T00:00:00Z|18.5|door\nopen", "w|2024-05-01T00:10:00Z|18.75|-"]),
            Case::plain(
                "40",
                "",
                "bell.csv",
                "ts,device,temp,humidity\n1714521600,w\x07,18.5,44\n1714521600,w,18.5,44\n",
            )
            .gives(&TWO[..1])
            .sets_aside(&["2 device bad_device"]),
        ],
    );
}

fn lines_that_are_no_rows(db: Db) {
    let airthings =
        "ts;device;temp;humidity\r\n1714521600;w;18.5;44\r\n;;;\r\n\r\n   \r\n1714522200;w;18.75;45\r\n;;;;;;\r\n";
    let comments =
        "# by logger 7\nts,device,temp,humidity\n#units,,C,%\n1714521600,w,18.5,44\n# gap\n1714522200,w,18.75,45\n";
    let toa5 = "\"TOA5\",\"north\",\"CR300\"\n\"ts\",\"device\",\"temp\",\"humidity\"\n\"TS\",\"\",\"C\",\"%\"\n\"\",\"\",\"Avg\",\"Smp\"\n1714521600,w,18.5,44\n1714522200,w,18.75,45\n";
    hold(
        db,
        vec![
            Case::plain("37b", "delimiter = \";\"", "blank.csv", airthings).gives(&TWO).skips(4),
            Case::plain("32", "comment = \"#\"", "comments.csv", comments).gives(&TWO).skips(3),
            Case::plain("09", "skip_lines = 1\nskip_lines_after_header = 2", "toa5.dat", toa5).gives(&TWO).skips(3),
            Case::plain(
                "10",
                "",
                "sep.csv",
                "sep=,\nts,device,temp,humidity\n1714521600,w,18.5,44\n1714522200,w,18.75,45\n",
            )
            .gives(&TWO)
            .skips(1),
            Case::plain(
                "11",
                "",
                "header.csv",
                "ts,device,temp,humidity,\n1714521600,w,18.5,44\n1714522200,w,18.75,45,\n",
            )
            .gives(&TWO),
            Case::plain(
                "11b",
                "",
                "rows.csv",
                "ts,device,temp,humidity\n1714521600,w,18.5,44,,\n1714522200,w,18.75,45,\n",
            )
            .gives(&TWO),
            Case::plain(
                "11c",
                "",
                "full.csv",
                "ts,device,temp,humidity\n1714521600,w,18.5,44,x\n1714522200,w,18.75,45\n",
            )
            .gives(&TWO[1..])
            .sets_aside(&["2  field_count"]),
            Case::plain(
                "15",
                "",
                "led.csv",
                "\n\nts,device,temp,humidity\n1714521600,w,18.5,44\n1714522200,w,18.75,45\n",
            )
            .gives(&TWO)
            .skips(2),
            Case::plain("15b", "", "blank.csv", "\n\n\n").refuses("blank.csv", "empty", &[]),
        ],
    );
}

fn whitespace(db: Db) {
    let buoy = "#YY  MM DD hh mm WTMP  RH\n#yr  mo dy hr mn degC   %\n2024 05 01 00 00 18.5  44\n2024 05 01 00 10 18.75 45\n2024 05 01 00 20  MM  46\n";
    let contract = r##"
[csv]
delimiter = "whitespace"
skip_lines_after_header = 1
null_values = ["MM"]

[contract]
timestamp = { column = ["#YY", "MM", "DD", "hh", "mm"], format = "%Y %m %d %H %M" }
device = { value = "w" }

[[contract.sensor]]
name = "temp"
column = "WTMP"
required = false

[[contract.sensor]]
name = "humidity"
column = "RH"
"##;
    hold(
        db,
        vec![
            Case::new("36", contract, "buoy.txt", buoy)
                .gives(&[TWO[0], TWO[1], "w|2024-05-01T00:20:00Z|-|46"])
                .skips(1),
            Case::plain(
                "36c",
                "delimiter = \"whitespace\"",
                "aligned.txt",
                "  ts\tdevice temp   humidity  \n1714521600  w\t\t18.5 44\n 1714522200 w 18.75 45\n",
            )
            .gives(&TWO),
        ],
    );
}
