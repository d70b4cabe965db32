//! Which statements' values can become the value of a function that ends without `return`.
//!
//! Walking backwards, a statement's value is wanted until one is found whose value is surely not `None`.

use crate::syntax::ast::*;

/// Whether control can reach the end of the block.
pub(super) fn falls_through(tree: &Tree, block: Block) -> bool {
    !tree.list(block).iter().any(|stmt| match stmt.kind {
        StmtKind::Return(_) | StmtKind::Raise { .. } => true,
        StmtKind::If { arms, otherwise: Some(otherwise) } => {
            tree.list(arms).iter().all(|arm| !falls_through(tree, arm.body))
                && !falls_through(tree, otherwise)
        }
        _ => false,
    })
}

/// Whether the statement, when it ends, surely leaves a value that is not `None`, or never ends.
pub(super) fn settles(tree: &Tree, stmt: &Stmt) -> bool {
    match stmt.kind {
        StmtKind::Assign(id) => solid(tree, tree.get(id).value),
        StmtKind::Augment(_) | StmtKind::Function(_) => true,
        StmtKind::Expr(value) => solid(tree, value),
        StmtKind::Return(_) | StmtKind::Raise { .. } => true,
        StmtKind::If { arms, otherwise: Some(otherwise) } => {
            tree.list(arms).iter().all(|arm| block_settles(tree, arm.body)) && block_settles(tree, otherwise)
        }
        _ => false,
    }
}

fn block_settles(tree: &Tree, block: Block) -> bool {
    !falls_through(tree, block) || tree.list(block).last().is_some_and(|stmt| settles(tree, stmt))
}

/// An expression whose value is never `None`.
fn solid(tree: &Tree, value: ExprId) -> bool {
    matches!(
        tree.get(value).kind,
        ExprKind::True
            | ExprKind::False
            | ExprKind::Int(_)
            | ExprKind::BigInt(_)
            | ExprKind::Float(_)
            | ExprKind::Str(_)
            | ExprKind::FString(_)
            | ExprKind::Unary(..)
            | ExprKind::Binary { .. }
            | ExprKind::Logic(..)
            | ExprKind::Tuple(_)
            | ExprKind::List(_)
            | ExprKind::Set(_)
            | ExprKind::Dict(_)
            | ExprKind::Comprehension(_)
            | ExprKind::Lambda(_)
    )
}
