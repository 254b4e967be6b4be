//! The count: each line of each delivered file is in one place, by SQL and by files, without a word from `verify`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use crate::support::World;
use crate::support::assertions::sha256;

/// What was delivered and where it ended.
#[derive(Debug, Default)]
pub struct Count {
    pub files: usize,
    pub rows: usize,
    pub loaded: usize,
    pub set_aside: usize,
}

/// Fails unless every line of every file in `delivered` (name, bytes) ended in exactly one place. Lines of these files
/// hold no line breaks, so that they can be counted without a parser.
#[track_caller]
pub fn every_line_is_in_one_place(world: &World, delivered: &[(String, Vec<u8>)]) -> Count {
    let mut count = Count { files: delivered.len(), ..Count::default() };
    let names: BTreeSet<&str> = delivered.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), delivered.len(), "the count tells files by their names");
    assert_eq!(world.files("data"), [""; 0], "left in data/");
    let temporary = |f: &String| f.ends_with(".tmp") || f.ends_with(".part") || f.contains("/.") || f.starts_with('.');
    for folder in ["processed", "quarantine"] {
        assert_eq!(world.files(folder).into_iter().filter(temporary).collect::<Vec<_>>(), [""; 0], "left in {folder}/");
    }
    let stored = stored_lines(world);
    let mut keys = BTreeSet::new();
    for (name, bytes) in delivered {
        if count_file(world, name, bytes, stored.get(name), &mut count) {
            keys.extend(good_keys(&gunzip(name, bytes)));
        }
    }
    let of_strangers: Vec<_> = stored.keys().filter(|name| !names.contains(name.as_str())).collect();
    assert!(of_strangers.is_empty(), "rows of files that were never delivered: {of_strangers:?}");
    assert_eq!(world.stored() as usize, count.loaded);
    let stored = stored_keys(world);
    let missing: Vec<_> = keys.difference(&stored).collect();
    let strange: Vec<_> = stored.difference(&keys).collect();
    assert!(
        missing.is_empty() && strange.is_empty(),
        "keys that came and are not stored: {missing:?}, and the reverse: {strange:?}"
    );
    totals_are_those_of_the_rows(world);
    count
}

/// Line numbers in the table, by file.
fn stored_lines(world: &World) -> BTreeMap<String, BTreeSet<usize>> {
    let mut lines: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for row in world.query("SELECT file, line_number FROM iot_readings") {
        let (file, line) = (row[0].clone().unwrap(), row[1].clone().unwrap().parse().unwrap());
        assert!(lines.entry(file.clone()).or_default().insert(line), "line {line} of {file} is stored twice");
    }
    lines
}

/// Says whether the file was taken, so that its good rows are to be stored.
fn count_file(world: &World, name: &str, bytes: &[u8], stored: Option<&BTreeSet<usize>>, count: &mut Count) -> bool {
    let content = gunzip(name, bytes);
    let lines: BTreeMap<usize, &[u8]> = content
        .split(|b| *b == b'\n')
        .enumerate()
        .skip(1)
        .map(|(i, line)| (i + 1, line))
        .filter(|(_, l)| !l.is_empty())
        .collect();
    // Two files may have the same content, each with a quarantine of its own.
    let id = world.number(&format!("SELECT id FROM manifest WHERE source = '{name}'"));
    let own = format!("{}.{}-{id}.", name.split('.').next().unwrap(), &sha256(bytes)[..12]);
    let quarantined: Vec<_> = world.files("quarantine").into_iter().filter(|f| f.starts_with(&own)).collect();
    let none = BTreeSet::new();
    let stored = stored.unwrap_or(&none);
    count.rows += lines.len();
    if quarantined.iter().any(|f| !f.ends_with(".rejected.csv") && !f.ends_with(".reasons.csv")) {
        assert!(stored.is_empty(), "{name} is refused whole, and yet lines of it are stored: {stored:?}");
        count.set_aside += lines.len();
        return false;
    }
    assert!(world.path("processed").join(name).exists(), "{name} is neither in processed/ nor refused");
    assert_eq!(world.read(format!("processed/{name}")), bytes, "{name} in processed/ is what was delivered");
    let state = world.lines(&format!("SELECT state FROM manifest WHERE source = '{name}'"));
    if state == ["duplicate"] {
        assert!(stored.is_empty(), "{name} is a duplicate, and yet lines of it are stored");
        count.set_aside += lines.len();
        return true;
    }
    assert_eq!(state, ["loaded"], "{name}");
    let set_aside = set_aside_lines(world, &quarantined, &lines);
    let both: Vec<_> = stored.intersection(&set_aside).collect();
    assert!(both.is_empty(), "lines {both:?} of {name} are stored and set aside");
    let placed: BTreeSet<usize> = stored.union(&set_aside).copied().collect();
    assert_eq!(placed, lines.keys().copied().collect(), "lines of {name} that are placed, and lines that there are");
    let counts =
        format!("SELECT rows_total, rows_loaded, rows_rejected + rows_duplicate FROM manifest WHERE source = '{name}'");
    assert_eq!(world.lines(&counts), [format!("{}|{}|{}", lines.len(), stored.len(), set_aside.len())], "{name}");
    count.loaded += stored.len();
    count.set_aside += set_aside.len();
    true
}

/// The lines named in `*.reasons.csv`; `*.rejected.csv` must hold just their bytes, in their order.
fn set_aside_lines(world: &World, quarantined: &[String], lines: &BTreeMap<usize, &[u8]>) -> BTreeSet<usize> {
    let of_kind =
        |kind: &str| quarantined.iter().find(|f| f.ends_with(kind)).map(|f| world.read(format!("quarantine/{f}")));
    let (Some(reasons), Some(rejected)) = (of_kind(".reasons.csv"), of_kind(".rejected.csv")) else {
        assert!(quarantined.is_empty(), "one of two files is there: {quarantined:?}");
        return BTreeSet::new();
    };
    let mut reasons = csv::Reader::from_reader(reasons.as_slice());
    let set_aside: BTreeSet<usize> = reasons.records().map(|r| r.unwrap()[0].parse().unwrap()).collect();
    let bytes: Vec<&[u8]> = rejected.split(|b| *b == b'\n').skip(1).filter(|l| !l.is_empty()).collect();
    let expected: Vec<&[u8]> = set_aside.iter().map(|line| lines[line]).collect();
    assert_eq!(bytes, expected, "bytes of the lines set aside");
    set_aside
}

/// Device and microsecond of each line that a reader of the simplest kind finds nothing wrong with.
fn good_keys(content: &[u8]) -> BTreeSet<(String, i64)> {
    let good = |line: &[u8]| {
        let text = std::str::from_utf8(line).ok()?;
        let fields: Vec<&str> = text.split(',').collect();
        let numbers =
            [2, 3, 5, 7, 8].iter().all(|&i| fields.get(i).is_some_and(|f| f.parse::<f64>().is_ok_and(f64::is_finite)));
        let flags = [4, 6].iter().all(|&i| fields.get(i).is_some_and(|f| ["true", "false"].contains(f)));
        let in_range = |i: usize, low: f64, high: f64| (low..=high).contains(&fields[i].parse::<f64>().unwrap());
        let whole = fields.len() == 9 && !text.contains('"') && numbers && flags && !fields[1].is_empty();
        let fits = whole
            && [2, 5, 7].iter().all(|&i| in_range(i, 0.0, 1.0))
            && in_range(3, 0.0, 100.0)
            && in_range(8, -50.0, 50.0);
        let ts: f64 = fields[0].parse().ok().filter(|ts: &f64| ts.is_finite() && *ts < 2e9)?;
        fits.then(|| (fields[1].to_owned(), (ts * 1e6).round() as i64))
    };
    content.split(|b| *b == b'\n').skip(1).filter_map(good).collect()
}

fn stored_keys(world: &World) -> BTreeSet<(String, i64)> {
    let key = |row: Vec<Option<String>>| {
        let ts: jiff::Timestamp = row[1].as_deref().unwrap().parse().unwrap();
        (row[0].clone().unwrap(), ts.as_microsecond())
    };
    world.query("SELECT device, ts FROM iot_readings").into_iter().map(key).collect()
}

/// All time and all windows: the totals, computed anew from the rows.
fn totals_are_those_of_the_rows(world: &World) {
    for sensor in ["temp", "co", "humidity"] {
        let rows = format!(
            "SELECT device, count({sensor}), min({sensor}), max({sensor}), avg({sensor}) FROM iot_readings GROUP BY device ORDER BY device"
        );
        let totals = format!(
            "SELECT device, count, min, max, avg FROM sensor_summary WHERE sensor = '{sensor}' ORDER BY device"
        );
        let (rows, totals) = (world.query(&rows), world.query(&totals));
        assert_eq!(rows.len(), totals.len(), "devices with {sensor}");
        for (row, total) in rows.iter().zip(&totals) {
            assert_eq!(row[..4], total[..4], "{sensor}");
            let value = |v: &Option<String>| v.as_deref().unwrap().parse::<f64>().unwrap();
            assert!((value(&row[4]) - value(&total[4])).abs() < 1e-9, "average of {sensor}: {row:?}, {total:?}");
        }
    }
}

/// The plain bytes of a file of this name.
fn gunzip(name: &str, bytes: &[u8]) -> Vec<u8> {
    if !name.ends_with(".gz") {
        return bytes.to_vec();
    }
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}
