//! Declarative functions: `def f(x) = a | b($$, 1) as c | [d, e]`.
//!
//! Compiled to plain calls. A stage's call gets the piped value as its first argument unless it places the
//! value itself with `$$` or uses a captured alias.

use super::build::{Build, Made};
use super::code::CallSite;
use super::op::Op;
use crate::syntax::ast::*;
use crate::syntax::name::Name;

impl Build<'_, '_> {
    pub(super) fn pipeline(&mut self, stages: &[Stage]) -> Made<()> {
        let tree = self.unit.tree;
        let aliased = stages.iter().any(|stage| stage.alias.is_some());
        let params = self.code.params.len() as u8;
        let entering = if aliased { params.min(1) } else { params };
        let value = self.temp()?;
        let mut aliases: Vec<Name> = Vec::new();
        for (at, stage) in stages.iter().enumerate() {
            self.at(stage.span);
            if at == 0 {
                let own = match stage.kind {
                    // A first call that names a parameter says itself where its arguments come from.
                    StageKind::Call(_, arguments) => self.mentions_parameter(arguments),
                    _ => false,
                };
                let inputs: Vec<u8> = if own { Vec::new() } else { (0..entering).collect() };
                let piped = if params > 0 { Some(0) } else { None };
                self.stage(stage, &inputs, piped, &aliases, value)?;
            } else {
                self.stage(stage, &[value], Some(value), &aliases, value)?;
            }
            if let Some(alias) = stage.alias {
                self.write(alias.name, value);
                aliases.push(alias.name);
            }
        }
        self.emit(Op::Return { a: value });
        let _ = tree;
        Ok(())
    }

    fn mentions_parameter(&self, arguments: List<Argument>) -> bool {
        let tree = self.unit.tree;
        tree.list(arguments).iter().any(|argument| match tree.get(argument.value).kind {
            ExprKind::Name(name) => {
                let text = tree.name(name);
                self.code.params.iter().any(|param| &*param.name == text)
            }
            _ => false,
        })
    }

    fn stage(
        &mut self,
        stage: &Stage,
        inputs: &[u8],
        piped: Option<u8>,
        aliases: &[Name],
        dst: u8,
    ) -> Made<()> {
        let tree = self.unit.tree;
        let mark = self.next;
        match stage.kind {
            StageKind::Function(function) => {
                let callee = self.temps(1 + inputs.len())?;
                let before = self.here();
                self.expr(function, callee)?;
                let global = self.only_global_since(before);
                for (at, input) in (1_u8..).zip(inputs) {
                    self.emit(Op::Move { a: callee + at, b: *input });
                }
                if let Some((op, slot)) = global {
                    self.at(stage.span);
                    self.emit(Op::CallStage { a: dst, b: callee, c: inputs.len() as u8, slot });
                    self.place = tree.get(function).span.start;
                    self.emit(op);
                }
                self.at(stage.span);
                let site = self.call_site(CallSite::default());
                self.emit(Op::Call { a: dst, b: callee, c: inputs.len() as u8, site });
            }
            StageKind::Call(function, arguments) => {
                let placed =
                    tree.list(arguments).iter().any(|argument| match tree.get(argument.value).kind {
                        ExprKind::Placeholder => true,
                        ExprKind::Name(name) => aliases.contains(&name),
                        _ => false,
                    });
                let callee = self.temp()?;
                self.expr(function, callee)?;
                let before = if placed { &[][..] } else { inputs };
                let first = self.temps(before.len())?;
                for (at, input) in (0_u8..).zip(before) {
                    self.emit(Op::Move { a: first + at, b: *input });
                }
                let outer = std::mem::replace(&mut self.placeholder, piped);
                let (count, keywords) = self.arguments(arguments)?;
                self.placeholder = outer;
                self.at(stage.span);
                let site = self.call_site(CallSite { keywords, ..CallSite::default() });
                self.emit(Op::Call { a: dst, b: callee, c: count + before.len() as u8, site });
            }
            StageKind::Fan(stages) => {
                let list = self.temp()?;
                self.emit(Op::List { a: list, b: list, c: 0 });
                for inner in tree.list(stages) {
                    let each = self.next;
                    let item = self.temp()?;
                    self.stage(inner, inputs, piped, aliases, item)?;
                    self.emit(Op::Push { a: list, b: item, c: 1 });
                    self.next = each;
                }
                self.emit(Op::Take { a: dst, b: list });
            }
        }
        self.next = mark;
        Ok(())
    }
}
