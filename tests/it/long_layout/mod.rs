//! Rows of one measurement each: `contract.layout = "long"`.

mod contract;
mod duplicates;
mod layouts;
mod melted;
mod proof;
mod steps;

use std::fmt::Write;

use crate::support::{Db, World};

/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600;

const SENSORS: &str = "
[[contract.sensor]]
name = 'temp'
column = ['temperature', 'Temp (°C)']
unit = '°C'
min = -50.0
max = 60.0

[[contract.sensor]]
name = 'pulses'
type = 'integer'
required = false

[[contract.sensor]]
name = 'door'
type = 'boolean'

[[contract.sensor]]
name = 'note'
type = 'text'
required = false
";

/// What the readings say.
const READINGS: &str = "SELECT ts, device, temp, pulses, door, note FROM iot_readings ORDER BY device, ts";

/// A world of the long layout, with `keys` of `[contract]`.
fn world(db: Db, keys: &str) -> World {
    let world = World::new(db);
    world.config(&contract(keys));
    world
}

fn contract(keys: &str) -> String {
    format!("[contract]\nlayout = 'long'\n{keys}\n{SENSORS}")
}

/// Two measurements a minute of each of `devices`, in the order of the time.
fn measurements(devices: &[&str], start: i64, minutes: i64) -> String {
    let mut text = "ts,device,metric,value\n".to_owned();
    for minute in 0..minutes {
        let ts = start + minute * 60;
        for device in devices {
            writeln!(text, "{ts},{device},temperature,{}.25", 10 + ts / 60 % 17).unwrap();
            writeln!(text, "{ts},{device},pulses,{}", ts / 60).unwrap();
        }
    }
    text
}

/// How many measurements are stored.
fn stored(world: &World) -> i64 {
    world.number("SELECT count(*) FROM iot_raw_values")
}

/// Time, device and what stands in the table, without numbers of a database's own.
fn values(world: &World) -> Vec<String> {
    world.lines(
        "SELECT v.line_number, d.name, s.name, v.value, v.whole, v.text FROM iot_raw_values v
         JOIN device d ON d.id = v.device_id JOIN sensor s ON s.id = v.sensor_id ORDER BY v.file_id, v.line_number",
    )
}
