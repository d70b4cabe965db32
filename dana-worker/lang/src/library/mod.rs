//! The functions and methods every program finds, by name.
//!
//! The tables are data; the interpreter looks names up here and nowhere else.

pub mod agents;
mod args;
mod blocked;
mod collections;
mod convert;
mod decimal_format;
mod decorators;
mod exceptions;
mod format;
mod grid_methods;
mod literal_methods;
pub mod native;
mod number_methods;
mod numbers;
mod output;
pub mod preloaded;
mod resources;
mod sequence_methods;
mod sort;
mod str_methods;
mod table_methods;

pub use blocked::{blocked, refused};
pub(crate) use convert::{to_float, to_int};
pub(crate) use exceptions::constructs;
pub use format::{converted, format, percent};
pub use grid_methods::no_column;
pub use literal_methods::{properties, property};

use crate::value::Value;
use native::Native;

/// Functions by name.
static BUILTINS: &[&[Native]] = &[
    collections::FUNCTIONS,
    collections::ADDITIONS,
    convert::FUNCTIONS,
    convert::ADDITIONS,
    numbers::FUNCTIONS,
    numbers::DEMONSTRATIONS,
    output::FUNCTIONS,
    output::DEMONSTRATIONS,
    decorators::FUNCTIONS,
    crate::reason::FUNCTIONS,
    exceptions::FUNCTIONS,
    resources::FUNCTIONS,
    grid_methods::FUNCTIONS,
];

/// All builtin functions.
pub(crate) fn builtins() -> impl Iterator<Item = &'static Native> {
    BUILTINS.iter().flat_map(|group| group.iter())
}

/// A builtin function.
pub fn builtin(name: &str) -> Option<&'static Native> {
    builtins().find(|native| native.name == name)
}

/// Builtins that the released Dana does not have: a program's own function of the name comes first.
const REPLACEABLE: [&str; 7] = ["map", "filter", "zip", "dict", "tuple", "chr", "ord"];

/// The builtin function that a call of the name always is, whatever a program defines.
pub(crate) fn protected(name: &str) -> Option<&'static Native> {
    builtin(name).filter(|native| native.protected && !REPLACEABLE.contains(&name))
}

/// Whether a text is an identifier.
pub fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Why a function of the host cannot have this name: programs would never reach it.
pub fn taken(name: &str) -> Option<&'static str> {
    if !is_name(name) {
        return Some("is not a name in Dana");
    }
    if crate::syntax::is_reserved(name) {
        return Some("is a reserved word of Dana");
    }
    if builtin(name).is_some() {
        return Some("is a builtin function of Dana");
    }
    if blocked(name).is_some() {
        return Some("is a name that Dana refuses");
    }
    if preloaded::Preloaded::names().any(|known| known == name) {
        return Some("is a type of Dana");
    }
    None
}

/// All builtin names, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    builtins().map(|native| native.name)
}

/// A method of a builtin value's type. Its first parameter is the receiver.
pub fn method(receiver: &Value, name: &str) -> Option<&'static Native> {
    let methods = methods_of(receiver);
    methods.binary_search_by(|native| native.name.cmp(name)).ok().and_then(|at| methods.get(at))
}

/// Names of the methods of a builtin value's type, for suggestions.
pub fn methods(receiver: &Value) -> impl Iterator<Item = &'static str> {
    methods_of(receiver).iter().map(|native| native.name)
}

/// In order of their names.
fn methods_of(receiver: &Value) -> &'static [Native] {
    match receiver {
        Value::Small(_) | Value::Str(_) => str_methods::METHODS,
        Value::List(_) => sequence_methods::LIST,
        Value::Dict(_) => table_methods::DICT,
        Value::Set(set) if set.frozen => table_methods::FROZEN_SET,
        Value::Set(_) => table_methods::SET,
        Value::Tuple(_) => sequence_methods::TUPLE,
        Value::Range(_) => sequence_methods::RANGE,
        Value::Int(_) | Value::Big(_) | Value::True | Value::False => number_methods::INT,
        Value::Float(_) => number_methods::FLOAT,
        Value::Bytes(_) => number_methods::BYTES,
        Value::View(_) => table_methods::VIEW,
        Value::Grid(_) => grid_methods::TABLE,
        Value::Column(_) => grid_methods::COLUMN,
        Value::Literal(literal) => literal_methods::methods(literal),
        _ => &[],
    }
}

/// A method of a builtin type by the type's name, as in `str.lower`. True when it needs no receiver.
pub fn unbound(kind: &Native, name: &str) -> Option<(&'static Native, bool)> {
    let methods: &'static [Native] = match kind.name {
        "str" => str_methods::METHODS,
        "list" => sequence_methods::LIST,
        "dict" => table_methods::DICT,
        "set" => table_methods::SET,
        _ => return None,
    };
    let found =
        methods.binary_search_by(|native| native.name.cmp(name)).ok().and_then(|at| methods.get(at))?;
    Some((found, matches!(name, "fromkeys" | "maketrans")))
}

#[cfg(test)]
mod tests;
