//! F-strings: text and fields alternate, and fields hold ordinary tokens.
//!
//! No recursion: the open f-strings are a stack, and the `{` of a field is a bracket like others. A field ends its
//! expression at a `:`, `!` or `=` that is inside no other bracket; the `:` of `private:x` and those of a `lambda`
//! before its `::` belong to the expression.

use super::super::error::SyntaxFault;
use super::super::span::Span;
use super::super::token::{Kind, Token};
use super::{Bracket, Lexed, Lexer, Opened, Stop, stop};

pub(super) struct FString {
    pub(super) start: u32,
    pub(super) triple: bool,
    quote: u8,
    raw: bool,
}

impl Lexer<'_> {
    /// At the opening quote; the prefix began at `start`.
    pub(super) fn fstring(&mut self, start: usize, raw: bool) -> Lexed<()> {
        let quote = self.bytes[self.at];
        let triple = self.bytes[self.at..].starts_with(&[quote; 3]);
        self.check_nested_quote(quote, triple, start)?;
        self.at += if triple { 3 } else { 1 };
        self.tokens.push(Token { kind: Kind::FStart, start: start as u32, end: self.at as u32 });
        self.fstrings.push(FString { start: start as u32, triple, quote, raw });
        self.fstring_text()
    }

    /// A string inside a field may not use the quotes of the f-string round it.
    pub(super) fn check_nested_quote(&self, quote: u8, triple: bool, start: usize) -> Lexed<()> {
        let clash = self.fstrings.iter().any(|open| open.quote == quote && (!open.triple || triple));
        if clash {
            let other = if quote == b'"' { '\'' } else { '"' };
            let span = Span::new(start as u32, self.at as u32 + 1);
            let fault = SyntaxFault::new("this quote ends the f-string while its '{' is still open", span);
            return Err(stop(
                fault.hint(format!("close the field with }}, or use {other} for strings inside it")),
            ));
        }
        Ok(())
    }

    /// Text up to the next field or the closing quote.
    fn fstring_text(&mut self) -> Lexed<()> {
        let Some(open) = self.fstrings.last() else { return Ok(()) };
        let (quote, triple, raw, first) = (open.quote, open.triple, open.raw, open.start);
        let mut start = self.at;
        loop {
            match self.peek(0) {
                Some(b'{') if self.peek(1) == Some(b'{') => {
                    self.at += 1;
                    self.text_token(start);
                    self.at += 1;
                    start = self.at;
                }
                Some(b'{') => {
                    self.text_token(start);
                    self.opened.push(Opened {
                        kind: Bracket::Field { in_spec: false, lambda: false },
                        at: self.at as u32,
                    });
                    self.push(Kind::FOpen, 1);
                    return Ok(());
                }
                Some(b'}') if self.peek(1) == Some(b'}') => {
                    self.at += 1;
                    self.text_token(start);
                    self.at += 1;
                    start = self.at;
                }
                Some(b'}') => {
                    let fault = SyntaxFault::new("single '}' in an f-string", self.here(1));
                    return Err(stop(fault.hint("write }} for a brace in the text")));
                }
                Some(byte)
                    if byte == quote && (!triple || self.bytes[self.at..].starts_with(&[quote; 3])) =>
                {
                    self.text_token(start);
                    self.fstrings.pop();
                    self.push(Kind::FEnd, if triple { 3 } else { 1 });
                    return Ok(());
                }
                Some(b'\n') if !triple => return Err(self.unterminated(first, "f-string")),
                Some(b'\\') => match self.peek(1) {
                    // A brace after a backslash is still a brace: only quotes, backslashes and line ends are guarded.
                    Some(b'{' | b'}') => self.at += 1,
                    Some(b'\n') if !triple => return Err(self.unterminated(first, "f-string")),
                    Some(b'N') if !raw && self.peek(2) == Some(b'{') => return Err(self.named_character()),
                    Some(_) => self.at += 2,
                    None => return Err(self.unterminated(first, "f-string")),
                },
                Some(_) => self.at += 1,
                None => return Err(self.unterminated(first, "f-string")),
            }
        }
    }

    /// Text of a format spec up to a nested field or the end of the field.
    fn spec_text(&mut self) -> Lexed<()> {
        let Some(open) = self.fstrings.last() else { return Ok(()) };
        let (quote, triple, first) = (open.quote, open.triple, open.start);
        let start = self.at;
        loop {
            match self.peek(0) {
                Some(b'{') => {
                    self.text_token(start);
                    let in_spec = matches!(
                        self.opened.last(),
                        Some(Opened { kind: Bracket::Field { in_spec: true, .. }, .. })
                    );
                    if in_spec {
                        let fault =
                            SyntaxFault::new("fields of an f-string are nested too deeply", self.here(1));
                        return Err(stop(fault));
                    }
                    self.opened.push(Opened {
                        kind: Bracket::Field { in_spec: true, lambda: false },
                        at: self.at as u32,
                    });
                    self.push(Kind::FOpen, 1);
                    return Ok(());
                }
                Some(b'}') => {
                    self.text_token(start);
                    return self.field_end();
                }
                Some(b'\n') if !triple => return Err(self.unterminated(first, "f-string")),
                Some(byte)
                    if byte == quote && (!triple || self.bytes[self.at..].starts_with(&[quote; 3])) =>
                {
                    return Err(self.open_field());
                }
                Some(_) => self.at += 1,
                None => return Err(self.unterminated(first, "f-string")),
            }
        }
    }

    /// At the `}` of a field.
    pub(super) fn field_end(&mut self) -> Lexed<()> {
        let field = self.opened.pop();
        self.push(Kind::FClose, 1);
        match field.map(|open| open.kind) {
            Some(Bracket::Field { in_spec: true, .. }) => self.spec_text(),
            _ => self.fstring_text(),
        }
    }

    /// `:`, `!` or `=` where it ends the expression of a field. False: it is an ordinary operator here.
    pub(super) fn field_mark(&mut self, byte: u8) -> Lexed<bool> {
        let Some(Opened { kind: Bracket::Field { lambda, .. }, .. }) = self.opened.last().copied() else {
            return Ok(false);
        };
        match byte {
            b':' => {
                let scoped = self.tokens.last().is_some_and(|last| last.kind.is_scope())
                    && self.peek(1).is_some_and(|next| next.is_ascii_alphabetic() || next == b'_');
                if scoped || lambda {
                    return Ok(false);
                }
                self.push(Kind::FSpec, 1);
                self.spec_text()?;
            }
            b'!' if self.peek(1) != Some(b'=') => {
                let letter = self.peek(1);
                if !matches!(letter, Some(b'r' | b's' | b'a')) || !matches!(self.peek(2), Some(b'}' | b':')) {
                    let fault = SyntaxFault::new("unknown conversion in an f-string", self.here(2));
                    return Err(stop(fault.hint("the conversions are !r, !s and !a")));
                }
                self.push(Kind::FConvert, 2);
            }
            b'=' if self.peek(1) != Some(b'=') && !lambda => {
                self.at += 1;
                while matches!(self.peek(0), Some(b' ' | b'\t')) {
                    self.at += 1;
                }
                if !matches!(self.peek(0), Some(b'}' | b':' | b'!')) {
                    let fault = SyntaxFault::new("unexpected '=' in an f-string", self.here(1));
                    return Err(stop(fault.hint("{x=} shows an expression and its value; '==' compares")));
                }
                let end = self.at as u32;
                self.tokens.push(Token { kind: Kind::FDebug, start: end, end });
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A `lambda` was read (`waiting`) or its `::`.
    pub(super) fn note_lambda(&mut self, waiting: bool) {
        if let Some(Opened { kind: Bracket::Field { lambda, .. }, .. }) = self.opened.last_mut() {
            *lambda = waiting;
        }
    }

    fn text_token(&mut self, start: usize) {
        if start < self.at {
            self.tokens.push(Token { kind: Kind::FText, start: start as u32, end: self.at as u32 });
        }
    }

    fn open_field(&self) -> Stop {
        let at = self.opened.last().map_or(self.at as u32, |open| open.at);
        let fault = SyntaxFault::new("'{' of this f-string is never closed", Span::new(at, at + 1));
        stop(fault.hint("write {{ for a brace in the text"))
    }

    fn named_character(&self) -> Stop {
        let fault = SyntaxFault::new("named characters (\\N{...}) are not supported", self.here(2));
        stop(fault.hint("write the character itself or \\uXXXX"))
    }
}
