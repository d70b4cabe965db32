//! Ordering: numbers with numbers, text with text, lists and tuples element by element.

use std::cmp::Ordering;

use super::work::Walk;
use super::{BigInt, Raise, Value, bigint, eq, literal, work};

const MAX_NESTING: u32 = 200;

/// How `a` stands to `b`; none when one is NaN. `symbol` is the operator named in the error.
#[inline]
pub fn compare(a: &Value, b: &Value, symbol: &str) -> Result<Option<Ordering>, Raise> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Ok(Some(a.cmp(b))),
        (Value::Float(a), Value::Float(b)) => Ok(a.get().partial_cmp(&b.get())),
        _ => nested(a, b, symbol, 0),
    }
}

/// `a < b`, as sorting needs it.
#[inline]
pub fn less(a: &Value, b: &Value) -> Result<bool, Raise> {
    Ok(compare(a, b, "<")? == Some(Ordering::Less))
}

fn nested(a: &Value, b: &Value, symbol: &str, depth: u32) -> Result<Option<Ordering>, Raise> {
    if depth > MAX_NESTING {
        return Err(Raise::nesting("comparing"));
    }
    if let (Value::Promise(_), _) | (_, Value::Promise(_)) = (a, b) {
        return nested(&a.observe()?, &b.observe()?, symbol, depth + 1);
    }
    if let (Some(a), Some(b)) = (a.as_text(), b.as_text()) {
        // UTF-8 order is code point order.
        work::bytes(a.len().min(b.len()))?;
        return Ok(Some(a.as_bytes().cmp(b.as_bytes())));
    }
    match (a, b) {
        (Value::List(a), Value::List(b)) => sequences(&a.items.borrow(), &b.items.borrow(), symbol, depth),
        (Value::Tuple(a), Value::Tuple(b)) => sequences(a.items(), b.items(), symbol, depth),
        (Value::Bytes(a), Value::Bytes(b)) => {
            work::bytes(a.0.len().min(b.0.len()))?;
            Ok(Some(a.0.cmp(&b.0)))
        }
        (Value::Set(a), Value::Set(b)) => {
            let (a, b) = (a.table.borrow(), b.table.borrow());
            let mut inside = 0;
            let mut walk = Walk::default();
            for entry in a.iter() {
                walk.step()?;
                inside += usize::from(b.get_hashed(entry.hash, &entry.key)?.is_some());
            }
            Ok(match (inside == a.len(), inside == b.len()) {
                (true, true) => Some(Ordering::Equal),
                (true, false) => Some(Ordering::Less),
                (false, true) => Some(Ordering::Greater),
                (false, false) => None,
            })
        }
        (Value::Literal(_), _) | (_, Value::Literal(_)) => match literal::compare(a, b)? {
            Some(order) => Ok(Some(order)),
            None => Err(unordered(a, b, symbol)),
        },
        _ => numbers(a, b).ok_or_else(|| unordered(a, b, symbol)),
    }
}

fn unordered(a: &Value, b: &Value, symbol: &str) -> Raise {
    Raise::sandbox(format!(
        "'{symbol}' not supported between instances of '{}' and '{}'",
        a.type_name(),
        b.type_name()
    ))
}

fn sequences(a: &[Value], b: &[Value], symbol: &str, depth: u32) -> Result<Option<Ordering>, Raise> {
    let mut walk = Walk::default();
    for (a, b) in a.iter().zip(b) {
        walk.step()?;
        if !(eq::same(a, b) || eq::equal(a, b)?) {
            return nested(a, b, symbol, depth + 1);
        }
    }
    Ok(Some(a.len().cmp(&b.len())))
}

/// None outside when one is no number.
fn numbers(a: &Value, b: &Value) -> Option<Option<Ordering>> {
    if let (Some(a), Some(b)) = (a.as_index(), b.as_index()) {
        return Some(Some(a.cmp(&b)));
    }
    Some(match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.get().partial_cmp(&b.get()),
        (Value::Float(float), other) => against(float.get(), other)?,
        (other, Value::Float(float)) => against(float.get(), other)?.map(Ordering::reverse),
        _ => Some(integer(a)?.cmp(&integer(b)?)),
    })
}

fn integer(value: &Value) -> Option<BigInt> {
    match value {
        Value::Big(big) => Some((**big).clone()),
        other => other.as_index().map(BigInt::from),
    }
}

/// A float against an integer, exactly.
fn against(float: f64, other: &Value) -> Option<Option<Ordering>> {
    let integer = integer(other)?;
    if float.is_nan() {
        return Some(None);
    }
    if float.is_infinite() {
        return Some(Some(if float > 0.0 { Ordering::Greater } else { Ordering::Less }));
    }
    let whole = bigint::from_float(float.trunc()).unwrap_or_default();
    let order = whole.cmp(&integer).then_with(|| float.fract().partial_cmp(&0.0).unwrap_or(Ordering::Equal));
    Some(Some(order))
}
