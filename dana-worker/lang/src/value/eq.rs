//! Equality and identity.

use std::cell::Cell;
use std::rc::Rc;

use super::literal::{self, Literal};
use super::work::ELEMENTS;
use super::{
    BigInt, ColumnObj, Grid, MAX_VISITS, Raise, StrObj, Table, Value, ViewKind, ViewObj, bigint, work,
};

const MAX_NESTING: u32 = 200;

thread_local! {
    /// Elements the comparison under way has looked at.
    static VISITS: Cell<u64> = const { Cell::new(0) };
}

fn visit() -> Result<(), Raise> {
    let visits = VISITS.get() + 1;
    VISITS.set(visits);
    if visits > MAX_VISITS {
        return Err(Raise::size("comparing"));
    }
    if visits.is_multiple_of(ELEMENTS as u64) { work::charge(1) } else { Ok(()) }
}

/// Equality of hashable values, as a table needs it. Their promises are settled: hashing observed them.
#[inline]
pub fn keys(a: &Value, b: &Value) -> Result<bool, Raise> {
    match (a, b) {
        (Value::Small(a), Value::Small(b)) => Ok(a.bits() == b.bits()),
        (Value::Int(a), Value::Int(b)) => Ok(a == b),
        (Value::Str(a), Value::Str(b)) => Ok(Rc::ptr_eq(a, b) || texts(a, b)?),
        // A NaN key is found again when it is the same one.
        (Value::Float(a), Value::Float(b)) if a == b => Ok(true),
        _ => {
            // May be a part of a comparison, whose count goes on.
            let before = VISITS.replace(0);
            let equal = nested(a, b, 0);
            VISITS.set(before.saturating_add(VISITS.get()));
            equal
        }
    }
}

/// Texts, charged as work.
fn texts(a: &StrObj, b: &StrObj) -> Result<bool, Raise> {
    let (a, b) = (a.as_str(), b.as_str());
    if a.len() != b.len() {
        return Ok(false);
    }
    work::bytes(a.len())?;
    Ok(a == b)
}

/// `a == b` without the coercions between text and numbers.
#[inline]
pub fn equal(a: &Value, b: &Value) -> Result<bool, Raise> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Ok(a == b),
        (Value::Small(a), Value::Small(b)) => Ok(a.bits() == b.bits()),
        _ => {
            VISITS.set(0);
            nested(a, b, 0)
        }
    }
}

fn nested(a: &Value, b: &Value, depth: u32) -> Result<bool, Raise> {
    if depth > MAX_NESTING {
        return Err(Raise::nesting("comparing"));
    }
    Ok(match (a, b) {
        (Value::Promise(promise), other) => nested(&promise.observe()?, other, depth + 1)?,
        (other, Value::Promise(promise)) => nested(other, &promise.observe()?, depth + 1)?,
        (Value::None, Value::None) | (Value::Unset, Value::Unset) => true,
        (Value::Small(a), Value::Small(b)) => a.bits() == b.bits(),
        (Value::Str(a), Value::Str(b)) => Rc::ptr_eq(a, b) || texts(a, b)?,
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::Type(a), text) | (text, Value::Type(a)) => text.as_text().is_some_and(|text| *text == *a.0),
        (Value::List(a), Value::List(b)) => {
            if Rc::ptr_eq(a, b) {
                return Ok(true);
            }
            sequences(&a.items.borrow(), &b.items.borrow(), depth)?
        }
        (Value::Tuple(a), Value::Tuple(b)) => Rc::ptr_eq(a, b) || sequences(a.items(), b.items(), depth)?,
        (Value::Dict(a), Value::Dict(b)) => {
            if Rc::ptr_eq(a, b) {
                return Ok(true);
            }
            let (a, b) = (a.table.borrow(), b.table.borrow());
            if a.len() != b.len() {
                return Ok(false);
            }
            for entry in a.iter() {
                let Some(other) = b.get_hashed(entry.hash, &entry.key)? else { return Ok(false) };
                if !same_or_equal(&entry.value, other, depth)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Set(a), Value::Set(b)) => {
            let (a, b) = (a.table.borrow(), b.table.borrow());
            a.len() == b.len() && all_in(&a, &b)?
        }
        (Value::Struct(a), Value::Struct(b)) => {
            if Rc::ptr_eq(a, b) {
                return Ok(true);
            }
            a.kind.name == b.kind.name
                && sequences(a.declared(&a.fields.borrow()), b.declared(&b.fields.borrow()), depth)?
        }
        (Value::Range(a), Value::Range(b)) => a == b,
        (Value::Bytes(a), Value::Bytes(b)) => {
            work::bytes(a.0.len().min(b.0.len()))?;
            a == b
        }
        (Value::Native(a), Value::Native(b)) => std::ptr::eq(*a, *b),
        (Value::Func(a), Value::Func(b)) => Rc::ptr_eq(a, b),
        (Value::Bound(a), Value::Bound(b)) => {
            same(&a.receiver, &b.receiver) && nested(&a.function, &b.function, depth + 1)?
        }
        (Value::StructType(a), Value::StructType(b)) => Rc::ptr_eq(a, b),
        (Value::Module(a), Value::Module(b)) => Rc::ptr_eq(a, b),
        (Value::Error(a), Value::Error(b)) => Rc::ptr_eq(a, b),
        (Value::Iter(a), Value::Iter(b)) => Rc::ptr_eq(a, b),
        (Value::Grid(a), Value::Grid(b)) => Rc::ptr_eq(a, b) || tables(a, b, depth)?,
        (Value::Column(a), b) => cells(a, b, depth)?,
        (a, Value::Column(b)) => cells(b, a, depth)?,
        (Value::View(a), b) => views(a, b, depth)?,
        (a, Value::View(b)) => views(b, a, depth)?,
        (Value::Literal(x), Value::Literal(y)) if Rc::ptr_eq(x, y) && !is_nan(x) => true,
        (Value::Literal(_), _) | (_, Value::Literal(_)) => literal::equal(a, b)?,
        _ => numbers(a, b).unwrap_or(false),
    })
}

fn is_nan(literal: &Literal) -> bool {
    matches!(literal, Literal::Decimal(number) if number.is_nan())
}

/// Whether each key of a table is in another.
fn all_in<A, B>(a: &Table<A>, b: &Table<B>) -> Result<bool, Raise> {
    for entry in a.iter() {
        visit()?;
        if b.get_hashed(entry.hash, &entry.key)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The same columns in the same order with equal cells. Index and types do not matter.
fn tables(a: &Grid, b: &Grid, depth: u32) -> Result<bool, Raise> {
    if a.rows != b.rows || a.shown().count() != b.shown().count() {
        return Ok(false);
    }
    for ((_, a_column), (_, b_column)) in a.shown().zip(b.shown()) {
        if *a_column.name() != *b_column.name() {
            return Ok(false);
        }
        match a_column.same_bytes(b_column)? {
            Some(true) => continue,
            Some(false) => return Ok(false),
            None => {}
        }
        for row in 0..a.rows {
            if !same_or_equal(&a_column.cell(row)?, &b_column.cell(row)?, depth)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// A column equals what has equal elements: a column, a list or a tuple.
fn cells(a: &ColumnObj, b: &Value, depth: u32) -> Result<bool, Raise> {
    let length = match b {
        Value::Column(b) => b.len(),
        Value::List(b) => b.len(),
        Value::Tuple(b) => b.items().len(),
        _ => return Ok(false),
    };
    if a.len() != length {
        return Ok(false);
    }
    for at in 0..length {
        let one = a.get(at)?.unwrap_or(Value::None);
        let two = match b {
            Value::Column(b) => b.get(at)?,
            Value::List(b) => b.get(at),
            Value::Tuple(b) => b.items().get(at).cloned(),
            _ => None,
        };
        if !same_or_equal(&one, &two.unwrap_or(Value::None), depth)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Keys and pairs of a dict are equal as sets are; values only to themselves.
fn views(a: &Rc<ViewObj>, b: &Value, depth: u32) -> Result<bool, Raise> {
    let entries = a.dict.table.borrow();
    match (a.which, b) {
        (_, Value::View(b)) if Rc::ptr_eq(a, b) => Ok(true),
        (ViewKind::Keys, Value::View(b)) if b.which == ViewKind::Keys => {
            let b = b.dict.table.borrow();
            Ok(entries.len() == b.len() && all_in(&entries, &b)?)
        }
        (ViewKind::Keys, Value::Set(b)) => {
            let b = b.table.borrow();
            Ok(entries.len() == b.len() && all_in(&entries, &b)?)
        }
        (ViewKind::Items, Value::View(b)) if b.which == ViewKind::Items => {
            nested(&Value::Dict(Rc::clone(&a.dict)), &Value::Dict(Rc::clone(&b.dict)), depth + 1)
        }
        (ViewKind::Items, Value::Set(b)) => {
            let b = b.table.borrow();
            if entries.len() != b.len() {
                return Ok(false);
            }
            for entry in entries.iter() {
                if !b.contains(&ViewObj::element(ViewKind::Items, entry))? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Identity first, as Python compares elements, so that a NaN equals itself inside a container.
fn same_or_equal(a: &Value, b: &Value, depth: u32) -> Result<bool, Raise> {
    visit()?;
    Ok(same(a, b) || nested(a, b, depth + 1)?)
}

fn sequences(a: &[Value], b: &[Value], depth: u32) -> Result<bool, Raise> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.iter().zip(b) {
        if !same_or_equal(a, b, depth)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Numeric equality across int, float and bool; none when one is no number.
fn numbers(a: &Value, b: &Value) -> Option<bool> {
    if let (Some(a), Some(b)) = (a.as_index(), b.as_index()) {
        return Some(a == b);
    }
    Some(match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.get() == b.get(),
        (Value::Big(a), Value::Big(b)) => a == b,
        (Value::Float(float), other) | (other, Value::Float(float)) => {
            let float = float.get();
            match other {
                Value::Big(big) => bigint::from_float(float).is_some_and(|exact| exact == **big),
                other => {
                    let int = other.as_index()?;
                    float.fract() == 0.0
                        && bigint::from_float(float).is_some_and(|exact| exact == BigInt::from(int))
                }
            }
        }
        _ => return None,
    })
}

/// `a is b`: the same object. Numbers and texts, which cannot change, are the same when they are equal and of one type.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::None, Value::None)
        | (Value::True, Value::True)
        | (Value::False, Value::False)
        | (Value::Unset, Value::Unset) => true,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Small(a), Value::Small(b)) => a.bits() == b.bits(),
        (Value::Str(a), Value::Str(b)) => Rc::ptr_eq(a, b) || a.as_str() == b.as_str(),
        (Value::Big(a), Value::Big(b)) => Rc::ptr_eq(a, b),
        (Value::List(a), Value::List(b)) => Rc::ptr_eq(a, b),
        (Value::Dict(a), Value::Dict(b)) => Rc::ptr_eq(a, b),
        (Value::Tuple(a), Value::Tuple(b)) => {
            Rc::ptr_eq(a, b) || a.items().is_empty() && b.items().is_empty()
        }
        (Value::Set(a), Value::Set(b)) => Rc::ptr_eq(a, b),
        (Value::Struct(a), Value::Struct(b)) => Rc::ptr_eq(a, b),
        (Value::Range(a), Value::Range(b)) => Rc::ptr_eq(a, b),
        (Value::Bytes(a), Value::Bytes(b)) => Rc::ptr_eq(a, b),
        (Value::Func(a), Value::Func(b)) => Rc::ptr_eq(a, b),
        (Value::Native(a), Value::Native(b)) => std::ptr::eq(*a, *b),
        (Value::Bound(a), Value::Bound(b)) => Rc::ptr_eq(a, b),
        (Value::StructType(a), Value::StructType(b)) => Rc::ptr_eq(a, b),
        (Value::Error(a), Value::Error(b)) => Rc::ptr_eq(a, b),
        (Value::Iter(a), Value::Iter(b)) => Rc::ptr_eq(a, b),
        (Value::View(a), Value::View(b)) => Rc::ptr_eq(a, b),
        (Value::Grid(a), Value::Grid(b)) => Rc::ptr_eq(a, b),
        (Value::Column(a), Value::Column(b)) => Rc::ptr_eq(a, b),
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::Module(a), Value::Module(b)) => Rc::ptr_eq(a, b),
        (Value::Literal(a), Value::Literal(b)) => Rc::ptr_eq(a, b),
        _ => false,
    }
}
