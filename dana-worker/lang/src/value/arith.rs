//! Arithmetic on values, with Python's results and Dana's errors.

use std::rc::Rc;

use num_bigint::{BigInt, Sign};

use super::literal::{Literal, decimal, moment};
use super::work::Walk;
use super::{Raise, Table, Value, bigint, cycles, memory, repr, work};

/// The arithmetic operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arith {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
}

impl Arith {
    pub fn symbol(self) -> &'static str {
        match self {
            Arith::Add => "+",
            Arith::Subtract => "-",
            Arith::Multiply => "*",
            Arith::Divide => "/",
            Arith::FloorDivide => "//",
            Arith::Modulo => "%",
            Arith::Power => "**",
        }
    }
}

/// `a op b` as an expression: text and numbers join with `+`.
pub fn binary(op: Arith, a: &Value, b: &Value) -> Result<Value, Raise> {
    if let (Value::Promise(_), _) | (_, Value::Promise(_)) = (a, b) {
        return binary(op, &a.observe()?, &b.observe()?);
    }
    if op == Arith::Add
        && let Some(joined) = join_number(a, b)?
    {
        return Ok(joined);
    }
    plain(op, a, b)
}

/// `a op= b`: without joining text and numbers; lists grow in place.
pub fn augmented(op: Arith, a: &Value, b: &Value) -> Result<Value, Raise> {
    if let (Value::Promise(_), _) | (_, Value::Promise(_)) = (a, b) {
        return augmented(op, &a.observe()?, &b.observe()?);
    }
    match (op, a) {
        (Arith::Add, Value::List(list)) => {
            let more = super::Iter::of(b)?.collect()?;
            cycles::stored_all(list, &more);
            let mut items = list.items.borrow_mut();
            memory::grow(&mut items, more.len())?;
            items.extend(more);
            drop(items);
            Ok(a.clone())
        }
        _ => plain(op, a, b),
    }
}

/// Text and a number: the number's printed form joins; a bool in lower case.
fn join_number(a: &Value, b: &Value) -> Result<Option<Value>, Raise> {
    let joins = |value: &Value| {
        matches!(value, Value::Int(_) | Value::Big(_) | Value::Float(_) | Value::True | Value::False)
            || matches!(value, Value::Literal(it) if matches!(&**it, Literal::Decimal(_)))
    };
    if !(a.is_text() && joins(b) || joins(a) && b.is_text()) {
        return Ok(None);
    }
    let mut out = String::new();
    for value in [a, b] {
        match value {
            Value::True => out.push_str("true"),
            Value::False => out.push_str("false"),
            other => repr::push_display(&mut out, other)?,
        }
    }
    Ok(Some(Value::string(out)))
}

enum Number<'a> {
    Int(i64),
    Big(&'a BigInt),
    Float(f64),
}

fn number(value: &Value) -> Option<Number<'_>> {
    Some(match value {
        Value::Int(number) => Number::Int(*number),
        Value::Float(number) => Number::Float(number.get()),
        Value::True => Number::Int(1),
        Value::False => Number::Int(0),
        Value::Big(number) => Number::Big(number),
        _ => return None,
    })
}

fn float(number: &Number<'_>) -> Result<f64, Raise> {
    match number {
        Number::Int(number) => Ok(*number as f64),
        Number::Float(number) => Ok(*number),
        Number::Big(number) => bigint::to_float(number),
    }
}

fn plain(op: Arith, a: &Value, b: &Value) -> Result<Value, Raise> {
    match (number(a), number(b)) {
        (Some(Number::Int(a)), Some(Number::Int(b))) => ints(op, a, b),
        (Some(Number::Big(a)), Some(Number::Big(b))) => bigs(op, a, b),
        (Some(Number::Big(a)), Some(Number::Int(b))) => big_by_int(op, a, b),
        (Some(Number::Int(a)), Some(Number::Big(b))) => bigs(op, &BigInt::from(a), b),
        (Some(a), Some(b)) => Ok(Value::float(floats(op, float(&a)?, float(&b)?)?)),
        _ => others(op, a, b),
    }
}

/// A big integer and one that fits, without making the second big.
fn big_by_int(op: Arith, a: &BigInt, b: i64) -> Result<Value, Raise> {
    let apart = (a.sign() == Sign::Minus) != (b < 0);
    match op {
        Arith::Add | Arith::Subtract => {
            bigint::check_bits(a.bits() + 1)?;
            Ok(Value::big(if op == Arith::Add { a + b } else { a - b }))
        }
        Arith::Multiply => {
            bigint::check_bits(a.bits() + 64)?;
            Ok(Value::big(a * b))
        }
        Arith::Modulo if b != 0 => {
            work::bytes((a.bits() / 8) as usize)?;
            let rest = i64::try_from(a % b).unwrap_or(0);
            Ok(Value::Int(if rest != 0 && apart { rest + b } else { rest }))
        }
        Arith::FloorDivide if b != 0 => {
            bigint::check_bits(a.bits())?;
            let quotient = a / b;
            let inexact = apart && (a % b).sign() != Sign::NoSign;
            Ok(Value::big(if inexact { quotient - 1 } else { quotient }))
        }
        _ => bigs(op, a, &BigInt::from(b)),
    }
}

/// Integers that fit; a result that does not grows into a big one.
pub fn ints(op: Arith, a: i64, b: i64) -> Result<Value, Raise> {
    let small = match op {
        Arith::Add => a.checked_add(b),
        Arith::Subtract => a.checked_sub(b),
        Arith::Multiply => a.checked_mul(b),
        Arith::Divide => return divide_ints(a, b),
        Arith::FloorDivide => {
            if b == 0 {
                return Err(zero("integer division or modulo by zero"));
            }
            a.checked_div_euclid(b).map(|_| floor_div(a, b))
        }
        Arith::Modulo => {
            if b == 0 {
                return Err(zero("integer modulo by zero"));
            }
            Some(if b == -1 { 0 } else { floor_mod(a, b) })
        }
        Arith::Power => return power_ints(a, b),
    };
    match small {
        Some(number) => Ok(Value::Int(number)),
        None => bigs(op, &BigInt::from(a), &BigInt::from(b)),
    }
}

/// Rounds towards minus infinity. `b` is not zero and the quotient fits.
#[inline(always)]
pub fn floor_div(a: i64, b: i64) -> i64 {
    let quotient = a.wrapping_div(b);
    if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
}

/// The sign of the divisor. `b` is not zero.
#[inline(always)]
pub fn floor_mod(a: i64, b: i64) -> i64 {
    let rest = a.wrapping_rem(b);
    if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
}

fn zero(message: &str) -> Raise {
    Raise::zero_division(message)
}

fn divide_ints(a: i64, b: i64) -> Result<Value, Raise> {
    if b == 0 {
        return Err(zero("division by zero"));
    }
    const EXACT: u64 = 1 << 53;
    if a.unsigned_abs() <= EXACT && b.unsigned_abs() <= EXACT {
        return Ok(Value::float(a as f64 / b as f64));
    }
    divide_bigs(&BigInt::from(a), &BigInt::from(b))
}

/// The float nearest to the exact quotient.
fn divide_bigs(a: &BigInt, b: &BigInt) -> Result<Value, Raise> {
    if b.sign() == Sign::NoSign {
        return Err(zero("division by zero"));
    }
    memory::reserve(((a.bits() + b.bits()) / 2) as usize)?;
    bigint::charge_product(a.bits(), b.bits())?;
    // Scale so that the quotient has 66 bits or more, then let a sticky bit stand for the remainder.
    let shift = b.bits() as i64 - a.bits() as i64 + 66;
    let (mut numerator, mut denominator) =
        (BigInt::from(a.magnitude().clone()), BigInt::from(b.magnitude().clone()));
    if shift > 0 {
        numerator <<= shift as u64;
    } else {
        denominator <<= (-shift) as u64;
    }
    let quotient: BigInt = &numerator / &denominator;
    let sticky = &quotient * &denominator != numerator;
    let quotient: BigInt = quotient * 2 + u8::from(sticky);
    let magnitude = bigint::to_float(&quotient)?;
    let result = scale(magnitude, -shift - 1);
    if result.is_infinite() {
        return Err(Raise::overflow("integer division result too large for a float"));
    }
    Ok(Value::float(if (a.sign() == Sign::Minus) == (b.sign() == Sign::Minus) { result } else { -result }))
}

/// `number * 2**exponent` in two steps, so that neither factor leaves the range.
fn scale(number: f64, exponent: i64) -> f64 {
    let half = (exponent / 2).clamp(-1000, 1000) as i32;
    let rest = (exponent - i64::from(half)).clamp(-1000, 1000) as i32;
    number * 2_f64.powi(half) * 2_f64.powi(rest)
}

fn bigs(op: Arith, a: &BigInt, b: &BigInt) -> Result<Value, Raise> {
    let none = b.sign() == Sign::NoSign;
    Ok(Value::big(match op {
        Arith::Add => {
            bigint::check_bits(a.bits().max(b.bits()) + 1)?;
            a + b
        }
        Arith::Subtract => {
            bigint::check_bits(a.bits().max(b.bits()) + 1)?;
            a - b
        }
        Arith::Multiply => {
            bigint::check_bits(a.bits() + b.bits())?;
            bigint::charge_product(a.bits(), b.bits())?;
            a * b
        }
        Arith::Divide => return divide_bigs(a, b),
        Arith::FloorDivide if none => return Err(zero("integer division or modulo by zero")),
        Arith::Modulo if none => return Err(zero("integer modulo by zero")),
        Arith::FloorDivide | Arith::Modulo => {
            bigint::charge_product(a.bits(), b.bits())?;
            memory::reserve((a.bits() / 2) as usize)?;
            let (quotient, rest) = floor_divide(a, b);
            if op == Arith::Modulo { rest } else { quotient }
        }
        Arith::Power => return power_bigs(a, b),
    }))
}

/// Quotient towards minus infinity, and the remainder that goes with it.
pub fn floor_divide(a: &BigInt, b: &BigInt) -> (BigInt, BigInt) {
    let quotient = a / b;
    let rest = a - &quotient * b;
    if rest.sign() != Sign::NoSign && rest.sign() != b.sign() {
        (quotient - 1, rest + b)
    } else {
        (quotient, rest)
    }
}

fn power_ints(a: i64, b: i64) -> Result<Value, Raise> {
    if b < 0 {
        return negative_power(a as f64, b as f64, a == 0);
    }
    if let Ok(exponent) = u32::try_from(b)
        && let Some(power) = a.checked_pow(exponent)
    {
        return Ok(Value::Int(power));
    }
    power_bigs(&BigInt::from(a), &BigInt::from(b))
}

fn power_bigs(a: &BigInt, b: &BigInt) -> Result<Value, Raise> {
    if b.sign() == Sign::Minus {
        return negative_power(bigint::to_float(a)?, bigint::to_float(b)?, a.sign() == Sign::NoSign);
    }
    let tiny = a.bits() <= 1;
    if tiny {
        let odd = b.magnitude().bit(0);
        let zero_power = b.sign() == Sign::NoSign;
        return Ok(match i64::try_from(a) {
            Ok(-1) if odd => Value::Int(-1),
            Ok(0) if !zero_power => Value::Int(0),
            _ => Value::Int(1),
        });
    }
    let exponent = u32::try_from(b).map_err(|_| {
        bigint::check_bits(u64::MAX).err().unwrap_or_else(|| Raise::overflow("integer too large"))
    })?;
    let bits = a.bits().saturating_mul(u64::from(exponent));
    bigint::check_bits(bits)?;
    bigint::charge_product(bits, bits)?;
    Ok(Value::big(a.pow(exponent)))
}

fn negative_power(a: f64, b: f64, base_is_zero: bool) -> Result<Value, Raise> {
    if base_is_zero {
        return Err(zero("0.0 cannot be raised to a negative power"));
    }
    Ok(Value::float(a.powf(b)))
}

pub fn floats(op: Arith, a: f64, b: f64) -> Result<f64, Raise> {
    Ok(match op {
        Arith::Add => a + b,
        Arith::Subtract => a - b,
        Arith::Multiply => a * b,
        Arith::Divide if b == 0.0 => return Err(zero("float division by zero")),
        Arith::Divide => a / b,
        Arith::FloorDivide if b == 0.0 => return Err(zero("float floor division by zero")),
        Arith::FloorDivide => floor_float(a, b).0,
        Arith::Modulo if b == 0.0 => return Err(zero("float modulo")),
        Arith::Modulo => floor_float(a, b).1,
        Arith::Power => power_floats(a, b)?,
    })
}

/// Quotient and remainder as Python computes them for floats.
pub fn floor_float(a: f64, b: f64) -> (f64, f64) {
    let mut rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest != 0.0 {
        if (b < 0.0) != (rest < 0.0) {
            rest += b;
            quotient -= 1.0;
        }
    } else {
        rest = 0.0_f64.copysign(b);
    }
    let floored = if quotient != 0.0 {
        let floor = quotient.floor();
        if quotient - floor > 0.5 { floor + 1.0 } else { floor }
    } else {
        0.0_f64.copysign(a / b)
    };
    (floored, rest)
}

fn power_floats(a: f64, b: f64) -> Result<f64, Raise> {
    if a == 0.0 && b < 0.0 && b.is_finite() {
        return Err(zero("0.0 cannot be raised to a negative power"));
    }
    if a < 0.0 && a.is_finite() && b.is_finite() && b.fract() != 0.0 {
        return Err(Raise::value_error("a negative number cannot be raised to a fractional power"));
    }
    let power = a.powf(b);
    if power.is_infinite() && a.is_finite() && b.is_finite() {
        return Err(Raise::overflow("numerical result out of range"));
    }
    Ok(power)
}

fn others(op: Arith, a: &Value, b: &Value) -> Result<Value, Raise> {
    match (op, a, b) {
        (Arith::Add, _, _) if a.is_text() && b.is_text() => concat(a, b),
        (Arith::Add, Value::List(x), Value::List(y)) => {
            let (x, y) = (x.items.borrow(), y.items.borrow());
            memory::reserve_values(x.len() + y.len())?;
            let mut items = Vec::with_capacity(x.len() + y.len());
            memory::copy_onto(&mut items, &x)?;
            memory::copy_onto(&mut items, &y)?;
            Ok(Value::list(items))
        }
        (Arith::Add, Value::Tuple(x), Value::Tuple(y)) => {
            memory::reserve_values(x.items().len() + y.items().len())?;
            let mut items = Vec::with_capacity(x.items().len() + y.items().len());
            memory::copy_onto(&mut items, x.items())?;
            memory::copy_onto(&mut items, y.items())?;
            Ok(Value::tuple(items))
        }
        (Arith::Add, Value::Bytes(x), Value::Bytes(y)) => {
            memory::reserve(x.0.len() + y.0.len())?;
            work::bytes(x.0.len() + y.0.len())?;
            Ok(Value::bytes([&*x.0, &*y.0].concat()))
        }
        (Arith::Subtract, Value::Set(set), Value::Set(y)) => {
            let (x, y) = (set.table.borrow(), y.table.borrow());
            let mut left = Table::new();
            let mut walk = Walk::default();
            for entry in x.iter() {
                walk.step()?;
                if y.get_hashed(entry.hash, &entry.key)?.is_none() {
                    memory::reserve(left.growth())?;
                    left.insert_hashed(entry.hash, entry.key.clone(), ())?;
                }
            }
            Ok(Value::Set(Rc::new(set.alike(left))))
        }
        (Arith::Modulo, _, _) if a.is_text() => crate::library::percent(a, b),
        (Arith::Multiply, _, _) if !matches!((a, b), (Value::Literal(_), _) | (_, Value::Literal(_))) => {
            match (repeatable(a), count(b), repeatable(b), count(a)) {
                (true, Some(times), _, _) => repeat(a, times),
                (_, _, true, Some(times)) => repeat(b, times),
                _ => Err(unsupported(op, a, b)),
            }
        }
        (_, Value::Literal(_), _) | (_, _, Value::Literal(_)) => literals(op, a, b),
        _ => Err(unsupported(op, a, b)),
    }
}

/// Where one is a date, a time, a duration or a decimal.
fn literals(op: Arith, a: &Value, b: &Value) -> Result<Value, Raise> {
    let is_decimal =
        |value: &Value| matches!(value, Value::Literal(it) if matches!(&**it, Literal::Decimal(_)));
    if is_decimal(a) || is_decimal(b) {
        return match (decimal::operand(a)?, decimal::operand(b)?) {
            (Some(x), Some(y)) => decimal::binary(op, &x, &y).map(Value::from),
            _ => Err(unsupported(op, a, b)),
        };
    }
    moment::binary(op, a, b)?.ok_or_else(|| unsupported(op, a, b))
}

fn repeatable(value: &Value) -> bool {
    value.is_text() || matches!(value, Value::List(_) | Value::Tuple(_) | Value::Bytes(_))
}

fn count(value: &Value) -> Option<usize> {
    match value {
        Value::Big(big) => Some(if big.sign() == Sign::Minus { 0 } else { usize::MAX }),
        other => other.as_index().map(|times| usize::try_from(times).unwrap_or(0)),
    }
}

fn repeat(value: &Value, times: usize) -> Result<Value, Raise> {
    let many = |items: &[Value]| -> Result<Vec<Value>, Raise> {
        memory::reserve_values(items.len().saturating_mul(times))?;
        let mut out = Vec::with_capacity(items.len() * times);
        let mut walk = Walk::default();
        for _ in 0..if items.is_empty() { 0 } else { times } {
            walk.step()?;
            memory::copy_onto(&mut out, items)?;
        }
        Ok(out)
    };
    match value {
        Value::List(list) => Ok(Value::list(many(&list.items.borrow())?)),
        Value::Tuple(tuple) => Ok(Value::tuple(many(tuple.items())?)),
        Value::Bytes(bytes) => {
            memory::reserve(bytes.0.len().saturating_mul(times))?;
            work::bytes(bytes.0.len() * times)?;
            Ok(Value::bytes(bytes.0.repeat(times)))
        }
        other => {
            let text = other.as_text().unwrap_or(super::Text::Heap(""));
            memory::reserve(text.len().saturating_mul(times))?;
            work::bytes(text.len() * times)?;
            Ok(Value::string(text.repeat(if text.is_empty() { 0 } else { times })))
        }
    }
}

fn concat(a: &Value, b: &Value) -> Result<Value, Raise> {
    if let (Value::Small(a), Value::Small(b)) = (a, b)
        && let Some(joined) = a.join(*b)
    {
        return Ok(Value::Small(joined));
    }
    let (Some(a), Some(b)) = (a.as_text(), b.as_text()) else { return Ok(Value::str("")) };
    memory::reserve(a.len() + b.len())?;
    work::bytes(a.len() + b.len())?;
    let mut text = String::with_capacity(a.len() + b.len());
    text.push_str(&a);
    text.push_str(&b);
    Ok(Value::string(text))
}

/// `a + b` where `a` may be used up: a string nobody else holds grows in place.
pub fn add_to(a: Value, b: &Value) -> Result<Value, (Value, Raise)> {
    match (a, b) {
        (Value::Str(mut text), Value::Small(_) | Value::Str(_)) => {
            let Some(more) = b.as_text() else { return Ok(Value::Str(text)) };
            if let Some(own) = Rc::get_mut(&mut text) {
                if own.spare() < more.len()
                    && let Err(raise) = own.grow(more.len())
                {
                    return Err((Value::Str(text), raise));
                }
                if let Err(raise) = work::bytes(more.len()) {
                    return Err((Value::Str(text), raise));
                }
                own.push_str(&more);
                return Ok(Value::Str(text));
            }
            let a = Value::Str(text);
            concat(&a, b).map_err(|raise| (a, raise))
        }
        (a, b) => binary(Arith::Add, &a, b).map_err(|raise| (a, raise)),
    }
}

fn unsupported(op: Arith, a: &Value, b: &Value) -> Raise {
    Raise::sandbox(format!(
        "unsupported operand type(s) for {}: '{}' and '{}'",
        op.symbol(),
        a.type_name(),
        b.type_name()
    ))
}

/// `-a`.
pub fn negate(a: &Value) -> Result<Value, Raise> {
    match a {
        Value::Int(number) => {
            Ok(number.checked_neg().map_or_else(|| Value::big(-BigInt::from(*number)), Value::Int))
        }
        Value::Float(number) => Ok(Value::float(-number.get())),
        Value::True => Ok(Value::Int(-1)),
        Value::False => Ok(Value::Int(0)),
        Value::Big(number) => Ok(Value::big(-(**number).clone())),
        Value::Literal(it) if let Literal::Decimal(number) = &**it => number.minus().map(Value::from),
        Value::Literal(it) if let Literal::Duration(_) = &**it => {
            literals(Arith::Multiply, a, &Value::Int(-1))
        }
        Value::Promise(promise) => negate(&promise.observe()?),
        other => Err(Raise::sandbox(format!("bad operand type for unary -: '{}'", other.type_name()))),
    }
}

/// `+a`.
pub fn identity(a: &Value) -> Result<Value, Raise> {
    match a {
        Value::Int(_) | Value::Float(_) | Value::Big(_) => Ok(a.clone()),
        Value::True => Ok(Value::Int(1)),
        Value::False => Ok(Value::Int(0)),
        Value::Literal(it) if let Literal::Decimal(number) = &**it => number.plus().map(Value::from),
        Value::Literal(it) if let Literal::Duration(_) = &**it => Ok(a.clone()),
        Value::Promise(promise) => identity(&promise.observe()?),
        other => Err(Raise::sandbox(format!("bad operand type for unary +: '{}'", other.type_name()))),
    }
}
