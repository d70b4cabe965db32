//! `try`, `with`, and what must run on every way out of them.
//!
//! The body of a `finally` is compiled once. Whoever enters it leaves a number that says how to go on.

use super::build::{Build, Enclosing, Exit, Label, Made};
use super::code::CallSite;
use super::op::{Failure, Op};
use crate::syntax::ast::*;

impl Build<'_, '_> {
    pub(super) fn attempt(&mut self, node: Try, want: bool) -> Made<()> {
        let tree = self.unit.tree;
        let before = self.definite;
        self.settle_none(want);
        let state = match node.finally {
            Some(_) => Some(self.temps(2)?),
            None => None,
        };
        let (entry, normal, done) = (self.label(), self.label(), self.label());
        if let Some(state) = state {
            self.enclosing.push(Enclosing::Finally { entry, state, exits: Vec::new() });
        }
        let start = self.here();
        self.block(node.body, want)?;
        let end = self.here();
        let mut after = self.definite;
        self.jump(normal);
        let clauses = tree.list(node.clauses);
        if !clauses.is_empty() {
            let error = self.temp()?;
            let caught = self.bound();
            self.handler(start, end, caught, error);
            let mut open = true;
            for clause in clauses {
                self.definite = before;
                let next = self.label();
                self.place = clause.span.start;
                let kinds: Vec<_> = tree.list(clause.kinds).iter().map(|kind| self.text(kind.name)).collect();
                if kinds.is_empty() {
                    open = false;
                } else {
                    self.code.kinds.push(kinds);
                    let kinds = self.code.kinds.len() - 1;
                    let Ok(kinds) = u16::try_from(kinds) else {
                        return Err(self.fault_at(clause.span, "too many except clauses".to_owned()).into());
                    };
                    self.emit(Op::JumpUnlessKind { a: error, kinds, to: next.0 });
                }
                if let Some(binding) = clause.binding {
                    self.write(binding.name, error);
                }
                self.handling.push(error);
                self.block(clause.body, want)?;
                self.handling.pop();
                if let Some(binding) = clause.binding {
                    self.forget(binding.name)?;
                }
                after &= self.definite;
                self.jump(normal);
                self.bind(next);
                if !open {
                    break;
                }
            }
            if open {
                self.emit(Op::Reraise { a: error });
            }
        }
        let covered = self.here();
        self.bind(normal);
        if let (Some(state), Some(block)) = (state, node.finally) {
            let exits = match self.enclosing.pop() {
                Some(Enclosing::Finally { exits, .. }) => exits,
                _ => Vec::new(),
            };
            self.emit(Op::Int { a: state, i: 0 });
            self.jump(entry);
            let failed = self.bound();
            self.handler(start, covered, failed, state + 1);
            self.emit(Op::Int { a: state, i: 1 });
            self.bind(entry);
            self.definite = before;
            self.block(block, false)?;
            self.dispatch(state, done, &exits)?;
        }
        self.bind(done);
        self.definite = after;
        Ok(())
    }

    /// Goes on as the state of a `finally` says.
    fn dispatch(&mut self, state: u8, done: Label, exits: &[Exit]) -> Made<()> {
        self.emit(Op::JumpEqualInt { sense: true, b: state, i: 0, to: done.0 });
        for (number, exit) in (2_i32..).zip(exits) {
            let next = self.label();
            match i8::try_from(number) {
                Ok(i) => self.emit(Op::JumpEqualInt { sense: false, b: state, i, to: next.0 }),
                Err(_) => {
                    let c = self.temp()?;
                    self.emit(Op::Int { a: c, i: number });
                    self.emit(Op::JumpEqual { sense: false, b: state, c, to: next.0 });
                }
            }
            self.leave(*exit, state + 1);
            self.bind(next);
        }
        self.emit(Op::Reraise { a: state + 1 });
        Ok(())
    }

    pub(super) fn with(&mut self, node: With, want: bool) -> Made<()> {
        let tree = self.unit.tree;
        if let ExprKind::Name(name) = tree.get(node.value).kind
            && name == node.binding.name
        {
            let text = format!("'{}' cannot name both the manager and its value", tree.name(name));
            let k = self.constant_str(&text);
            self.emit(Op::Fail { kind: Failure::Value, k });
            return Ok(());
        }
        let before = self.definite;
        let manager = self.temp()?;
        let state = self.temps(2)?;
        self.expr(node.value, manager)?;
        self.place = tree.get(node.value).span.start;
        let call = self.next;
        let first = self.temps(4)?;
        self.emit(Op::Move { a: first, b: manager });
        let site = self.call_site(CallSite { name: Some("__enter__".into()), ..CallSite::default() });
        self.emit(Op::Method { a: first, b: first, c: 0, site });
        self.write(node.binding.name, first);
        self.next = call;
        let (entry, done) = (self.label(), self.label());
        self.enclosing.push(Enclosing::Finally { entry, state, exits: Vec::new() });
        let start = self.here();
        self.block(node.body, want)?;
        let end = self.here();
        let exits = match self.enclosing.pop() {
            Some(Enclosing::Finally { exits, .. }) => exits,
            _ => Vec::new(),
        };
        self.emit(Op::Int { a: state, i: 0 });
        self.jump(entry);
        let failed = self.bound();
        self.handler(start, end, failed, state + 1);
        self.emit(Op::Int { a: state, i: 1 });
        self.bind(entry);
        self.definite = before;
        self.forget(node.binding.name)?;
        let first = self.temps(4)?;
        let (plain, call) = (self.label(), self.label());
        self.emit(Op::Move { a: first, b: manager });
        self.emit(Op::None { a: first + 1 });
        self.emit(Op::None { a: first + 2 });
        self.emit(Op::None { a: first + 3 });
        self.emit(Op::JumpEqualInt { sense: false, b: state, i: 1, to: plain.0 });
        self.emit(Op::KindOf { a: first + 1, b: state + 1 });
        self.emit(Op::Move { a: first + 2, b: state + 1 });
        self.bind(plain);
        self.place = tree.get(node.value).span.start;
        self.bind(call);
        let site = self.call_site(CallSite { name: Some("__exit__".into()), ..CallSite::default() });
        self.emit(Op::Method { a: first, b: first, c: 3, site });
        let swallow = self.label();
        self.emit(Op::JumpEqualInt { sense: false, b: state, i: 1, to: swallow.0 });
        self.emit(Op::JumpIf { a: first, to: done.0 });
        self.bind(swallow);
        self.dispatch(state, done, &exits)?;
        self.bind(done);
        Ok(())
    }
}
