//! Statements and blocks.

use super::super::ast::{
    Assign, Augment, BinaryOp, Block, Branch, Clause, ExprId, ExprKind, For, Ident, LinkKind, List, Stmt,
    StmtKind, Target, TargetKind, Try, TypeKind, With,
};
use super::super::span::Span;
use super::super::token::Kind;
use super::{Parsed, Parser, fail, fail_hint};

impl Parser<'_> {
    /// One compound statement, or one line of simple statements.
    pub(super) fn statement(&mut self, body: &mut Vec<Stmt>) -> Parsed<()> {
        let start = self.token();
        let kind = match start.kind {
            Kind::If => self.if_statement()?,
            Kind::While => self.while_statement()?,
            Kind::For => self.for_statement()?,
            Kind::Try => self.try_statement()?,
            Kind::With => self.with_statement()?,
            Kind::Def | Kind::Sync | Kind::At => self.function()?,
            Kind::Struct => self.type_definition(TypeKind::Struct)?,
            Kind::Resource => self.type_definition(TypeKind::Resource)?,
            Kind::AgentBlueprint => self.type_definition(TypeKind::AgentBlueprint)?,
            Kind::Workflow => self.type_definition(TypeKind::Workflow)?,
            Kind::Interface => self.interface()?,
            Kind::Agent => self.agent()?,
            Kind::Newline => {
                // A line of which only a semicolon was left.
                self.bump();
                return Ok(());
            }
            _ => return self.simple_line(body),
        };
        let span = start.span().to(self.header_end(start.span()));
        body.push(Stmt { kind, span });
        Ok(())
    }

    /// End of the first line of a compound statement.
    fn header_end(&self, start: Span) -> Span {
        let rest = self.text.as_bytes().get(start.start as usize..).unwrap_or_default();
        let len = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        let line = self.slice(Span::new(start.start, start.start + len as u32));
        Span::new(start.start, start.start + line.trim_end().len() as u32)
    }

    fn simple_line(&mut self, body: &mut Vec<Stmt>) -> Parsed<()> {
        loop {
            self.look_at_room()?;
            let start = self.token();
            let kind = self.simple()?;
            body.push(Stmt { kind, span: self.span_from(start) });
            if self.accept(Kind::Semicolon).is_none() {
                break;
            }
            if self.peek() == Kind::Newline {
                break;
            }
        }
        match self.accept(Kind::Newline) {
            Some(_) => Ok(()),
            None => Err(self.trailing()),
        }
    }

    /// After a simple statement that is parsed as a compound one: end of line, or `;` and more.
    pub(super) fn end_of_statement(&mut self) -> Parsed<()> {
        if self.accept(Kind::Newline).is_some() || self.accept(Kind::Semicolon).is_some() {
            return Ok(());
        }
        Err(self.unexpected("the end of the line"))
    }

    fn simple(&mut self) -> Parsed<StmtKind> {
        let token = self.token();
        match token.kind {
            Kind::Pass => {
                self.bump();
                Ok(StmtKind::Pass)
            }
            Kind::Break | Kind::Continue => {
                self.bump();
                if !self.place.loop_body {
                    let message = format!("{} outside a loop", token.kind.describe());
                    return fail(message, token.span());
                }
                Ok(if token.kind == Kind::Break { StmtKind::Break } else { StmtKind::Continue })
            }
            Kind::Return => self.return_statement(),
            Kind::Raise => self.raise_statement(),
            Kind::Assert => self.assert_statement(),
            Kind::Import => self.import(),
            Kind::From => self.import_from(),
            _ => match self.misplaced() {
                Some(fault) => Err(fault),
                None => self.expression_statement(),
            },
        }
    }

    fn return_statement(&mut self) -> Parsed<StmtKind> {
        let token = self.bump();
        if !self.place.function {
            return fail("'return' outside a function", token.span());
        }
        if self.at_end() {
            return Ok(StmtKind::Return(None));
        }
        let value = self.value()?;
        Ok(StmtKind::Return(Some(value)))
    }

    fn raise_statement(&mut self) -> Parsed<StmtKind> {
        self.bump();
        if self.at_end() {
            return Ok(StmtKind::Raise { error: None, cause: None });
        }
        let error = Some(self.expression()?);
        let mut cause = None;
        if self.accept(Kind::From).is_some() {
            cause = Some(self.expression()?);
        }
        Ok(StmtKind::Raise { error, cause })
    }

    fn assert_statement(&mut self) -> Parsed<StmtKind> {
        self.bump();
        let condition = self.condition()?;
        let mut message = None;
        if self.accept(Kind::Comma).is_some() {
            message = Some(self.expression()?);
        }
        Ok(StmtKind::Assert { condition, message })
    }

    fn at_end(&self) -> bool {
        matches!(self.peek(), Kind::Newline | Kind::Semicolon | Kind::End)
    }

    /// An expression to the right of `=` or after `return`.
    fn value(&mut self) -> Parsed<ExprId> {
        let value = self.expression()?;
        let next = self.token().span();
        match self.peek() {
            Kind::Comma => fail_hint("a tuple needs parentheses", next, "write (a, b)"),
            Kind::Assign => fail_hint(
                "an assignment has one target",
                next,
                "there is no a = b = c: write one assignment a line",
            ),
            _ => Ok(value),
        }
    }

    /// A condition; a lone `=` in it is most often meant as `==`.
    fn condition(&mut self) -> Parsed<ExprId> {
        let condition = self.expression()?;
        if self.peek() == Kind::Assign {
            return fail_hint("'=' in a condition", self.token().span(), "comparison is written ==");
        }
        Ok(condition)
    }

    fn expression_statement(&mut self) -> Parsed<StmtKind> {
        let expr = self.expression()?;
        let token = self.token();
        let op = match token.kind {
            Kind::Assign => {
                let target = self.target(expr)?;
                self.bump();
                let value = self.value()?;
                return Ok(StmtKind::Assign(self.tree.add(Assign { target, annotation: None, value })));
            }
            Kind::Colon => return self.annotated(expr),
            Kind::PlusAssign => BinaryOp::Add,
            Kind::MinusAssign => BinaryOp::Subtract,
            Kind::StarAssign => BinaryOp::Multiply,
            Kind::SlashAssign => BinaryOp::Divide,
            Kind::Comma => return self.bare_tuple(),
            _ => return Ok(StmtKind::Expr(expr)),
        };
        let target = self.target(expr)?;
        self.bump();
        let value = self.value()?;
        Ok(StmtKind::Augment(self.tree.add(Augment { target, op, value, op_span: token.span() })))
    }

    /// At the colon of `target: type = value`.
    fn annotated(&mut self, expr: ExprId) -> Parsed<StmtKind> {
        let colon = self.token();
        if self.peek_next() == Kind::Newline {
            return Err(self.trailing());
        }
        let target = self.target(expr)?;
        self.bump();
        let annotation = self.type_expression()?;
        if self.accept(Kind::Assign).is_none() {
            if self.at_end() {
                let hint = "write name: type = value";
                return fail_hint("a variable with a type needs a value", colon.span(), hint);
            }
            return Err(self.unexpected("'=' and a value after the type"));
        }
        let value = self.value()?;
        Ok(StmtKind::Assign(self.tree.add(Assign { target, annotation: Some(annotation), value })))
    }

    /// At the comma after an expression that starts a statement.
    fn bare_tuple<T>(&self) -> Parsed<T> {
        let span = self.token().span();
        let line = self.tokens.get(self.at..).unwrap_or_default();
        let assigned = line
            .iter()
            .take_while(|token| token.kind != Kind::Newline)
            .any(|token| token.kind == Kind::Assign);
        if assigned {
            return fail_hint(
                "an assignment has one target",
                span,
                "there is no a, b = ...: assign the tuple to a name and index it",
            );
        }
        fail_hint("a tuple needs parentheses", span, "write (a, b)")
    }

    /// An expression as the target of an assignment.
    fn target(&mut self, expr: ExprId) -> Parsed<Target> {
        let node = self.tree.get(expr);
        let refuse = |what: &str| fail(format!("cannot assign to {what}"), node.span);
        let kind = match node.kind {
            ExprKind::Name(name) => TargetKind::Name(name),
            ExprKind::Scoped(scope, name) => TargetKind::Scoped(scope, name),
            ExprKind::Postfix { base, links } => {
                let Some(&last) = self.tree.list(links).last() else { return refuse("this") };
                let front = links.without_last(1);
                let object = if front.is_empty() {
                    base
                } else {
                    let end = self.tree.list(front).last().map_or(node.span, |link| link.span);
                    let kind = ExprKind::Postfix { base, links: front };
                    self.expr(kind, node.span.clip(end.end))
                };
                match last.kind {
                    LinkKind::Attribute(name) => TargetKind::Attribute(object, name),
                    LinkKind::Subscript(subscript) => TargetKind::Subscript(object, subscript),
                    LinkKind::Subscripts(subscripts) => TargetKind::Subscripts(object, subscripts),
                    LinkKind::Call(_) | LinkKind::Method(..) => return refuse("the result of a call"),
                }
            }
            ExprKind::Tuple(_) | ExprKind::List(_) => {
                return fail_hint(
                    "an assignment has one target",
                    node.span,
                    "there is no (a, b) = ...: assign the tuple to a name and index it",
                );
            }
            ExprKind::Binary { .. } | ExprKind::Logic(..) | ExprKind::Unary(..) => {
                return refuse("an operation");
            }
            ExprKind::Choice { .. } => return refuse("a conditional expression"),
            ExprKind::True | ExprKind::False | ExprKind::None => {
                return refuse(&format!("'{}'", self.slice(node.span)));
            }
            ExprKind::Lambda(_) => return refuse("a lambda"),
            ExprKind::Placeholder => return refuse("$$"),
            _ => return refuse("a literal"),
        };
        Ok(Target { kind, span: node.span })
    }

    /// `:`, end of line, and the start of an indented block.
    pub(super) fn open_block(&mut self, after: &str) -> Parsed<()> {
        if self.accept(Kind::Colon).is_none() {
            return Err(self.unexpected(&format!("':' after {after}")));
        }
        if self.accept(Kind::Newline).is_none() {
            if matches!(self.peek(), Kind::Fault) {
                return Err(self.unexpected("the end of the line"));
            }
            let hint = "a block stands on its own, indented lines";
            return fail_hint("nothing may follow ':' on the line", self.token().span(), hint);
        }
        match self.accept(Kind::Indent) {
            Some(_) => Ok(()),
            None => Err(self.unexpected(&format!("an indented block after {after}"))),
        }
    }

    /// `:` and an indented block of statements.
    pub(super) fn block(&mut self, after: &str) -> Parsed<Block> {
        self.open_block(after)?;
        self.nested(|parser| {
            let mut body = Vec::new();
            while parser.accept(Kind::Dedent).is_none() {
                parser.statement(&mut body)?;
            }
            Ok(parser.tree.add_list(body))
        })
    }

    fn if_statement(&mut self) -> Parsed<StmtKind> {
        self.bump();
        let mut arms = Vec::new();
        let condition = self.condition()?;
        let body = self.block("the condition of 'if'")?;
        arms.push(Branch { condition, body });
        while self.accept(Kind::Elif).is_some() {
            let condition = self.condition()?;
            let body = self.block("the condition of 'elif'")?;
            arms.push(Branch { condition, body });
        }
        let mut otherwise = None;
        if self.accept(Kind::Else).is_some() {
            if self.peek() == Kind::If {
                return fail_hint("'else if' is one word", self.token().span(), "write elif");
            }
            otherwise = Some(self.block("'else'")?);
        }
        let arms = self.tree.add_list(arms);
        Ok(StmtKind::If { arms, otherwise })
    }

    fn while_statement(&mut self) -> Parsed<StmtKind> {
        self.bump();
        let condition = self.condition()?;
        let body = self.loop_block("the condition of 'while'")?;
        Ok(StmtKind::While { condition, body })
    }

    fn for_statement(&mut self) -> Parsed<StmtKind> {
        self.bump();
        let targets = self.loop_targets()?;
        self.expect(Kind::In, "after the loop variable")?;
        let iterable = self.expression()?;
        if self.peek() == Kind::Comma {
            return fail_hint("a tuple needs parentheses", self.token().span(), "write (a, b)");
        }
        let body = self.loop_block("the iterable of 'for'")?;
        Ok(StmtKind::For(self.tree.add(For { targets, iterable, body })))
    }

    fn loop_block(&mut self, after: &str) -> Parsed<Block> {
        let outer = std::mem::replace(&mut self.place.loop_body, true);
        let body = self.block(after)?;
        self.place.loop_body = outer;
        if self.peek() == Kind::Else {
            return fail("a loop has no 'else'", self.token().span());
        }
        Ok(body)
    }

    fn try_statement(&mut self) -> Parsed<StmtKind> {
        self.bump();
        let body = self.block("'try'")?;
        let mut clauses = Vec::new();
        while self.peek() == Kind::Except {
            clauses.push(self.clause()?);
        }
        let mut finally = None;
        if self.accept(Kind::Finally).is_some() {
            finally = Some(self.block("'finally'")?);
        }
        if self.peek() == Kind::Else {
            return fail_hint("'try' has no 'else'", self.token().span(), "put the lines after the 'try'");
        }
        if clauses.is_empty() && finally.is_none() {
            return Err(self.unexpected("'except' or 'finally' after the block of 'try'"));
        }
        let clauses = self.tree.add_list(clauses);
        Ok(StmtKind::Try(self.tree.add(Try { body, clauses, finally })))
    }

    /// `except [kinds] [as name]:` and its block.
    fn clause(&mut self) -> Parsed<Clause> {
        let start = self.bump();
        let mut kinds: List<Ident> = List::EMPTY;
        if self.accept(Kind::LeftParen).is_some() {
            let mut names = vec![self.ident("the name of an error")?];
            while self.accept(Kind::Comma).is_some() && self.peek() != Kind::RightParen {
                names.push(self.ident("the name of an error")?);
            }
            self.expect(Kind::RightParen, "after the names of the errors")?;
            kinds = self.tree.add_list(names);
        } else if !matches!(self.peek(), Kind::As | Kind::Colon) {
            let name = self.ident("the name of an error after 'except'")?;
            kinds = self.tree.add_list([name]);
        }
        let mut binding = None;
        if self.accept(Kind::As).is_some() {
            binding = Some(self.ident("a name after 'as'")?);
        }
        if self.peek() == Kind::Comma {
            let hint = "several errors stand in parentheses: except (A, B) as e";
            return fail_hint("unexpected ',' after 'except'", self.token().span(), hint);
        }
        let span = self.span_from(start);
        let body = self.block("'except'")?;
        Ok(Clause { kinds, binding, body, span })
    }

    fn with_statement(&mut self) -> Parsed<StmtKind> {
        self.bump();
        let value = self.expression()?;
        self.expect(Kind::As, "and a name after the value of 'with'")?;
        let binding = self.ident("a name after 'as'")?;
        if self.peek() == Kind::Comma {
            return fail_hint("a 'with' has one value", self.token().span(), "nest a second 'with'");
        }
        let body = self.block("the name of 'with'")?;
        Ok(StmtKind::With(self.tree.add(With { value, binding, body })))
    }
}
