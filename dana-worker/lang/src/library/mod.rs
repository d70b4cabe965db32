//! The functions and methods every program finds, by name.
//!
//! The tables are data; the interpreter looks names up here and nowhere else.

pub mod native;

use crate::value::{Raise, Value};
use native::Native;

/// Functions by name.
static BUILTINS: &[&Native] = &[];

/// A builtin function.
pub fn builtin(name: &str) -> Option<&'static Native> {
    BUILTINS.iter().find(|native| native.name == name).copied()
}

/// All builtin names, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILTINS.iter().map(|native| native.name)
}

/// The error for calling a name that is refused on purpose.
pub fn blocked(_name: &str) -> Option<Raise> {
    None
}

/// A method of a builtin value's type. Its first parameter is the receiver.
pub fn method(_receiver: &Value, _name: &str) -> Option<&'static Native> {
    None
}

/// `text % values`.
pub fn percent(_template: &Value, _values: &Value) -> Result<Value, Raise> {
    Err(Raise::unsupported("'%' formatting"))
}

/// `format(value, spec)`, as f-strings need it.
pub fn format(_value: &Value, _spec: &str) -> Result<String, Raise> {
    Err(Raise::unsupported("a format specification"))
}
