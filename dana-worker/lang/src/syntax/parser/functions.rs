//! `def` in its three forms, lambdas, parameters and decorators.

use super::super::ast::{
    Body, Decorator, ExprId, ExprKind, Function, Ident, List, Parameter, StmtKind, Type,
};
use super::super::error::SyntaxFault;
use super::super::span::Span;
use super::super::token::Kind;
use super::{Parsed, Parser, Place, fail, fail_hint};

const TWO_COLONS: &str = "a lambda is written with two colons: lambda x :: x + 1";

impl Parser<'_> {
    /// At `@`, `sync` or `def`.
    pub(super) fn function(&mut self) -> Parsed<StmtKind> {
        let mut decorators = Vec::new();
        while self.accept(Kind::At).is_some() {
            let name = self.ident("the name of a decorator after '@'")?;
            let arguments = if self.peek() == Kind::LeftParen { Some(self.arguments()?) } else { None };
            decorators.push(Decorator { name, arguments });
            if self.peek() == Kind::Dot {
                let hint = "a decorator is one name: assign the function to a name first";
                return fail_hint("the name of a decorator has no '.'", self.token().span(), hint);
            }
            self.expect(Kind::Newline, "after the decorator")?;
        }
        let start = self.token();
        let sync = self.accept(Kind::Sync).is_some();
        self.expect(Kind::Def, if sync { "after 'sync'" } else { "after the decorator" })?;
        let receiver = self.receiver()?;
        let name = self.function_name()?;
        let parameters = self.parameters()?;
        self.check_names(receiver, parameters)?;
        let returns = self.returns()?;
        let span = self.span_from(start);
        let (body, entries) = if self.accept(Kind::Assign).is_some() {
            let stages = self.pipeline()?;
            self.end_of_statement()?;
            (Body::Pipeline(stages), List::EMPTY)
        } else {
            let place = std::mem::replace(&mut self.place, Place { function: true, loop_body: false });
            let (block, entries) =
                self.in_function(|parser| parser.block("the parameters of the function"))?;
            self.place = place;
            (Body::Block(block), entries)
        };
        let decorators = self.tree.add_list(decorators);
        let function = Function {
            name: Some(name),
            receiver,
            parameters,
            returns,
            decorators,
            sync,
            entries,
            body,
            span,
        };
        Ok(StmtKind::Function(self.tree.add(function)))
    }

    fn function_name(&mut self) -> Parsed<Ident> {
        if self.peek().is_scope() {
            return fail("the name of a function has no scope prefix", self.token().span());
        }
        self.ident("the name of the function after 'def'")
    }

    pub(super) fn returns(&mut self) -> Parsed<Option<Type>> {
        match self.accept(Kind::Arrow) {
            Some(_) => Ok(Some(self.type_expression()?)),
            None => Ok(None),
        }
    }

    /// `(self: Point)` before the name.
    fn receiver(&mut self) -> Parsed<Option<Parameter>> {
        if self.accept(Kind::LeftParen).is_none() {
            return Ok(None);
        }
        let name = self.ident("the receiver, as in (self: Point)")?;
        self.expect(Kind::Colon, "and the type of the receiver")?;
        let annotation = self.type_expression()?;
        self.expect(Kind::RightParen, "after the receiver")?;
        Ok(Some(Parameter { name, annotation: Some(annotation), default: None }))
    }

    /// `(params)`.
    pub(super) fn parameters(&mut self) -> Parsed<List<Parameter>> {
        self.expect(Kind::LeftParen, "and the parameters")?;
        let mut parameters = Vec::new();
        while self.peek() != Kind::RightParen {
            parameters.push(self.parameter()?);
            if self.accept(Kind::Comma).is_none() && self.peek() != Kind::RightParen {
                return Err(self.unexpected("',' or ')' after the parameter"));
            }
        }
        self.bump();
        Ok(self.tree.add_list(parameters))
    }

    fn parameter(&mut self) -> Parsed<Parameter> {
        let token = self.token();
        match token.kind {
            Kind::Star | Kind::DoubleStar => {
                let hint = "take a list or a dict as a parameter";
                return fail_hint("there are no * and ** parameters", token.span(), hint);
            }
            kind if kind.is_scope() => return fail("a parameter has no scope prefix", token.span()),
            _ => {}
        }
        let name = self.ident("the name of a parameter")?;
        let mut annotation = None;
        if self.accept(Kind::Colon).is_some() {
            annotation = Some(self.type_expression()?);
        }
        let mut default = None;
        if self.accept(Kind::Assign).is_some() {
            default = Some(self.expression()?);
        }
        Ok(Parameter { name, annotation, default })
    }

    pub(super) fn check_names(
        &mut self,
        receiver: Option<Parameter>,
        parameters: List<Parameter>,
    ) -> Parsed<()> {
        let names: Vec<Ident> = receiver
            .into_iter()
            .chain(self.tree.list(parameters).iter().copied())
            .map(|parameter| parameter.name)
            .collect();
        match self.repeated(names.into_iter()) {
            Some(twice) => {
                fail(format!("parameter '{}' is named twice", self.tree.name(twice.name)), twice.span)
            }
            None => Ok(()),
        }
    }

    /// `lambda (r: T) a, b: int = 2 :: value`.
    pub(super) fn lambda(&mut self) -> Parsed<ExprId> {
        let start = self.bump();
        let receiver = self.receiver()?;
        let mut parameters = Vec::new();
        if self.peek() != Kind::DoubleColon {
            loop {
                if self.peek() == Kind::Colon {
                    return self.single_colon(self.token().span());
                }
                parameters.push(self.lambda_parameter()?);
                if self.accept(Kind::Comma).is_none() {
                    break;
                }
            }
        }
        let parameters = self.tree.add_list(parameters);
        let span = self.span_from(start);
        if self.accept(Kind::DoubleColon).is_none() {
            let fault = self.unexpected("'::' after the parameters of the lambda");
            return Err(if fault.hint.is_some() { fault } else { Box::new(fault.hint(TWO_COLONS)) });
        }
        self.check_names(receiver, parameters)?;
        let (value, entries) = self.in_function(Self::expression)?;
        let function = Function {
            name: None,
            receiver,
            parameters,
            returns: None,
            decorators: List::EMPTY,
            sync: false,
            entries,
            body: Body::Value(value),
            span,
        };
        let id = self.tree.add(function);
        Ok(self.expr(ExprKind::Lambda(id), self.span_from(start)))
    }

    /// A parameter, with `lambda x: x + 1` told from an annotation as well as can be.
    fn lambda_parameter(&mut self) -> Parsed<Parameter> {
        let colon = self.ahead(1);
        let parameter = self.parameter();
        let ends = matches!(self.peek(), Kind::Comma | Kind::DoubleColon | Kind::Fault);
        match parameter {
            Ok(parameter) if parameter.annotation.is_none() || ends => Ok(parameter),
            Err(fault) if colon.kind != Kind::Colon || self.peek() == Kind::Fault => Err(fault),
            _ => self.single_colon(colon.span()),
        }
    }

    fn single_colon<T>(&self, span: Span) -> Parsed<T> {
        Err(Box::new(SyntaxFault::new("expected '::' before the value of the lambda", span).hint(TWO_COLONS)))
    }
}
