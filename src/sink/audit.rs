//! Readings of a second pass ↔ what the first one stored.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};

use super::findings::Findings;
use super::row_sink::Sink;
use crate::error::Error;
use crate::store::{Earlier, Snapshot, set_aside};
use iotpipe_core::contract::Contract;
use iotpipe_core::devices::DeviceNames;
use iotpipe_core::parse::Header;
use iotpipe_core::reading::{Batch, Cell, Reading};

/// Looks up each reading. Those that the database has from this very line stay; the others become rejections, since
/// the quarantine is where they must be.
pub struct AuditSink<'a> {
    snapshot: &'a mut dyn Snapshot,
    contract: &'a Contract,
    file_id: i64,
    /// One bit per line of the file.
    stored_lines: Vec<u64>,
    checksum: u128,
    /// Rows that other loaded files have, by the file.
    because_of: BTreeMap<i64, i64>,
    findings: Findings,
}

impl<'a> AuditSink<'a> {
    /// For the rows of `file_id`.
    pub fn new(snapshot: &'a mut dyn Snapshot, contract: &'a Contract, file_id: i64) -> Self {
        Self {
            snapshot,
            contract,
            file_id,
            stored_lines: Vec::new(),
            checksum: 0,
            because_of: BTreeMap::new(),
            findings: Findings::default(),
        }
    }

    /// The sum of the hashes of all stored rows (line, device, time, values; in the long layout the sensor): the same in whatever order they come.
    pub fn checksum(&self) -> u128 {
        self.checksum
    }

    /// Ends the audit: rows that the database has of this file beside those found, then everything that differs. With
    /// `notes`, what `set_aside` says of the file, too.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub fn into_findings(mut self, rows: i64, found: i64, notes: bool) -> Result<Findings, Error> {
        if notes {
            self.compare_notes()?;
        }
        if rows != found {
            for (line, key) in self.snapshot.rows_of(self.file_id)? {
                if !self.has(line as u64) {
                    self.findings.add(format!("the database has a row of line {line} that the file has not ({key})"));
                }
            }
        }
        Ok(self.findings)
    }

    /// A note about a file that was taken out alone stays; what was in it may have come back by another file since.
    fn compare_notes(&mut self) -> Result<(), Error> {
        let noted = self.snapshot.set_aside_of(self.file_id)?;
        let is_whole = noted.iter().all(|(_, _, is_loaded)| *is_loaded == Some(true));
        let mut found = std::mem::take(&mut self.because_of);
        for (file, rows, is_loaded) in noted {
            let stored = found.remove(&file).unwrap_or(0);
            if is_loaded != Some(false) && stored != rows {
                self.findings.add(format!("set_aside says that file {file} has {rows} of its rows, it has {stored}"));
            }
        }
        if is_whole {
            for (file, rows) in found {
                self.findings.add(format!("file {file} has {rows} of its rows, of which set_aside says nothing"));
            }
        }
        Ok(())
    }

    fn has(&self, line: u64) -> bool {
        self.stored_lines.get(line as usize / 64).is_some_and(|word| word & (1 << (line % 64)) != 0)
    }

    fn note(&mut self, line: u64) {
        let word = line as usize / 64;
        if self.stored_lines.len() <= word {
            self.stored_lines.resize(word + 1, 0);
        }
        self.stored_lines[word] |= 1 << (line % 64);
    }

    fn compare(&mut self, reading: &Reading, device: &str, stored: &Earlier, batch: &Batch) {
        let line = reading.position.line;
        self.note(line);
        for &sensor in &stored.differing {
            let name = &self.contract.sensors[sensor].name;
            self.findings.add(format!("line {line}: the database has another {name} than the file ({device})"));
        }
        let cells = batch.cells_of(reading, self.contract.width());
        let sensor = self.contract.long.as_ref().map(|_| batch.measurement(reading).0 as usize);
        let sensor = sensor.map_or("", |sensor| self.contract.sensors[sensor].name.as_str());
        self.checksum = self.checksum.wrapping_add(hash_of(line, (device, sensor), reading.ts, cells, batch));
    }
}

/// `sensor` is empty in the wide layout.
fn hash_of(line: u64, (device, sensor): (&str, &str), ts: i64, cells: &[Cell], batch: &Batch) -> u128 {
    let mut hash = Sha256::new();
    hash.update(line.to_be_bytes());
    hash.update(ts.to_be_bytes());
    hash.update((device.len() as u64).to_be_bytes());
    hash.update(device);
    hash.update(sensor);
    for cell in cells {
        match *cell {
            Cell::Null => hash.update([0]),
            Cell::Float(v) => hash.update([&[1], v.to_be_bytes().as_slice()].concat()),
            Cell::Integer(v) => hash.update([&[2], v.to_be_bytes().as_slice()].concat()),
            Cell::Boolean(v) => hash.update([3, u8::from(v)]),
            Cell::Text(start, len) => {
                hash.update([&[4], u64::from(len).to_be_bytes().as_slice()].concat());
                hash.update(batch.text_of(start, len));
            }
        }
    }
    let mut first = [0; 16];
    first.copy_from_slice(&hash.finalize()[..16]);
    u128::from_be_bytes(first)
}

impl Sink for AuditSink<'_> {
    fn begin(&mut self, _header: &Header) -> Result<(), Error> {
        Ok(())
    }

    fn write(&mut self, batch: &mut Batch, devices: &DeviceNames) -> Result<(), Error> {
        let mut found: HashMap<usize, Earlier> =
            self.snapshot.find(self.contract, batch, devices)?.into_iter().collect();
        let mut elsewhere = Vec::new();
        for index in 0..batch.readings.len() {
            let reading = batch.readings[index];
            let device = devices.get(reading.device).unwrap_or_default();
            match found.remove(&index) {
                Some(row) if row.file_id == self.file_id && row.line == reading.position.line as i64 => {
                    self.compare(&reading, device, &row, batch);
                }
                Some(row) => {
                    if row.is_loaded && row.file_id != self.file_id {
                        *self.because_of.entry(row.file_id).or_default() += 1;
                    }
                    elsewhere.push((index, row));
                }
                None => {
                    let nowhere = Earlier {
                        file_id: 0,
                        file: None,
                        line: 0,
                        lines: None,
                        differing: Vec::new(),
                        is_loaded: false,
                    };
                    elsewhere.push((index, nowhere));
                }
            }
        }
        set_aside(batch, elsewhere, devices, self.contract);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
