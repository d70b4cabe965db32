//! `repr` of texts and bytes.

use std::fmt::Write as _;

use super::unicode;
use crate::value::work;

/// Appends `text` in quotes as Python shows it: single quotes unless that would need an escape that double quotes do
/// not, escapes for what cannot be printed.
pub fn quote(out: &mut String, text: &str) {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(mark);
    for c in work::paced(text.chars()) {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            _ if c == mark => {
                out.push('\\');
                out.push(c);
            }
            _ if unicode::printable(c) => out.push(c),
            _ => push_escape(out, c),
        }
    }
    out.push(mark);
}

/// At most `chars` characters from the start.
pub fn beginning(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// Appends `bytes` as `b'...'`.
pub fn quote_bytes(out: &mut String, bytes: &[u8]) {
    let mark = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { b'"' } else { b'\'' };
    out.push('b');
    out.push(char::from(mark));
    for &byte in work::paced(bytes.iter()) {
        match byte {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'\\' => out.push_str("\\\\"),
            _ if byte == mark => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'~' => out.push(char::from(byte)),
            _ => push_escape(out, char::from(byte)),
        }
    }
    out.push(char::from(mark));
}

fn push_escape(out: &mut String, c: char) {
    // Writing to a String cannot fail.
    let _ = match u32::from(c) {
        code @ ..=0xff => write!(out, "\\x{code:02x}"),
        code @ ..=0xffff => write!(out, "\\u{code:04x}"),
        code => write!(out, "\\U{code:08x}"),
    };
}
