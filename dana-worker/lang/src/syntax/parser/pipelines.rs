//! Declarative functions: `def f(x) = a | b(1, $$) | [c, d] as e`.

use super::super::ast::{ExprId, ExprKind, Link, LinkKind, List, Stage, StageKind};
use super::super::token::Kind;
use super::{Parsed, Parser, fail_hint};

const SHAPE: &str =
    "a stage is a function name, a call, or a list of these; for other bodies write a block after 'def ...:'";

impl Parser<'_> {
    /// The stages after `=`.
    pub(super) fn pipeline(&mut self) -> Parsed<List<Stage>> {
        let mut stages = Vec::new();
        loop {
            let mut stage = self.stage()?;
            if self.accept(Kind::As).is_some() {
                stage.alias = Some(self.ident("the name of the stage's result after 'as'")?);
            }
            stages.push(stage);
            if self.accept(Kind::Pipe).is_none() {
                break;
            }
        }
        if !matches!(self.peek(), Kind::Newline | Kind::Semicolon | Kind::End | Kind::Fault) {
            let message = format!("{} cannot stand in a pipeline", self.found());
            return fail_hint(message, self.token().span(), SHAPE);
        }
        Ok(self.tree.add_list(stages))
    }

    fn stage(&mut self) -> Parsed<Stage> {
        let start = self.token();
        let kind = match start.kind {
            Kind::LeftBracket => self.nested(Self::fan)?,
            Kind::Name => {
                let expr = self.postfix()?;
                self.stage_of(expr)?
            }
            _ => {
                let message = format!("expected a stage of the pipeline, found {}", self.found());
                return match self.peek() {
                    Kind::Fault | Kind::Foreign => Err(self.unexpected("a stage of the pipeline")),
                    _ => fail_hint(message, start.span(), SHAPE),
                };
            }
        };
        Ok(Stage { kind, alias: None, span: self.span_from(start) })
    }

    /// A name, a dotted name, or a call of one.
    fn stage_of(&mut self, expr: ExprId) -> Parsed<StageKind> {
        let whole = self.tree.get(expr);
        let ExprKind::Postfix { base, links } = whole.kind else {
            return Ok(StageKind::Function(expr));
        };
        let all = self.tree.list(links).to_vec();
        let dotted = |links: &[Link]| links.iter().all(|link| matches!(link.kind, LinkKind::Attribute(_)));
        match all.split_last() {
            _ if dotted(&all) => Ok(StageKind::Function(expr)),
            Some((last, front)) if dotted(front) => match last.kind {
                LinkKind::Call(arguments) if front.is_empty() => Ok(StageKind::Call(base, arguments)),
                LinkKind::Method(name, arguments) => {
                    let mut path = front.to_vec();
                    path.push(Link { kind: LinkKind::Attribute(name), span: last.span });
                    let links = self.tree.add_list(path);
                    let callee = self.expr(ExprKind::Postfix { base, links }, whole.span);
                    Ok(StageKind::Call(callee, arguments))
                }
                _ => fail_hint("this cannot be a stage of a pipeline", whole.span, SHAPE),
            },
            _ => fail_hint("this cannot be a stage of a pipeline", whole.span, SHAPE),
        }
    }

    /// `[f, g(1)]`.
    fn fan(&mut self) -> Parsed<StageKind> {
        self.bump();
        let mut stages = Vec::new();
        while self.peek() != Kind::RightBracket {
            stages.push(self.stage()?);
            if self.accept(Kind::Comma).is_none() && self.peek() != Kind::RightBracket {
                return Err(self.unexpected("',' or ']' after the function"));
            }
        }
        self.bump();
        Ok(StageKind::Fan(self.tree.add_list(stages)))
    }
}
