//! Iteration: the cursor of a `for` and of a comprehension, and comprehensions themselves.

use super::build::{Build, Home, Label, Made};
use super::op::Op;
use crate::library;
use crate::syntax::ast::*;

/// Registers of an iteration in progress.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cursor {
    Range(u8),
    Any(u8),
}

impl Build<'_, '_> {
    pub(super) fn comprehension(&mut self, id: Id<Comprehension>, dst: u8) -> Made<()> {
        let tree = self.unit.tree;
        let node = tree.get(id);
        let into = self.temp()?;
        match node.shape {
            Shape::List(_) => self.emit(Op::List { a: into, b: into, c: 0 }),
            Shape::Set(_) => self.emit(Op::Set { a: into, b: into, c: 0 }),
            Shape::Dict(_) => self.emit(Op::Dict { a: into, b: into, c: 0 }),
        }
        let targets = tree.list(node.targets);
        let vars = self.temps(targets.len())?;
        let (body, test) = (self.label(), self.label());
        let cursor = self.start_iteration(node.iterable)?;
        let outer = self.inner.len();
        let mut cells = Vec::new();
        for (at, target) in (0_u8..).zip(targets) {
            let home = if self.unit.scopes.comprehension_cells.contains(&(id, target.name)) {
                let cell = self.temp()?;
                self.emit(Op::Unset { a: cell });
                self.emit(Op::NewCell { a: cell });
                cells.push((cell, vars + at));
                Home::Cell(cell)
            } else {
                Home::Register(vars + at)
            };
            self.inner.push((target.name, home));
        }
        self.jump(test);
        self.bind(body);
        let mark = self.next;
        if targets.len() > 1 {
            self.emit(Op::UnpackLoose { a: vars, b: vars, c: targets.len() as u8 });
        }
        for (cell, var) in cells {
            self.emit(Op::SetCell { a: cell, b: var });
        }
        if let Some(filter) = node.filter {
            self.branch(filter, false, false, test)?;
        }
        match node.shape {
            Shape::List(item) => {
                let b = self.operand(item)?;
                self.emit(Op::Push { a: into, b, c: 1 });
            }
            Shape::Set(item) => {
                let b = self.operand(item)?;
                self.place = tree.get(item).span.start;
                self.emit(Op::SetAdd { a: into, b, c: 1 });
            }
            Shape::Dict(pair) => {
                let b = self.temps(2)?;
                self.expr(pair.key, b)?;
                self.expr(pair.value, b + 1)?;
                self.place = tree.get(pair.key).span.start;
                self.emit(Op::DictPut { a: into, b, c: 1 });
            }
        }
        self.next = mark;
        self.bind(test);
        self.place = tree.get(node.iterable).span.start;
        self.next_element(cursor, vars, body);
        self.inner.truncate(outer);
        self.emit(Op::Take { a: dst, b: into });
        Ok(())
    }

    /// Begins iterating; gives the cursor's registers, or those of a counted range.
    pub(super) fn start_iteration(&mut self, iterable: ExprId) -> Made<Cursor> {
        let tree = self.unit.tree;
        let node = tree.get(iterable);
        if let ExprKind::Postfix { base, links } = node.kind
            && let ExprKind::Name(name) = tree.get(base).kind
            && tree.name(name) == "range"
            && library::builtin("range").is_some()
            && let [Link { kind: LinkKind::Call(arguments), .. }] = tree.list(links)
            && (1..=3).contains(&arguments.len())
            && tree.list(*arguments).iter().all(|argument| argument.keyword.is_none())
        {
            let first = self.temps(3)?;
            for (at, argument) in (0_u8..).zip(tree.list(*arguments)) {
                self.expr(argument.value, first + at)?;
            }
            self.place = node.span.start;
            self.emit(Op::RangeStart { a: first, b: arguments.len() as u8 });
            return Ok(Cursor::Range(first));
        }
        let first = self.temps(2)?;
        let mark = self.next;
        let b = self.operand(iterable)?;
        self.place = node.span.start;
        self.emit(Op::IterStart { a: first, b });
        self.next = mark;
        Ok(Cursor::Any(first))
    }

    pub(super) fn next_element(&mut self, cursor: Cursor, dst: u8, body: Label) {
        let to = body.0;
        match cursor {
            Cursor::Range(b) => self.emit(Op::RangeNext { a: dst, b, to }),
            Cursor::Any(b) => self.emit(Op::IterNext { a: dst, b, to }),
        }
    }
}
