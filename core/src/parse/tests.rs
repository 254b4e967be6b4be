use std::io::{self, Read};

use proptest::prelude::*;

use super::block::RowBlock;
use super::fields::MAX_ROW;
use super::reader::RowReader;
use super::row::{Problem, RawRow};

/// Gives its bytes in pieces of `size`.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.0.len().min(self.1).min(buffer.len());
        buffer[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

type Seen = (u64, Vec<u8>, Vec<Vec<u8>>, Option<Problem>, bool);

fn rows_in_pieces(bytes: &[u8], size: usize) -> Vec<Seen> {
    let mut reader = RowReader::new(Pieces(bytes, size), b',', 0).with_block_bytes(size);
    let (mut rows, mut block) = (Vec::new(), RowBlock::default());
    while let Some(next) = reader.next_block(block).unwrap() {
        for row in next.rows() {
            let fields = (0..row.fields.len()).map(|i| row.fields.get(i).to_vec()).collect();
            rows.push((row.line, row.bytes.to_vec(), fields, row.problem, row.continuation));
        }
        block = next;
    }
    rows
}

fn rows(bytes: &[u8]) -> Vec<Seen> {
    rows_in_pieces(bytes, 256 << 10)
}

fn lines_of(bytes: &[u8]) -> Vec<(u64, String, Option<Problem>)> {
    rows(bytes).into_iter().map(|r| (r.0, String::from_utf8_lossy(&r.1).into_owned(), r.3)).collect()
}

#[test]
fn a_stray_quote_costs_one_line() {
    let unclosed = Some(Problem::UnclosedQuote);
    let expected = |bad: &str| {
        vec![
            (1, "a,b".to_owned(), None),
            (2, bad.to_owned(), unclosed),
            (3, "3,4".into(), None),
            (4, "5,6".into(), None),
        ]
    };
    assert_eq!(lines_of(b"a,b\n1,\"2\n3,4\n5,6\n"), expected("1,\"2"));
    assert_eq!(lines_of(b"a,b\r\n\"1\"x,2\r\n3,4\r\n5,6"), expected("\"1\"x,2"));
    let two = lines_of(b"1,\"2\n3,4\n5,\"6\n7,8\n");
    assert_eq!(two.iter().map(|r| r.2).collect::<Vec<_>>(), [unclosed, None, unclosed, None]);
}

#[test]
fn quoted_line_ends_belong_to_the_field() {
    let seen = rows(b"a,\"x\r\ny\"\n\"p \"\"q\"\"\",z\n");
    assert_eq!(seen[0].2, [b"a".to_vec(), b"x\r\ny".to_vec()]);
    assert_eq!((seen[1].0, &seen[1].2[0]), (3, &b"p \"q\"".to_vec()));
}

#[test]
fn empty_lines_are_no_rows_and_delimiters_alone_are() {
    assert_eq!(lines_of(b"\n\r\na\n,\n\n"), [(3, "a".to_owned(), None), (4, ",".to_owned(), None)]);
}

#[test]
fn an_overlong_line_comes_in_pieces() {
    let long = vec![b'x'; 3 * MAX_ROW + 7];
    let mut bytes = b"a\n".to_vec();
    bytes.extend_from_slice(&long);
    bytes.extend_from_slice(b"\r\nb\n");
    let seen = rows(&bytes);
    let pieces: Vec<&Seen> = seen.iter().filter(|r| r.3 == Some(Problem::TooLong)).collect();
    assert_eq!(pieces.iter().flat_map(|r| r.1.clone()).collect::<Vec<_>>(), long);
    assert!(pieces.iter().all(|r| r.0 == 2) && !pieces[0].4 && pieces[1..].iter().all(|r| r.4));
    let last = seen.last().unwrap();
    assert_eq!((last.0, last.1.as_slice()), (3, &b"b"[..]));
}

#[test]
fn the_header_keeps_preamble_and_line_ending_and_drops_the_mark() {
    let file = b"\xef\xbb\xbfdevice list\r\n\"ts\",t\r\n1,2\r\n";
    let mut reader = RowReader::new(&file[..], b',', 1);
    let header = reader.header().unwrap().unwrap();
    assert_eq!(header.bytes, b"device list\r\n\"ts\",t\r");
    assert_eq!(header.names, [b"ts".to_vec(), b"t".to_vec()]);
    let block = reader.next_block(RowBlock::default()).unwrap().unwrap();
    assert_eq!(block.rows().map(|row| row.line).collect::<Vec<_>>(), [3]);
    assert_eq!(RowReader::new(&b"\n\r\n"[..], b',', 0).header().unwrap(), None);
}

#[test]
fn fields_beyond_the_header_are_counted_and_not_kept() {
    let mut reader = RowReader::new(&b"a,b\n1,2,\"3\"\"\",4\n5\n\"6\",7\n"[..], b',', 0);
    reader.header().unwrap();
    let block = reader.next_block(RowBlock::default()).unwrap().unwrap();
    let text = |row: &RawRow<'_>| [0, 1, 2].map(|i| String::from_utf8_lossy(row.fields.get(i)).into_owned()).join("|");
    let seen: Vec<(usize, String)> = block.rows().map(|row| (row.fields.len(), text(&row))).collect();
    assert_eq!(seen, [(4, "1|2|".to_owned()), (1, "5||".to_owned()), (2, "6|7|".to_owned())]);
}

proptest! {
    #[test]
    fn agrees_with_the_csv_crate_on_what_it_writes(
        table in prop::collection::vec(prop::collection::vec("[a-c\",\n\r ]{0,6}", 2..5), 1..8),
        size in 1usize..40,
    ) {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        for record in &table {
            writer.write_record(record).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let ours: Vec<Vec<Vec<u8>>> = rows_in_pieces(&bytes, size).into_iter().map(|r| r.2).collect();
        let theirs: Vec<Vec<Vec<u8>>> =
            table.iter().map(|r| r.iter().map(|f| f.as_bytes().to_vec()).collect()).collect();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn every_line_is_in_exactly_one_row(text in "[ab\",\n\r]{0,60}", size in 1usize..9) {
        let seen = rows_in_pieces(text.as_bytes(), size);
        prop_assert_eq!(&seen, &rows(text.as_bytes()), "whatever the pieces");
        let mut covered = Vec::new();
        for row in &seen {
            let lines = row.1.iter().filter(|b| **b == b'\n').count() as u64 + 1;
            covered.extend(row.0..row.0 + lines);
        }
        let full = text.split('\n').enumerate().filter(|(_, l)| !l.is_empty() && *l != "\r");
        let expected: Vec<u64> = full.map(|(i, _)| i as u64 + 1).collect();
        for line in &expected {
            prop_assert_eq!(covered.iter().filter(|c| *c == line).count(), 1, "line {}", line);
        }
    }
}
