//! Finding, counting, replacing and slicing by code point.
//!
//! Searching is the standard library's two-way algorithm: linear whatever the text. Positions are code points.

use super::{Fault, fault::fits};
use crate::value::work;

/// A part of a text: where it begins and ends in bytes, and where it begins in code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub start: usize,
    pub end: usize,
    pub start_char: usize,
}

/// Code points in `text`.
pub fn char_len(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// The byte at which code point `at` begins; the length of the text for any position at or past its end.
pub fn byte_offset(text: &str, at: usize) -> usize {
    if text.is_ascii() {
        return at.min(text.len());
    }
    text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte)
}

/// Code points `start..end`, clamped.
pub fn slice_chars(text: &str, start: usize, end: usize) -> &str {
    let begin = byte_offset(text, start);
    let rest = text.get(begin..).unwrap_or_default();
    rest.get(..byte_offset(rest, end.saturating_sub(start))).unwrap_or_default()
}

/// The `start` and `end` of a search as Python reads them: negative from the end, clamped. `None`: nothing can match.
pub fn clamp(text: &str, start: Option<i64>, end: Option<i64>) -> Option<Bounds> {
    if start.is_none() && end.is_none() {
        return Some(Bounds { start: 0, end: text.len(), start_char: 0 });
    }
    let length = char_len(text);
    let place = |at: i64| match usize::try_from(at) {
        Ok(at) => at,
        Err(_) => length.saturating_sub(usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    let start_char = start.map_or(0, place);
    let end_char = end.map_or(length, place).min(length);
    if start_char > end_char {
        return None;
    }
    let start = byte_offset(text, start_char);
    let rest = text.get(start..).unwrap_or_default();
    Some(Bounds { start, end: start + byte_offset(rest, end_char - start_char), start_char })
}

fn within(text: &str, bounds: Bounds) -> &str {
    text.get(bounds.start..bounds.end).unwrap_or_default()
}

/// First position of `sub` inside the bounds.
pub fn find(text: &str, sub: &str, bounds: Option<Bounds>) -> Option<usize> {
    let bounds = bounds?;
    position(text, bounds, within(text, bounds).find(sub)?)
}

/// Last position of `sub` inside the bounds.
pub fn rfind(text: &str, sub: &str, bounds: Option<Bounds>) -> Option<usize> {
    let bounds = bounds?;
    position(text, bounds, within(text, bounds).rfind(sub)?)
}

fn position(text: &str, bounds: Bounds, byte: usize) -> Option<usize> {
    Some(bounds.start_char + char_len(within(text, bounds).get(..byte)?))
}

/// Occurrences that do not overlap; the empty text occurs between all characters and at both ends.
pub fn count(text: &str, sub: &str, bounds: Option<Bounds>) -> usize {
    match bounds {
        None => 0,
        Some(bounds) if sub.is_empty() => char_len(within(text, bounds)) + 1,
        Some(bounds) => work::paced(within(text, bounds).matches(sub)).count(),
    }
}

pub fn starts_with(text: &str, prefix: &str, bounds: Option<Bounds>) -> bool {
    bounds.is_some_and(|bounds| within(text, bounds).starts_with(prefix))
}

pub fn ends_with(text: &str, suffix: &str, bounds: Option<Bounds>) -> bool {
    bounds.is_some_and(|bounds| within(text, bounds).ends_with(suffix))
}

/// `text` with the first `limit` occurrences of `old` replaced (all of them without a limit).
pub fn replace(text: &str, old: &str, new: &str, limit: Option<usize>, room: usize) -> Result<String, Fault> {
    let found = count(text, old, clamp(text, None, None)).min(limit.unwrap_or(usize::MAX));
    let bytes = text.len() - old.len().saturating_mul(found).min(text.len());
    let bytes = bytes.saturating_add(found.saturating_mul(new.len()));
    fits(bytes, room)?;
    let mut out = String::with_capacity(bytes);
    if !old.is_empty() {
        let mut rest = text;
        for _ in work::paced(0..found) {
            let Some((before, after)) = rest.split_once(old) else { break };
            out.push_str(before);
            out.push_str(new);
            rest = after;
        }
        out.push_str(rest);
        return Ok(out);
    }
    let mut left = found;
    for c in work::paced(text.chars()) {
        if left > 0 {
            out.push_str(new);
            left -= 1;
        }
        out.push(c);
    }
    if left > 0 {
        out.push_str(new);
    }
    Ok(out)
}
