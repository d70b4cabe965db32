//! Methods of `int`, `bool`, `float` and `bytes`.

use num_bigint::{BigInt, Sign};

use crate::value::{Raise, Value, bigint};

use super::args::{self, natives};
use super::format::not_whole;
use super::native::Call;

natives! {
    /// In order of name: they are searched by halves.
    INT:
    "as_integer_ratio" ["self" Position] Plain int_ratio;
    "bit_count" ["self" Position] Plain bit_count;
    "bit_length" ["self" Position] Plain bit_length;
    "conjugate" ["self" Position] Plain |call| crate::value::arith::identity(call.arg(0));
    "is_integer" ["self" Position] Plain |_| Ok(Value::True);
}

natives! {
    /// In order of name.
    FLOAT:
    "as_integer_ratio" ["self" Position] Plain float_ratio;
    "conjugate" ["self" Position] Plain |call| Ok(call.arg(0).clone());
    "is_integer" ["self" Position] Plain is_integer;
}

natives! {
    /// In order of name.
    BYTES:
    "decode" ["self" Position, "encoding" Optional, "errors" Optional] Plain decode;
    "hex" ["self" Position] Plain hex;
}

fn integer(value: &Value) -> BigInt {
    match value {
        Value::Big(big) => (**big).clone(),
        other => BigInt::from(other.as_index().unwrap_or(0)),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a native")]
fn bit_length(call: &mut Call<'_>) -> Result<Value, Raise> {
    let bits = match call.arg(0) {
        Value::Big(big) => big.bits(),
        other => u64::from(64 - other.as_index().unwrap_or(0).unsigned_abs().leading_zeros()),
    };
    Ok(Value::Int(i64::try_from(bits).unwrap_or(i64::MAX)))
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a native")]
fn bit_count(call: &mut Call<'_>) -> Result<Value, Raise> {
    let ones = match call.arg(0) {
        Value::Big(big) => big.magnitude().count_ones(),
        other => u64::from(other.as_index().unwrap_or(0).unsigned_abs().count_ones()),
    };
    Ok(Value::Int(i64::try_from(ones).unwrap_or(i64::MAX)))
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a native")]
fn int_ratio(call: &mut Call<'_>) -> Result<Value, Raise> {
    Ok(Value::tuple(vec![Value::big(integer(call.arg(0))), Value::Int(1)]))
}

fn float(value: &Value) -> f64 {
    if let Value::Float(number) = value { number.get() } else { 0.0 }
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a native")]
fn is_integer(call: &mut Call<'_>) -> Result<Value, Raise> {
    let number = float(call.arg(0));
    Ok(Value::bool(number.is_finite() && number.fract() == 0.0))
}

/// The exact quotient a float stands for.
fn float_ratio(call: &mut Call<'_>) -> Result<Value, Raise> {
    let number = float(call.arg(0));
    if !number.is_finite() {
        return Err(if number.is_nan() {
            Raise::value_error("cannot convert NaN to integer ratio")
        } else {
            Raise::overflow("cannot convert Infinity to integer ratio")
        });
    }
    let (mut scaled, mut shift) = (number, 0_u32);
    while scaled.fract() != 0.0 {
        scaled *= 2.0;
        shift += 1;
    }
    let numerator = bigint::from_float(scaled).ok_or_else(|| not_whole(scaled))?;
    Ok(Value::tuple(vec![Value::big(numerator), Value::big(BigInt::from(1) << shift)]))
}

fn decode(call: &mut Call<'_>) -> Result<Value, Raise> {
    let Value::Bytes(bytes) = call.arg(0) else { return Ok(Value::str("")) };
    let name = match call.given(1) {
        Some(name) => args::text(name, "decode() argument 'encoding' must be str")?.to_lowercase(),
        None => "utf-8".to_owned(),
    };
    let lenient = match call.given(2) {
        Some(errors) => *args::text(errors, "decode() argument 'errors' must be str")? != *"strict",
        None => false,
    };
    crate::value::memory::reserve(bytes.0.len().saturating_mul(3))?;
    match name.replace('_', "-").as_str() {
        "utf-8" | "utf8" if lenient => Ok(Value::string(String::from_utf8_lossy(&bytes.0).into_owned())),
        "utf-8" | "utf8" => match std::str::from_utf8(&bytes.0) {
            Ok(text) => Ok(Value::str(text)),
            Err(error) => Err(Raise::new(
                "UnicodeDecodeError",
                format!("'utf-8' codec can't decode byte in position {}", error.valid_up_to()),
            )),
        },
        "latin-1" | "latin1" | "iso-8859-1" => {
            Ok(Value::string(bytes.0.iter().map(|&byte| char::from(byte)).collect()))
        }
        "ascii" | "us-ascii" => match bytes.0.iter().position(|byte| !byte.is_ascii()) {
            None => Ok(Value::string(bytes.0.iter().map(|&byte| char::from(byte)).collect())),
            Some(at) => Err(Raise::new(
                "UnicodeDecodeError",
                format!("'ascii' codec can't decode byte in position {at}: ordinal not in range(128)"),
            )),
        },
        _ => Err(Raise::new("LookupError", format!("unknown encoding: {name}"))),
    }
}

fn hex(call: &mut Call<'_>) -> Result<Value, Raise> {
    let Value::Bytes(bytes) = call.arg(0) else { return Ok(Value::str("")) };
    crate::value::memory::reserve(bytes.0.len().saturating_mul(2))?;
    let digits =
        |byte: u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0'));
    Ok(Value::string(bytes.0.iter().flat_map(|&byte| digits(byte)).collect()))
}

/// Whether a big integer is negative.
pub(super) fn is_negative(big: &BigInt) -> bool {
    big.sign() == Sign::Minus
}
