//! The less usual operands of instructions that have a fast path.

use std::cmp::Ordering;
use std::rc::Rc;

use super::{WINDOW, index};
use crate::coerce;
use crate::compile::code::{Shape, Template};
use crate::compile::op::{Compare, Convert};
use crate::library;
use crate::value::arith::{self, Arith};
use crate::value::table::Entry;
use crate::value::{Raise, Table, Value, cycles, eq, memory, order, put, repr, take, work};

pub(super) type Window = [Value; WINDOW];

fn reg(win: &Window, at: u8) -> &Value {
    &win[usize::from(at)]
}

#[inline(never)]
pub(super) fn arith(win: &mut Window, op: Arith, a: u8, b: u8, c: u8) -> Result<(), Raise> {
    let value = match (reg(win, b), reg(win, c)) {
        (Value::Int(x), Value::Float(y)) if op != Arith::Power => {
            Value::float(arith::floats(op, *x as f64, y.get())?)
        }
        (Value::Float(x), Value::Int(y)) if op != Arith::Power => {
            Value::float(arith::floats(op, x.get(), *y as f64)?)
        }
        (x, y) => arith::binary(op, x, y)?,
    };
    put(&mut win[usize::from(a)], value);
    Ok(())
}

/// `a = b + c`, growing a string in place when `a` is `b`.
#[inline(never)]
pub(super) fn add(win: &mut Window, a: u8, b: u8, c: u8, dead: u8, registers: u8) -> Result<(), Raise> {
    if a != b || c == a || !matches!(reg(win, a), Value::Str(_)) {
        return arith(win, Arith::Add, a, b, c);
    }
    if let Value::Str(text) = reg(win, a)
        && Rc::strong_count(text) > 1
    {
        clear(win, dead, registers, c);
    }
    let left = take(&mut win[usize::from(a)]);
    match arith::add_to(left, reg(win, c)) {
        Ok(sum) => {
            put(&mut win[usize::from(a)], sum);
            Ok(())
        }
        Err((left, raise)) => {
            put(&mut win[usize::from(a)], left);
            Err(raise)
        }
    }
}

/// Drops what dead temporaries still hold.
pub(super) fn clear(win: &mut Window, dead: u8, registers: u8, keep: u8) {
    for at in dead..registers {
        if at != keep && !win[usize::from(at)].is_scalar() {
            put(&mut win[usize::from(at)], Value::Unset);
        }
    }
}

#[inline(never)]
pub(super) fn augment(win: &mut Window, op: u8, a: u8, b: u8, dead: u8, registers: u8) -> Result<(), Raise> {
    let op = match op {
        0 => Arith::Add,
        1 => Arith::Subtract,
        2 => Arith::Multiply,
        _ => Arith::Divide,
    };
    if op == Arith::Add && reg(win, a).is_text() && reg(win, b).is_text() {
        return add(win, a, a, b, dead, registers);
    }
    let value = arith::augmented(op, reg(win, a), reg(win, b))?;
    put(&mut win[usize::from(a)], value);
    Ok(())
}

#[inline(never)]
pub(super) fn compare(how: Compare, a: &Value, b: &Value) -> Result<bool, Raise> {
    if let (Value::Promise(_), _) | (_, Value::Promise(_)) = (a, b) {
        return compare(how, &a.observe()?, &b.observe()?);
    }
    match how {
        Compare::Is => return Ok(eq::same(a, b)),
        Compare::IsNot => return Ok(!eq::same(a, b)),
        Compare::In => return index::contains(b, a),
        Compare::NotIn => return Ok(!index::contains(b, a)?),
        _ => {}
    }
    if a.is_text() != b.is_text()
        && let Some((a, b)) = coerce::comparable(a, b)
    {
        return ordered(how, &a, &b);
    }
    ordered(how, a, b)
}

fn ordered(how: Compare, a: &Value, b: &Value) -> Result<bool, Raise> {
    let holds = |symbol: &str, test: fn(Ordering) -> bool| -> Result<bool, Raise> {
        Ok(order::compare(a, b, symbol)?.is_some_and(test))
    };
    match how {
        Compare::Less => holds("<", Ordering::is_lt),
        Compare::LessEqual => holds("<=", Ordering::is_le),
        Compare::Greater => holds(">", Ordering::is_gt),
        Compare::GreaterEqual => holds(">=", Ordering::is_ge),
        Compare::NotEqual => Ok(!eq::equal(a, b)?),
        _ => eq::equal(a, b),
    }
}

/// The printed forms of registers, which are used up, with the template's texts around them.
#[inline(never)]
pub(super) fn join(win: &mut Window, first: u8, count: u8, template: &Template) -> Result<Value, Raise> {
    let fields = usize::from(first)..usize::from(first) + usize::from(count);
    let fields = win.get_mut(fields).unwrap_or_default();
    let mut room = template.bytes;
    for field in &*fields {
        room += match field {
            Value::Small(text) => text.len(),
            Value::Int(number) => repr::width(*number),
            Value::Str(text) => text.as_str().len(),
            _ => 24,
        };
    }
    memory::reserve(room)?;
    work::bytes(room)?;
    // Bytes, since texts of a few bytes are checked faster together than one by one.
    let mut out = Vec::with_capacity(room);
    let [texts @ .., last] = &*template.texts else { return Ok(Value::str("")) };
    for (text, field) in texts.iter().zip(&*fields) {
        out.extend_from_slice(text.as_bytes());
        match field {
            Value::Small(text) => out.extend_from_slice(text.padded().get(..text.len()).unwrap_or_default()),
            Value::Int(number) => repr::push_digits(&mut out, *number),
            Value::Str(text) => out.extend_from_slice(text.as_str().as_bytes()),
            other => {
                let text = repr::display(other)?;
                memory::reserve(text.len())?;
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
    out.extend_from_slice(last.as_bytes());
    // Not before: a field that is still awaited makes the machine come here again.
    for field in fields {
        if !field.is_scalar() {
            put(field, Value::Unset);
        }
    }
    match String::from_utf8(out) {
        Ok(text) => Ok(Value::string(text)),
        Err(_) => Err(Raise::runtime("texts joined to something that is no text")),
    }
}

#[inline(never)]
pub(super) fn format(value: &Value, spec: &Value, how: Convert) -> Result<Value, Raise> {
    let value = value.observe()?;
    let converted = match how {
        Convert::None => value,
        Convert::Str => Value::string(library::converted(&value, 's')?),
        Convert::Repr => Value::string(library::converted(&value, 'r')?),
        Convert::Ascii => Value::string(library::converted(&value, 'a')?),
    };
    match spec.as_text() {
        Some(spec) => Ok(Value::string(library::format(&converted, &spec)?)),
        None => Ok(Value::string(repr::display(&converted)?)),
    }
}

/// Registers taken in a row.
pub(super) fn row(win: &mut Window, first: u8, count: u8) -> Vec<Value> {
    win.get_mut(usize::from(first)..usize::from(first) + usize::from(count))
        .unwrap_or_default()
        .iter_mut()
        .map(take)
        .collect()
}

#[inline(never)]
pub(super) fn dict_put(win: &mut Window, a: u8, first: u8, pairs: u8) -> Result<(), Raise> {
    let Value::Dict(dict) = reg(win, a) else { return Ok(()) };
    let dict = Rc::clone(dict);
    let values = win.get(usize::from(first)..usize::from(first) + 2 * usize::from(pairs)).unwrap_or_default();
    for pair in values.chunks_exact(2) {
        if let [key, value] = pair {
            cycles::stored(&dict, value);
            cycles::stored(&dict, key);
            dict.insert(key.clone(), value.clone())?;
        }
    }
    Ok(())
}

/// A dict of known keys and the values in registers.
#[inline(never)]
pub(super) fn shaped(win: &mut Window, first: u8, count: u8, shape: &Shape) -> Result<Value, Raise> {
    let count = usize::from(count);
    memory::reserve(count * size_of::<Entry<Value>>() + 64)?;
    let hashes = shape.hashes()?;
    let values = win.get_mut(usize::from(first)..usize::from(first) + count).unwrap_or_default();
    let entries = shape.keys.iter().zip(hashes).zip(values);
    let entries =
        entries.map(|((key, hash), value)| Entry { hash: *hash, key: key.clone(), value: take(value) });
    Ok(Value::dict(Table::of_distinct(entries)))
}

#[inline(never)]
pub(super) fn new_dict(win: &mut Window, first: u8, pairs: u8) -> Result<Value, Raise> {
    let pairs = usize::from(pairs);
    memory::reserve(pairs * 48 + 64)?;
    let mut table = Table::with_capacity(pairs);
    let values = win.get_mut(usize::from(first)..usize::from(first) + 2 * pairs).unwrap_or_default();
    for pair in values.chunks_exact(2) {
        if let [key, value] = pair {
            table.insert(key.clone(), value.clone())?;
        }
    }
    for value in values {
        put(value, Value::Unset);
    }
    Ok(Value::dict(table))
}

#[inline(never)]
pub(super) fn set_add(win: &mut Window, a: u8, first: u8, count: u8) -> Result<(), Raise> {
    let Value::Set(set) = reg(win, a) else { return Ok(()) };
    let set = Rc::clone(set);
    let values = win.get(usize::from(first)..usize::from(first) + usize::from(count)).unwrap_or_default();
    let mut table = set.table.borrow_mut();
    for value in values {
        memory::reserve(table.growth())?;
        cycles::stored(&set, value);
        table.add(value.clone())?;
    }
    Ok(())
}

/// Checks and completes the three registers of a counted loop.
#[inline(never)]
pub(super) fn range_start(win: &mut Window, first: u8, given: u8) -> Result<(), Raise> {
    let mut numbers = [0_i64; 3];
    for (at, number) in numbers.iter_mut().enumerate().take(usize::from(given)) {
        let value = win[usize::from(first).saturating_add(at).min(WINDOW - 1)].observe()?;
        *number = match value.as_index() {
            Some(number) => number,
            None if matches!(value, Value::Big(_)) => {
                return Err(Raise::overflow("range() argument too large"));
            }
            None => {
                return Err(Raise::type_error(format!(
                    "'{}' object cannot be interpreted as an integer",
                    value.type_name()
                )));
            }
        };
    }
    let [start, stop, step] = match (given, numbers) {
        (1, [stop, _, _]) => [0, stop, 1],
        (2, [start, stop, _]) => [start, stop, 1],
        (_, all) => all,
    };
    if step == 0 {
        return Err(Raise::value_error("range() arg 3 must not be zero"));
    }
    for (at, number) in (0_usize..).zip([start, stop, step]) {
        put(&mut win[(usize::from(first) + at).min(WINDOW - 1)], Value::Int(number));
    }
    Ok(())
}
