//! Numbers and strings: their values, escapes included.

use std::borrow::Cow;

use super::super::ast::{ExprKind, Text};
use super::super::error::SyntaxFault;
use super::super::span::Span;
use super::{Parsed, Parser, fail};

/// Digits of an integer in a source: reading it takes time that grows with their square.
const MAX_DIGITS: usize = 100_000;

impl Parser<'_> {
    pub(super) fn integer(&mut self, span: Span) -> Parsed<ExprKind> {
        let digits = self.slice(span);
        match digits.parse() {
            Ok(value) => Ok(ExprKind::Int(value)),
            Err(_) if digits.len() > MAX_DIGITS => {
                fail(format!("an integer has at most {MAX_DIGITS} digits in a program"), span)
            }
            Err(_) => Ok(ExprKind::BigInt(self.tree.add_text(digits))),
        }
    }

    pub(super) fn float(&mut self, span: Span) -> Parsed<ExprKind> {
        match self.slice(span).parse() {
            Ok(value) => Ok(ExprKind::Float(value)),
            Err(_) => fail("this is not a number", span),
        }
    }

    /// A whole string token, with prefix and quotes.
    pub(super) fn string(&mut self, span: Span) -> Parsed<Text> {
        let token = self.slice(span);
        let quotes = token.trim_start_matches(['r', 'R']);
        let prefix = token.len() - quotes.len();
        let triple = quotes.len() >= 6 && (quotes.starts_with("\"\"\"") || quotes.starts_with("'''"));
        let width = if triple { 3 } else { 1 };
        let body = quotes.get(width..quotes.len() - width).unwrap_or("");
        if prefix > 0 {
            return Ok(self.tree.add_text(&unix_lines(body)));
        }
        let text = unescape(body, span.start + width as u32)?;
        Ok(self.tree.add_text(&text))
    }
}

/// A text over several lines has the same value whatever ends the lines of its source.
pub(super) fn unix_lines(text: &str) -> Cow<'_, str> {
    if text.contains("\r\n") { text.replace("\r\n", "\n").into() } else { text.into() }
}

/// Text with its escapes replaced; `start` is where it stands in the source.
///
/// An unknown escape stays as written; a known one that is incomplete is an error.
pub(super) fn unescape(text: &str, start: u32) -> Parsed<Cow<'_, str>> {
    let Some(first) = text.find('\\') else { return Ok(unix_lines(text)) };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut at = first;
    loop {
        let (plain, escape) = rest.split_at(at);
        out.push_str(&unix_lines(plain));
        let offset = start + (text.len() - escape.len()) as u32;
        let taken = one_escape(escape, offset, &mut out)?;
        rest = escape.get(taken..).unwrap_or("");
        match rest.find('\\') {
            Some(next) => at = next,
            None => {
                out.push_str(&unix_lines(rest));
                return Ok(out.into());
            }
        }
    }
}

/// Reads the escape at the start of `text`, returns its length.
fn one_escape(text: &str, offset: u32, out: &mut String) -> Parsed<usize> {
    let bytes = text.as_bytes();
    let simple = match bytes.get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'a') => '\u{7}',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'v') => '\u{b}',
        Some(b'\\') => '\\',
        Some(b'"') => '"',
        Some(b'\'') => '\'',
        Some(b'\n') => return Ok(2),
        Some(b'\r') if bytes.get(2) == Some(&b'\n') => return Ok(3),
        Some(b'x') => return coded(text, 2, offset, out),
        Some(b'u') => return coded(text, 4, offset, out),
        Some(b'U') => return coded(text, 8, offset, out),
        Some(b'0'..=b'7') => {
            let digits = bytes.iter().skip(1).take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            let code = u32::from_str_radix(&text[1..=digits], 8).unwrap_or(0);
            out.extend(char::from_u32(code));
            return Ok(1 + digits);
        }
        _ => {
            out.push('\\');
            return Ok(1);
        }
    };
    out.push(simple);
    Ok(2)
}

/// `\x41`, `\u0041`, `\U00000041`.
fn coded(text: &str, digits: usize, offset: u32, out: &mut String) -> Parsed<usize> {
    let letter = text.get(1..2).unwrap_or("");
    let code = text
        .get(2..2 + digits)
        .filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .and_then(|code| u32::from_str_radix(code, 16).ok());
    let fault = |message: String, len: usize| {
        let span = Span::new(offset, offset + len as u32);
        let hint = "a backslash that is meant as such is written \\\\, or the string r\"...\"";
        Err(Box::new(SyntaxFault::new(message, span).hint(hint)))
    };
    let Some(code) = code else {
        return fault(format!("\\{letter} needs {digits} hexadecimal digits"), 2);
    };
    let Some(letter) = char::from_u32(code) else {
        return fault(format!("U+{code:04X} is not a character"), 2 + digits);
    };
    out.push(letter);
    Ok(2 + digits)
}
