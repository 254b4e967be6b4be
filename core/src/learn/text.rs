//! Bytes of a sample → its lines.

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};

/// What a sample says, and in which encoding that has to be declared.
pub(super) struct SampleText {
    pub(super) lines: Vec<String>,
    pub(super) encoding: Option<&'static str>,
}

impl SampleText {
    /// Of the first bytes of a file, or of all where `is_whole`.
    pub(super) fn of(bytes: &[u8], is_whole: bool) -> SampleText {
        let (text, encoding) = decoded(bytes);
        let end = if text.contains('\n') { '\n' } else { '\r' };
        let mut lines: Vec<String> = text.split(end).map(|line| line.trim_end_matches('\r').to_owned()).collect();
        // What may have been cut is no line.
        if !is_whole && lines.len() > 1 || lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        SampleText { lines, encoding }
    }
}

fn decoded(bytes: &[u8]) -> (String, Option<&'static str>) {
    let nuls = |from: usize| bytes.iter().skip(from).step_by(2).take(200).filter(|byte| **byte == 0).count();
    let looked_at = bytes.len().div_ceil(2).clamp(1, 200);
    // Not those of a block that was never written.
    let is_utf_16 = |high: usize, low: usize| 2 * nuls(high) > looked_at && 4 * nuls(low) < looked_at;
    match bytes {
        [0xff, 0xfe, rest @ ..] => (UTF_16LE.decode_without_bom_handling(rest).0.into_owned(), None),
        [0xfe, 0xff, rest @ ..] => (UTF_16BE.decode_without_bom_handling(rest).0.into_owned(), None),
        _ if is_utf_16(1, 0) => (UTF_16LE.decode(bytes).0.into_owned(), Some("utf-16le")),
        _ if is_utf_16(0, 1) => (UTF_16BE.decode(bytes).0.into_owned(), Some("utf-16be")),
        _ => {
            let plain = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            match std::str::from_utf8(plain) {
                Ok(text) => (text.to_owned(), None),
                // The last character was cut.
                Err(e) if e.error_len().is_none() => {
                    (String::from_utf8_lossy(&plain[..e.valid_up_to()]).into_owned(), None)
                }
                Err(_) => (WINDOWS_1252.decode(plain).0.into_owned(), Some("windows-1252")),
            }
        }
    }
}
