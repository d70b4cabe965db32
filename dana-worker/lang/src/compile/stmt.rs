//! Statements.
//!
//! `want` says that the statement's value may become the value of the program or function. A program's value, and
//! that of an `if`, a loop, a `try` or a `with`, is the value of the last statement in it whatever that is; a
//! function's is the last among its statements' values that is not `None`.

use super::build::{Build, Enclosing, Exit, Home, Made};
use super::code::{CallSite, Code, ImportSite};
use super::iterate::Cursor;
use super::op::Op;
use super::want;
use crate::syntax::ast::*;
use crate::syntax::name::Name;
use crate::value::Value;
use crate::value::arith::Arith;

impl Build<'_, '_> {
    /// A whole program.
    pub(super) fn program(mut self, body: Block) -> Made<Code> {
        let a = self.result;
        self.emit(Op::None { a });
        self.block(body, true)?;
        self.emit(Op::Return { a });
        Ok(self.finish())
    }

    pub(super) fn block(&mut self, block: Block, want: bool) -> Made<()> {
        let tree = self.unit.tree;
        let stmts = tree.list(block);
        let last = stmts.len().saturating_sub(1);
        let mut wanted_from = last;
        if want && !self.exact {
            // Backwards to the last statement that surely leaves a value.
            wanted_from = stmts.iter().rposition(|stmt| want::settles(tree, stmt)).unwrap_or(0);
        }
        for (at, stmt) in stmts.iter().enumerate() {
            self.statement(stmt, want && at >= wanted_from)?;
        }
        Ok(())
    }

    /// Records the value of a statement.
    pub(super) fn settle(&mut self, b: u8) {
        let a = self.result;
        if self.exact {
            self.emit(Op::Move { a, b });
        } else {
            self.emit(Op::Keep { a, b });
        }
    }

    /// Records that a statement has no value.
    pub(super) fn settle_none(&mut self, want: bool) {
        if want && self.exact {
            let a = self.result;
            self.emit(Op::None { a });
        }
    }

    fn statement(&mut self, stmt: &Stmt, want: bool) -> Made<()> {
        let compound = matches!(
            stmt.kind,
            StmtKind::If { .. }
                | StmtKind::While { .. }
                | StmtKind::For(_)
                | StmtKind::Try(_)
                | StmtKind::With(_)
        );
        if !compound || !want || self.exact {
            return self.plain_statement(stmt, want);
        }
        let mark = self.next;
        let b = self.temp()?;
        let a = std::mem::replace(&mut self.result, b);
        self.exact = true;
        self.plain_statement(stmt, true)?;
        self.exact = false;
        self.result = a;
        self.emit(Op::Keep { a, b });
        self.next = mark;
        Ok(())
    }

    fn plain_statement(&mut self, stmt: &Stmt, want: bool) -> Made<()> {
        let tree = self.unit.tree;
        let mark = self.next;
        self.place = stmt.span.start;
        match stmt.kind {
            StmtKind::Expr(value) => self.expression(value, want)?,
            StmtKind::Assign(id) => self.assign(tree.get(id), want)?,
            StmtKind::Augment(id) => self.augment(tree.get(id), want)?,
            StmtKind::If { arms, otherwise } => self.conditional(tree.list(arms), otherwise, want)?,
            StmtKind::While { condition, body } => self.while_loop(condition, body, want)?,
            StmtKind::For(id) => self.for_loop(tree.get(id), want)?,
            StmtKind::Try(id) => self.attempt(tree.get(id), want)?,
            StmtKind::With(id) => self.with(tree.get(id), want)?,
            StmtKind::Function(id) => self.define(id, want)?,
            StmtKind::Type(id) => {
                self.define_type(tree.get(id))?;
                self.settle_none(want);
            }
            StmtKind::Interface(id) => {
                // A name for annotations: nothing is checked, but it can be imported.
                let name = tree.get(id).name.name;
                let a = self.temp()?;
                let k = self.constant(Value::type_named(tree.name(name)));
                self.emit(Op::Const { a, k });
                self.write(name, a);
                self.settle_none(want);
            }
            StmtKind::Pass => self.settle_none(want),
            StmtKind::Agent(id) => {
                self.define_agent(tree.get(id))?;
                self.settle_none(want);
            }
            StmtKind::Import(id) => {
                self.import(tree.get(id))?;
                self.settle_none(want);
            }
            StmtKind::Return(value) => {
                let a = match value {
                    Some(value) => self.operand(value)?,
                    None => {
                        let a = self.temp()?;
                        self.emit(Op::None { a });
                        a
                    }
                };
                self.place = stmt.span.start;
                self.leave(Exit::Return, a);
                self.definite = u128::MAX;
            }
            StmtKind::Break | StmtKind::Continue => {
                let target = self.enclosing.iter().rev().find_map(|enclosing| match enclosing {
                    Enclosing::Loop { again, out } => {
                        Some(if matches!(stmt.kind, StmtKind::Break) { *out } else { *again })
                    }
                    Enclosing::Finally { .. } => None,
                });
                if let Some(target) = target {
                    self.leave(Exit::Jump(target), 0);
                }
                self.definite = u128::MAX;
            }
            StmtKind::Raise { error, cause } => {
                match error {
                    None => match self.handling.last().copied() {
                        Some(a) => self.emit(Op::Reraise { a }),
                        None => self.emit(Op::ReraiseNothing),
                    },
                    Some(error) => {
                        let a = self.operand(error)?;
                        let b = match cause {
                            Some(cause) => Some(self.operand(cause)?),
                            None => self.handling.last().copied(),
                        };
                        self.place = stmt.span.start;
                        match b {
                            Some(b) => self.emit(Op::RaiseFrom { a, b }),
                            None => self.emit(Op::Raise { a }),
                        }
                    }
                }
                self.definite = u128::MAX;
            }
            StmtKind::Assert { condition, message } => {
                self.assertion(condition, message, stmt.span.start)?;
                self.settle_none(want);
            }
        }
        self.next = mark;
        Ok(())
    }

    fn expression(&mut self, value: ExprId, want: bool) -> Made<()> {
        let tree = self.unit.tree;
        if let ExprKind::Postfix { base, links } = tree.get(value).kind {
            if !want
                && let [Link { kind: LinkKind::Method(name, arguments), span }] = tree.list(links)
                && tree.name(*name) == "append"
                && let [Argument { keyword: None, value: item }] = tree.list(*arguments)
            {
                return self.append(base, *name, *item, span.start);
            }
            let a = self.temp()?;
            self.expr(value, a)?;
            self.emit(Op::Observe { a });
            if want {
                self.settle(a);
            }
            return Ok(());
        }
        let b = self.operand(value)?;
        if want {
            self.settle(b);
        }
        Ok(())
    }

    /// `x.append(y)` as a statement.
    fn append(&mut self, base: ExprId, name: Name, item: ExprId, place: u32) -> Made<()> {
        let done = self.label();
        let a = self.operand(base)?;
        let b = self.operand(item)?;
        self.place = place;
        self.emit(Op::Append { a, b, to: done.0 });
        let first = self.temps(2)?;
        self.emit(Op::Move { a: first, b: a });
        self.emit(Op::Move { a: first + 1, b });
        let name = self.text(name);
        let site = self.call_site(CallSite { name: Some(name), ..CallSite::default() });
        self.emit(Op::Method { a: first, b: first, c: 1, site });
        self.emit(Op::Observe { a: first });
        self.bind(done);
        Ok(())
    }

    // ------------------------------------------------------------------------------ assignment

    /// The value is `name + one operand`.
    fn adds_to(&self, name: Name, value: ExprId) -> Option<ExprId> {
        let tree = self.unit.tree;
        if let ExprKind::Binary { first, rest } = tree.get(value).kind
            && let ExprKind::Name(first) = tree.get(first).kind
            && first == name
            && let [Step { op: BinaryOp::Add, operand, .. }] = tree.list(rest)
        {
            return Some(*operand);
        }
        None
    }

    fn assign(&mut self, node: Assign, want: bool) -> Made<()> {
        let tree = self.unit.tree;
        let target = node.target;
        let name = match target.kind {
            TargetKind::Name(name) | TargetKind::Scoped(Scope::Local, name) => Some(name),
            _ => None,
        };
        if let Some(annotation) = node.annotation {
            let label = match target.kind {
                TargetKind::Scoped(_, name) | TargetKind::Attribute(_, name) | TargetKind::Name(name) => {
                    tree.name(name).to_owned()
                }
                _ => "item".to_owned(),
            };
            let note = self.note(&label, annotation);
            let a = self.temp()?;
            if let ExprKind::Postfix { base, links } = tree.get(node.value).kind
                && matches!(tree.get(base).kind, ExprKind::Name(_))
                && let [Link { kind: LinkKind::Call(_), .. }] = tree.list(links)
            {
                self.expect = Some(note);
            }
            self.expr(node.value, a)?;
            self.expect = None;
            self.place = target.span.start;
            self.emit(Op::Coerce { a, note });
            self.store(target, a)?;
            if want {
                self.settle(a);
            }
            return Ok(());
        }
        if let Some(name) = name {
            let in_place = self.adds_to(name, node.value);
            if want && in_place.is_some() {
                // The result of the round before must not keep the text from growing in place.
                let a = self.result;
                self.emit(Op::None { a });
            }
            if let (Some(operand), Some(Home::Slot(slot))) = (in_place, self.homes.get(&name).copied())
                && self.top
            {
                let b = self.operand(operand)?;
                self.place = target.span.start;
                let dead = self.next as u8;
                self.emit(Op::AddGlobal { b, dead, how: 0, slot });
                if want {
                    let a = self.temp()?;
                    self.emit(Op::Global { a, slot });
                    self.settle(a);
                }
                return Ok(());
            }
            if let Some(register) = self.direct(name) {
                self.expr(node.value, register)?;
                self.mark_definite(name, register);
                if want {
                    self.settle(register);
                }
                return Ok(());
            }
        }
        if let TargetKind::Scoped(scope, name) = target.kind
            && !want
            && let ExprKind::Binary { first, rest } = tree.get(node.value).kind
            && let ExprKind::Scoped(from, first) = tree.get(first).kind
            && (from, first) == (scope, name)
            && let [Step { op: BinaryOp::Add, operand, span }] = tree.list(rest)
            && self.is_steady(*operand)
        {
            let b = self.operand(*operand)?;
            self.place = span.start;
            let dead = self.next as u8;
            let (scope, slot) = self.scope_slot(scope, name);
            self.emit(Op::AddGlobal { b, dead, how: scope << 1, slot });
            return Ok(());
        }
        let b = self.operand(node.value)?;
        self.place = target.span.start;
        self.store(target, b)?;
        if want {
            self.settle(b);
        }
        Ok(())
    }

    pub(super) fn store(&mut self, target: Target, src: u8) -> Made<()> {
        let tree = self.unit.tree;
        let place = target.span.start;
        match target.kind {
            TargetKind::Name(name) | TargetKind::Scoped(Scope::Local, name) => self.write(name, src),
            TargetKind::Scoped(scope, name) => {
                let (scope, slot) = self.scope_slot(scope, name);
                self.emit(Op::SetScoped { b: src, scope, slot });
            }
            TargetKind::Attribute(object, name) => {
                let a = self.operand(object)?;
                let site = self.attr_site(name);
                self.place = place;
                self.emit(Op::SetAttr { a, b: src, site });
            }
            TargetKind::Subscript(object, Subscript::Index(index)) => {
                let a = self.operand(object)?;
                let b = self.operand(index)?;
                self.place = place;
                self.emit(Op::SetIndex { a, b, c: src });
            }
            TargetKind::Subscript(object, Subscript::Slice { start, stop, step }) => {
                let a = self.operand(object)?;
                let b = self.bounds(start, stop, step)?;
                self.place = place;
                self.emit(Op::SetSlice { a, b, c: src });
            }
            TargetKind::Subscripts(object, list) => {
                let a = self.operand(object)?;
                let b = self.indexes(tree.list(list))?;
                self.place = place;
                self.emit(Op::SetIndex { a, b, c: src });
            }
        }
        Ok(())
    }

    fn augment(&mut self, node: Augment, want: bool) -> Made<()> {
        let arith = match node.op {
            BinaryOp::Add => Arith::Add,
            BinaryOp::Subtract => Arith::Subtract,
            BinaryOp::Multiply => Arith::Multiply,
            _ => Arith::Divide,
        };
        let c = arith as u8;
        let tree = self.unit.tree;
        let place = node.op_span.start;
        match node.target.kind {
            TargetKind::Name(name) | TargetKind::Scoped(Scope::Local, name) => {
                if want && arith == Arith::Add {
                    let a = self.result;
                    self.emit(Op::None { a });
                }
                if let (Some(register), true) = (self.register_of(name), self.direct(name).is_some()) {
                    let b = self.operand(node.value)?;
                    self.place = place;
                    let dead = self.next as u8;
                    self.emit(Op::Augment { a: register, b, c, dead });
                    if want {
                        self.settle(register);
                    }
                    return Ok(());
                }
                if let (true, Some(Home::Slot(slot)), Arith::Add) =
                    (self.top, self.homes.get(&name).copied(), arith)
                {
                    let b = self.operand(node.value)?;
                    self.place = place;
                    let dead = self.next as u8;
                    self.emit(Op::AddGlobal { b, dead, how: 1, slot });
                    if want {
                        let a = self.temp()?;
                        self.emit(Op::Global { a, slot });
                        self.settle(a);
                    }
                    return Ok(());
                }
                let a = self.temp()?;
                self.place = node.target.span.start;
                self.read(name, a);
                self.augmented(a, node.value, c, place)?;
                self.write(name, a);
                if want {
                    self.settle(a);
                }
            }
            TargetKind::Scoped(scope, name) => {
                let (scope, slot) = self.scope_slot(scope, name);
                // The variable is read before a function changes it.
                if arith == Arith::Add && !want && self.is_steady(node.value) {
                    let b = self.operand(node.value)?;
                    self.place = place;
                    let dead = self.next as u8;
                    self.emit(Op::AddGlobal { b, dead, how: scope << 1 | 1, slot });
                    return Ok(());
                }
                let a = self.temp()?;
                self.emit(Op::Scoped { a, scope, slot });
                self.augmented(a, node.value, c, place)?;
                self.emit(Op::SetScoped { b: a, scope, slot });
                if want {
                    self.settle(a);
                }
            }
            TargetKind::Attribute(object, name) => {
                let object = self.operand(object)?;
                let a = self.temp()?;
                let site = self.attr_site(name);
                self.place = node.target.span.start;
                self.emit(Op::Attr { a, b: object, site });
                self.augmented(a, node.value, c, place)?;
                self.emit(Op::SetAttr { a: object, b: a, site });
                if want {
                    self.settle(a);
                }
            }
            TargetKind::Subscript(object, Subscript::Index(index)) => {
                let object = self.operand(object)?;
                let index = self.operand(index)?;
                let a = self.temp()?;
                self.place = node.target.span.start;
                self.emit(Op::Index { a, b: object, c: index });
                self.augmented(a, node.value, c, place)?;
                self.emit(Op::SetIndex { a: object, b: index, c: a });
                if want {
                    self.settle(a);
                }
            }
            TargetKind::Subscript(object, Subscript::Slice { start, stop, step }) => {
                let object = self.operand(object)?;
                let bounds = self.bounds(start, stop, step)?;
                let a = self.temp()?;
                self.place = node.target.span.start;
                self.emit(Op::Slice { a, b: object, c: bounds });
                self.augmented(a, node.value, c, place)?;
                self.emit(Op::SetSlice { a: object, b: bounds, c: a });
                if want {
                    self.settle(a);
                }
            }
            TargetKind::Subscripts(object, list) => {
                let object = self.operand(object)?;
                let index = self.indexes(tree.list(list))?;
                let a = self.temp()?;
                self.place = node.target.span.start;
                self.emit(Op::Index { a, b: object, c: index });
                self.augmented(a, node.value, c, place)?;
                self.emit(Op::SetIndex { a: object, b: index, c: a });
            }
        }
        Ok(())
    }

    fn augmented(&mut self, a: u8, value: ExprId, c: u8, place: u32) -> Made<()> {
        let b = self.operand(value)?;
        self.place = place;
        let dead = self.next as u8;
        self.emit(Op::Augment { a, b, c, dead });
        Ok(())
    }

    // ------------------------------------------------------------------------------ control flow

    fn conditional(&mut self, arms: &[Branch], otherwise: Option<Block>, want: bool) -> Made<()> {
        let done = self.label();
        let before = self.definite;
        let mut after = u128::MAX;
        self.settle_none(want);
        for (at, arm) in arms.iter().enumerate() {
            let next = self.label();
            self.branch(arm.condition, false, true, next)?;
            self.block(arm.body, want)?;
            if at + 1 < arms.len() || otherwise.is_some() {
                self.jump(done);
            }
            self.bind(next);
            after &= self.definite;
            self.definite = before;
        }
        if let Some(block) = otherwise {
            self.block(block, want)?;
        }
        self.bind(done);
        self.definite &= after;
        Ok(())
    }

    fn while_loop(&mut self, condition: ExprId, body: Block, want: bool) -> Made<()> {
        let before = self.definite;
        self.settle_none(want);
        let hoisted = self.hoisted.len();
        self.hoist(condition)?;
        let (start, again, out) = (self.label(), self.label(), self.label());
        self.jump(again);
        self.bind(start);
        self.enclosing.push(Enclosing::Loop { again, out });
        self.block(body, want)?;
        self.enclosing.pop();
        self.definite = before;
        self.bind(again);
        self.branch(condition, true, true, start)?;
        self.bind(out);
        self.hoisted.truncate(hoisted);
        Ok(())
    }

    /// Loads the larger constants of a loop's condition once.
    fn hoist(&mut self, condition: ExprId) -> Made<()> {
        let tree = self.unit.tree;
        match tree.get(condition).kind {
            ExprKind::Binary { rest, .. } => {
                for step in tree.list(rest) {
                    let constant = match tree.get(step.operand).kind {
                        ExprKind::Int(number) => i8::try_from(number).is_err(),
                        ExprKind::Float(_) | ExprKind::Str(_) => true,
                        _ => false,
                    };
                    if constant {
                        let register = self.temp()?;
                        self.expr(step.operand, register)?;
                        self.hoisted.push((step.operand, register));
                    }
                }
            }
            ExprKind::Logic(_, items) => {
                for item in tree.list(items).iter().take(4) {
                    self.hoist(*item)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn for_loop(&mut self, node: For, want: bool) -> Made<()> {
        let tree = self.unit.tree;
        let before = self.definite;
        self.settle_none(want);
        let cursor = self.start_iteration(node.iterable)?;
        let targets = tree.list(node.targets);
        let direct = match targets {
            [target] => self.direct(target.name),
            _ => None,
        };
        let vars = match direct {
            Some(register) => register,
            None => self.temps(targets.len())?,
        };
        let (start, again, out) = (self.label(), self.label(), self.label());
        self.jump(again);
        self.bind(start);
        self.place = targets.first().map_or(self.place, |target| target.span.start);
        if targets.len() > 1 {
            self.emit(Op::Unpack { a: vars, b: vars, c: targets.len() as u8 });
        }
        for (at, target) in (0_u8..).zip(targets) {
            match direct {
                Some(register) => self.mark_definite(target.name, register),
                None => self.write(target.name, vars + at),
            }
        }
        self.enclosing.push(Enclosing::Loop { again, out });
        self.block(node.body, want)?;
        self.enclosing.pop();
        self.bind(again);
        self.place = tree.get(node.iterable).span.start;
        self.next_element(cursor, vars, start);
        self.bind(out);
        if let Cursor::Any(a) = cursor {
            self.emit(Op::None { a });
        }
        self.definite = before;
        Ok(())
    }

    /// Leaves by `exit`, running what must run on the way. `value` is the register of a returned value.
    pub(super) fn leave(&mut self, exit: Exit, value: u8) {
        for at in (0..self.enclosing.len()).rev() {
            match self.enclosing.get_mut(at) {
                Some(Enclosing::Loop { again, out })
                    if exit == Exit::Jump(*again) || exit == Exit::Jump(*out) =>
                {
                    break;
                }
                Some(Enclosing::Loop { .. }) => {}
                Some(Enclosing::Finally { entry, state, exits }) => {
                    let number = exits.iter().position(|other| *other == exit).unwrap_or_else(|| {
                        exits.push(exit);
                        exits.len() - 1
                    });
                    let (entry, state) = (*entry, *state);
                    self.emit(Op::Int { a: state, i: number as i32 + 2 });
                    if exit == Exit::Return {
                        self.emit(Op::Move { a: state + 1, b: value });
                    }
                    self.jump(entry);
                    return;
                }
                None => {}
            }
        }
        match exit {
            Exit::Return => self.emit(Op::Return { a: value }),
            Exit::Jump(label) => self.jump(label),
        }
    }

    // ------------------------------------------------------------------------------ imports

    fn import(&mut self, node: Import) -> Made<()> {
        let tree = self.unit.tree;
        let path = node.module;
        let parts: Vec<&str> = tree.list(path.parts).iter().map(|part| tree.name(part.name)).collect();
        let whole = parts.join(".");
        self.place = path.span.start;
        if self.top {
            self.emit(Op::Flush);
        }
        let a = self.temp()?;
        let root = matches!(node.form, ImportForm::Module { alias: None }) && parts.len() > 1;
        let site = ImportSite { name: whole.into(), level: path.level, python: path.python, root };
        self.code.imports.push(site);
        let site = self.code.imports.len() as u32 - 1;
        self.emit(Op::Import { a, site });
        match node.form {
            ImportForm::Module { alias } => {
                if let Some(ident) = alias.or_else(|| tree.list(path.parts).first().copied()) {
                    self.write(ident.name, a);
                }
            }
            ImportForm::Star => self.emit(Op::ImportStar { b: a }),
            ImportForm::Names(names) => {
                for imported in tree.list(names) {
                    let mark = self.next;
                    let item = self.temp()?;
                    let k = self.constant_str(tree.name(imported.name.name));
                    self.place = imported.name.span.start;
                    self.emit(Op::ImportName { a: item, b: a, k });
                    self.write(imported.alias.unwrap_or(imported.name).name, item);
                    self.next = mark;
                }
            }
        }
        Ok(())
    }
}
