//! Cutting a text into pieces.
//!
//! All pieces borrow from the text; the caller charges for what it copies.

use super::unicode;
use crate::value::work;

/// `split(sep, limit)`; `sep` is not empty.
pub fn split<'a>(text: &'a str, separator: &str, limit: Option<usize>) -> Vec<&'a str> {
    match limit {
        Some(limit) => work::paced(text.splitn(limit.saturating_add(1), separator)).collect(),
        None => work::paced(text.split(separator)).collect(),
    }
}

/// `rsplit(sep, limit)`; `sep` is not empty.
pub fn rsplit<'a>(text: &'a str, separator: &str, limit: Option<usize>) -> Vec<&'a str> {
    let mut pieces: Vec<&str> = match limit {
        Some(limit) => work::paced(text.rsplitn(limit.saturating_add(1), separator)).collect(),
        None => work::paced(text.rsplit(separator)).collect(),
    };
    pieces.reverse();
    pieces
}

/// `split()` on runs of white space; what is left after `limit` cuts keeps its end.
pub fn split_space(text: &str, limit: Option<usize>) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text.trim_start_matches(unicode::space);
    let mut pace = work::paced(std::iter::repeat(()));
    while !rest.is_empty() && pace.next().is_some() {
        if limit == Some(pieces.len()) {
            pieces.push(rest);
            break;
        }
        let end = rest.find(unicode::space).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after.trim_start_matches(unicode::space);
    }
    pieces
}

/// How many pieces `split_space` finds without a limit.
pub fn count_words(text: &str) -> usize {
    let mut words = 0;
    let mut inside = false;
    for c in work::paced(text.chars()) {
        let blank = unicode::space(c);
        words += usize::from(!blank && !inside);
        inside = !blank;
    }
    words
}

/// `rsplit()` on runs of white space; what is left after `limit` cuts keeps its beginning.
pub fn rsplit_space(text: &str, limit: Option<usize>) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text.trim_end_matches(unicode::space);
    let mut pace = work::paced(std::iter::repeat(()));
    while !rest.is_empty() && pace.next().is_some() {
        if limit == Some(pieces.len()) {
            pieces.push(rest);
            break;
        }
        let blank = rest.char_indices().rev().find(|&(_, c)| unicode::space(c));
        let start = blank.map_or(0, |(at, c)| at + c.len_utf8());
        let (before, piece) = rest.split_at(start);
        pieces.push(piece);
        rest = before.trim_end_matches(unicode::space);
    }
    pieces.reverse();
    pieces
}

/// `splitlines`: at every line boundary Python knows, `\r\n` being one.
pub fn split_lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut chars = work::paced(text.char_indices()).peekable();
    while let Some((at, c)) = chars.next() {
        if !line_end(c) {
            continue;
        }
        let mut after = at + c.len_utf8();
        if c == '\r' && chars.next_if(|&(_, next)| next == '\n').is_some() {
            after += 1;
        }
        lines.push(text.get(start..if keep_ends { after } else { at }).unwrap_or_default());
        start = after;
    }
    if start < text.len() {
        lines.push(text.get(start..).unwrap_or_default());
    }
    lines
}

/// At least as many lines as `split_lines` finds.
pub fn count_lines(text: &str) -> usize {
    work::paced(text.chars()).filter(|&c| line_end(c)).count() + 1
}

fn line_end(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// `partition`; `sep` is not empty.
pub fn partition<'a>(text: &'a str, separator: &'a str) -> (&'a str, &'a str, &'a str) {
    text.split_once(separator).map_or((text, "", ""), |(before, after)| (before, separator, after))
}

/// `rpartition`; `sep` is not empty.
pub fn rpartition<'a>(text: &'a str, separator: &'a str) -> (&'a str, &'a str, &'a str) {
    text.rsplit_once(separator).map_or(("", "", text), |(before, after)| (before, separator, after))
}

/// `strip`: white space, or any of the characters of `set`.
pub fn strip<'a>(text: &'a str, set: Option<&str>) -> &'a str {
    strip_end(strip_start(text, set), set)
}

pub fn strip_start<'a>(text: &'a str, set: Option<&str>) -> &'a str {
    match set {
        None => text.trim_start_matches(unicode::space),
        Some(set) if set.len() <= FEW => text.trim_start_matches(|c| set.contains(c)),
        Some(set) => {
            let sorted = sorted(set);
            text.trim_start_matches(|c| sorted.binary_search(&c).is_ok())
        }
    }
}

pub fn strip_end<'a>(text: &'a str, set: Option<&str>) -> &'a str {
    match set {
        None => text.trim_end_matches(unicode::space),
        Some(set) if set.len() <= FEW => text.trim_end_matches(|c| set.contains(c)),
        Some(set) => {
            let sorted = sorted(set);
            text.trim_end_matches(|c| sorted.binary_search(&c).is_ok())
        }
    }
}

/// Bytes of a set that is scanned as it is; larger ones are sorted first, so that stripping stays linear.
const FEW: usize = 32;

fn sorted(set: &str) -> Vec<char> {
    let mut chars: Vec<char> = set.chars().collect();
    chars.sort_unstable();
    chars.dedup();
    chars
}
