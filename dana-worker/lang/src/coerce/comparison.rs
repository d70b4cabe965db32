//! Comparing a text with a number or a bool.
//!
//! The text is read as the other's type; when it cannot be, the two are compared as they are.

use crate::text;
use crate::value::Value;

/// The operands as they compare, when one is a text and the other a number or a bool. `None`: as they are.
pub fn comparable(a: &Value, b: &Value) -> Option<(Value, Value)> {
    match (a.is_text(), b.is_text()) {
        (true, false) => read_as(a, b).map(|a| (a, b.clone())),
        (false, true) => read_as(b, a).map(|b| (a.clone(), b)),
        _ => None,
    }
}

fn read_as(source: &Value, other: &Value) -> Option<Value> {
    let source = source.as_text()?;
    match other {
        Value::True | Value::False => Some(Value::bool(text::fuzzy_truth(&source))),
        Value::Int(_) | Value::Big(_) => match text::parse_decimal(&source) {
            Some(number) => Some(Value::Int(number)),
            None => text::parse_bigint(&source, 10, "").ok().map(Value::big),
        },
        Value::Float(_) => text::parse_float(&source).map(Value::float),
        _ => None,
    }
}
