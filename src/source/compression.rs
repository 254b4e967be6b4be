//! Compressed files, told by their first bytes: names lie.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::GzDecoder;

/// Bytes that tell a compression, or a file of another kind: an archive says what it is behind the name of its first file.
const MAGIC: usize = 264;
/// Read at a time from a compressed file.
const BUFFER: usize = 1 << 16;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    /// Not at all, as far as is known.
    None,
    /// One member or several.
    Gzip,
    /// One frame or several.
    Zstd,
    /// One that is not read: its name, and what unpacks it.
    Other(&'static str, &'static str),
    /// No text of rows: what it is, and what to do.
    Foreign(&'static str, &'static str),
}

impl Compression {
    /// By the first bytes of a file.
    fn of(begin: &[u8]) -> Self {
        const KNOWN: [(&[u8], Compression); 7] = [
            (b"\x1f\x8b", Compression::Gzip),
            (b"\x28\xb5\x2f\xfd", Compression::Zstd),
            (b"BZh", Compression::Other("bzip2", "bunzip2")),
            (b"\xfd7zXZ\0", Compression::Other("xz", "unxz")),
            (b"PK\x03\x04", Compression::Other("zip", "unzip")),
            (b"7z\xbc\xaf\x27\x1c", Compression::Other("7-Zip", "7z x")),
            (b"\x04\x22\x4d\x18", Compression::Other("lz4", "unlz4")),
        ];
        if let Some((what, instead)) = foreign(begin) {
            return Compression::Foreign(what, instead);
        }
        KNOWN.iter().find(|(magic, _)| begin.starts_with(magic)).map_or(Compression::None, |(_, found)| *found)
    }
}

/// What a file is that a program or a copy put in the place of rows, and what to do about it.
fn foreign(begin: &[u8]) -> Option<(&'static str, &'static str)> {
    let text = begin.trim_ascii_start();
    let begins = |with: &[u8]| text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    let first_name = begin.get(30..).filter(|_| begin.starts_with(b"PK\x03\x04")).unwrap_or_default();
    let is_first = |name: &[u8]| first_name.starts_with(name);
    if is_first(b"[Content_Types].xml") || is_first(b"_rels/") || is_first(b"xl/") || is_first(b"docProps/") {
        Some(("a spreadsheet (.xlsx)", "save it as CSV"))
    } else if is_first(b"mimetypeapplication/vnd.oasis") {
        Some(("a spreadsheet (.ods)", "save it as CSV"))
    } else if begin.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        Some(("a spreadsheet (.xls)", "save it as CSV"))
    } else if begin.starts_with(b"PAR1\x15") {
        Some(("a Parquet file", "export it as CSV"))
    } else if begin.starts_with(b"SQLite format 3\0") {
        Some(("an SQLite database", "export its table as CSV"))
    } else if begin.get(257..262) == Some(b"ustar") {
        Some(("an archive (tar)", "unpack it (tar -x)"))
    } else if begins(b"%PDF-") {
        Some(("a PDF", "export its table as CSV"))
    } else if begins(b"<!doctype html") || begins(b"<html") {
        Some(("a web page", "is it an error in place of the file?"))
    } else if begins(b"<?xml") {
        Some(("XML", "export it as CSV or JSON lines"))
    } else if begins(b"version https://git-lfs") {
        Some(("a pointer of Git LFS", "`git lfs pull` gets the file"))
    } else {
        None
    }
}

/// The plain bytes of a file.
///
/// # Errors
/// When its first bytes can't be read, or show a compression that is not read; broken data is an error of the reads that
/// meet it.
pub fn decompressed<'a>(mut reader: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut begin = Vec::with_capacity(MAGIC);
    (&mut reader).take(MAGIC as u64).read_to_end(&mut begin)?;
    let compression = Compression::of(&begin);
    let whole = Cursor::new(begin).chain(reader);
    Ok(match compression {
        Compression::None => Box::new(whole),
        Compression::Gzip => Box::new(Members::of(BufReader::with_capacity(BUFFER, whole))),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(whole)?),
        Compression::Foreign(what, instead) => return Err(invalid(format!("it is {what}, no rows: {instead}"))),
        Compression::Other(name, tool) => {
            return Err(invalid(format!(
                "it is compressed by {name}; only gzip and zstd are read, so unpack it ({tool})"
            )));
        }
    })
}

/// The members of a gzip file, one behind the other, and zeros behind them, with which a tape or a tool fills up a block.
struct Members<R> {
    state: Member<R>,
}

enum Member<R> {
    Within(Box<GzDecoder<R>>),
    Between(R),
    Ended,
}

impl<R: BufRead> Members<R> {
    fn of(reader: R) -> Self {
        Self { state: Member::Within(Box::new(GzDecoder::new(reader))) }
    }

    /// What comes behind a member.
    fn next(mut reader: R) -> io::Result<Member<R>> {
        loop {
            let rest = reader.fill_buf()?;
            match rest {
                [] => return Ok(Member::Ended),
                [0x1f, ..] => return Ok(Member::Within(Box::new(GzDecoder::new(reader)))),
                [0, ..] => {
                    let zeros = rest.iter().take_while(|b| **b == 0).count();
                    reader.consume(zeros);
                }
                _ => return Err(invalid("bytes that are no gzip follow the compressed data".to_owned())),
            }
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, Member::Ended) {
                Member::Within(mut decoder) => {
                    let n = decoder.read(buffer)?;
                    if n > 0 || buffer.is_empty() {
                        self.state = Member::Within(decoder);
                        return Ok(n);
                    }
                    self.state = Member::Between(decoder.into_inner());
                }
                Member::Between(reader) => self.state = Self::next(reader)?,
                Member::Ended => return Ok(0),
            }
        }
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<String, String> {
        let mut text = String::new();
        let mut plain = decompressed(bytes).map_err(|e| e.to_string())?;
        plain.read_to_string(&mut text).map_err(|e| e.to_string())?;
        Ok(text)
    }

    #[test]
    fn the_first_bytes_tell() {
        assert_eq!(read(b"a,b\n").as_deref(), Ok("a,b\n"));
        assert_eq!(read(b"").as_deref(), Ok(""));
        assert_eq!(read(&gzip("a")).as_deref(), Ok("a"));
        assert_eq!(read(&zstd::encode_all(&b"a"[..], 1).unwrap()).as_deref(), Ok("a"));
        for (bytes, name) in [(&b"BZh91AY"[..], "bzip2"), (b"\xfd7zXZ\0\0", "xz"), (b"PK\x03\x04\x14\0", "zip")] {
            assert!(read(bytes).unwrap_err().contains(name), "{name}");
        }
    }

    #[test]
    fn what_follows_a_gzip_member() {
        let behind = |rest: &[u8]| read(&[gzip("a"), rest.to_vec()].concat());
        assert_eq!(behind(&gzip("b")).as_deref(), Ok("ab"));
        assert_eq!(behind(&[0; 700]).as_deref(), Ok("a"));
        assert!(behind(b"garbage").unwrap_err().contains("no gzip follow"));
        assert!(behind(&gzip("b")[..10]).is_err());
    }
}
