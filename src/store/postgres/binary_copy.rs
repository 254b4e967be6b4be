//! Readings in PostgreSQL's binary COPY form (its manual, COPY, "Binary Format").

use crate::store::measurement::Measured;
use iotpipe_core::contract::{Contract, Sensor, SensorType};
use iotpipe_core::reading::{Batch, Cell, Reading};

/// PostgreSQL counts its microseconds from 2000-01-01 UTC.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;
/// What the stream begins with: signature, no flags, no extension.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The length of a field without a value.
const NULL: [u8; 4] = (-1i32).to_be_bytes();
/// What it ends with.
pub(super) const TRAILER: [u8; 2] = (-1i16).to_be_bytes();

/// One tuple of the binary COPY format (PostgreSQL's manual, COPY, "Binary Format").
pub(super) fn encode_row(
    buffer: &mut Vec<u8>,
    batch: &Batch,
    reading: &Reading,
    cells: &[Cell],
    device_id: i32,
    file_id: i64,
) {
    buffer.extend_from_slice(&(4 + cells.len() as i16).to_be_bytes());
    field(buffer, &device_id.to_be_bytes());
    field(buffer, &(reading.ts - POSTGRES_EPOCH_MICROS).to_be_bytes());
    field(buffer, &file_id.to_be_bytes());
    field(buffer, &(reading.position.line as i64).to_be_bytes());
    for cell in cells {
        match *cell {
            Cell::Null => buffer.extend_from_slice(&NULL),
            Cell::Float(v) => field(buffer, &v.to_be_bytes()),
            Cell::Integer(v) => field(buffer, &v.to_be_bytes()),
            Cell::Boolean(v) => field(buffer, &[u8::from(v)]),
            Cell::Text(start, len) => field(buffer, batch.text_of(start, len).as_bytes()),
        }
    }
}

/// One tuple of a measurement, whose device and sensor have these `ids`.
pub(super) fn encode_measurement(
    buffer: &mut Vec<u8>,
    reading: &Reading,
    ids: (i32, i32),
    measured: Measured<'_>,
    file_id: i64,
) {
    buffer.extend_from_slice(&8i16.to_be_bytes());
    field(buffer, &ids.0.to_be_bytes());
    field(buffer, &ids.1.to_be_bytes());
    field(buffer, &(reading.ts - POSTGRES_EPOCH_MICROS).to_be_bytes());
    field(buffer, &file_id.to_be_bytes());
    field(buffer, &(reading.position.line as i64).to_be_bytes());
    optional(buffer, measured.value.map(f64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
    optional(buffer, measured.whole.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
    optional(buffer, measured.text.map(str::as_bytes));
}

fn optional(buffer: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => field(buffer, bytes),
        None => buffer.extend_from_slice(&NULL),
    }
}

/// Bytes of a measurement's tuple, at most, its text left out.
pub(super) fn measurement_bytes() -> usize {
    2 + 2 * (4 + 4) + 5 * (4 + 8) + 4
}

/// Bytes of a tuple, its text left out.
pub(super) fn row_bytes(contract: &Contract) -> usize {
    let sensor = |sensor: &Sensor| match sensor.kind {
        SensorType::Float | SensorType::Integer => 12,
        SensorType::Boolean => 5,
        SensorType::Text => 4,
    };
    2 + (4 + 4) + 3 * (4 + 8) + contract.sensors.iter().map(sensor).sum::<usize>()
}

fn field(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    buffer.extend_from_slice(bytes);
}

/// One value as [`encode_row`] writes it, `None` for null.
pub(super) fn encode_cell(cell: Cell, batch: &Batch) -> Option<Vec<u8>> {
    match cell {
        Cell::Null => None,
        Cell::Float(v) => Some(v.to_be_bytes().to_vec()),
        Cell::Integer(v) => Some(v.to_be_bytes().to_vec()),
        Cell::Boolean(v) => Some(vec![u8::from(v)]),
        Cell::Text(start, len) => Some(batch.text_of(start, len).as_bytes().to_vec()),
    }
}
