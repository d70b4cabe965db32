//! F-strings: texts and fields.

use super::super::ast::{Conversion, ExprId, ExprKind, List, Piece};
use super::super::span::Span;
use super::super::token::Kind;
use super::literals::{unescape, unix_lines};
use super::{Parsed, Parser, fail, fail_hint};

impl Parser<'_> {
    pub(super) fn fstring(&mut self) -> Parsed<ExprId> {
        let start = self.bump();
        let raw = self.slice(start.span()).contains(['r', 'R']);
        let mut pieces = Vec::new();
        let mut text = String::new();
        loop {
            match self.peek() {
                Kind::FText => self.fstring_text(raw, &mut text)?,
                Kind::FOpen => {
                    let debug = self.fstring_field(raw, &mut pieces, &mut text)?;
                    debug_assert!(debug || text.is_empty());
                }
                Kind::FEnd => break,
                _ => return Err(self.unexpected("the end of the f-string")),
            }
        }
        self.bump();
        self.flush(&mut pieces, &mut text);
        let pieces = self.tree.add_list(pieces);
        Ok(self.expr(ExprKind::FString(pieces), self.span_from(start)))
    }

    fn fstring_text(&mut self, raw: bool, text: &mut String) -> Parsed<()> {
        let span = self.bump().span();
        let part = self.slice(span);
        if raw {
            text.push_str(&unix_lines(part));
        } else {
            text.push_str(&unescape(part, span.start)?);
        }
        Ok(())
    }

    fn flush(&mut self, pieces: &mut Vec<Piece>, text: &mut String) {
        if !text.is_empty() {
            pieces.push(Piece::Text(self.tree.add_text(text)));
            text.clear();
        }
    }

    /// `{value [=] [!conversion] [:spec]}`. True: it had a `=`.
    fn fstring_field(&mut self, raw: bool, pieces: &mut Vec<Piece>, text: &mut String) -> Parsed<bool> {
        let open = self.bump();
        if matches!(self.peek(), Kind::FClose | Kind::FSpec | Kind::FConvert | Kind::FDebug) {
            let hint = "write {{}} for braces in the text";
            return fail_hint("the braces of this f-string hold no expression", open.span(), hint);
        }
        let value = self.expression()?;
        let debug = self.accept(Kind::FDebug);
        if let Some(debug) = debug {
            text.push_str(self.slice(Span::new(open.end, debug.end)));
        }
        let mut conversion = None;
        if let Some(mark) = self.accept(Kind::FConvert) {
            conversion = Some(match self.slice(mark.span()) {
                "!r" => Conversion::Repr,
                "!a" => Conversion::Ascii,
                _ => Conversion::Str,
            });
        }
        let mut spec = List::EMPTY;
        let mut has_spec = false;
        if self.accept(Kind::FSpec).is_some() {
            has_spec = true;
            spec = self.nested(|parser| parser.spec(raw))?;
        }
        if debug.is_some() && conversion.is_none() && !has_spec {
            conversion = Some(Conversion::Repr);
        }
        match self.peek() {
            Kind::FClose => {}
            Kind::Comma => return fail("a tuple in an f-string needs parentheses", self.token().span()),
            Kind::For => {
                return fail_hint(
                    "there are no generator expressions",
                    self.token().span(),
                    "write a list comprehension: [x for x in ...]",
                );
            }
            _ => return Err(self.unexpected("'}' after the expression in the f-string")),
        }
        self.bump();
        self.flush(pieces, text);
        pieces.push(Piece::Field { value, conversion, spec });
        Ok(debug.is_some())
    }

    /// A format spec, up to the `}` of its field.
    fn spec(&mut self, raw: bool) -> Parsed<List<Piece>> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        loop {
            match self.peek() {
                Kind::FText => self.fstring_text(raw, &mut text)?,
                Kind::FOpen => {
                    self.fstring_field(raw, &mut pieces, &mut text)?;
                }
                _ => break,
            }
        }
        self.flush(&mut pieces, &mut text);
        Ok(self.tree.add_list(pieces))
    }
}
