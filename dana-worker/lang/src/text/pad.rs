//! Filling a text up to a width counted in code points.

use crate::value::work;

use super::{Fault, fault::fits, search::char_len};

pub fn ljust(text: &str, width: usize, fill: char, room: usize) -> Result<String, Fault> {
    around(text, 0, missing(text, width), fill, room)
}

pub fn rjust(text: &str, width: usize, fill: char, room: usize) -> Result<String, Fault> {
    around(text, missing(text, width), 0, fill, room)
}

/// An odd filler goes to the left when the width is odd, as in CPython's `str.center`.
pub fn center(text: &str, width: usize, fill: char, room: usize) -> Result<String, Fault> {
    let missing = missing(text, width);
    let left = missing / 2 + (missing & width & 1);
    around(text, left, missing - left, fill, room)
}

pub fn zfill(text: &str, width: usize, room: usize) -> Result<String, Fault> {
    let missing = missing(text, width);
    match text.strip_prefix(['+', '-']) {
        Some(digits) if missing > 0 => {
            let mut out = around("", missing, 0, '0', room.saturating_sub(text.len()))?;
            out.insert_str(0, text.get(..1).unwrap_or_default());
            out.push_str(digits);
            Ok(out)
        }
        _ => around(text, missing, 0, '0', room),
    }
}

/// Tabs become blanks up to the next multiple of `size`; lines start anew after `\n` and `\r`.
pub fn expandtabs(text: &str, size: usize, room: usize) -> Result<String, Fault> {
    let tabs = text.bytes().filter(|&byte| byte == b'\t').count();
    let (mut column, mut out) = (0, String::new());
    fits(text.len().saturating_add(tabs.saturating_mul(size)), room)?;
    for c in work::paced(text.chars()) {
        match c {
            '\t' if size > 0 => {
                let gap = size - column % size;
                out.extend(std::iter::repeat_n(' ', gap));
                column += gap;
            }
            '\t' => {}
            '\n' | '\r' => {
                out.push(c);
                column = 0;
            }
            _ => {
                out.push(c);
                column += 1;
            }
        }
    }
    Ok(out)
}

/// `left` fillers, the text, `right` fillers.
pub(super) fn around(
    text: &str,
    left: usize,
    right: usize,
    fill: char,
    room: usize,
) -> Result<String, Fault> {
    let bytes = left.saturating_add(right).saturating_mul(fill.len_utf8()).saturating_add(text.len());
    fits(bytes, room)?;
    let mut out = String::with_capacity(bytes);
    out.extend(std::iter::repeat_n(fill, left));
    out.push_str(text);
    out.extend(std::iter::repeat_n(fill, right));
    Ok(out)
}

fn missing(text: &str, width: usize) -> usize {
    width.saturating_sub(char_len(text))
}
