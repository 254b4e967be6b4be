//! Why rows were set aside can be asked of the database, too.

use crate::on_both_databases;
use crate::support::{Db, HEADER, World, row, telemetry};

on_both_databases!(
    counts_and_a_bounded_sample,
    a_refused_file_has_its_counts,
    steps_say_the_same,
    an_integer_that_became_a_float
);

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;
const COUNTS: &str = "SELECT m.source, r.rule, r.column_name, r.count FROM file_rejections r \
                      JOIN manifest m ON m.id = r.file_id ORDER BY 1, 2, 3";

/// Good rows, and 150 that are too hot.
fn hot(device: &str) -> String {
    let rows: String = (0..150).map(|i| format!("{}\n", row(START + i, "pump-9", 99.0))).collect();
    format!("{}{rows}", telemetry(device, START, 200))
}

fn counts_and_a_bounded_sample(db: Db) {
    let world = World::new(db);
    world.file("a.csv", telemetry("pump-1", START, 5));
    world.file("b.csv", hot("pump-2") + &format!("{START},pump-1,'x',51.5,true,0.007,false,0.02,21.5\n"));
    world.ok(&["run"]);
    assert_eq!(world.lines(COUNTS), ["b.csv|not_a_number|co|1", "b.csv|out_of_range|temp|150"]);
    assert_eq!(world.number("SELECT count(*) FROM rejected_rows WHERE rule = 'out_of_range'"), 100);
    let first = "SELECT file, line_number, column_name, value, message FROM rejected_rows ORDER BY line_number LIMIT 1";
    assert_eq!(world.lines(first), ["b.csv|202|temp|99|above the maximum of 50 °C"]);
    let quoted = "SELECT line_number, value FROM rejected_rows WHERE rule = 'not_a_number'";
    assert_eq!(world.lines(quoted), ["352|'x'"]);
}

fn a_refused_file_has_its_counts(db: Db) {
    let world = World::new(db);
    let rows: String = (0..7).map(|i| format!("{}\n", row(START + i, "pump-9", 99.0))).collect();
    world.file("hot.csv", format!("{HEADER}\n{rows}"));
    world.file("x.csv", "ts,device\n1,2\n");
    world.ok(&["run"]);
    assert_eq!(
        world.lines(COUNTS),
        ["hot.csv|out_of_range|temp|7", "hot.csv|too_many_rejected||1", "x.csv|missing_column||1"]
    );
    assert_eq!(world.number("SELECT count(*) FROM rejected_rows"), 7);
}

fn steps_say_the_same(db: Db) {
    let world = World::new(db);
    world.file("a.csv", hot("pump-2"));
    for step in ["scan", "validate", "aggregate", "load", "load"] {
        world.ok(&[step]);
    }
    assert_eq!(world.lines(COUNTS), ["a.csv|out_of_range|temp|150"]);
    assert_eq!(world.number("SELECT count(*) FROM rejected_rows"), 100);
}

fn an_integer_that_became_a_float(db: Db) {
    let world = World::new(db);
    let contract = |kind: &str| {
        format!("[[contract.sensor]]\nname = \"n\"\ntype = \"{kind}\"\n[[contract.sensor]]\nname = \"m\"\n")
    };
    world.config(&contract("integer"));
    world.file("a.csv", format!("ts,device,n,m\n{START},w,21,1\n"));
    world.ok(&["run"]);
    world.config(&contract("float"));
    world.ok(&["migrate"]);
    world.file("b.csv", format!("ts,device,n,m\n{},w,21.5,2\n{START},w,21,1\n", START + 60));
    world.ok(&["run"]);
    assert_eq!(world.lines("SELECT n, m FROM iot_readings ORDER BY ts"), ["21|1", "21.5|2"]);
    assert_eq!((world.manifest("b.csv").loaded, world.manifest("b.csv").duplicate), (1, 1));
    world.ok(&["verify", "b.csv"]);
    // The other way, values would be lost.
    world.config(&contract("integer"));
    world.iotpipe(&["migrate"]).expect_code(2).expect_stderr(&["iot_raw_data.n"]);
}
