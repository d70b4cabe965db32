//! Builtin functions of numbers: `abs`, `round`, `sum`, and the demonstration functions.

use num_bigint::BigInt;

use crate::text;
use crate::value::arith::{self, Arith};
use crate::value::literal::Literal;
use crate::value::work::Walk;
use crate::value::{Iter, Raise, RangeObj, Value, bigint, memory, work};

use super::args::{self, natives, unsuitable};
use super::format::not_whole;
use super::literal_methods;
use super::native::Call;

natives! {
    FUNCTIONS:
    "abs" ["x" Position] Plain abs;
    "round" ["number" Either, "ndigits" Optional] Plain round;
    "sum" ["iterable" Position, "start" Optional] Plain sum;
    "basic_sum" ["iterable" Position] Plain sum;
}

natives! {
    /// Preloaded for demonstration.
    replaceable DEMONSTRATIONS:
    "sum_range" ["start" Either, "end" Either] Plain sum_range;
    "is_odd" ["n" Either] Plain |call| parity(call, 1);
    "is_even" ["n" Either] Plain |call| parity(call, 0);
    "factorial" ["n" Either] Plain factorial;
    "add_one" ["n" Either] Plain |call| added(call, 1);
    "add_two" ["n" Either] Plain |call| added(call, 2);
    "add_three" ["n" Either] Plain |call| added(call, 3);
    "add_four" ["n" Either] Plain |call| added(call, 4);
}

fn abs(call: &mut Call<'_>) -> Result<Value, Raise> {
    match call.arg(0) {
        Value::Float(number) => Ok(Value::float(number.get().abs())),
        Value::Big(big) => Ok(Value::big(BigInt::from(big.magnitude().clone()))),
        Value::Literal(literal) => literal_methods::abs(literal).unwrap_or_else(|| {
            Err(unsuitable(format!("bad operand type for abs(): '{}'", literal.type_name())))
        }),
        other => match other.as_index() {
            Some(number) => match number.checked_abs() {
                Some(number) => Ok(Value::Int(number)),
                None => Ok(Value::big(-BigInt::from(number))),
            },
            None => Err(unsuitable(format!("bad operand type for abs(): '{}'", other.type_name()))),
        },
    }
}

fn round(call: &mut Call<'_>) -> Result<Value, Raise> {
    let digits = match args::some(call, 1) {
        None => None,
        Some(Value::Big(big)) => {
            Some(if super::number_methods::is_negative(big) { i64::MIN } else { i64::MAX })
        }
        Some(other) => match other.as_index() {
            Some(digits) => Some(digits),
            None => {
                return Err(unsuitable(
                    args::not_an_integer(other).as_error().map_or_else(String::new, |e| e.message.clone()),
                ));
            }
        },
    };
    match (call.arg(0), digits) {
        (Value::Float(number), None) => {
            let whole = number.get().round_ties_even();
            bigint::from_float(whole).map(Value::big).ok_or_else(|| not_whole(whole))
        }
        (Value::Float(number), Some(digits)) => round_float(number.get(), digits).map(Value::float),
        (number @ (Value::Int(_) | Value::Big(_) | Value::True | Value::False), digits) => {
            let places = digits.filter(|&digits| digits < 0).map(i64::unsigned_abs);
            match places {
                None => arith::identity(number),
                Some(places) => round_integer(number, places),
            }
        }
        (Value::Literal(literal), places) if let Literal::Decimal(number) = &**literal => {
            literal_methods::round(number, places)
        }
        (other, _) => Err(unsuitable(format!("type {} doesn't define __round__ method", other.type_name()))),
    }
}

/// To `digits` decimals, halves to even, judged on the exact value.
fn round_float(number: f64, digits: i64) -> Result<f64, Raise> {
    if !number.is_finite() || digits > 323 {
        return Ok(number);
    }
    let rounded = match usize::try_from(digits) {
        Ok(places) => format!("{number:.places$}").parse().unwrap_or(number),
        Err(_) if digits < -308 => 0.0_f64.copysign(number),
        Err(_) => {
            let unit = BigInt::from(10).pow(u32::try_from(digits.unsigned_abs()).unwrap_or(0));
            let whole = bigint::from_float(number.abs().trunc()).unwrap_or_default();
            let rest: BigInt = &whole % &unit;
            let lower: BigInt = &whole - &rest;
            let odd: BigInt = (&lower / &unit) % 2;
            let doubled: BigInt = rest * 2;
            let half = doubled.cmp(&unit);
            let up = half.is_gt() || half.is_eq() && (number.fract() != 0.0 || odd == BigInt::from(1));
            bigint::to_float(&if up { lower + unit } else { lower })?.copysign(number)
        }
    };
    if rounded.is_infinite() {
        return Err(Raise::overflow("rounded value too large to represent"));
    }
    Ok(rounded)
}

/// To a multiple of `10**places`, halves to even.
fn round_integer(number: &Value, places: u64) -> Result<Value, Raise> {
    let number = match number {
        Value::Big(big) => (**big).clone(),
        other => BigInt::from(other.as_index().unwrap_or(0)),
    };
    // More places than the number has digits round to nothing.
    if places.saturating_mul(3) > number.bits() + 3 {
        return Ok(Value::Int(0));
    }
    bigint::check_bits(number.bits())?;
    bigint::charge_product(2 * number.bits(), number.bits())?;
    let unit = BigInt::from(10).pow(u32::try_from(places).unwrap_or(u32::MAX));
    let (quotient, rest) = arith::floor_divide(&number, &unit);
    let doubled: BigInt = &rest * 2;
    let odd: BigInt = &quotient % 2;
    let up = doubled > unit || doubled == unit && odd != BigInt::ZERO;
    Ok(Value::big((if up { quotient + 1 } else { quotient }) * unit))
}

/// The sum of a range, by its ends.
fn sum_of_range(range: &RangeObj) -> Value {
    if range.is_empty() {
        return Value::Int(0);
    }
    let ends = BigInt::from(range.at(0)) + BigInt::from(range.at(range.len() - 1));
    Value::big(ends * BigInt::from(range.len()) / 2)
}

fn sum(call: &mut Call<'_>) -> Result<Value, Raise> {
    if let (Value::Range(range), start) = (call.arg(0), call.given(1).unwrap_or(&Value::Int(0)))
        && matches!(start, Value::Int(_) | Value::Big(_))
    {
        return arith::binary(Arith::Add, start, &sum_of_range(range));
    }
    let iter = args::iterate(call.arg(0))?;
    let start = call.given(1).cloned().unwrap_or(Value::Int(0));
    if start.is_text() {
        return Err(Raise::type_error("sum() can't sum strings [use ''.join(seq) instead]"));
    }
    match start {
        Value::List(list) => joined(iter, memory::copied(&list.items.borrow())?, true),
        Value::Tuple(tuple) => joined(iter, memory::copied(tuple.items())?, false),
        start => total(iter, start),
    }
}

/// Lists or tuples one after the other, without copying what is already there.
fn joined(mut iter: Iter, mut items: Vec<Value>, lists: bool) -> Result<Value, Raise> {
    let mut walk = Walk::default();
    while let Some(item) = iter.next()? {
        walk.step()?;
        let more = match (&item.observe()?, lists) {
            (Value::List(list), true) => memory::copied(&list.items.borrow())?,
            (Value::Tuple(tuple), false) => memory::copied(tuple.items())?,
            (other, _) => {
                let (this, kind) = (if lists { "list" } else { "tuple" }, other.type_name());
                return Err(Raise::type_error(format!(
                    "can only concatenate {this} (not \"{kind}\") to {this}"
                )));
            }
        };
        memory::grow(&mut items, more.len())?;
        items.extend(more);
    }
    Ok(if lists { Value::list(items) } else { Value::tuple(items) })
}

/// Integers exactly, floats with the compensation CPython 3.12 has.
fn total(mut iter: Iter, start: Value) -> Result<Value, Raise> {
    let mut sum = start;
    // What rounding has lost so far, while the sum is a float.
    let mut lost = 0.0;
    work::foresee(iter.remaining())?;
    let mut walk = Walk::default();
    while let Some(item) = iter.next()? {
        walk.step()?;
        let item = if let Value::Promise(promise) = &item { promise.observe()? } else { item };
        if item.is_text() {
            let (a, b) = (sum.type_name(), item.type_name());
            return Err(Raise::type_error(format!("unsupported operand type(s) for +: '{a}' and '{b}'")));
        }
        match (&sum, &item) {
            (Value::Int(total), Value::Int(more)) if total.checked_add(*more).is_some() => {
                sum = Value::Int(total.wrapping_add(*more));
            }
            (Value::Float(total), Value::Float(more)) => {
                let (total, more) = (total.get(), more.get());
                let next = total + more;
                lost += if total.abs() >= more.abs() { (total - next) + more } else { (more - next) + total };
                sum = Value::float(next);
            }
            (Value::Float(total), other) => match other.as_index() {
                #[expect(clippy::cast_precision_loss, reason = "CPython rounds here too")]
                Some(more) => sum = Value::float(total.get() + more as f64),
                None => {
                    sum = arith::binary(Arith::Add, &compensated(&sum, lost), other)?;
                    lost = 0.0;
                }
            },
            (total, more) => {
                sum = arith::binary(Arith::Add, total, more)?;
            }
        }
    }
    Ok(compensated(&sum, lost))
}

fn compensated(sum: &Value, lost: f64) -> Value {
    match sum {
        Value::Float(total) if lost != 0.0 && lost.is_finite() => Value::float(total.get() + lost),
        other => other.clone(),
    }
}

/// The integer a demonstration function was given.
fn whole(call: &Call<'_>, at: usize) -> Result<BigInt, Raise> {
    match call.arg(at) {
        Value::Big(big) => Ok((**big).clone()),
        other => other.as_index().map(BigInt::from).ok_or_else(|| {
            let name = call.native.name;
            unsuitable(format!("{name}() expects an integer, got '{}'", other.type_name()))
        }),
    }
}

/// All integers from the first to the last argument, both included.
fn sum_range(call: &mut Call<'_>) -> Result<Value, Raise> {
    let (first, last) = (whole(call, 0)?, whole(call, 1)?);
    if first > last {
        return Ok(Value::Int(0));
    }
    let bits = first.bits().max(last.bits());
    bigint::check_bits(2 * bits + 2)?;
    bigint::charge_product(bits, bits)?;
    let count: BigInt = &last - &first + 1;
    Ok(Value::big((first + last) * count / 2))
}

fn parity(call: &mut Call<'_>, wanted: u8) -> Result<Value, Raise> {
    let odd = whole(call, 0)?.magnitude().bit(0);
    Ok(Value::bool(u8::from(odd) == wanted))
}

fn factorial(call: &mut Call<'_>) -> Result<Value, Raise> {
    let n = whole(call, 0)?;
    if n.sign() == num_bigint::Sign::Minus {
        return Err(Raise::value_error("factorial() not defined for negative values"));
    }
    let n = u32::try_from(&n).unwrap_or(u32::MAX);
    // A little more than the bits of n!, by Stirling.
    let bits = f64::from(n) * (f64::from(n).max(2.0).log2() - 1.4) + 64.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and below 2**38")]
    bigint::check_bits(bits as u64)?;
    product(1, n).map(Value::big)
}

/// `low * ... * high`, halves first so that the factors stay of one size.
fn product(low: u32, high: u32) -> Result<BigInt, Raise> {
    if high < low {
        return Ok(BigInt::from(1));
    }
    if high - low < 16 {
        work::charge(1)?;
        return Ok((low..=high).fold(BigInt::from(1), |product, factor| product * factor));
    }
    let middle = u32::midpoint(low, high);
    let (lower, upper) = (product(low, middle)?, product(middle + 1, high)?);
    bigint::charge_product(lower.bits(), upper.bits())?;
    Ok(lower * upper)
}

fn added(call: &mut Call<'_>, more: i64) -> Result<Value, Raise> {
    arith::binary(Arith::Add, call.arg(0), &Value::Int(more))
}

/// `float(text)` with Python's complaint.
pub(super) fn float_of_text(source: &str) -> Result<Value, Raise> {
    text::parse_float(source).map(Value::float).ok_or_else(|| {
        let mut quoted = String::new();
        text::quote(&mut quoted, text::beginning(source, 1000));
        Raise::value_error(format!("could not convert string to float: {quoted}"))
    })
}
