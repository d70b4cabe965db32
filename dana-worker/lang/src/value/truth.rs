//! The two truth rules of Dana.

use super::{Raise, Value};

/// Plain truth: `not`, `and`, `or`, the conditional expression, `assert`, filters.
#[inline]
pub fn plain(value: &Value) -> Result<bool, Raise> {
    Ok(match value {
        Value::True => true,
        Value::None | Value::False => false,
        Value::Int(number) => *number != 0,
        Value::Float(number) => number.get() != 0.0,
        Value::Small(text) => !text.is_empty(),
        other => return plain_shared(other),
    })
}

fn plain_shared(value: &Value) -> Result<bool, Raise> {
    Ok(match value {
        Value::List(list) => !list.is_empty(),
        Value::Tuple(tuple) => !tuple.items().is_empty(),
        Value::Dict(dict) => !dict.is_empty(),
        Value::Set(set) => !set.is_empty(),
        Value::Range(range) => !range.is_empty(),
        Value::Bytes(bytes) => !bytes.0.is_empty(),
        Value::View(view) => !view.dict.is_empty(),
        Value::Grid(grid) => grid.rows > 0,
        Value::Column(column) => !column.is_empty(),
        Value::Literal(literal) => literal.is_true(),
        Value::Promise(promise) => plain(&promise.observe()?)?,
        Value::Type(_) | Value::Big(_) | Value::Str(_) => true,
        _ => true,
    })
}

/// Fuzzy truth: conditions, `bool()` and coercion to `bool`. Strings are read as an answer.
#[inline]
pub fn fuzzy(value: &Value) -> Result<bool, Raise> {
    match value {
        Value::True => Ok(true),
        Value::False => Ok(false),
        Value::Small(_) | Value::Str(_) => Ok(crate::text::fuzzy_truth(&value.as_text().unwrap_or(EMPTY))),
        Value::Promise(promise) => fuzzy(&promise.observe()?),
        other => plain(other),
    }
}

const EMPTY: super::Text<'static> = super::Text::Heap("");
