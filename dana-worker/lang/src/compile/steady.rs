//! Expressions that run none of the program's functions: what is beside them cannot change meanwhile.

use crate::syntax::ast::{ExprId, ExprKind, LinkKind, List, Piece, Subscript};

use super::build::Build;

/// Builtins that call nothing they are given.
const CONVERSIONS: [&str; 7] = ["str", "int", "float", "bool", "len", "abs", "round"];

impl Build<'_, '_> {
    /// Whether evaluating `expr` leaves every variable alone. `false` when in doubt.
    pub(super) fn is_steady(&self, expr: ExprId) -> bool {
        let tree = self.unit.tree;
        let all = |list: List<ExprId>| tree.list(list).iter().all(|item| self.is_steady(*item));
        match tree.get(expr).kind {
            ExprKind::None
            | ExprKind::True
            | ExprKind::False
            | ExprKind::Int(_)
            | ExprKind::BigInt(_)
            | ExprKind::Float(_)
            | ExprKind::Str(_)
            | ExprKind::Name(_)
            | ExprKind::Scoped(..) => true,
            ExprKind::FString(pieces) => self.are_steady(pieces),
            ExprKind::Unary(_, operand) => self.is_steady(operand),
            ExprKind::Binary { first, rest } => {
                self.is_steady(first) && tree.list(rest).iter().all(|step| self.is_steady(step.operand))
            }
            ExprKind::Logic(_, operands) => all(operands),
            ExprKind::Tuple(items) | ExprKind::List(items) => all(items),
            ExprKind::Postfix { base, links } => match (tree.get(base).kind, tree.list(links)) {
                (ExprKind::Name(name), [link]) if let LinkKind::Call(arguments) = link.kind => {
                    CONVERSIONS.contains(&tree.name(name))
                        && tree.list(arguments).iter().all(|argument| self.is_steady(argument.value))
                }
                (_, links) => {
                    self.is_steady(base)
                        && links.iter().all(|link| match link.kind {
                            LinkKind::Attribute(_) => true,
                            LinkKind::Subscript(Subscript::Index(index)) => self.is_steady(index),
                            _ => false,
                        })
                }
            },
            _ => false,
        }
    }

    fn are_steady(&self, pieces: List<Piece>) -> bool {
        self.unit.tree.list(pieces).iter().all(|piece| match piece {
            Piece::Text(_) => true,
            Piece::Field { value, spec, .. } => self.is_steady(*value) && self.are_steady(*spec),
        })
    }
}
