//! Source files for tests, in the built-in shape.

use std::io::Write;

/// The header of the built-in contract.
pub const HEADER: &str = "ts,device,co,humidity,light,lpg,motion,smoke,temp";

/// A good row (without its line end) of `device` at `ts` (unix seconds), with temperature `temp`.
pub fn row(ts: i64, device: &str, temp: f64) -> String {
    format!("{ts},{device},0.005,51.5,true,0.007,false,0.02,{temp}")
}

/// A good file: the header and `rows` rows of `device`, one a minute from `start` (unix seconds).
pub fn telemetry(device: &str, start: i64, rows: u32) -> String {
    let mut text = format!("{HEADER}\n");
    for i in 0..rows {
        // The temperature hangs on the time alone, so that overlapping files agree about it.
        let ts = start + i64::from(i) * 60;
        let temp = 20.0 + (ts / 60 % 97) as f64 / 10.0;
        text += &row(ts, device, temp);
        text.push('\n');
    }
    text
}

/// `bytes`, as a gzip file.
pub fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// `bytes`, as a Zstandard file.
pub fn zstd(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    ::zstd::encode_all(bytes.as_ref(), 3).unwrap()
}
