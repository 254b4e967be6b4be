//! Files in other encodings than UTF-8: their text on the way in, and their bytes on the way out.

use std::borrow::Cow;
use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Bytes of the file that are decoded at a time.
const CHUNK: usize = 64 << 10;
/// Longest byte order mark.
const LONGEST_MARK: usize = 3;
/// Stands for bytes that are no text in the file's encoding: it is none in UTF-8 either.
const NO_TEXT: u8 = 0xff;

/// How the text of a file is written, where it is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileEncoding {
    encoding: &'static Encoding,
    marked: bool,
}

impl FileEncoding {
    /// Its name on the web.
    pub fn name(self) -> &'static str {
        self.encoding.name()
    }

    /// The byte order mark with which the file begins.
    pub fn mark(self) -> &'static [u8] {
        match self.marked {
            true if self.encoding == UTF_16LE => b"\xff\xfe",
            true if self.encoding == UTF_16BE => b"\xfe\xff",
            _ => b"",
        }
    }

    /// The bytes of the file that were read as `row`; those that were no text are replaced.
    pub fn bytes_of<'r>(self, row: &'r [u8]) -> Cow<'r, [u8]> {
        let text = String::from_utf8_lossy(row);
        let units = text.encode_utf16();
        if self.encoding == UTF_16LE {
            return Cow::Owned(units.flat_map(u16::to_le_bytes).collect());
        }
        if self.encoding == UTF_16BE {
            return Cow::Owned(units.flat_map(u16::to_be_bytes).collect());
        }
        Cow::Owned(self.encoding.encode(&text).0.into_owned())
    }

    /// What is read where `row` was given back: the same, but for what was no text.
    pub(super) fn read_again(self, row: &[u8]) -> Cow<'_, [u8]> {
        match std::str::from_utf8(row) {
            Ok(_) => Cow::Borrowed(row),
            Err(_) => {
                let bytes = self.bytes_of(row);
                let (text, _) = self.encoding.decode_without_bom_handling(&bytes);
                Cow::Owned(text.into_owned().into_bytes())
            }
        }
    }
}

/// The text of what was delivered as `encoding`, as UTF-8; what is UTF-8 as it is.
pub fn text_of<'r>(reader: impl Read + 'r, encoding: Option<FileEncoding>) -> Box<dyn Read + 'r> {
    match encoding {
        None => Box::new(reader),
        Some(encoding) => Box::new(TextReader::new(reader, Some(encoding.encoding))),
    }
}

/// Gives a file's bytes as UTF-8. A byte order mark says what they are; without one, the contract does.
pub(super) struct TextReader<R> {
    inner: R,
    declared: Option<&'static Encoding>,
    /// `None` until the first bytes have been seen.
    text: Option<Text>,
}

enum Text {
    /// UTF-8 as it is; the bytes that were looked at come first.
    Plain {
        head: Vec<u8>,
    },
    Decoded(Box<Decoded>),
}

struct Decoded {
    as_written: FileEncoding,
    decoder: Decoder,
    /// Read and not decoded yet, from `start` on.
    input: Vec<u8>,
    start: usize,
    at_end: bool,
    /// The decoder has given its last.
    finished: bool,
    /// Decoded and not given yet, from `given` on.
    output: Vec<u8>,
    given: usize,
}

impl<R: Read> TextReader<R> {
    pub(super) fn new(inner: R, declared: Option<&'static Encoding>) -> Self {
        Self { inner, declared, text: None }
    }

    /// What it is written in, where that is not UTF-8; known when something has been read.
    pub(super) fn encoding(&self) -> Option<FileEncoding> {
        match &self.text {
            Some(Text::Decoded(decoded)) => Some(decoded.as_written),
            _ => None,
        }
    }

    fn recognize(&mut self) -> io::Result<Text> {
        let mut head = Vec::with_capacity(LONGEST_MARK);
        (&mut self.inner).take(LONGEST_MARK as u64).read_to_end(&mut head)?;
        let (encoding, marked) = match (Encoding::for_bom(&head), self.declared) {
            (Some((by_mark, _)), _) if by_mark == UTF_8 => return Ok(Text::Plain { head }),
            (Some((by_mark, _)), _) => (by_mark, true),
            (None, Some(declared)) => (declared, false),
            (None, None) => return Ok(Text::Plain { head }),
        };
        Ok(Text::Decoded(Box::new(Decoded {
            as_written: FileEncoding { encoding, marked },
            decoder: encoding.new_decoder_with_bom_removal(),
            input: head,
            start: 0,
            at_end: false,
            finished: false,
            output: Vec::new(),
            given: 0,
        })))
    }
}

impl<R: Read> Read for TextReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.text.is_none() {
            self.text = Some(self.recognize()?);
        }
        match &mut self.text {
            Some(Text::Decoded(decoded)) => decoded.read(&mut self.inner, buffer),
            Some(Text::Plain { head }) if !head.is_empty() => {
                let n = head.len().min(buffer.len());
                buffer[..n].copy_from_slice(&head[..n]);
                head.drain(..n);
                Ok(n)
            }
            _ => self.inner.read(buffer),
        }
    }
}

impl Decoded {
    fn read(&mut self, inner: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.output.len() && !self.finished {
            (self.given, self.start) = (0, self.start.min(self.input.len()));
            self.output.clear();
            if self.start == self.input.len() && !self.at_end {
                self.input.resize(CHUNK, 0);
                let n = inner.read(&mut self.input)?;
                self.input.truncate(n);
                (self.start, self.at_end) = (0, n == 0);
            }
            self.decode();
        }
        let n = (self.output.len() - self.given).min(buffer.len());
        buffer[..n].copy_from_slice(&self.output[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }

    fn decode(&mut self) {
        let room = self.decoder.max_utf8_buffer_length_without_replacement(self.input.len() - self.start);
        self.output.resize(room.unwrap_or(CHUNK * 4) + 1, 0);
        let (result, read, written) =
            self.decoder.decode_to_utf8_without_replacement(&self.input[self.start..], &mut self.output, self.at_end);
        self.start += read;
        self.output.truncate(written);
        match result {
            DecoderResult::InputEmpty => self.finished = self.at_end,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => self.output.push(NO_TEXT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8], declared: Option<&str>) -> (Vec<u8>, Option<FileEncoding>) {
        let declared = declared.map(|name| Encoding::for_label(name.as_bytes()).unwrap());
        let mut reader = TextReader::new(bytes, declared);
        let mut text = Vec::new();
        reader.read_to_end(&mut text).unwrap();
        (text, reader.encoding())
    }

    proptest! {
        #[test]
        fn what_is_read_is_given_back(
            text in "[a-z°äéł€,\n]{0,200}",
            name in prop::sample::select(vec!["utf-16le", "utf-16be", "windows-1252", "gb18030"]),
            marked in any::<bool>(),
        ) {
            let encoding = Encoding::for_label(name.as_bytes()).unwrap();
            let marked = marked && name.starts_with("utf");
            let as_written = FileEncoding { encoding, marked };
            let text: String = text.chars().filter(|c| name != "windows-1252" || *c != 'ł').collect();
            let file = [as_written.mark(), &as_written.bytes_of(text.as_bytes())].concat();
            let (read, seen) = read(&file, (!marked).then_some(name));
            prop_assert_eq!(String::from_utf8(read).unwrap(), text);
            prop_assert_eq!(seen, Some(as_written));
        }

        #[test]
        fn utf_8_is_left_as_it_is(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            prop_assume!(!bytes.starts_with(b"\xff\xfe") && !bytes.starts_with(b"\xfe\xff"));
            prop_assert_eq!(read(&bytes, None), (bytes.clone(), None));
        }
    }

    #[test]
    fn what_is_no_text_is_none_in_utf_8_either() {
        let (text, _) = read(b"\xff\xfea\0\x00\xd8b\0c", None);
        assert_eq!(text, b"a\xffb\xff");
    }

    #[test]
    fn a_mark_says_more_than_the_contract() {
        assert_eq!(read("\u{feff}°".as_bytes(), Some("windows-1252")).0, "\u{feff}°".as_bytes());
        assert_eq!(read(b"\xb0", Some("windows-1252")).0, "°".as_bytes());
    }
}
