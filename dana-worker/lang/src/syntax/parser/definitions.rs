//! Types and singletons: `struct`, `resource`, `agent_blueprint`, `workflow`, `interface`, `agent`.

use super::super::ast::{
    Agent, Field, Id, Ident, Interface, List, Override, Signature, StmtKind, Text, TypeDef, TypeKind,
};
use super::super::span::Span;
use super::super::token::{Kind, Token};
use super::{Parsed, Parser, fail, fail_hint};

impl Parser<'_> {
    /// At the keyword.
    pub(super) fn type_definition(&mut self, kind: TypeKind) -> Parsed<StmtKind> {
        let keyword = self.bump();
        let word = self.slice(keyword.span());
        let name = self.ident(&format!("the name of the {word}"))?;
        if self.peek() == Kind::LeftParen {
            let hint = "a field whose name starts with '_' delegates to the value it holds";
            return fail_hint("there is no inheritance", self.token().span(), hint);
        }
        let mut fields: Vec<Field> = Vec::new();
        let mut methods = Vec::new();
        let doc = self.members(word, |parser| match parser.peek() {
            Kind::Def | Kind::Sync | Kind::At => {
                if let StmtKind::Function(method) = parser.function()? {
                    methods.push(method);
                }
                Ok(())
            }
            _ => parser.field().map(|field| fields.push(field)),
        })?;
        if fields.is_empty() && (methods.is_empty() || kind == TypeKind::Struct) {
            return fail(format!("a {word} needs at least one field"), name.span);
        }
        if let Some(twice) = self.repeated(fields.iter().map(|field| field.name)) {
            return fail(format!("field '{}' is defined twice", self.tree.name(twice.name)), twice.span);
        }
        let fields = self.tree.add_list(fields);
        let methods: List<Id<_>> = self.tree.add_list(methods);
        Ok(StmtKind::Type(self.tree.add(TypeDef { kind, name, doc, fields, methods })))
    }

    /// `:`, then the members of an indented body one by one, after an optional docstring.
    fn members(
        &mut self,
        word: &str,
        mut member: impl FnMut(&mut Self) -> Parsed<()>,
    ) -> Parsed<Option<Text>> {
        self.open_block(&format!("the name of the {word}"))?;
        self.nested(|parser| {
            let mut doc = None;
            if parser.peek() == Kind::String && parser.peek_next() == Kind::Newline {
                let token = parser.bump();
                doc = Some(parser.string(token.span())?);
                parser.bump();
            }
            while parser.accept(Kind::Dedent).is_none() {
                if parser.peek() == Kind::Pass && parser.peek_next() == Kind::Newline {
                    parser.bump();
                    parser.bump();
                    continue;
                }
                member(parser)?;
            }
            Ok(doc)
        })
    }

    /// `name: type [= default]`, and the comment after it.
    fn field(&mut self) -> Parsed<Field> {
        let name = self.ident("a field, as in name: str")?;
        if self.accept(Kind::Colon).is_none() {
            let hint = format!("write {}: type", self.tree.name(name.name));
            return match self.peek() {
                Kind::Assign | Kind::Newline => fail_hint("every field needs a type", name.span, hint),
                _ => Err(self.unexpected("':' and the type of the field")),
            };
        }
        let annotation = self.type_expression()?;
        let mut default = None;
        if self.accept(Kind::Assign).is_some() {
            default = Some(self.expression()?);
        }
        let end = self.expect(Kind::Newline, "after the field")?;
        let comment = self.comment(end);
        Ok(Field { name, annotation, default, comment })
    }

    /// The comment in what lies between the last token of a line and its end.
    fn comment(&mut self, end: Token) -> Option<Text> {
        let comment = self.slice(Span::new(end.start, end.end)).trim().strip_prefix('#')?;
        Some(self.tree.add_text(comment.trim()))
    }

    pub(super) fn interface(&mut self) -> Parsed<StmtKind> {
        self.bump();
        let name = self.ident("the name of the interface")?;
        let mut methods: Vec<Signature> = Vec::new();
        let mut embeds: Vec<Ident> = Vec::new();
        let doc = self.members("interface", |parser| {
            if parser.peek() == Kind::Def {
                let hint = "write the method without 'def' and body: area() -> float";
                return fail_hint("a method of an interface has no 'def'", parser.token().span(), hint);
            }
            let name = parser.ident("a method, as in area() -> float")?;
            if parser.accept(Kind::Newline).is_some() {
                embeds.push(name);
                return Ok(());
            }
            let parameters = parser.parameters()?;
            parser.check_names(None, parameters)?;
            let returns = parser.returns()?;
            if parser.peek() == Kind::Colon {
                return fail("a method of an interface has no body", parser.token().span());
            }
            parser.expect(Kind::Newline, "after the method")?;
            methods.push(Signature { name, parameters, returns });
            Ok(())
        })?;
        if methods.is_empty() && embeds.is_empty() {
            return fail("an interface needs at least one method", name.span);
        }
        let methods = self.tree.add_list(methods);
        let embeds = self.tree.add_list(embeds);
        Ok(StmtKind::Interface(self.tree.add(Interface { name, doc, methods, embeds })))
    }

    /// `agent X`, `agent X(B)`, `agent X(B):` and overrides, `agent (B):` and overrides.
    pub(super) fn agent(&mut self) -> Parsed<StmtKind> {
        self.bump();
        let mut name = None;
        if self.peek() != Kind::LeftParen {
            name = Some(self.ident("the name of the agent")?);
        }
        let mut blueprint = None;
        if self.accept(Kind::LeftParen).is_some() {
            blueprint = Some(self.ident("the blueprint of the agent")?);
            self.expect(Kind::RightParen, "after the blueprint")?;
        }
        let mut doc = None;
        let mut overrides: Vec<Override> = Vec::new();
        if self.peek() == Kind::Colon && blueprint.is_none() {
            let hint =
                "an agent type is defined with 'agent_blueprint'; one agent with 'agent Name(Blueprint):'";
            return fail_hint("an agent with a body needs a blueprint", self.token().span(), hint);
        }
        if self.peek() == Kind::Colon {
            doc = self.members("agent", |parser| {
                let name = parser.ident("a field, as in name = value")?;
                if parser.peek() == Kind::Colon {
                    let hint = "its type stands in the blueprint: write name = value";
                    return fail_hint("a field set by an agent has no type", parser.token().span(), hint);
                }
                parser.expect(Kind::Assign, "after the field")?;
                let value = parser.expression()?;
                parser.expect(Kind::Newline, "after the value")?;
                overrides.push(Override { name, value });
                Ok(())
            })?;
        } else {
            if name.is_none() {
                return Err(self.unexpected("':' after the blueprint"));
            }
            self.end_of_statement()?;
        }
        if let Some(twice) = self.repeated(overrides.iter().map(|value| value.name)) {
            return fail(format!("field '{}' is set twice", self.tree.name(twice.name)), twice.span);
        }
        let overrides = self.tree.add_list(overrides);
        Ok(StmtKind::Agent(self.tree.add(Agent { name, blueprint, doc, overrides })))
    }
}
