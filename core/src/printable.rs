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

/// `text` as a string of TOML, in which nothing is hidden.
pub fn toml_string(text: &str) -> String {
    let mut string = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => string.extend(['\\', c]),
            '\t' => string.push_str("\\t"),
            c if printable(c.encode_utf8(&mut [0; 4])).len() > c.len_utf8() => {
                string.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            c => string.push(c),
        }
    }
    string + "\""
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
    fn strings_of_toml_are_read_back() {
        for text in ["Temp (°C)", "a\"b\\c", "t\u{feff}\u{a0}\n", ""] {
            let read: toml::Table = toml::from_str(&format!("t = {}", toml_string(text))).unwrap();
            assert_eq!(read["t"].as_str(), Some(text));
        }
    }

    #[test]
    fn an_excerpt_is_short() {
        let long = "é".repeat(500);
        assert_eq!(excerpt(long.as_bytes()).chars().count(), SHOWN + 1);
        assert_eq!(excerpt(b"a\xff"), "a\u{fffd}");
    }
}
