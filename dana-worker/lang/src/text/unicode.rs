//! Properties of one character, looked up in the generated tables.
//!
//! ASCII is answered without a table. Digits have values; everything else is yes or no.

use super::unicode_tables as table;

pub(super) fn printable(c: char) -> bool {
    if c.is_ascii() { (' '..='~').contains(&c) } else { has(&table::PRINTABLE, c) }
}

pub(super) fn alpha(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { has(&table::ALPHA, c) }
}

pub(super) fn upper(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_uppercase() } else { has(&table::UPPER, c) }
}

pub(super) fn lower(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_lowercase() } else { has(&table::LOWER, c) }
}

pub(super) fn title(c: char) -> bool {
    !c.is_ascii() && has(&table::TITLE, c)
}

/// Python's white space: the Unicode set plus the separators U+001C to U+001F.
pub(super) fn space(c: char) -> bool {
    if c.is_ascii() { matches!(c, '\t'..='\r' | '\x1c'..='\x1f' | ' ') } else { has(&table::SPACE, c) }
}

/// What may stand around a number: all white space but the four separators of ASCII.
pub(super) fn around_number(c: char) -> bool {
    space(c) && !matches!(c, '\x1c'..='\x1f')
}

pub(super) fn digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { has(&table::DIGIT, c) }
}

pub(super) fn numeric(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { has(&table::NUMERIC, c) }
}

pub(super) fn name_start(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() || c == '_' } else { has(&table::NAME_START, c) }
}

pub(super) fn name_part(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() || c == '_' } else { has(&table::NAME_PART, c) }
}

/// The value of a decimal digit of any script.
pub(super) fn decimal(c: char) -> Option<u8> {
    if c.is_ascii() {
        return c.to_digit(10).and_then(|d| u8::try_from(d).ok());
    }
    let code = u32::from(c);
    let after = table::DECIMAL_ZEROS.partition_point(|&zero| zero <= code);
    let zero = table::DECIMAL_ZEROS.get(after.checked_sub(1)?)?;
    u8::try_from(code - zero).ok().filter(|&value| value < 10)
}

/// Cased letters: those that lower, upper or title case tells apart.
pub(super) fn cased(c: char) -> bool {
    upper(c) || lower(c) || title(c)
}

/// Appends the full replacement of `c` from a table of rows of four, if there is one.
pub(super) fn push_mapped(out: &mut String, rows: &[u32], c: char) -> bool {
    let code = u32::from(c);
    let (mut low, mut high) = (0, rows.len() / 4);
    while low < high {
        let middle = usize::midpoint(low, high);
        match rows.get(middle * 4) {
            Some(&found) if found == code => {
                let to = rows.iter().skip(middle * 4 + 1).take(3);
                out.extend(to.filter(|&&to| to != 0).filter_map(|&to| char::from_u32(to)));
                return true;
            }
            Some(&found) if found < code => low = middle + 1,
            _ => high = middle,
        }
    }
    false
}

fn has(edges: &[u32], c: char) -> bool {
    let code = u32::from(c);
    edges.partition_point(|&edge| edge <= code) % 2 == 1
}
