//! Type expressions: names, generic arguments, unions.

use super::super::ast::{Ident, List, Type, TypeTerm};
use super::super::token::Kind;
use super::{Parsed, Parser, fail_hint};

impl Parser<'_> {
    pub(super) fn type_expression(&mut self) -> Parsed<Type> {
        self.nested(|parser| {
            let start = parser.token();
            let mut terms = vec![parser.type_term()?];
            while parser.accept(Kind::Pipe).is_some() {
                terms.push(parser.type_term()?);
            }
            let span = parser.span_from(start);
            Ok(Type { terms: parser.tree.add_list(terms), span })
        })
    }

    fn type_term(&mut self) -> Parsed<TypeTerm> {
        let token = self.token();
        let name = match token.kind {
            Kind::Name => self.ident_of(),
            Kind::None => {
                self.bump();
                Ident { name: self.tree.names.intern("None"), span: token.span() }
            }
            _ => return Err(self.unexpected("the name of a type")),
        };
        if self.peek() == Kind::Dot {
            let hint = "types are known by their name alone, wherever they were defined";
            return fail_hint("the name of a type has no '.'", self.token().span(), hint);
        }
        let mut arguments = List::EMPTY;
        if self.accept(Kind::LeftBracket).is_some() {
            let mut types = vec![self.type_expression()?];
            while self.accept(Kind::Comma).is_some() {
                types.push(self.type_expression()?);
            }
            self.expect(Kind::RightBracket, "after the types")?;
            arguments = self.tree.add_list(types);
        }
        Ok(TypeTerm { name, arguments })
    }
}
