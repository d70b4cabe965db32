//! Numbers: decimal integers and floats; other spellings are refused by name.

use super::super::error::SyntaxFault;
use super::super::span::Span;
use super::super::token::{Kind, Token};
use super::{Lexed, Lexer, stop};

impl Lexer<'_> {
    /// At a digit, or at a dot before one.
    pub(super) fn number(&mut self) -> Lexed<()> {
        let start = self.at;
        let mut kind = Kind::Int;
        self.digits();
        if self.peek(0) == Some(b'.') {
            kind = Kind::Float;
            self.at += 1;
            self.digits();
        }
        if let Some(b'e' | b'E') = self.peek(0) {
            let sign = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
            if self.peek(1 + sign).is_some_and(|byte| byte.is_ascii_digit()) {
                kind = Kind::Float;
                self.at += 1 + sign;
                self.digits();
            }
        }
        if self.peek(0).is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_') {
            let number = self.at;
            while self.peek(0).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                self.at += 1;
            }
            let text = &self.text[start..self.at];
            let tail = &self.text[number..self.at];
            let fault = SyntaxFault::new(
                format!("'{}' is not a number", shorten(text)),
                Span::new(start as u32, self.at as u32),
            );
            return Err(stop(match tail.as_bytes()[0] {
                b'x' | b'X' | b'o' | b'O' | b'b' | b'B' if &self.text[start..number] == "0" => {
                    fault.hint("integers are written in decimal: there are no hex, octal or binary literals")
                }
                b'_' => fault.hint("digits are written without '_' between them"),
                b'j' | b'J' if tail.len() == 1 => fault.hint("there are no complex numbers"),
                b'e' | b'E' if tail.len() == 1 => fault.hint("digits are missing after the exponent"),
                _ if kind == Kind::Float && text.as_bytes()[number - start - 1] == b'.' => {
                    fault.hint("to use an attribute of a number, put the number in parentheses")
                }
                _ => fault.hint("a name cannot start with a digit"),
            }));
        }
        self.tokens.push(Token { kind, start: start as u32, end: self.at as u32 });
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }
}

/// All ASCII.
fn shorten(text: &str) -> String {
    if text.len() <= 40 { text.to_string() } else { format!("{}...", &text[..40]) }
}
