//! Expressions that mean something else than they seem to, each by itself.

use std::collections::HashSet;

use super::{Report, codes};
use crate::syntax::ast::*;

pub(super) fn check(report: &mut Report<'_>) {
    let tree = report.tree();
    for expr in tree.all::<Expr>() {
        match expr.kind {
            ExprKind::Binary { first, rest } => binary(report, expr, first, tree.list(rest)),
            ExprKind::Logic(op, operands) => logic(report, op, tree.list(operands)),
            ExprKind::Dict(pairs) => keys(report, tree.list(pairs)),
            ExprKind::FString(pieces)
                if tree.list(pieces).iter().all(|piece| matches!(piece, Piece::Text(_))) =>
            {
                report.add_hint(
                    &codes::NO_FIELD,
                    expr.span,
                    "this f-string has no field",
                    "leave the f away, or put an expression between braces",
                );
            }
            _ => {}
        }
    }
    for stmt in tree.all::<Stmt>() {
        if let StmtKind::Assert { condition, .. } = stmt.kind
            && let Expr { kind: ExprKind::Tuple(items), span } = tree.get(condition)
            && !items.is_empty()
        {
            report.add_hint(
                &codes::TUPLE_ASSERTED,
                span,
                "this assert never fails: a tuple with items is true",
                "write assert condition, message without parentheses",
            );
        }
    }
    for function in tree.all::<Function>() {
        for parameter in tree.list(function.parameters) {
            let Some(default) = parameter.default.map(|default| tree.get(default)) else { continue };
            if matches!(
                default.kind,
                ExprKind::List(_) | ExprKind::Dict(_) | ExprKind::Set(_) | ExprKind::Comprehension(_)
            ) {
                let name = tree.name(parameter.name.name);
                report.add_hint(
                    &codes::SHARED_DEFAULT,
                    default.span,
                    format!("the default of '{name}' is made once, and all calls share it"),
                    "use none as the default, and make the value in the function",
                );
            }
        }
    }
}

fn binary(report: &mut Report<'_>, whole: &Expr, first: ExprId, rest: &[Step]) {
    let tree = report.tree();
    let [step, more @ ..] = rest else { return };
    let left = tree.get(first);
    let right = tree.get(step.operand);
    if is_comparison(step.op) && !more.is_empty() {
        let parts = (report.text(left.span), step.op.text(), report.text(right.span));
        let hint = format!("join comparisons with 'and': {} {} {} and ...", parts.0, parts.1, parts.2);
        report.add_hint(
            &codes::CHAIN,
            whole.span,
            "comparisons do not chain: the second one compares the bool that the first one gives",
            if hint.len() <= 100 { hint } else { "join comparisons with 'and'".to_owned() },
        );
    }
    match step.op {
        BinaryOp::Power => sign(report, whole, &left, step, &right),
        BinaryOp::Is | BinaryOp::IsNot if is_value(left.kind) || is_value(right.kind) => {
            let (is, equals) = match step.op {
                BinaryOp::Is => ("is", "=="),
                _ => ("is not", "!="),
            };
            report.add_hint(
                &codes::IDENTITY,
                step.span,
                format!("'{is}' asks for the same object; whether a literal is one is chance"),
                format!("write {equals}"),
            );
        }
        BinaryOp::Equal | BinaryOp::NotEqual
            if matches!(left.kind, ExprKind::None) != matches!(right.kind, ExprKind::None) =>
        {
            let is = if step.op == BinaryOp::Equal { "is none" } else { "is not none" };
            report.add_hint(
                &codes::EQUALS_NONE,
                step.span,
                format!("none is compared by '{}'", step.op.text()),
                format!("write {is}"),
            );
        }
        _ => {}
    }
    if let (Some(one), Some(other)) = (literal(left.kind), literal(right.kind))
        && !possible(step.op, one, other)
    {
        report.add(
            &codes::IMPOSSIBLE,
            step.span,
            format!("'{}' does not work between {} and {}", step.op.text(), one.text(), other.text()),
        );
    }
}

fn is_comparison(op: BinaryOp) -> bool {
    !matches!(
        op,
        BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::FloorDivide
            | BinaryOp::Modulo
            | BinaryOp::Power
    )
}

/// `-2 ** 2` is 4. With an odd power the two readings are equal.
fn sign(report: &mut Report<'_>, whole: &Expr, base: &Expr, step: &Step, power: &Expr) {
    let between = base.span.end as usize..step.span.start as usize;
    let parenthesised = report.source.get(between).is_none_or(|between| between.contains(')'));
    let minus = match base.kind {
        ExprKind::Unary(UnaryOp::Minus, _) => true,
        ExprKind::Int(_) | ExprKind::Float(_) => report.text(base.span).starts_with('-'),
        _ => false,
    };
    let odd = matches!(power.kind, ExprKind::Int(power) if power % 2 != 0);
    if minus && !parenthesised && !odd {
        let operand = report.text(base.span).trim_start_matches(['-', ' ']);
        let hint = format!("write (-{operand}) ** ... for that, or -({operand} ** ...)");
        report.add_hint(&codes::SIGN, whole.span, "the sign binds tighter than **", hint);
    }
}

fn logic(report: &mut Report<'_>, op: LogicOp, operands: &[ExprId]) {
    let tree = report.tree();
    let word = if op == LogicOp::And { "and" } else { "or" };
    for &operand in operands {
        let operand = tree.get(operand);
        let constant = match literal(operand.kind) {
            Some(_) => !matches!(operand.kind, ExprKind::True | ExprKind::False),
            None => false,
        };
        if constant {
            report.add_hint(
                &codes::LOGIC,
                operand.span,
                format!("'{word}' gives a bool, never this value"),
                "for a value write a if condition else b; for a comparison repeat its left side",
            );
        }
    }
}

fn keys(report: &mut Report<'_>, pairs: &[Pair]) {
    let tree = report.tree();
    let mut texts = HashSet::new();
    let mut numbers = HashSet::new();
    for pair in pairs {
        let key = tree.get(pair.key);
        let new = match key.kind {
            ExprKind::Str(text) => texts.insert(tree.text(text)),
            ExprKind::Int(number) => numbers.insert(number),
            _ => true,
        };
        if !new {
            let shown = report.text(key.span);
            let shown = if shown.len() <= 40 { shown } else { "this one" };
            report.add_hint(
                &codes::REPEATED_KEY,
                key.span,
                format!("the dict already has the key {shown}"),
                "the last value counts",
            );
        }
    }
}

/// Whether identity says nothing about such a literal.
fn is_value(kind: ExprKind) -> bool {
    matches!(
        literal(kind),
        Some(Literal::Text | Literal::List | Literal::Dict | Literal::Set | Literal::Tuple)
    ) || matches!(kind, ExprKind::Int(_) | ExprKind::BigInt(_) | ExprKind::Float(_))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Literal {
    None,
    Number,
    Text,
    List,
    Dict,
    Set,
    Tuple,
}

impl Literal {
    fn text(self) -> &'static str {
        match self {
            Literal::None => "none",
            Literal::Number => "a number",
            Literal::Text => "a text",
            Literal::List => "a list",
            Literal::Dict => "a dict",
            Literal::Set => "a set",
            Literal::Tuple => "a tuple",
        }
    }
}

/// What an expression is, where it is written out. An f-string counts as a text, a comprehension as what it makes.
pub(super) fn literal(kind: ExprKind) -> Option<Literal> {
    Some(match kind {
        ExprKind::None => Literal::None,
        ExprKind::True | ExprKind::False | ExprKind::Int(_) | ExprKind::BigInt(_) | ExprKind::Float(_) => {
            Literal::Number
        }
        ExprKind::Str(_) => Literal::Text,
        ExprKind::List(_) => Literal::List,
        ExprKind::Dict(_) => Literal::Dict,
        ExprKind::Set(_) => Literal::Set,
        ExprKind::Tuple(_) => Literal::Tuple,
        _ => return None,
    })
}

/// Whether values of these types may have the operation.
fn possible(op: BinaryOp, one: Literal, other: Literal) -> bool {
    use Literal::{Dict, List, None, Number, Set, Text, Tuple};
    match op {
        BinaryOp::Add => {
            matches!((one, other), (Text | Number, Text | Number) | (List, List) | (Tuple, Tuple))
        }
        BinaryOp::Subtract => matches!((one, other), (Number, Number) | (Set, Set)),
        BinaryOp::Multiply => {
            matches!((one, other), (Number, Number | Text | List | Tuple) | (Text | List | Tuple, Number))
        }
        BinaryOp::Divide | BinaryOp::FloorDivide | BinaryOp::Power => (one, other) == (Number, Number),
        BinaryOp::Modulo => one == Text || (one, other) == (Number, Number),
        BinaryOp::Less | BinaryOp::Greater | BinaryOp::LessEqual | BinaryOp::GreaterEqual => {
            let numbers = |it| matches!(it, Text | Number);
            (one == other && !matches!(one, None | Dict)) || (numbers(one) && numbers(other))
        }
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::In
        | BinaryOp::NotIn
        | BinaryOp::Is
        | BinaryOp::IsNot => true,
    }
}
