use std::io::{self, Read};

use proptest::prelude::*;

use super::block::RowBlock;
use super::fields::MAX_ROW;
use super::reader::RowReader;
use super::row::{Problem, RawRow};
use crate::contract::{Contract, CsvFormat};

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

/// The dialect that the lines of a table `[csv]` describe.
fn dialect(lines: &str) -> CsvFormat {
    Contract::from_toml(&format!("[csv]\n{lines}")).unwrap().csv
}

fn rows_in_pieces(bytes: &[u8], size: usize) -> Vec<Seen> {
    rows_of(bytes, size, "multiline = true").0
}

/// The rows, and the number of lines that are none.
fn rows_of(bytes: &[u8], size: usize, csv: &str) -> (Vec<Seen>, u64) {
    let mut reader = RowReader::new(Pieces(bytes, size), &dialect(csv)).with_block_bytes(size);
    let mut skipped = 0;
    let (mut rows, mut block) = (Vec::new(), RowBlock::default());
    while let Some(next) = reader.next_block(block).unwrap() {
        for row in next.rows() {
            let fields = (0..row.fields.len()).map(|i| row.fields.get(i).to_vec()).collect();
            rows.push((row.line, row.bytes.to_vec(), fields, row.problem, row.continuation));
        }
        skipped += next.skipped();
        block = next;
    }
    (rows, skipped)
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
    let csv = dialect("skip_lines = 1");
    let mut reader = RowReader::new(&file[..], &csv);
    let header = reader.header(&csv).unwrap().unwrap();
    assert_eq!((header.bytes.as_slice(), header.line_end.as_slice()), (&b"device list\r\n\"ts\",t"[..], &b"\r\n"[..]));
    assert_eq!(header.names, [b"ts".to_vec(), b"t".to_vec()]);
    let block = reader.next_block(RowBlock::default()).unwrap().unwrap();
    assert_eq!(block.rows().map(|row| row.line).collect::<Vec<_>>(), [3]);
    let plain = dialect("");
    assert_eq!(RowReader::new(&b"\n\r\n"[..], &plain).header(&plain).unwrap(), None);
}

#[test]
fn fields_beyond_the_header_are_counted_and_not_kept() {
    let csv = dialect("");
    let mut reader = RowReader::new(&b"a,b\n1,2,\"3\"\"\",4\n5\n\"6\",7\n"[..], &csv);
    reader.header(&csv).unwrap();
    let block = reader.next_block(RowBlock::default()).unwrap().unwrap();
    let text = |row: &RawRow<'_>| [0, 1, 2].map(|i| String::from_utf8_lossy(row.fields.get(i)).into_owned()).join("|");
    let seen: Vec<(usize, String)> = block.rows().map(|row| (row.fields.len(), text(&row))).collect();
    assert_eq!(seen, [(4, "1|2|3\"".to_owned()), (1, "5||".to_owned()), (2, "6|7|".to_owned())]);
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
    fn pieces_change_nothing(text in "[ab \t#\",\n\r]{0,60}", size in 1usize..9) {
        for csv in ["", "multiline = true", "comment = '#a'", "delimiter = 'whitespace'", "final_newline = 'required'"] {
            prop_assert_eq!(rows_of(text.as_bytes(), size, csv), rows_of(text.as_bytes(), 256, csv), "{}", csv);
        }
    }
}

#[test]
fn a_line_ends_with_cr_lf_or_both() {
    let texts = |bytes: &[u8]| lines_of(bytes).into_iter().map(|row| (row.0, row.1)).collect::<Vec<_>>();
    let expected = [(1, "a,b".to_owned()), (2, "1,2".to_owned()), (4, "3,4".to_owned())];
    for file in ["a,b\n1,2\n\n3,4\n", "a,b\r\n1,2\r\n\r\n3,4", "a,b\r1,2\r\r3,4\r", "a,b\r\r\n1,2\r\r\n\r\r\n3,4\r\r\n"]
    {
        assert_eq!(texts(file.as_bytes()), expected, "{file:?}");
    }
    assert_eq!(texts(b"a,b\r1,2\n3,4"), [(1, "a,b".to_owned()), (2, "1,2".into()), (3, "3,4".into())]);
    assert_eq!(texts(b"a,b\n1,2\r3,4\n"), [(1, "a,b".to_owned()), (2, "1,2\r3,4".into())], "text in a file of LF");
}

#[test]
fn a_comment_that_ends_before_an_empty_line() {
    let whole = rows_of(b"x\r#a,aa\r\r,", 256, "comment = '#a'");
    assert_eq!(rows_of(b"x\r#a,aa\r\r,", 1, "comment = '#a'"), whole);
    assert_eq!((whole.0[1].0, whole.1), (4, 2));
}

#[test]
fn an_open_quote_costs_one_line_where_fields_end_with_their_line() {
    let seen = rows_of(b"a,\"b\n1,2\n\"x\ny\",\"z\"\n", 256, "").0;
    let unclosed = Some(Problem::UnclosedQuote);
    assert_eq!(
        seen.iter().map(|r| (r.0, r.3)).collect::<Vec<_>>(),
        [(1, unclosed), (2, None), (3, unclosed), (4, None)]
    );
}

#[test]
fn columns_aligned_by_spaces() {
    let (seen, skipped) = rows_of(b"#YY MM\n  2024  1 \t\"a b\"  \n \t \n2024\t2 c\n", 256, "delimiter = 'whitespace'");
    let fields: Vec<Vec<String>> =
        seen.iter().map(|r| r.2.iter().map(|f| String::from_utf8_lossy(f).into_owned()).collect()).collect();
    assert_eq!(fields, [vec!["#YY", "MM"], vec!["2024", "1", "a b"], vec!["2024", "2", "c"]]);
    assert_eq!((seen[2].0, skipped), (4, 1));
}

#[test]
fn spaces_before_a_quote_are_no_part_of_the_field() {
    let seen = rows_of(b"a,  \"b, c\", d \n", 256, "").0;
    assert_eq!(seen[0].2, [&b"a"[..], b"b, c", b" d "]);
}

#[test]
fn comments_are_counted_and_no_rows() {
    let (seen, skipped) = rows_of(b"# one\na\n\n#two\n#\nb # c\n#", 256, "comment = '#'");
    assert_eq!((seen.iter().map(|r| r.0).collect::<Vec<_>>(), skipped), (vec![2, 6], 5));
    let long = [b"#".repeat(3 * MAX_ROW), b"\r\nb\r\n".to_vec()].concat();
    assert_eq!(rows_of(&long, 4096, "comment = '#'").0[0].0, 2);
}

#[test]
fn what_stands_before_the_rows() {
    let read = |file: &[u8], csv: &str| {
        let csv = dialect(csv);
        let mut reader = RowReader::new(file, &csv);
        let header = reader.header(&csv).unwrap().unwrap();
        let names: Vec<_> = header.names.iter().map(|n| String::from_utf8_lossy(n).into_owned()).collect();
        let rows = reader.next_block(RowBlock::default()).unwrap().map(|block| block.rows().map(|r| r.line).collect());
        (
            String::from_utf8(header.bytes).unwrap(),
            names.join("|"),
            header.lines,
            header.skipped,
            rows.unwrap_or(vec![]),
        )
    };
    let seen = |bytes: &str, names: &str, lines, skipped, rows: &[u64]| {
        (bytes.to_owned(), names.to_owned(), lines, skipped, rows.to_vec())
    };
    let units = "skip_lines = 1\nskip_lines_after_header = 2";
    assert_eq!(read(b"TOA5\nTS,T\nu,u\n,\n1,2\n", units), seen("TOA5\nTS,T\nu,u\n,", "TS|T", 4, 3, &[5]));
    assert_eq!(read(b"sep=;\r\na;b\r\n1;2", "delimiter = ';'"), seen("sep=;\r\na;b", "a|b", 2, 1, &[3]));
    assert_eq!(read(b"1,2\n3,4\n", "header = ['a', 'b']"), seen("", "a|b", 0, 0, &[1, 2]));
    assert_eq!(read(b"x\n1,2\n", "header = ['a', 'b']\nskip_lines = 1"), seen("x", "a|b", 1, 1, &[2]));
    assert_eq!(read(b"#c\n\na,b\n1,2\n", "comment = '#'"), seen("a,b", "a|b", 1, 2, &[4]));
}

#[test]
fn a_last_line_without_its_end() {
    let problems =
        |bytes: &[u8]| rows_of(bytes, 256, "final_newline = 'required'").0.into_iter().map(|r| r.3).collect::<Vec<_>>();
    assert_eq!(problems(b"a,b\n1,2"), [None, Some(Problem::Unterminated)]);
    assert_eq!(problems(b"a,b\n1,2\n"), [None, None]);
    assert_eq!(problems(b"a,b\n1,\"2\""), [None, Some(Problem::Unterminated)]);
}
