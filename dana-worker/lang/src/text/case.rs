//! Case conversion with Unicode's full mappings.
//!
//! A result has at most three times the characters of its argument; the caller charges for that.

use super::{case_tables as table, unicode};
use crate::value::work;

pub fn lower(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    if text.contains('Σ') {
        // Its lower case depends on what is around it.
        for (at, c) in work::paced(text.char_indices()) {
            push_lower(&mut out, text, at, c);
        }
    } else {
        work::pieces(text).for_each(|piece| out.push_str(&piece.to_lowercase()));
    }
    out
}

pub fn upper(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    work::pieces(text).for_each(|piece| out.push_str(&piece.to_uppercase()));
    out
}

pub fn casefold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in work::paced(text.chars()) {
        if c.is_ascii() {
            out.push(c.to_ascii_lowercase());
        } else if !unicode::push_mapped(&mut out, &table::FOLDS, c) {
            out.extend(c.to_lowercase());
        }
    }
    out
}

/// First character in title case, the rest in lower case.
pub fn capitalize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in work::paced(text.char_indices()) {
        if at == 0 { push_title(&mut out, c) } else { push_lower(&mut out, text, at, c) }
    }
    out
}

/// First letter of every run of letters in title case, the rest in lower case.
pub fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for (at, c) in work::paced(text.char_indices()) {
        if inside {
            push_lower(&mut out, text, at, c);
        } else {
            push_title(&mut out, c);
        }
        inside = unicode::cased(c);
    }
    out
}

pub fn swapcase(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in work::paced(text.char_indices()) {
        if unicode::upper(c) {
            push_lower(&mut out, text, at, c);
        } else if unicode::lower(c) {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
    }
    out
}

fn push_title(out: &mut String, c: char) {
    if c.is_ascii() {
        out.push(c.to_ascii_uppercase());
    } else if !unicode::push_mapped(out, &table::TITLES, c) {
        out.extend(c.to_uppercase());
    }
}

/// Lower case of the character at byte `at`; a capital sigma that ends a word becomes `ς`.
fn push_lower(out: &mut String, text: &str, at: usize, c: char) {
    if c == 'Σ' && ends_word(text, at) { out.push('ς') } else { out.extend(c.to_lowercase()) }
}

/// Asks the standard library about the surroundings, at most 64 characters on either side, so that a text of
/// nothing but sigmas stays linear.
fn ends_word(text: &str, at: usize) -> bool {
    const REACH: usize = 64;
    let (before, rest) = text.split_at(at);
    let start = before.char_indices().rev().take(REACH).last().map_or(at, |(start, _)| start);
    let end = rest.char_indices().nth(REACH).map_or(text.len(), |(end, _)| at + end);
    let Some(around) = text.get(start..end) else { return false };
    let ahead = text.get(start..at).unwrap_or_default().to_lowercase().chars().count();
    around.to_lowercase().chars().nth(ahead) == Some('ς')
}
