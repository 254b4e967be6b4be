//! Texts of files, in messages: on a terminal, in a log, in a table they do nothing, and nothing of them is hidden.

/// Characters of a text that messages show.
const SHOWN: usize = 200;

/// `text` with everything escaped that controls or can't be seen.
pub fn printable(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_hidden(c) {
            true => shown.extend(c.escape_debug()),
            false => shown.push(c),
        }
    }
    shown
}

/// The first characters of what these bytes say, [`printable`]; what is no UTF-8 is replaced.
pub fn excerpt(bytes: &[u8]) -> String {
    // No character takes more than 4 bytes.
    let begin = &bytes[..bytes.len().min(4 * (SHOWN + 1))];
    let text = String::from_utf8_lossy(begin);
    if text.len() <= SHOWN {
        return printable(&text);
    }
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", printable(&text[..end])),
        None => printable(&text),
    }
}

/// Control characters, and those that take no place or look like a space.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{a0}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}'
            | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_shown() {
        assert_eq!(printable("t\u{feff}\u{a0}\0\n°C"), "t\\u{feff}\\u{a0}\\0\\n°C");
    }

    #[test]
    fn an_excerpt_is_short() {
        let long = "é".repeat(500);
        assert_eq!(excerpt(long.as_bytes()).chars().count(), SHOWN + 1);
        assert_eq!(excerpt(b"a\xff"), "a\u{fffd}");
    }
}
