//! Assertions: which registers hold what when the condition is false.
//!
//! The rule: what is looked for costs nothing while assertions hold. Values are found where the condition left them:
//! its own temporaries, which nothing reuses before the failure is told, and variables, which are read once more on
//! the way to the failure. Nothing is evaluated twice.

use super::build::{Build, Made};
use super::code::AssertionSite;
use super::op::Op;
use crate::syntax::ast::*;

/// Values noted of one assertion, as the wire allows.
const OPERANDS: usize = dana_wire::OPERANDS;
/// Registers below which values are kept from being overwritten.
const KEPT: usize = 150;
/// Operands of a condition are looked for so deep.
const DEPTH: usize = 8;

/// What is known of the condition being compiled.
#[derive(Default)]
pub(super) struct Probe {
    operands: Vec<(ExprId, u8)>,
    compared: Option<(u8, u8, &'static str)>,
    /// Conditions seen.
    leaves: usize,
    /// The first register that is free to be used.
    pub free: usize,
    /// In a part of which it is not known whether it was evaluated.
    pub uncertain: bool,
    /// The value of the part at hand with which the assertion fails.
    pub fails: bool,
    /// In a part that may have had another value, because one beside it decided.
    pub unsure: bool,
}

impl Probe {
    /// Whether all items of an `and` or `or` were evaluated when the assertion fails: none of them decided it alone.
    pub(super) fn sees_all(&self, op: LogicOp) -> bool {
        !self.unsure && (op == LogicOp::Or) != self.fails
    }

    /// Notes a condition that is no comparison.
    pub(super) fn truth(&mut self, id: ExprId, register: u8, free: usize) {
        self.leaves += 1;
        self.note(id, register, free);
    }

    /// Notes a comparison; a small number that it is made with is in no register.
    pub(super) fn comparison(
        &mut self,
        op: BinaryOp,
        left: (ExprId, u8),
        right: Option<(ExprId, u8)>,
        free: usize,
    ) {
        self.leaves += 1;
        let first = self.note(left.0, left.1, free);
        let second = right.and_then(|(id, register)| self.note(id, register, free));
        self.compared = match (first, second, self.leaves) {
            (Some(first), Some(second), 1) => Some((first, second, op.text())),
            _ => None,
        };
    }

    fn note(&mut self, id: ExprId, register: u8, free: usize) -> Option<u8> {
        if self.uncertain || free >= KEPT || self.operands.len() >= OPERANDS {
            return None;
        }
        self.free = self.free.max(free);
        self.operands.push((id, register));
        Some(self.operands.len() as u8 - 1)
    }
}

impl Build<'_, '_> {
    /// `assert condition, message`; `place` is the statement's.
    pub(super) fn assertion(&mut self, condition: ExprId, message: Option<ExprId>, place: u32) -> Made<()> {
        let tree = self.unit.tree;
        let (fine, failed) = (self.label(), self.label());
        // What must all be true is looked at one by one: of each, its own values are there when it is false.
        let whole = [condition];
        let parts = match tree.get(condition).kind {
            ExprKind::Logic(LogicOp::And, items) => tree.list(items),
            _ => &whole,
        };
        let which = self.temp()?;
        let mark = self.next;
        let mut free = mark;
        for (at, part) in parts.iter().enumerate() {
            let last = at + 1 == parts.len();
            let next = if last { fine } else { self.label() };
            self.probe = Some(Probe::default());
            let made = self.branch(*part, true, false, next);
            let probe = self.probe.take().unwrap_or_default();
            made?;
            self.next = mark.max(probe.free);
            let site = self.site(condition, probe)?;
            self.place = place;
            self.emit(Op::Int { a: which, i: site });
            free = free.max(self.next);
            self.next = mark;
            if !last {
                self.jump(failed);
                self.bind(next);
            }
        }
        self.bind(failed);
        self.next = free;
        let a = self.temp()?;
        match message {
            Some(message) => self.expr(message, a)?,
            None => self.emit(Op::Unset { a }),
        }
        self.place = place;
        self.emit(Op::AssertFailed { a, b: which });
        self.bind(fine);
        Ok(())
    }

    /// Reads the variables that the noted values were made of, and keeps where all of them are.
    fn site(&mut self, condition: ExprId, probe: Probe) -> Made<i32> {
        let tree = self.unit.tree;
        let mut names = Vec::new();
        for (id, _) in &probe.operands {
            variables(tree, *id, DEPTH, &mut names);
        }
        let mut operands: Vec<(ExprId, u8)> = probe.operands;
        for name in names {
            if self.next >= KEPT || operands.len() >= OPERANDS {
                break;
            }
            if operands.iter().all(|(id, _)| *id != name) {
                let register = self.operand(name)?;
                operands.push((name, register));
            }
        }
        let operands = operands.into_iter().map(|(id, register)| (tree.get(id).span, register)).collect();
        let condition = tree.get(condition).span;
        self.code.assertions.push(AssertionSite { condition, operands, compared: probe.compared });
        Ok(self.code.assertions.len() as i32 - 1)
    }
}

/// The variables that an expression has surely read, which is not one itself.
fn variables(tree: &Tree, id: ExprId, depth: usize, names: &mut Vec<ExprId>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    if names.len() >= OPERANDS {
        return;
    }
    let mut visit = |id: ExprId| match tree.get(id).kind {
        ExprKind::Name(_) | ExprKind::Scoped(..) => names.push(id),
        _ => variables(tree, id, depth, names),
    };
    match tree.get(id).kind {
        ExprKind::Unary(_, operand) => visit(operand),
        ExprKind::Binary { first, rest } => {
            visit(first);
            tree.list(rest).iter().for_each(|step| visit(step.operand));
        }
        ExprKind::Postfix { base, links } => {
            let links = tree.list(links);
            if !matches!(links.first(), Some(Link { kind: LinkKind::Call(_), .. })) {
                visit(base);
            }
            for link in links {
                match link.kind {
                    LinkKind::Call(arguments) | LinkKind::Method(_, arguments) => {
                        tree.list(arguments).iter().for_each(|argument| visit(argument.value));
                    }
                    LinkKind::Subscript(Subscript::Index(index)) => visit(index),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}
