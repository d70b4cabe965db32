//! Lines that never run, and conditions that are always the same.

use super::forms::{Literal, literal};
use super::{Report, codes};
use crate::syntax::ast::*;
use crate::text::fuzzy_truth;

pub(super) fn check(report: &mut Report<'_>) {
    let tree = report.tree();
    let mut blocks = vec![report.module.body];
    let mut conditions = Vec::new();
    for stmt in tree.all::<Stmt>() {
        match stmt.kind {
            StmtKind::If { otherwise, .. } => blocks.extend(otherwise),
            StmtKind::While { condition, body } => {
                blocks.push(body);
                // An endless loop is written so.
                if !matches!(tree.get(condition).kind, ExprKind::True | ExprKind::Int(1)) {
                    conditions.push((condition, true));
                }
            }
            _ => {}
        }
    }
    for branch in tree.all::<Branch>() {
        blocks.push(branch.body);
        conditions.push((branch.condition, true));
    }
    blocks.extend(tree.all::<For>().iter().map(|it| it.body));
    for it in tree.all::<Try>() {
        blocks.push(it.body);
        blocks.extend(it.finally);
    }
    blocks.extend(tree.all::<Clause>().iter().map(|it| it.body));
    blocks.extend(tree.all::<With>().iter().map(|it| it.body));
    for function in tree.all::<Function>() {
        if let Body::Block(body) = function.body {
            blocks.push(body);
        }
    }
    conditions.extend(tree.all::<Arm>().iter().map(|arm| (arm.condition, false)));
    for block in blocks {
        unreachable(report, block);
    }
    for (condition, fuzzy) in conditions {
        constant(report, tree.get(condition), fuzzy);
    }
}

/// The first statement of a block that comes after its end.
fn unreachable(report: &mut Report<'_>, block: Block) {
    let tree = report.tree();
    let stmts = tree.list(block);
    for pair in stmts.windows(2) {
        let [before, after] = pair else { return };
        let Some(why) = ends(tree, before) else { continue };
        let line = report.line(before.span.start);
        report.add(&codes::UNREACHABLE, after.span, format!("this never runs: {why} on line {line}"));
        return;
    }
}

/// What a statement does that keeps the next one from running, if it surely does.
fn ends(tree: &Tree, stmt: &Stmt) -> Option<&'static str> {
    match stmt.kind {
        StmtKind::Return(_) => Some("there is a 'return'"),
        StmtKind::Raise { .. } => Some("there is a 'raise'"),
        StmtKind::Break => Some("there is a 'break'"),
        StmtKind::Continue => Some("there is a 'continue'"),
        StmtKind::While { condition, body } => {
            let endless = matches!(tree.get(condition).kind, ExprKind::True | ExprKind::Int(1));
            (endless && !breaks(tree, body)).then_some("there is an endless loop without a 'break'")
        }
        StmtKind::If { arms, otherwise: Some(otherwise) } => {
            let all =
                tree.list(arms).iter().all(|arm| block_ends(tree, arm.body)) && block_ends(tree, otherwise);
            all.then_some("every branch leaves it in the 'if'")
        }
        StmtKind::Try(id) => {
            let it = tree.get(id);
            let all = it.finally.is_some_and(|block| block_ends(tree, block))
                || (block_ends(tree, it.body)
                    && tree.list(it.clauses).iter().all(|clause| block_ends(tree, clause.body)));
            all.then_some("every branch leaves it in the 'try'")
        }
        _ => None,
    }
}

fn block_ends(tree: &Tree, block: Block) -> bool {
    tree.list(block).iter().any(|stmt| ends(tree, stmt).is_some())
}

/// Whether a loop's body may leave the loop by a `break` of its own.
fn breaks(tree: &Tree, block: Block) -> bool {
    tree.list(block).iter().any(|stmt| match stmt.kind {
        StmtKind::Break => true,
        StmtKind::If { arms, otherwise } => {
            tree.list(arms).iter().any(|arm| breaks(tree, arm.body))
                || otherwise.is_some_and(|block| breaks(tree, block))
        }
        StmtKind::Try(id) => {
            let it = tree.get(id);
            breaks(tree, it.body)
                || tree.list(it.clauses).iter().any(|clause| breaks(tree, clause.body))
                || it.finally.is_some_and(|block| breaks(tree, block))
        }
        StmtKind::With(id) => breaks(tree, tree.get(id).body),
        _ => false,
    })
}

fn constant(report: &mut Report<'_>, condition: Expr, fuzzy: bool) {
    let tree = report.tree();
    let truth = match condition.kind {
        ExprKind::Str(text) => {
            let text = tree.text(text);
            let truth = if fuzzy { fuzzy_truth(text) } else { !text.is_empty() };
            let message = format!("this text is no comparison: as a condition it is always {truth}");
            report.add_hint(&codes::TEXT_CONDITION, condition.span, message, "compare it with something");
            return;
        }
        ExprKind::True => true,
        ExprKind::False | ExprKind::None => false,
        ExprKind::Int(number) => number != 0,
        ExprKind::BigInt(_) => true,
        ExprKind::Float(number) => number != 0.0,
        ExprKind::List(items) | ExprKind::Tuple(items) | ExprKind::Set(items) => !items.is_empty(),
        ExprKind::Dict(pairs) => !pairs.is_empty(),
        ExprKind::Lambda(_) => true,
        _ => return,
    };
    debug_assert!(literal(condition.kind) != Some(Literal::Text));
    report.add(&codes::CONSTANT, condition.span, format!("this condition is always {truth}"));
}
