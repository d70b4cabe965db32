//! Expressions, by precedence.
//!
//! Levels, loosest first: conditional, `or`, `and`, `not`, comparisons (not chained), sums, products, `**`, sign,
//! postfix. The sign binds tighter than `**`: `-2**2` is 4.

use super::super::ast::{
    Argument, Arm, BinaryOp, Comprehension, ExprId, ExprKind, Ident, Link, LinkKind, List, LogicOp, Pair,
    Scope, Shape, Step, Subscript, UnaryOp,
};
use super::super::span::Span;
use super::super::token::{Kind, Token};
use super::{Parsed, Parser, fail, fail_hint};

const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const COMPARISON: u8 = 4;
const SUM: u8 = 5;
const PRODUCT: u8 = 6;

const PARENTHESISE: &str = "put the conditional expression (a if c else b) in parentheses";

/// How a binary operator parses.
struct Operator {
    level: u8,
    op: BinaryOp,
    /// Tokens it takes: two for `not in` and `is not`.
    tokens: usize,
}

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Parsed<ExprId> {
        self.nested(|parser| {
            let value = parser.climb(OR)?;
            parser.choice(value)
        })
    }

    /// An expression without a conditional outside of brackets.
    fn or_expression(&mut self) -> Parsed<ExprId> {
        self.nested(|parser| parser.climb(OR))
    }

    /// What may follow a value: `if condition else ...`.
    fn choice(&mut self, first: ExprId) -> Parsed<ExprId> {
        if self.peek() != Kind::If {
            return Ok(first);
        }
        let start = self.span_of(first);
        let mut arms = Vec::new();
        let mut value = first;
        while self.accept(Kind::If).is_some() {
            let condition = self.climb(OR)?;
            if self.accept(Kind::Else).is_none() {
                return Err(self.unexpected("'else' and the other value of the conditional expression"));
            }
            arms.push(Arm { value, condition });
            value = self.climb(OR)?;
        }
        let span = start.to(self.span_of(value));
        let arms = self.tree.add_list(arms);
        Ok(self.expr(ExprKind::Choice { arms, otherwise: value }, span))
    }

    /// Operators of level `min` and tighter.
    fn climb(&mut self, min: u8) -> Parsed<ExprId> {
        let mut left = if self.peek() == Kind::Not { self.negation(min)? } else { self.power()? };
        loop {
            match self.peek() {
                Kind::Or if min <= OR => left = self.logic(left, Kind::Or, LogicOp::Or, AND)?,
                Kind::And if min <= AND => left = self.logic(left, Kind::And, LogicOp::And, NOT)?,
                _ => match self.operator() {
                    Some(operator) if operator.level >= min => left = self.binary(left, &operator)?,
                    _ => return Ok(left),
                },
            }
        }
    }

    fn negation(&mut self, min: u8) -> Parsed<ExprId> {
        let not = self.bump();
        if min > NOT {
            return fail_hint(
                "'not' cannot stand after this operator",
                not.span(),
                "put it in parentheses: (not x)",
            );
        }
        let operand = self.nested(|parser| parser.climb(NOT))?;
        let span = not.span().to(self.span_of(operand));
        Ok(self.expr(ExprKind::Unary(UnaryOp::Not, operand), span))
    }

    fn logic(&mut self, first: ExprId, kind: Kind, op: LogicOp, tighter: u8) -> Parsed<ExprId> {
        let mut operands = vec![first];
        let mut last = first;
        while self.accept(kind).is_some() {
            last = self.climb(tighter)?;
            operands.push(last);
        }
        let span = self.span_of(first).to(self.span_of(last));
        let operands = self.tree.add_list(operands);
        Ok(self.expr(ExprKind::Logic(op, operands), span))
    }

    fn operator(&self) -> Option<Operator> {
        let (level, op, tokens) = match self.peek() {
            Kind::Plus => (SUM, BinaryOp::Add, 1),
            Kind::Minus => (SUM, BinaryOp::Subtract, 1),
            Kind::Star => (PRODUCT, BinaryOp::Multiply, 1),
            Kind::Slash => (PRODUCT, BinaryOp::Divide, 1),
            Kind::DoubleSlash => (PRODUCT, BinaryOp::FloorDivide, 1),
            Kind::Percent => (PRODUCT, BinaryOp::Modulo, 1),
            Kind::Less => (COMPARISON, BinaryOp::Less, 1),
            Kind::Greater => (COMPARISON, BinaryOp::Greater, 1),
            Kind::LessEqual => (COMPARISON, BinaryOp::LessEqual, 1),
            Kind::GreaterEqual => (COMPARISON, BinaryOp::GreaterEqual, 1),
            Kind::Equal => (COMPARISON, BinaryOp::Equal, 1),
            Kind::NotEqual => (COMPARISON, BinaryOp::NotEqual, 1),
            Kind::In => (COMPARISON, BinaryOp::In, 1),
            Kind::Not if self.peek_next() == Kind::In => (COMPARISON, BinaryOp::NotIn, 2),
            Kind::Is if self.peek_next() == Kind::Not => (COMPARISON, BinaryOp::IsNot, 2),
            Kind::Is => (COMPARISON, BinaryOp::Is, 1),
            _ => return None,
        };
        Some(Operator { level, op, tokens })
    }

    /// All operators of one level in a row.
    fn binary(&mut self, first: ExprId, operator: &Operator) -> Parsed<ExprId> {
        let step = self.step(operator)?;
        let mut last = step.operand;
        let rest = match self.operator() {
            Some(next) if next.level == operator.level => {
                let mut steps = vec![step];
                let mut next = Some(next);
                while let Some(same) = next.filter(|next| next.level == operator.level) {
                    let step = self.step(&same)?;
                    last = step.operand;
                    steps.push(step);
                    next = self.operator();
                }
                self.tree.add_list(steps)
            }
            _ => self.tree.add_list([step]),
        };
        let span = self.span_of(first).to(self.span_of(last));
        Ok(self.expr(ExprKind::Binary { first, rest }, span))
    }

    fn step(&mut self, operator: &Operator) -> Parsed<Step> {
        let start = self.bump();
        let mut span = start.span();
        if operator.tokens == 2 {
            span = span.to(self.bump().span());
        }
        let operand = self.climb(operator.level + 1)?;
        Ok(Step { op: operator.op, operand, span })
    }

    fn power(&mut self) -> Parsed<ExprId> {
        let first = self.sign()?;
        let Some(operator) = self.accept(Kind::DoubleStar) else { return Ok(first) };
        let operand = self.nested(Self::power)?;
        let rest = self.tree.add_list([Step { op: BinaryOp::Power, operand, span: operator.span() }]);
        let span = self.span_of(first).to(self.span_of(operand));
        Ok(self.expr(ExprKind::Binary { first, rest }, span))
    }

    fn sign(&mut self) -> Parsed<ExprId> {
        let op = match self.peek() {
            Kind::Plus => UnaryOp::Plus,
            Kind::Minus => UnaryOp::Minus,
            _ => return self.postfix(),
        };
        let sign = self.bump();
        let operand = self.nested(Self::sign)?;
        let span = sign.span().to(self.span_of(operand));
        let kind = match (op, self.tree.get(operand).kind) {
            (UnaryOp::Minus, ExprKind::Int(value)) if value != i64::MIN => ExprKind::Int(-value),
            (UnaryOp::Minus, ExprKind::Float(value)) => ExprKind::Float(-value),
            _ => ExprKind::Unary(op, operand),
        };
        Ok(self.expr(kind, span))
    }

    /// An atom with its calls, subscripts and attributes.
    pub(super) fn postfix(&mut self) -> Parsed<ExprId> {
        let first = self.token();
        let base = self.atom()?;
        if !matches!(self.peek(), Kind::LeftParen | Kind::LeftBracket | Kind::Dot) {
            return Ok(base);
        }
        let mut links = Vec::new();
        loop {
            let start = self.token();
            let kind = match start.kind {
                Kind::LeftParen => {
                    let arguments = self.arguments()?;
                    if links.is_empty() {
                        self.note_entries(base, arguments);
                    }
                    LinkKind::Call(arguments)
                }
                Kind::LeftBracket => self.subscripts()?,
                Kind::Dot => {
                    self.bump();
                    let name = self.attribute_name()?;
                    if self.peek() == Kind::LeftParen {
                        LinkKind::Method(name.name, self.arguments()?)
                    } else {
                        LinkKind::Attribute(name.name)
                    }
                }
                _ => break,
            };
            links.push(Link { kind, span: self.span_from(start) });
        }
        let span = self.span_from(first);
        let links = self.tree.add_list(links);
        Ok(self.expr(ExprKind::Postfix { base, links }, span))
    }

    /// Reserved words are good attribute names: there is nothing to confuse them with.
    fn attribute_name(&mut self) -> Parsed<Ident> {
        let kind = self.peek();
        if kind == Kind::Name || kind.is_keyword() {
            return Ok(self.ident_of());
        }
        Err(self.unexpected("a name after '.'"))
    }

    /// `(args)`.
    pub(super) fn arguments(&mut self) -> Parsed<List<Argument>> {
        self.bump();
        let mut arguments: Vec<Argument> = Vec::new();
        while self.peek() != Kind::RightParen {
            let argument = self.argument(arguments.last())?;
            arguments.push(argument);
            self.separator(Kind::RightParen, "after the argument")?;
        }
        self.bump();
        if let Some(twice) = self.repeated(arguments.iter().filter_map(|argument| argument.keyword)) {
            let message = format!("argument '{}' is given twice", self.tree.name(twice.name));
            return fail(message, twice.span);
        }
        Ok(self.tree.add_list(arguments))
    }

    /// Notes the variables that a question makes: the literal keys of its `context={...}`.
    fn note_entries(&mut self, callee: ExprId, arguments: List<Argument>) {
        let ExprKind::Name(name) = self.tree.get(callee).kind else { return };
        let Some((_, entries)) = self.tree.entries(name, arguments) else { return };
        for (text, span) in entries {
            let text = self.tree.text(text).to_owned();
            let name = self.tree.names.intern(&text);
            self.entries.push(Ident { name, span });
        }
    }

    fn argument(&mut self, before: Option<&Argument>) -> Parsed<Argument> {
        let token = self.token();
        if matches!(token.kind, Kind::Star | Kind::DoubleStar) {
            return fail_hint(
                "arguments cannot be unpacked with * or **",
                token.span(),
                "pass each argument by itself",
            );
        }
        let word = token.kind == Kind::Name || token.kind.is_keyword();
        if word && self.peek_next() == Kind::Assign {
            let keyword = self.ident_of();
            self.bump();
            let value = self.expression()?;
            return Ok(Argument { keyword: Some(keyword), value });
        }
        if before.is_some_and(|before| before.keyword.is_some()) {
            return fail("a positional argument cannot follow a keyword argument", token.span());
        }
        let value = self.expression()?;
        if self.peek() == Kind::For {
            return self.no_generator();
        }
        Ok(Argument { keyword: None, value })
    }

    fn no_generator<T>(&self) -> Parsed<T> {
        let span = self.token().span();
        fail_hint("there are no generator expressions", span, "write a list comprehension: [x for x in ...]")
    }

    /// A comma, or the closing bracket ahead.
    fn separator(&mut self, close: Kind, after: &str) -> Parsed<()> {
        if self.peek() == close || self.accept(Kind::Comma).is_some() {
            return Ok(());
        }
        Err(self.unexpected(&format!("',' or {} {after}", close.describe())))
    }

    /// `[subscripts]`.
    fn subscripts(&mut self) -> Parsed<LinkKind> {
        self.bump();
        let first = self.subscript()?;
        if self.accept(Kind::RightBracket).is_some() {
            return Ok(LinkKind::Subscript(first));
        }
        let mut all = vec![first];
        self.separator(Kind::RightBracket, "after the index")?;
        while self.peek() != Kind::RightBracket {
            let subscript = self.subscript()?;
            all.push(subscript);
            self.separator(Kind::RightBracket, "after the index")?;
        }
        self.bump();
        Ok(LinkKind::Subscripts(self.tree.add_list(all)))
    }

    fn subscript(&mut self) -> Parsed<Subscript> {
        let is_bound =
            |kind| !matches!(kind, Kind::Colon | Kind::DoubleColon | Kind::Comma | Kind::RightBracket);
        let mut start = None;
        if !matches!(self.peek(), Kind::Colon | Kind::DoubleColon) {
            let index = self.expression()?;
            if !matches!(self.peek(), Kind::Colon | Kind::DoubleColon) {
                return Ok(Subscript::Index(index));
            }
            start = Some(index);
        }
        let mut stop = None;
        let mut step = None;
        let stepped = if self.accept(Kind::DoubleColon).is_some() {
            true
        } else {
            self.bump();
            if is_bound(self.peek()) {
                stop = Some(self.expression()?);
            }
            self.accept(Kind::Colon).is_some()
        };
        if stepped && is_bound(self.peek()) {
            step = Some(self.expression()?);
        }
        Ok(Subscript::Slice { start, stop, step })
    }

    fn atom(&mut self) -> Parsed<ExprId> {
        let token = self.token();
        let span = token.span();
        let kind = match token.kind {
            Kind::Name => ExprKind::Name(self.intern(token)),
            Kind::Int => self.integer(span)?,
            Kind::Float => self.float(span)?,
            Kind::String => ExprKind::Str(self.string(span)?),
            Kind::True => ExprKind::True,
            Kind::False => ExprKind::False,
            Kind::None => ExprKind::None,
            Kind::Placeholder => ExprKind::Placeholder,
            Kind::FStart => return self.fstring(),
            Kind::LeftParen => return self.parenthesised(),
            Kind::LeftBracket => return self.list_display(),
            Kind::LeftBrace => return self.brace_display(),
            Kind::Lambda => return self.lambda(),
            Kind::Private | Kind::Public | Kind::Local | Kind::System => return self.scoped(),
            _ => return Err(self.unexpected("an expression")),
        };
        self.bump();
        Ok(self.expr(kind, span))
    }

    /// `private:x`.
    fn scoped(&mut self) -> Parsed<ExprId> {
        let prefix = self.bump();
        let scope = match prefix.kind {
            Kind::Private => Scope::Private,
            Kind::Public => Scope::Public,
            Kind::System => Scope::System,
            _ => Scope::Local,
        };
        let word = self.slice(prefix.span());
        if self.peek() == Kind::Dot {
            let hint = match self.ahead(1) {
                Token { kind: Kind::Name, start, end } => {
                    format!("write {word}:{}", self.slice(Span::new(start, end)))
                }
                _ => format!("write {word}:name"),
            };
            return fail_hint(format!("the scope '{word}' is followed by ':'"), prefix.span(), hint);
        }
        if self.accept(Kind::Colon).is_none() {
            let hint = "private, public, local and system are scopes, not names";
            return fail_hint(format!("expected ':' and a name after '{word}'"), prefix.span(), hint);
        }
        let name = self.ident(&format!("a name after '{word}:'"))?;
        Ok(self.expr(ExprKind::Scoped(scope, name.name), prefix.span().to(name.span)))
    }

    /// `()`, `(x)`, `(x, y)`.
    fn parenthesised(&mut self) -> Parsed<ExprId> {
        let open = self.bump();
        if self.accept(Kind::RightParen).is_some() {
            return Ok(self.expr(ExprKind::Tuple(List::EMPTY), self.span_from(open)));
        }
        let first = self.expression()?;
        match self.peek() {
            Kind::RightParen => {
                self.bump();
                return Ok(first);
            }
            Kind::For => return self.no_generator(),
            Kind::Comma => {}
            _ => return Err(self.unexpected("')'")),
        }
        let items = self.items(first, Kind::RightParen)?;
        Ok(self.expr(ExprKind::Tuple(items), self.span_from(open)))
    }

    /// The items after the first, and the closing bracket.
    fn items(&mut self, first: ExprId, close: Kind) -> Parsed<List<ExprId>> {
        let mut items = vec![first];
        loop {
            self.separator(close, "after the item")?;
            if self.accept(close).is_some() {
                return Ok(self.tree.add_list(items));
            }
            items.push(self.item()?);
        }
    }

    fn item(&mut self) -> Parsed<ExprId> {
        if matches!(self.peek(), Kind::Star | Kind::DoubleStar) {
            return fail("items cannot be unpacked with * or **", self.token().span());
        }
        self.expression()
    }

    /// The first item of a display, or the element of a comprehension: then `for` is ahead.
    fn first_item(&mut self) -> Parsed<ExprId> {
        if matches!(self.peek(), Kind::Star | Kind::DoubleStar) {
            return self.item();
        }
        let element = self.or_expression()?;
        let item = self.choice(element)?;
        if item != element && self.peek() == Kind::For {
            let message = "the element of a comprehension is a conditional expression without parentheses";
            return fail_hint(message, self.span_of(item), PARENTHESISE);
        }
        Ok(item)
    }

    fn list_display(&mut self) -> Parsed<ExprId> {
        let open = self.bump();
        if self.accept(Kind::RightBracket).is_some() {
            return Ok(self.expr(ExprKind::List(List::EMPTY), self.span_from(open)));
        }
        let first = self.first_item()?;
        if self.peek() == Kind::For {
            return self.comprehension(open, Shape::List(first), Kind::RightBracket);
        }
        let items = self.items(first, Kind::RightBracket)?;
        Ok(self.expr(ExprKind::List(items), self.span_from(open)))
    }

    /// Dict, set, and their comprehensions.
    fn brace_display(&mut self) -> Parsed<ExprId> {
        let open = self.bump();
        if self.accept(Kind::RightBrace).is_some() {
            return Ok(self.expr(ExprKind::Dict(List::EMPTY), self.span_from(open)));
        }
        if self.peek() == Kind::LeftParen && self.pair_in_parentheses() {
            self.bump();
            let pair = self.or_pair()?;
            self.expect(Kind::RightParen, "after the pair")?;
            if self.peek() != Kind::For {
                return Err(self.unexpected("'for' after the pair in parentheses"));
            }
            return self.comprehension(open, Shape::Dict(pair), Kind::RightBrace);
        }
        let first = self.first_item()?;
        match self.peek() {
            Kind::For => self.comprehension(open, Shape::Set(first), Kind::RightBrace),
            Kind::Colon => self.dict(open, first),
            _ => {
                let items = self.items(first, Kind::RightBrace)?;
                Ok(self.expr(ExprKind::Set(items), self.span_from(open)))
            }
        }
    }

    /// At the colon after the first key.
    fn dict(&mut self, open: Token, first_key: ExprId) -> Parsed<ExprId> {
        self.bump();
        let value = self.first_item()?;
        let mut pairs = vec![Pair { key: first_key, value }];
        if self.peek() == Kind::For {
            let pair = Pair { key: first_key, value };
            return self.comprehension(open, Shape::Dict(pair), Kind::RightBrace);
        }
        loop {
            self.separator(Kind::RightBrace, "after the value")?;
            if self.accept(Kind::RightBrace).is_some() {
                break;
            }
            let key = self.item()?;
            self.expect(Kind::Colon, "after the key")?;
            let value = self.expression()?;
            pairs.push(Pair { key, value });
        }
        let pairs = self.tree.add_list(pairs);
        Ok(self.expr(ExprKind::Dict(pairs), self.span_from(open)))
    }

    fn or_pair(&mut self) -> Parsed<Pair> {
        let key = self.or_expression()?;
        self.expect(Kind::Colon, "after the key")?;
        let value = self.or_expression()?;
        Ok(Pair { key, value })
    }

    /// Whether the parentheses ahead hold `key: value`.
    fn pair_in_parentheses(&self) -> bool {
        let mut depth = 0_u32;
        let mut before = Kind::LeftBrace;
        for token in self.tokens.get(self.at..).unwrap_or_default() {
            match token.kind {
                Kind::LeftParen | Kind::LeftBracket | Kind::LeftBrace | Kind::FOpen => depth += 1,
                Kind::RightParen | Kind::RightBracket | Kind::RightBrace | Kind::FClose => depth -= 1,
                Kind::Colon if depth == 1 && !before.is_scope() => return true,
                Kind::Lambda | Kind::Comma if depth == 1 => return false,
                _ => {}
            }
            if depth == 0 {
                return false;
            }
            before = token.kind;
        }
        false
    }

    /// At `for`; the element was read.
    fn comprehension(&mut self, open: Token, shape: Shape, close: Kind) -> Parsed<ExprId> {
        self.bump();
        let targets = self.loop_targets()?;
        self.expect(Kind::In, "after the names of the comprehension")?;
        let iterable = self.or_expression()?;
        let mut filter = None;
        if self.accept(Kind::If).is_some() {
            filter = Some(self.or_expression()?);
        }
        let next = self.token().span();
        match self.peek() {
            Kind::For => {
                return fail_hint(
                    "a comprehension has one 'for'",
                    next,
                    "nest a second comprehension, or loop",
                );
            }
            Kind::If => {
                return fail_hint("a comprehension has one 'if'", next, "join the conditions with 'and'");
            }
            Kind::Else => {
                let message = "the condition of a comprehension has no 'else'";
                return fail_hint(message, next, PARENTHESISE);
            }
            _ => self.expect(close, "at the end of the comprehension")?,
        };
        let span = self.span_from(open);
        let id = self.tree.add(Comprehension { shape, targets, iterable, filter, span });
        Ok(self.expr(ExprKind::Comprehension(id), span))
    }

    /// `x`, `a, b` or `(a, b)`.
    pub(super) fn loop_targets(&mut self) -> Parsed<List<Ident>> {
        let open = self.accept(Kind::LeftParen);
        let mut names = Vec::new();
        loop {
            if self.peek().is_scope() {
                let message = "a loop variable has no scope prefix";
                return fail_hint(message, self.token().span(), "assign it inside the loop instead");
            }
            if self.peek() == Kind::LeftParen {
                let hint = "take the inner pair by one name and index it";
                return fail_hint("the variables of a loop do not nest", self.token().span(), hint);
            }
            names.push(self.ident("the name of a loop variable")?);
            if self.accept(Kind::Comma).is_none() {
                break;
            }
        }
        if open.is_some() {
            self.expect(Kind::RightParen, "after the names")?;
        }
        Ok(self.tree.add_list(names))
    }
}
