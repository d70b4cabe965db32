//! Types that the generator keeps track of, so that most of what it writes means something.

use super::choices::Choices;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ty {
    None,
    Bool,
    Int,
    Float,
    Str,
    Range,
    List(Box<Ty>),
    Tuple(Vec<Ty>),
    Dict(Box<Ty>, Box<Ty>),
    /// Never inside another type: the two languages iterate over a set in different orders (the specification names
    /// none), so a set is only looked at in ways that do not show its order.
    Set(Box<Ty>),
}

/// A type whose values have an order among themselves. They are hashable too.
pub(crate) fn orderable(choices: &mut Choices<'_>) -> Ty {
    match choices.below(8) {
        0..=2 => Ty::Int,
        3 | 4 => Ty::Str,
        5 => Ty::Float,
        6 => Ty::Bool,
        _ => Ty::Tuple(vec![plain(choices), plain(choices)]),
    }
}

fn plain(choices: &mut Choices<'_>) -> Ty {
    if choices.below(2) == 0 { Ty::Int } else { Ty::Str }
}

pub(crate) fn hashable(choices: &mut Choices<'_>) -> Ty {
    if choices.once_in(9) { Ty::None } else { orderable(choices) }
}

/// Any type but a set.
pub(crate) fn ordinary(choices: &mut Choices<'_>, depth: u32) -> Ty {
    match choices.below(if depth == 0 { 8 } else { 14 }) {
        0 | 1 => Ty::Int,
        2 | 3 => Ty::Str,
        4 | 5 => Ty::Float,
        6 => Ty::Bool,
        7 => Ty::None,
        8 | 9 => Ty::List(Box::new(ordinary(choices, depth - 1))),
        10 => {
            let count = choices.below(4);
            Ty::Tuple((0..count).map(|_| ordinary(choices, depth - 1)).collect())
        }
        11 | 12 => Ty::Dict(Box::new(hashable(choices)), Box::new(ordinary(choices, depth - 1))),
        _ => Ty::Range,
    }
}
