//! Expressions: each is compiled straight into the register where its value is needed.
//!
//! The destination is written by the last instruction only, so `x = f(x) + x` may compute in place.

use std::collections::HashSet;
use std::rc::Rc;

use num_bigint::BigInt;

use super::build::{Build, Home, Label, Made};
use super::code::CallSite;
use super::op::{Compare, Convert, Failure, Op};
use crate::library;
use crate::syntax::ast::*;
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::value::Value;

/// How many elements of a literal are collected in registers at once.
const CHUNK: usize = 30;
/// Arguments one call may have.
const ARGUMENTS: usize = 100;

impl Build<'_, '_> {
    /// The value in a new temporary or in the variable it already is in.
    pub(super) fn operand(&mut self, id: ExprId) -> Made<u8> {
        if let ExprKind::Name(name) | ExprKind::Scoped(Scope::Local, name) = self.unit.tree.get(id).kind
            && let Some(register) = self.register_of(name)
        {
            return Ok(register);
        }
        if let Some((_, register)) = self.hoisted.iter().find(|(hoisted, _)| *hoisted == id) {
            return Ok(*register);
        }
        let temp = self.temp()?;
        self.expr(id, temp)?;
        Ok(temp)
    }

    pub(super) fn expr(&mut self, id: ExprId, dst: u8) -> Made<()> {
        let tree = self.unit.tree;
        let node = tree.get(id);
        let mark = self.next;
        self.place = node.span.start;
        match node.kind {
            ExprKind::None => self.emit(Op::None { a: dst }),
            ExprKind::True => self.emit(Op::Bool { a: dst, truth: true }),
            ExprKind::False => self.emit(Op::Bool { a: dst, truth: false }),
            ExprKind::Int(number) => self.integer(number, dst),
            ExprKind::BigInt(digits) => {
                let number: BigInt = tree
                    .text(digits)
                    .parse()
                    .map_err(|_| self.fault_at(node.span, "malformed integer".to_owned()))?;
                let k = self.constant(Value::big(number));
                self.emit(Op::Const { a: dst, k });
            }
            ExprKind::Float(number) => {
                let k = self.constant_float(number);
                self.emit(Op::Const { a: dst, k });
            }
            ExprKind::Str(text) => {
                let k = self.constant_str(tree.text(text));
                self.emit(Op::Const { a: dst, k });
            }
            ExprKind::FString(pieces) => self.text_of(pieces, dst)?,
            ExprKind::Name(name) | ExprKind::Scoped(Scope::Local, name) => self.read(name, dst),
            ExprKind::Scoped(scope, name) => {
                let (scope, slot) = self.scope_slot(scope, name);
                self.emit(Op::Scoped { a: dst, scope, slot });
            }
            ExprKind::Placeholder => match self.placeholder {
                Some(b) => self.emit(Op::Move { a: dst, b }),
                None => {
                    let k = self.constant_str("the placeholder $$ stands only for a pipeline's value, as a whole argument of a stage");
                    self.emit(Op::Fail { kind: Failure::Sandbox, k });
                }
            },
            ExprKind::Unary(op, operand) => {
                if op == UnaryOp::Minus
                    && let ExprKind::Int(number) = tree.get(operand).kind
                {
                    self.integer(-number, dst);
                } else {
                    let b = self.operand(operand)?;
                    self.place = node.span.start;
                    self.emit(match op {
                        UnaryOp::Plus => Op::Plus { a: dst, b },
                        UnaryOp::Minus => Op::Negate { a: dst, b },
                        UnaryOp::Not => Op::Not { a: dst, b },
                    });
                }
            }
            ExprKind::Binary { first, rest } => self.chain(first, tree.list(rest), dst)?,
            ExprKind::Logic(..) => {
                let (no, done) = (self.label(), self.label());
                self.branch(id, false, false, no)?;
                self.emit(Op::Bool { a: dst, truth: true });
                self.jump(done);
                self.bind(no);
                self.emit(Op::Bool { a: dst, truth: false });
                self.bind(done);
            }
            ExprKind::Choice { arms, otherwise } => {
                let done = self.label();
                for arm in tree.list(arms) {
                    let next = self.label();
                    self.branch(arm.condition, false, false, next)?;
                    self.expr(arm.value, dst)?;
                    self.jump(done);
                    self.bind(next);
                    self.next = mark;
                }
                self.expr(otherwise, dst)?;
                self.bind(done);
            }
            ExprKind::Postfix { base, links } => self.postfix(node.span, base, tree.list(links), dst)?,
            ExprKind::Tuple(items) => {
                let items = tree.list(items);
                if items.len() <= CHUNK {
                    let b = self.row(items)?;
                    self.emit(Op::Tuple { a: dst, b, c: items.len() as u8 });
                } else {
                    let list = self.temp()?;
                    self.list_of(items, list)?;
                    self.emit(Op::ToTuple { a: list });
                    self.emit(Op::Take { a: dst, b: list });
                }
            }
            ExprKind::List(items) => {
                let items = tree.list(items);
                if items.len() <= CHUNK {
                    let b = self.row(items)?;
                    self.emit(Op::List { a: dst, b, c: items.len() as u8 });
                } else {
                    let list = self.temp()?;
                    self.list_of(items, list)?;
                    self.emit(Op::Take { a: dst, b: list });
                }
            }
            ExprKind::Set(items) => {
                let set = self.temp()?;
                self.emit(Op::Set { a: set, b: set, c: 0 });
                for chunk in tree.list(items).chunks(CHUNK) {
                    let inner = self.next;
                    let b = self.row(chunk)?;
                    self.place = node.span.start;
                    self.emit(Op::SetAdd { a: set, b, c: chunk.len() as u8 });
                    self.next = inner;
                }
                self.emit(Op::Take { a: dst, b: set });
            }
            ExprKind::Dict(pairs) => self.dict_of(node.span, tree.list(pairs), dst)?,
            ExprKind::Comprehension(id) => self.comprehension(id, dst)?,
            ExprKind::Lambda(id) => self.lambda(id, dst)?,
        }
        self.next = mark;
        Ok(())
    }

    fn integer(&mut self, number: i64, dst: u8) {
        if let Ok(i) = i32::try_from(number) {
            self.emit(Op::Int { a: dst, i });
        } else {
            let k = self.constant_int(number);
            self.emit(Op::Const { a: dst, k });
        }
    }

    /// Values in registers in a row; the first.
    fn row(&mut self, items: &[ExprId]) -> Made<u8> {
        let first = self.temps(items.len())?;
        for (at, item) in items.iter().enumerate() {
            self.expr(*item, first + at as u8)?;
        }
        Ok(first)
    }

    fn list_of(&mut self, items: &[ExprId], list: u8) -> Made<()> {
        self.emit(Op::List { a: list, b: list, c: 0 });
        for chunk in items.chunks(CHUNK) {
            let mark = self.next;
            let b = self.row(chunk)?;
            self.emit(Op::Push { a: list, b, c: chunk.len() as u8 });
            self.next = mark;
        }
        Ok(())
    }

    fn dict_of(&mut self, span: Span, pairs: &[Pair], dst: u8) -> Made<()> {
        if !pairs.is_empty()
            && pairs.len() <= CHUNK
            && let Some(keys) = self.text_keys(pairs)
        {
            let b = self.temps(pairs.len())?;
            for (at, pair) in (b..).zip(pairs) {
                self.expr(pair.value, at)?;
            }
            self.place = span.start;
            let shape = self.shape(keys);
            self.emit(Op::Shaped { a: dst, b, c: pairs.len() as u8, shape });
            return Ok(());
        }
        let row = |build: &mut Self, chunk: &[Pair]| -> Made<u8> {
            let first = build.temps(chunk.len() * 2)?;
            for (at, pair) in chunk.iter().enumerate() {
                build.expr(pair.key, first + 2 * at as u8)?;
                build.expr(pair.value, first + 2 * at as u8 + 1)?;
            }
            build.place = span.start;
            Ok(first)
        };
        if pairs.len() * 2 <= CHUNK {
            let b = row(self, pairs)?;
            self.emit(Op::Dict { a: dst, b, c: pairs.len() as u8 });
            return Ok(());
        }
        let dict = self.temp()?;
        self.emit(Op::Dict { a: dict, b: dict, c: 0 });
        for chunk in pairs.chunks(CHUNK / 2) {
            let mark = self.next;
            let b = row(self, chunk)?;
            self.emit(Op::DictPut { a: dict, b, c: chunk.len() as u8 });
            self.next = mark;
        }
        self.emit(Op::Take { a: dst, b: dict });
        Ok(())
    }

    /// The keys of a dict display when all are plain texts and no two are equal.
    fn text_keys(&self, pairs: &[Pair]) -> Option<Vec<Value>> {
        let tree = self.unit.tree;
        let mut seen = HashSet::with_capacity(pairs.len());
        pairs
            .iter()
            .map(|pair| match tree.get(pair.key).kind {
                ExprKind::Str(text) if seen.insert(tree.text(text)) => Some(Value::str(tree.text(text))),
                _ => None,
            })
            .collect()
    }

    // ------------------------------------------------------------------------------ operators

    fn chain(&mut self, first: ExprId, rest: &[Step], dst: u8) -> Made<()> {
        let mark = self.next;
        let mut left = self.operand(first)?;
        for (at, step) in rest.iter().enumerate() {
            let last = at + 1 == rest.len();
            let to = if last {
                dst
            } else if usize::from(left) >= self.named && usize::from(left) >= mark {
                left
            } else {
                self.temp()?
            };
            let inner = self.next;
            self.step(step, left, to)?;
            self.next = inner;
            left = to;
        }
        Ok(())
    }

    fn small(&self, id: ExprId) -> Option<i32> {
        match self.unit.tree.get(id).kind {
            ExprKind::Int(number) => i32::try_from(number).ok(),
            _ => None,
        }
    }

    /// A constant text or float operand.
    fn constant_operand(&mut self, id: ExprId) -> Option<u32> {
        let tree = self.unit.tree;
        match tree.get(id).kind {
            ExprKind::Float(number) => Some(self.constant_float(number)),
            ExprKind::Str(text) => Some(self.constant_str(tree.text(text))),
            _ => None,
        }
    }

    fn step(&mut self, step: &Step, b: u8, a: u8) -> Made<()> {
        let small = self.small(step.operand);
        self.place = step.span.start;
        match (step.op, small) {
            (BinaryOp::Add, Some(i)) => self.emit(Op::AddInt { a, b, i }),
            (BinaryOp::Subtract, Some(i)) => self.emit(Op::SubInt { a, b, i }),
            (BinaryOp::Multiply, Some(i)) => self.emit(Op::MulInt { a, b, i }),
            (BinaryOp::Modulo, Some(i)) if i > 0 => self.emit(Op::ModInt { a, b, i }),
            (BinaryOp::FloorDivide, Some(i)) if i > 0 => self.emit(Op::FloorDivInt { a, b, i }),
            _ => {
                let constant = match step.op {
                    BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide => {
                        self.constant_operand(step.operand)
                    }
                    _ => None,
                };
                if let Some(k) = constant {
                    self.emit(match step.op {
                        BinaryOp::Add => Op::AddConst { a, b, k },
                        BinaryOp::Subtract => Op::SubConst { a, b, k },
                        BinaryOp::Multiply => Op::MulConst { a, b, k },
                        _ => Op::DivConst { a, b, k },
                    });
                    return Ok(());
                }
                let c = self.operand(step.operand)?;
                self.place = step.span.start;
                let dead = self.next as u8;
                self.emit(match step.op {
                    BinaryOp::Add => Op::Add { a, b, c, dead },
                    BinaryOp::Subtract => Op::Sub { a, b, c },
                    BinaryOp::Multiply => Op::Mul { a, b, c },
                    BinaryOp::Divide => Op::Div { a, b, c },
                    BinaryOp::FloorDivide => Op::FloorDiv { a, b, c },
                    BinaryOp::Modulo => Op::Mod { a, b, c },
                    BinaryOp::Power => Op::Pow { a, b, c },
                    op => compare(op, a, b, c),
                });
            }
        }
        Ok(())
    }

    // ------------------------------------------------------------------------------ conditions

    /// Jumps to `to` when the truth of the expression is `sense`, else goes on.
    pub(super) fn branch(&mut self, id: ExprId, sense: bool, fuzzy: bool, to: Label) -> Made<()> {
        let tree = self.unit.tree;
        let node = tree.get(id);
        let mark = self.next;
        match node.kind {
            ExprKind::Logic(op, items) => {
                // `and` goes on while true; `or` while false.
                let decisive = op == LogicOp::Or;
                let items = tree.list(items);
                let uncertain = self.probe.as_ref().is_some_and(|probe| probe.uncertain);
                let all = self.probe.as_ref().is_none_or(|probe| probe.sees_all(op));
                let unsure = self.unsure(!all);
                if sense == decisive {
                    for (at, item) in items.iter().enumerate() {
                        self.doubt(at > 0 && !all || uncertain);
                        self.branch(*item, sense, false, to)?;
                    }
                } else {
                    let other = self.label();
                    for (at, item) in items.iter().enumerate() {
                        self.doubt(at > 0 && !all || uncertain);
                        if at + 1 == items.len() {
                            self.branch(*item, sense, false, to)?;
                        } else {
                            self.branch(*item, decisive, false, other)?;
                        }
                    }
                    self.bind(other);
                }
                self.doubt(uncertain);
                self.unsure(unsure);
            }
            ExprKind::Unary(UnaryOp::Not, operand) => {
                self.invert();
                self.branch(operand, !sense, false, to)?;
                self.invert();
            }
            ExprKind::True | ExprKind::False => {
                if matches!(node.kind, ExprKind::True) == sense {
                    self.jump(to);
                }
            }
            ExprKind::Binary { first, rest } if self.compares(tree.list(rest)) => {
                let step = tree.list(rest)[0];
                let mut probe = self.probe.take();
                let b = self.operand(first)?;
                self.place = step.span.start;
                let mut right = None;
                if let Some(i) = self.small(step.operand).and_then(|i| i8::try_from(i).ok()) {
                    self.place = step.span.start;
                    let to = to.0;
                    self.emit(match step.op {
                        BinaryOp::Less => Op::JumpLessInt { sense, b, i, to },
                        BinaryOp::LessEqual => Op::JumpLessEqualInt { sense, b, i, to },
                        BinaryOp::Greater => Op::JumpGreaterInt { sense, b, i, to },
                        BinaryOp::GreaterEqual => Op::JumpGreaterEqualInt { sense, b, i, to },
                        BinaryOp::Equal => Op::JumpEqualInt { sense, b, i, to },
                        _ => Op::JumpEqualInt { sense: !sense, b, i, to },
                    });
                } else {
                    let c = self.operand(step.operand)?;
                    right = Some((step.operand, c));
                    self.place = step.span.start;
                    let to = to.0;
                    self.emit(match step.op {
                        BinaryOp::Less => Op::JumpLess { sense, b, c, to },
                        BinaryOp::LessEqual => Op::JumpLessEqual { sense, b, c, to },
                        BinaryOp::Greater => Op::JumpGreater { sense, b, c, to },
                        BinaryOp::GreaterEqual => Op::JumpGreaterEqual { sense, b, c, to },
                        BinaryOp::Equal => Op::JumpEqual { sense, b, c, to },
                        _ => Op::JumpEqual { sense: !sense, b, c, to },
                    });
                }
                if let Some(probe) = &mut probe {
                    probe.comparison(step.op, (first, b), right, self.next);
                }
                self.probe = probe;
            }
            _ => {
                let mut probe = self.probe.take();
                let a = match (&mut probe, node.kind) {
                    (Some(probe), ExprKind::Binary { first, rest }) if self.tests(tree.list(rest)) => {
                        let step = tree.list(rest)[0];
                        let a = self.temp()?;
                        let b = self.operand(first)?;
                        let c = self.operand(step.operand)?;
                        self.place = step.span.start;
                        self.emit(compare(step.op, a, b, c));
                        probe.comparison(step.op, (first, b), Some((step.operand, c)), self.next);
                        a
                    }
                    (Some(probe), _) => {
                        let a = self.operand(id)?;
                        probe.truth(id, a, self.next);
                        a
                    }
                    (None, _) => self.operand(id)?,
                };
                self.probe = probe;
                self.place = node.span.start;
                let to = to.0;
                self.emit(match (sense, fuzzy) {
                    (true, true) => Op::JumpCond { a, to },
                    (false, true) => Op::JumpCondNot { a, to },
                    (true, false) => Op::JumpIf { a, to },
                    (false, false) => Op::JumpIfNot { a, to },
                });
            }
        }
        self.next = mark;
        if let Some(probe) = &self.probe {
            // What was found must stay until it is known that the assertion failed.
            self.next = self.next.max(probe.free);
        }
        Ok(())
    }

    /// Says whether it is not known of what follows that it was evaluated when an assertion fails.
    fn doubt(&mut self, uncertain: bool) {
        if let Some(probe) = &mut self.probe {
            probe.uncertain = uncertain;
        }
    }

    /// Says whether the value of what follows is not known when an assertion fails; returns what was said before.
    fn unsure(&mut self, unsure: bool) -> bool {
        self.probe.as_mut().is_some_and(|probe| std::mem::replace(&mut probe.unsure, unsure))
    }

    /// Enters a `not`, or leaves it.
    fn invert(&mut self) {
        if let Some(probe) = &mut self.probe {
            probe.fails = !probe.fails;
        }
    }

    /// A single test that gives a truth value and has no jump of its own.
    fn tests(&self, rest: &[Step]) -> bool {
        matches!(rest, [Step { op: BinaryOp::In | BinaryOp::NotIn | BinaryOp::Is | BinaryOp::IsNot, .. }])
    }

    fn compares(&self, rest: &[Step]) -> bool {
        matches!(
            rest,
            [Step {
                op: BinaryOp::Less
                    | BinaryOp::LessEqual
                    | BinaryOp::Greater
                    | BinaryOp::GreaterEqual
                    | BinaryOp::Equal
                    | BinaryOp::NotEqual,
                ..
            }]
        )
    }

    // ------------------------------------------------------------------------------ postfix

    fn postfix(&mut self, span: Span, base: ExprId, links: &[Link], dst: u8) -> Made<()> {
        let tree = self.unit.tree;
        let mark = self.next;
        let mut links = links.iter().enumerate();
        let count = links.len();
        // A call of a plain name needs no function value in a register.
        let mut current: Option<u8> = None;
        if let ExprKind::Name(name) = tree.get(base).kind
            && let Some((_, Link { kind: LinkKind::Call(arguments), .. })) = links.clone().next()
        {
            links.next();
            let to = if count == 1 { dst } else { self.temp()? };
            let inner = self.next;
            self.place = span.start;
            self.call_name(tree.get(base).span, name, *arguments, to)?;
            self.next = inner;
            current = Some(to);
        }
        let mut current = match current {
            Some(register) => register,
            None => self.operand(base)?,
        };
        for (at, link) in links {
            let last = at + 1 == count;
            let to = if last {
                dst
            } else if usize::from(current) >= mark {
                current
            } else {
                self.temp()?
            };
            let inner = self.next;
            self.link(link, current, to)?;
            self.next = inner;
            current = to;
        }
        Ok(())
    }

    fn link(&mut self, link: &Link, base: u8, to: u8) -> Made<()> {
        let tree = self.unit.tree;
        self.place = link.span.start;
        match link.kind {
            LinkKind::Attribute(name) => {
                let site = self.attr_site(name);
                self.emit(Op::Attr { a: to, b: base, site });
            }
            LinkKind::Method(name, arguments) => {
                let first = self.temp()?;
                self.emit(Op::Move { a: first, b: base });
                let (count, keywords) = self.arguments(arguments)?;
                self.place = link.span.start;
                let name = self.text(name);
                let site = self.call_site(CallSite { name: Some(name), keywords, ..CallSite::default() });
                self.emit(Op::Method { a: to, b: first, c: count, site });
            }
            LinkKind::Call(arguments) => {
                let first = self.temp()?;
                self.emit(Op::Move { a: first, b: base });
                let (count, keywords) = self.arguments(arguments)?;
                self.place = link.span.start;
                let site = self.call_site(CallSite { keywords, ..CallSite::default() });
                self.emit(Op::Call { a: to, b: first, c: count, site });
            }
            LinkKind::Subscript(Subscript::Index(index)) => {
                if let Some(i) = self.index_constant(index) {
                    self.emit(Op::IndexInt { a: to, b: base, i });
                } else {
                    let c = self.operand(index)?;
                    self.place = link.span.start;
                    self.emit(Op::Index { a: to, b: base, c });
                }
            }
            LinkKind::Subscript(Subscript::Slice { start, stop, step }) => {
                let c = self.bounds(start, stop, step)?;
                self.place = link.span.start;
                self.emit(Op::Slice { a: to, b: base, c });
            }
            LinkKind::Subscripts(list) => {
                let c = self.indexes(tree.list(list))?;
                self.place = link.span.start;
                self.emit(Op::Index { a: to, b: base, c });
            }
        }
        Ok(())
    }

    fn index_constant(&self, id: ExprId) -> Option<i32> {
        let tree = self.unit.tree;
        match tree.get(id).kind {
            ExprKind::Unary(UnaryOp::Minus, inner) => self.small(inner).map(|i| -i),
            _ => self.small(id),
        }
    }

    pub(super) fn bounds(
        &mut self,
        start: Option<ExprId>,
        stop: Option<ExprId>,
        step: Option<ExprId>,
    ) -> Made<u8> {
        let first = self.temps(3)?;
        for (at, bound) in (0_u8..).zip([start, stop, step]) {
            match bound {
                Some(bound) => self.expr(bound, first + at)?,
                None => self.emit(Op::None { a: first + at }),
            }
        }
        Ok(first)
    }

    /// `[i, j]` as a tuple of indexes.
    pub(super) fn indexes(&mut self, list: &[Subscript]) -> Made<u8> {
        if list.len() > CHUNK {
            let span = Span::new(self.place, self.place);
            return Err(self.fault_at(span, format!("more than {CHUNK} indexes")).into());
        }
        let first = self.temps(list.len())?;
        for (at, subscript) in (0_u8..).zip(list) {
            match subscript {
                Subscript::Index(index) => self.expr(*index, first + at)?,
                Subscript::Slice { start, stop, step } => {
                    let mark = self.next;
                    let b = self.bounds(*start, *stop, *step)?;
                    self.emit(Op::Tuple { a: first + at, b, c: 3 });
                    self.next = mark;
                }
            }
        }
        self.emit(Op::Tuple { a: first, b: first, c: list.len() as u8 });
        Ok(first)
    }

    // ------------------------------------------------------------------------------ calls

    /// Arguments into the next registers: how many, and the names of the last.
    pub(super) fn arguments(&mut self, arguments: List<Argument>) -> Made<(u8, Box<[Rc<str>]>)> {
        let tree = self.unit.tree;
        let arguments = tree.list(arguments);
        if arguments.len() > ARGUMENTS {
            let span = Span::new(self.place, self.place);
            return Err(self.fault_at(span, format!("more than {ARGUMENTS} arguments in a call")).into());
        }
        let first = self.temps(arguments.len())?;
        let mut keywords = Vec::new();
        for (at, argument) in (0_u8..).zip(arguments) {
            self.expr(argument.value, first + at)?;
            if let Some(keyword) = argument.keyword {
                keywords.push(self.text(keyword.name));
            }
        }
        Ok((arguments.len() as u8, keywords.into()))
    }

    fn call_name(&mut self, span: Span, name: Name, arguments: List<Argument>, dst: u8) -> Made<()> {
        let tree = self.unit.tree;
        let text = tree.name(name);
        let expect = self.expect.take();
        let native = library::protected(text);
        if let Some(native) = native {
            let first = self.next as u8;
            let (count, keywords) = self.arguments(arguments)?;
            self.place = span.start;
            self.entries(name, arguments, first)?;
            if let Some(note) = expect {
                self.emit(Op::Expect { note });
            }
            let direct = keywords.is_empty() && native.takes(usize::from(count));
            let site =
                self.call_site(CallSite { native: Some(native), keywords, direct, ..CallSite::default() });
            self.emit(Op::CallNative { a: dst, b: first, c: count, site });
            return Ok(());
        }
        let by_slot = matches!(self.home(name), None | Some(Home::Slot(_)));
        if by_slot && tree.list(arguments).iter().all(|argument| argument.keyword.is_none()) {
            let slot = self.module_slot(name);
            let first = self.next as u8;
            let (count, _) = self.arguments(arguments)?;
            self.place = span.start;
            self.emit(Op::CallGlobal { a: dst, b: first, c: count, slot });
            return Ok(());
        }
        let first = self.temp()?;
        self.place = span.start;
        self.read(name, first);
        let (count, keywords) = self.arguments(arguments)?;
        self.place = span.start;
        let site = self.call_site(CallSite { keywords, ..CallSite::default() });
        self.emit(Op::Call { a: dst, b: first, c: count, site });
        Ok(())
    }

    /// The entries of `context={...}` become variables; `first` holds the first argument.
    fn entries(&mut self, callee: Name, arguments: List<Argument>, first: u8) -> Made<()> {
        let tree = self.unit.tree;
        let Some((at, entries)) = tree.entries(callee, arguments) else { return Ok(()) };
        let context = first + at as u8;
        let mark = self.next;
        for (text, _) in entries {
            let text = tree.text(text);
            let Some(name) = tree.names.find(text) else { continue };
            let a = self.temp()?;
            let k = self.constant_str(text);
            self.emit(Op::Const { a, k });
            self.emit(Op::Index { a, b: context, c: a });
            // In a branch of an expression the assignment may not happen.
            let definite = self.definite;
            self.write(name, a);
            self.definite = definite;
            self.next = mark;
        }
        Ok(())
    }

    // ------------------------------------------------------------------------------ f-strings

    fn text_of(&mut self, pieces: List<Piece>, dst: u8) -> Made<()> {
        let tree = self.unit.tree;
        let pieces = tree.list(pieces);
        if pieces.len() <= CHUNK {
            return self.joined(pieces, None, dst);
        }
        // What there is so far is the first field of each further chunk.
        let first = self.temp()?;
        let k = self.constant_str("");
        self.emit(Op::Const { a: first, k });
        for chunk in pieces.chunks(CHUNK) {
            let mark = self.next;
            self.joined(chunk, Some(first), first)?;
            self.next = mark;
        }
        self.emit(Op::Take { a: dst, b: first });
        Ok(())
    }

    /// The pieces joined, after what a register holds.
    fn joined(&mut self, pieces: &[Piece], before: Option<u8>, dst: u8) -> Made<()> {
        let tree = self.unit.tree;
        let fields = pieces.iter().filter(|piece| matches!(piece, Piece::Field { .. })).count();
        let count = fields + usize::from(before.is_some());
        let first = self.temps(count)?;
        let mut next = first;
        let mut texts = vec![String::new()];
        if let Some(before) = before {
            self.emit(Op::Take { a: next, b: before });
            next += 1;
            texts.push(String::new());
        }
        for piece in pieces {
            match piece {
                Piece::Text(text) => {
                    if let Some(last) = texts.last_mut() {
                        last.push_str(tree.text(*text));
                    }
                }
                Piece::Field { value, conversion, spec } => {
                    self.field(*value, *conversion, *spec, next)?;
                    next += 1;
                    texts.push(String::new());
                }
            }
        }
        let template = self.template(texts.into_iter().map(Into::into).collect());
        self.emit(Op::Join { a: dst, b: first, c: count as u8, template });
        Ok(())
    }

    fn field(
        &mut self,
        value: ExprId,
        conversion: Option<Conversion>,
        spec: List<Piece>,
        dst: u8,
    ) -> Made<()> {
        let tree = self.unit.tree;
        self.expr(value, dst)?;
        if conversion.is_none() && spec.is_empty() {
            return Ok(());
        }
        let how = match conversion {
            None => Convert::None,
            Some(Conversion::Str) => Convert::Str,
            Some(Conversion::Repr) => Convert::Repr,
            Some(Conversion::Ascii) => Convert::Ascii,
        };
        let mark = self.next;
        let c = self.temp()?;
        self.text_of(spec, c)?;
        self.place = tree.get(value).span.start;
        self.emit(Op::Format { a: dst, b: dst, c, how });
        self.next = mark;
        Ok(())
    }
}

/// The instruction of a comparison.
fn compare(op: BinaryOp, a: u8, b: u8, c: u8) -> Op {
    let how = match op {
        BinaryOp::Less => Compare::Less,
        BinaryOp::Greater => Compare::Greater,
        BinaryOp::LessEqual => Compare::LessEqual,
        BinaryOp::GreaterEqual => Compare::GreaterEqual,
        BinaryOp::NotEqual => Compare::NotEqual,
        BinaryOp::In => Compare::In,
        BinaryOp::NotIn => Compare::NotIn,
        BinaryOp::Is => Compare::Is,
        BinaryOp::IsNot => Compare::IsNot,
        _ => Compare::Equal,
    };
    Op::Compare { a, b, c, how }
}
