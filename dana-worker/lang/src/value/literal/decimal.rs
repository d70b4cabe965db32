//! Decimal numbers, with the results of Python's default context: 28 digits, halves to even.
//!
//! No operation takes more than the digits of its operands and a few dozen more, whatever their exponents: numbers
//! that are far apart are never brought to one exponent.

use std::cmp::Ordering;
use std::fmt::Write as _;

use num_bigint::{BigInt, BigUint, Sign};
use num_traits::{One as _, ToPrimitive as _, Zero as _};

use super::super::arith::Arith;
use super::super::{Raise, Value, bigint, memory, work};

const PRECISION: i64 = 28;
const LARGEST: i64 = 999_999;
const SMALLEST: i64 = -999_999;
/// The least exponent of a result.
const TINY: i64 = SMALLEST - PRECISION + 1;
/// Bits of the largest integer that is calculated with as a decimal: 4300 digits.
const INT_BITS: u64 = 14_285;
/// Digits before the point of the largest integer there can be.
const INT_DIGITS: i64 = 1_262_612;

/// A decimal number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    pub negative: bool,
    pub size: Size,
}

/// A decimal number without its sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Size {
    Finite { digits: BigUint, exponent: i64 },
    Infinite,
    Nan { signaling: bool },
}

/// A finite number.
#[derive(Clone)]
struct Finite {
    negative: bool,
    digits: BigUint,
    exponent: i64,
}

impl Finite {
    fn adjusted(&self) -> i64 {
        self.exponent + count(&self.digits) - 1
    }

    fn is_zero(&self) -> bool {
        self.digits.is_zero()
    }
}

fn ten(power: i64) -> BigUint {
    BigUint::from(10_u8).pow(u32::try_from(power).unwrap_or(0))
}

/// How many digits a number is written with.
fn count(digits: &BigUint) -> i64 {
    match digits.to_u128() {
        Some(small) => i64::from(small.checked_ilog10().unwrap_or(0)) + 1,
        None => i64::try_from(digits.to_string().len()).unwrap_or(i64::MAX),
    }
}

fn invalid(message: &str) -> Raise {
    Raise::new("InvalidOperation", message)
}

fn overflow() -> Raise {
    Raise::overflow("the result has more than 999999 digits before the point")
}

impl Decimal {
    pub fn finite(negative: bool, digits: BigUint, exponent: i64) -> Decimal {
        Decimal { negative, size: Size::Finite { digits, exponent } }
    }

    pub fn of_int(number: &BigInt) -> Decimal {
        Decimal::finite(number.sign() == Sign::Minus, number.magnitude().clone(), 0)
    }

    /// The exact value of a float.
    pub fn of_float(number: f64) -> Decimal {
        if !number.is_finite() {
            let size = if number.is_nan() { Size::Nan { signaling: false } } else { Size::Infinite };
            return Decimal { negative: number.is_sign_negative(), size };
        }
        let bits = number.to_bits();
        let power = i64::try_from(bits >> 52 & 0x7ff).unwrap_or(0);
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, power) =
            if power == 0 { (fraction, -1074) } else { (fraction | 1 << 52, power - 1075) };
        let shift = i64::from(mantissa.trailing_zeros());
        let (mantissa, power) = if mantissa == 0 { (0, 0) } else { (mantissa >> shift, power + shift) };
        let negative = number.is_sign_negative();
        if power >= 0 {
            return Decimal::finite(negative, BigUint::from(mantissa) << power, 0);
        }
        let fives = BigUint::from(5_u8).pow(u32::try_from(-power).unwrap_or(0));
        Decimal::finite(negative, BigUint::from(mantissa) * fives, power)
    }

    pub fn is_nan(&self) -> bool {
        matches!(self.size, Size::Nan { .. })
    }

    pub fn is_signaling(&self) -> bool {
        matches!(self.size, Size::Nan { signaling: true })
    }

    pub fn is_finite(&self) -> bool {
        matches!(self.size, Size::Finite { .. })
    }

    pub fn is_zero(&self) -> bool {
        matches!(&self.size, Size::Finite { digits, .. } if digits.is_zero())
    }

    /// `-number`, rounded to the context.
    pub fn minus(&self) -> Result<Decimal, Raise> {
        if self.is_nan() { quiet(self) } else { self.negated().plus() }
    }

    /// `abs(number)`, rounded to the context.
    pub fn size(&self) -> Result<Decimal, Raise> {
        if self.is_nan() { quiet(self) } else { self.absolute().plus() }
    }

    pub fn negated(&self) -> Decimal {
        Decimal { negative: !self.negative, size: self.size.clone() }
    }

    pub fn absolute(&self) -> Decimal {
        Decimal { negative: false, size: self.size.clone() }
    }

    fn as_finite(&self) -> Option<Finite> {
        match &self.size {
            Size::Finite { digits, exponent } => {
                Some(Finite { negative: self.negative, digits: digits.clone(), exponent: *exponent })
            }
            _ => None,
        }
    }

    /// The power of ten of its first digit.
    pub fn adjusted(&self) -> i64 {
        self.as_finite().map_or(0, |finite| finite.adjusted())
    }

    /// Rounded to the context, as the sign operators do.
    pub fn plus(&self) -> Result<Decimal, Raise> {
        match self.as_finite() {
            // Zero loses its sign.
            Some(finite) => fixed(finite.negative && !finite.is_zero(), finite.digits, finite.exponent),
            None => quiet(self),
        }
    }

    /// `str(number)`.
    pub fn text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let (digits, exponent) = match &self.size {
            Size::Infinite => return format!("{sign}Infinity"),
            Size::Nan { signaling } => return format!("{sign}{}NaN", if *signaling { "s" } else { "" }),
            Size::Finite { digits, exponent } => (digits.to_string(), *exponent),
        };
        let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let left = exponent + length;
        let point = if exponent <= 0 && left > -6 { left } else { 1 };
        let mut out = String::from(sign);
        match usize::try_from(point) {
            Ok(at @ 1..) => {
                let (whole, rest) = digits.split_at(at.min(digits.len()));
                out.push_str(whole);
                if !rest.is_empty() {
                    out.push('.');
                    out.push_str(rest);
                }
            }
            _ => {
                out.push_str("0.");
                out.extend(std::iter::repeat_n('0', usize::try_from(-point).unwrap_or(0)));
                out.push_str(&digits);
            }
        }
        if left != point {
            // Writing to a string cannot fail.
            let _ = write!(out, "E{:+}", left - point);
        }
        out
    }

    /// The nearest float.
    pub fn to_float(&self) -> Result<f64, Raise> {
        let size = match &self.size {
            Size::Infinite => f64::INFINITY,
            Size::Nan { signaling: true } => {
                return Err(Raise::value_error("cannot convert signaling NaN to float"));
            }
            Size::Nan { .. } => f64::NAN,
            Size::Finite { digits, exponent } => format!("{digits}e{exponent}").parse().unwrap_or(f64::NAN),
        };
        Ok(if self.negative { -size } else { size })
    }

    /// The integer that is left without what is behind the point.
    pub fn to_int(&self) -> Result<BigInt, Raise> {
        match &self.size {
            Size::Infinite => Err(Raise::overflow("cannot convert Infinity to integer")),
            Size::Nan { .. } => Err(Raise::value_error("cannot convert NaN to integer")),
            Size::Finite { digits, exponent } => {
                let size = if *exponent >= 0 {
                    scaled_up(digits, *exponent)?
                } else if -exponent >= count(digits) {
                    BigUint::zero()
                } else {
                    digits / ten(-exponent)
                };
                Ok(BigInt::from_biguint(if self.negative { Sign::Minus } else { Sign::Plus }, size))
            }
        }
    }

    /// To a whole multiple of ten to `exponent`, halves to even. None where that has more than 28 digits.
    pub fn quantized(&self, exponent: i64) -> Option<Decimal> {
        let finite = self.as_finite()?;
        if !(TINY..=LARGEST).contains(&exponent) || !finite.is_zero() && finite.adjusted() > LARGEST {
            return None;
        }
        if !finite.is_zero() && finite.adjusted() - exponent + 1 > PRECISION {
            return None;
        }
        let rescaled = rescaled(&finite, exponent);
        (count(&rescaled.digits) <= PRECISION && rescaled.adjusted() <= LARGEST).then_some(rescaled.into())
    }

    /// To so many digits behind the point, however many there are before it; the caller sees to the room.
    pub fn places(&self, exponent: i64) -> Decimal {
        self.as_finite().map_or_else(|| self.clone(), |finite| rescaled(&finite, exponent).into())
    }

    /// To so many digits in all.
    pub fn significant(&self, wanted: i64) -> Decimal {
        match self.as_finite() {
            Some(finite) if !finite.is_zero() => {
                let wanted = wanted.max(1);
                let first = rescaled(&finite, finite.adjusted() + 1 - wanted);
                // 9.99 may have become 10.0.
                let excess = count(&first.digits) - wanted;
                if excess > 0 { rescaled(&first, first.exponent + excess).into() } else { first.into() }
            }
            _ => self.clone(),
        }
    }

    /// Without zeros at the end, rounded to the context.
    pub fn normalized(&self) -> Result<Decimal, Raise> {
        let Some(finite) = self.as_finite() else { return quiet(self) };
        let plain = fixed(finite.negative, finite.digits, finite.exponent)?;
        Ok(match plain.as_finite() {
            Some(finite) if finite.is_zero() => Decimal::finite(self.negative, BigUint::zero(), 0),
            Some(finite) => stripped(finite).into(),
            None => plain,
        })
    }

    /// The square root.
    pub fn root(&self) -> Result<Decimal, Raise> {
        let Some(finite) = self.as_finite() else {
            let quiet = quiet(self)?;
            return if quiet.negative && !quiet.is_nan() {
                Err(invalid("sqrt(-Infinity)"))
            } else {
                Ok(quiet)
            };
        };
        let half = finite.exponent.div_euclid(2);
        if finite.is_zero() {
            return fixed(finite.negative, finite.digits, half);
        }
        if finite.negative {
            return Err(invalid("sqrt(-x), x > 0"));
        }
        // As many digits as the result must have and one more; a last digit that is no 0 or 5 stands for what is lost.
        let even = &finite.digits * ten(finite.exponent.rem_euclid(2));
        let wanted = PRECISION + 1;
        let shift = wanted - (count(&even) + 1) / 2;
        let (scaled, rest) = if shift >= 0 {
            (even * ten(2 * shift), BigUint::zero())
        } else {
            let unit = ten(-2 * shift);
            (&even / &unit, even % unit)
        };
        let mut root = scaled.sqrt();
        let exact = rest.is_zero() && &root * &root == scaled;
        let mut exponent = half - shift;
        if exact {
            while exponent < half && (&root % 10_u8).is_zero() {
                root /= 10_u8;
                exponent += 1;
            }
            if shift < 0 {
                root *= ten(-shift);
                exponent += shift;
            }
        } else if (&root % 5_u8).is_zero() {
            root += 1_u8;
        }
        fixed(false, root, exponent)
    }
}

impl From<Finite> for Decimal {
    fn from(finite: Finite) -> Self {
        Decimal::finite(finite.negative, finite.digits, finite.exponent)
    }
}

/// `digits * 10**exponent`, within what an integer may take.
fn scaled_up(digits: &BigUint, exponent: i64) -> Result<BigUint, Raise> {
    if digits.is_zero() {
        return Ok(BigUint::zero());
    }
    // A digit has less than 3.33 bits.
    let bits = u64::try_from(exponent.saturating_mul(333) / 100).unwrap_or(0).saturating_add(digits.bits());
    bigint::check_bits(bits)?;
    bigint::charge_product(bits, bits)?;
    Ok(digits * ten(exponent))
}

/// To another exponent, halves to even. Adds at most as many zeros as the caller allows for.
fn rescaled(finite: &Finite, exponent: i64) -> Finite {
    let Finite { negative, digits, .. } = finite;
    let drop = exponent - finite.exponent;
    let digits = if digits.is_zero() || drop > count(digits) {
        BigUint::zero()
    } else if drop <= 0 {
        digits * ten(-drop)
    } else {
        halved(digits, drop)
    };
    Finite { negative: *negative, digits, exponent }
}

/// Without its last `drop` digits, halves to even.
fn halved(digits: &BigUint, drop: i64) -> BigUint {
    let unit = ten(drop);
    let (mut kept, rest) = (digits / &unit, digits % &unit);
    match (rest * 2_u8).cmp(&unit) {
        Ordering::Greater => kept += 1_u8,
        Ordering::Equal if kept.bit(0) => kept += 1_u8,
        _ => {}
    }
    kept
}

/// Without the zeros at the end.
fn stripped(mut finite: Finite) -> Finite {
    if finite.is_zero() || finite.digits.bit(0) {
        return finite;
    }
    let text = finite.digits.to_string();
    let zeros = i64::try_from(text.len() - text.trim_end_matches('0').len()).unwrap_or(0);
    if zeros > 0 {
        finite.digits /= ten(zeros);
        finite.exponent += zeros;
    }
    finite
}

/// The result of an operation: rounded to the context.
fn fixed(negative: bool, digits: BigUint, exponent: i64) -> Result<Decimal, Raise> {
    if digits.is_zero() {
        return Ok(Decimal::finite(negative, digits, exponent.clamp(TINY, LARGEST)));
    }
    let mut least = (count(&digits) + exponent - PRECISION).max(TINY);
    if count(&digits) + exponent - 1 > LARGEST {
        return Err(overflow());
    }
    if exponent >= least {
        return Ok(Decimal::finite(negative, digits, exponent));
    }
    let finite = Finite { negative, digits, exponent };
    let mut digits = rescaled(&finite, least).digits;
    if count(&digits) > PRECISION {
        digits /= 10_u8;
        least += 1;
    }
    if least > LARGEST - PRECISION + 1 {
        return Err(overflow());
    }
    Ok(Decimal::finite(negative, digits, least))
}

/// What is no number goes on, unless it is one that signals.
fn quiet(number: &Decimal) -> Result<Decimal, Raise> {
    if number.is_signaling() { Err(invalid("sNaN")) } else { Ok(number.clone()) }
}

/// `a op b`.
pub fn binary(op: Arith, a: &Decimal, b: &Decimal) -> Result<Decimal, Raise> {
    for number in [a, b] {
        if number.is_signaling() {
            return Err(invalid("sNaN"));
        }
        if let Size::Finite { digits, .. } = &number.size {
            work::bytes(usize::try_from(digits.bits()).unwrap_or(0) / 4)?;
        }
    }
    if op == Arith::Power {
        return power(a, b);
    }
    if let Some(nan) = [a, b].into_iter().find(|number| number.is_nan()) {
        return Ok(nan.clone());
    }
    match (a.as_finite(), b.as_finite()) {
        (Some(a), Some(b)) => match op {
            Arith::Add => add(a, b),
            Arith::Subtract => add(a, Finite { negative: !b.negative, ..b }),
            Arith::Multiply => fixed(a.negative != b.negative, a.digits * b.digits, a.exponent + b.exponent),
            Arith::Divide => divide(&a, &b),
            Arith::FloorDivide => Ok(split(&a, &b)?.0),
            _ => Ok(split(&a, &b)?.1),
        },
        _ => infinite(op, a, b),
    }
}

/// An operation with an infinity.
fn infinite(op: Arith, a: &Decimal, b: &Decimal) -> Result<Decimal, Raise> {
    let (first, second) = (!a.is_finite(), !b.is_finite());
    let signed = |negative: bool| Decimal { negative, size: Size::Infinite };
    let apart = a.negative != b.negative;
    match op {
        Arith::Add | Arith::Subtract => {
            let second_sign = b.negative != (op == Arith::Subtract);
            if first && second && a.negative != second_sign {
                return Err(invalid("Infinity - Infinity"));
            }
            Ok(signed(if first { a.negative } else { second_sign }))
        }
        Arith::Multiply if a.is_zero() || b.is_zero() => Err(invalid("0 * Infinity")),
        Arith::Multiply => Ok(signed(apart)),
        Arith::Divide if first && second => Err(invalid("Infinity / Infinity")),
        Arith::FloorDivide if first && second => Err(invalid("Infinity // Infinity")),
        Arith::Divide | Arith::FloorDivide if first => Ok(signed(apart)),
        Arith::Divide => Ok(Decimal::finite(apart, BigUint::zero(), TINY)),
        Arith::FloorDivide => Ok(Decimal::finite(apart, BigUint::zero(), 0)),
        _ if first => Err(invalid("Infinity % x")),
        _ => a.plus().map(|kept| Decimal { negative: a.negative, ..kept }),
    }
}

fn add(a: Finite, b: Finite) -> Result<Decimal, Raise> {
    let least = a.exponent.min(b.exponent);
    match (a.is_zero(), b.is_zero()) {
        (true, true) => return fixed(a.negative && b.negative, BigUint::zero(), least),
        (true, false) => return alone(&b, least),
        (false, true) => return alone(&a, least),
        (false, false) => {}
    }
    let (mut high, mut low) = if a.exponent < b.exponent { (b, a) } else { (a, b) };
    // What lies far below the last digit that counts only says that there is something.
    let floor = high.exponent + (count(&high.digits) - PRECISION - 2).min(-1);
    if low.adjusted() < floor {
        low = Finite { digits: BigUint::one(), exponent: floor, ..low };
    }
    high.digits *= ten(high.exponent - low.exponent);
    if high.negative == low.negative {
        return fixed(high.negative, high.digits + low.digits, low.exponent);
    }
    match high.digits.cmp(&low.digits) {
        Ordering::Equal => fixed(false, BigUint::zero(), low.exponent),
        Ordering::Greater => fixed(high.negative, high.digits - low.digits, low.exponent),
        Ordering::Less => fixed(low.negative, low.digits - high.digits, low.exponent),
    }
}

/// A number and a zero of some exponent.
fn alone(number: &Finite, least: i64) -> Result<Decimal, Raise> {
    let exponent = least.max(number.exponent - PRECISION - 1);
    let number = rescaled(number, exponent);
    fixed(number.negative, number.digits, number.exponent)
}

fn divide(a: &Finite, b: &Finite) -> Result<Decimal, Raise> {
    if b.is_zero() {
        return Err(Raise::zero_division("division by zero"));
    }
    let negative = a.negative != b.negative;
    if a.is_zero() {
        return fixed(negative, BigUint::zero(), a.exponent - b.exponent);
    }
    let quotient = quotient(a, b, PRECISION);
    fixed(negative, quotient.digits, quotient.exponent)
}

/// Quotient towards zero and what is left, with the sign of `a`.
fn split(a: &Finite, b: &Finite) -> Result<(Decimal, Decimal), Raise> {
    if b.is_zero() {
        return Err(Raise::zero_division("integer division or modulo by zero"));
    }
    let negative = a.negative != b.negative;
    let ideal = a.exponent.min(b.exponent);
    let apart = a.adjusted() - b.adjusted();
    if a.is_zero() || apart <= -2 {
        let rest = if a.is_zero() { Finite { exponent: ideal, ..a.clone() } } else { rescaled(a, ideal) };
        let rest = fixed(rest.negative, rest.digits, rest.exponent)?;
        return Ok((Decimal::finite(negative, BigUint::zero(), 0), rest));
    }
    if apart <= PRECISION {
        let over = &a.digits * ten((a.exponent - b.exponent).max(0));
        let under = &b.digits * ten((b.exponent - a.exponent).max(0));
        let (quotient, rest) = (&over / &under, &over % &under);
        if count(&quotient) <= PRECISION {
            return Ok((Decimal::finite(negative, quotient, 0), fixed(a.negative, rest, ideal)?));
        }
    }
    Err(invalid("the quotient has more than 28 digits"))
}

/// The number as a small integer, if it is one.
fn small_integer(number: &Finite) -> Option<i64> {
    if number.is_zero() {
        return Some(0);
    }
    if number.adjusted() > 18 || number.exponent < -count(&number.digits) {
        return None;
    }
    let size = if number.exponent >= 0 {
        &number.digits * ten(number.exponent)
    } else {
        let unit = ten(-number.exponent);
        if !(&number.digits % &unit).is_zero() {
            return None;
        }
        &number.digits / unit
    };
    let size = size.to_i64()?;
    Some(if number.negative { -size } else { size })
}

/// `a ** b` for integers `b`.
fn power(a: &Decimal, b: &Decimal) -> Result<Decimal, Raise> {
    let one = || Decimal::finite(false, BigUint::one(), 0);
    if let Some(nan) = [a, b].into_iter().find(|number| number.is_nan()) {
        return Ok(nan.clone());
    }
    let exponent = b.as_finite().and_then(|b| small_integer(&b));
    let Some(exponent) = exponent.filter(|exponent| exponent.unsigned_abs() < 1_000_000_000) else {
        return Err(invalid("the exponent of a Decimal must be an integer below a thousand million"));
    };
    if exponent == 0 {
        return if a.is_zero() { Err(invalid("0 ** 0")) } else { Ok(one()) };
    }
    let negative = a.negative && exponent % 2 != 0;
    let zero = || Decimal::finite(negative, BigUint::zero(), 0);
    let infinity = || Decimal { negative, size: Size::Infinite };
    let Some(base) = a.as_finite() else {
        return Ok(if exponent > 0 { infinity() } else { zero() });
    };
    if base.is_zero() {
        return if exponent > 0 { Ok(zero()) } else { Ok(infinity()) };
    }
    if base.adjusted() == 0 && stripped(base.clone()).digits.is_one() {
        // One, with as many zeros behind the point as exact multiplication gives.
        let places = if exponent < 0 {
            0
        } else {
            base.exponent.saturating_neg().saturating_mul(exponent).min(PRECISION - 1)
        };
        return Ok(Decimal::finite(negative, ten(places), -places));
    }
    let estimate = i128::from(base.adjusted()) * i128::from(exponent);
    if estimate > i128::from(LARGEST) * 2 {
        return Err(overflow());
    }
    if estimate < i128::from(TINY) * 2 {
        return Ok(Decimal::finite(negative, BigUint::zero(), TINY));
    }
    let digits = i64::from(exponent.unsigned_abs().checked_ilog10().unwrap_or(0)) + 1;
    let precision = PRECISION + digits + 2 + i64::from(exponent < 0);
    let base = Finite { negative: false, ..base };
    let base = if exponent < 0 {
        let one = Finite { negative: false, digits: BigUint::one(), exponent: 0 };
        wide(quotient(&one, &base, precision), precision)
    } else {
        base
    };
    let count = exponent.unsigned_abs();
    let mut result = base.clone();
    for bit in (0..count.ilog2()).rev() {
        result = product(&result, &result, precision);
        if count >> bit & 1 == 1 {
            result = product(&result, &base, precision);
        }
    }
    fixed(negative, result.digits, result.exponent)
}

fn product(a: &Finite, b: &Finite, precision: i64) -> Finite {
    let product = Finite {
        negative: false,
        digits: &a.digits * &b.digits,
        exponent: a.exponent.saturating_add(b.exponent),
    };
    wide(product, precision)
}

/// Rounded to so many digits, whatever the exponent.
fn wide(number: Finite, precision: i64) -> Finite {
    let drop = count(&number.digits) - precision;
    if drop <= 0 {
        return number;
    }
    let digits = halved(&number.digits, drop);
    let number = Finite { digits, exponent: number.exponent.saturating_add(drop), ..number };
    if count(&number.digits) > precision { stripped(number) } else { number }
}

/// A quotient with a digit more than so many. If it is not exact, its last digit is none that rounding halves.
fn quotient(a: &Finite, b: &Finite, precision: i64) -> Finite {
    let ideal = a.exponent - b.exponent;
    let shift = count(&b.digits) - count(&a.digits) + precision + 1;
    let (over, under) = (&a.digits * ten(shift.max(0)), &b.digits * ten((-shift).max(0)));
    let (mut digits, rest) = (&over / &under, &over % &under);
    let mut exponent = ideal - shift;
    if rest.is_zero() {
        while exponent < ideal && (&digits % 10_u8).is_zero() {
            digits /= 10_u8;
            exponent += 1;
        }
    } else if (&digits % 5_u8).is_zero() {
        digits += 1_u8;
    }
    Finite { negative: false, digits, exponent }
}

/// How `a` stands to `b`, exactly; none when one is no number.
pub fn compare(a: &Decimal, b: &Decimal) -> Result<Option<Ordering>, Raise> {
    if a.is_nan() || b.is_nan() {
        return Ok(None);
    }
    let rank = |number: &Decimal| match (&number.size, number.negative) {
        (Size::Infinite, false) => 2,
        (Size::Infinite, true) => -2,
        _ if number.is_zero() => 0,
        (_, false) => 1,
        (_, true) => -1,
    };
    let (Some(x), Some(y)) = (a.as_finite(), b.as_finite()) else { return Ok(Some(rank(a).cmp(&rank(b)))) };
    let ranks = rank(a).cmp(&rank(b));
    if ranks.is_ne() || x.is_zero() {
        return Ok(Some(ranks));
    }
    work::bytes(usize::try_from(x.digits.bits().max(y.digits.bits())).unwrap_or(0) / 4)?;
    let size = x.adjusted().cmp(&y.adjusted()).then_with(|| {
        // Of one size, so their exponents are no further apart than the digits of the longer.
        let least = x.exponent.min(y.exponent);
        (&x.digits * ten(x.exponent - least)).cmp(&(&y.digits * ten(y.exponent - least)))
    });
    Ok(Some(if a.negative { size.reverse() } else { size }))
}

/// How a decimal stands to an integer, exactly.
pub fn compare_int(a: &Decimal, b: &BigInt) -> Result<Option<Ordering>, Raise> {
    if b.bits() <= INT_BITS {
        return compare(a, &Decimal::of_int(b));
    }
    let Some(finite) = a.as_finite() else { return compare(a, &Decimal::of_int(b)) };
    let other = b.sign() == Sign::Minus;
    if finite.negative != other || finite.is_zero() {
        return Ok(Some(if other { Ordering::Greater } else { Ordering::Less }));
    }
    // The digits of the integer are known to about one without writing it.
    let bits = i64::try_from(b.bits()).unwrap_or(i64::MAX / 1_000_000);
    let (least, most) = ((bits - 1) * 30_102 / 100_000, bits * 30_103 / 100_000 + 1);
    let before = finite.adjusted() + 1;
    let size = if before < least {
        Ordering::Less
    } else if before > most {
        Ordering::Greater
    } else {
        let whole = a.absolute().to_int()?;
        let order = whole.magnitude().cmp(b.magnitude());
        let fraction = finite.exponent < 0 && !(&finite.digits % ten(-finite.exponent)).is_zero();
        if order.is_eq() && fraction { Ordering::Greater } else { order }
    };
    Ok(Some(if finite.negative { size.reverse() } else { size }))
}

/// What a decimal hashes as, so that equal numbers hash alike whatever their type.
pub enum Hashed {
    Int(BigInt),
    Float(f64),
    /// No other type has a number equal to it: its digits without zeros at the end, and their exponent.
    Own(BigUint, i64),
}

impl Decimal {
    /// How to hash it; none for what is no number.
    pub fn hashed(&self) -> Result<Option<Hashed>, Raise> {
        let finite = match &self.size {
            Size::Nan { .. } => return Ok(None),
            Size::Infinite if self.negative => return Ok(Some(Hashed::Float(f64::NEG_INFINITY))),
            Size::Infinite => return Ok(Some(Hashed::Float(f64::INFINITY))),
            Size::Finite { digits, exponent } => {
                work::bytes(usize::try_from(digits.bits()).unwrap_or(0) / 4)?;
                stripped(Finite { negative: self.negative, digits: digits.clone(), exponent: *exponent })
            }
        };
        if finite.exponent >= 0 && finite.adjusted() < INT_DIGITS || finite.is_zero() {
            return self.to_int().map(|int| Some(Hashed::Int(int)));
        }
        if (-1074..0).contains(&finite.exponent) {
            let fives = BigUint::from(5_u8).pow(u32::try_from(-finite.exponent).unwrap_or(0));
            let exact = (&finite.digits % &fives).is_zero() && (&finite.digits / &fives).bits() <= 53;
            if exact {
                return self.to_float().map(|float| Some(Hashed::Float(float)));
            }
        }
        Ok(Some(Hashed::Own(finite.digits, finite.exponent)))
    }
}

/// A number that decimals are calculated with: one, or an integer.
pub fn operand(value: &Value) -> Result<Option<Decimal>, Raise> {
    match value {
        Value::Literal(literal) => match &**literal {
            super::Literal::Decimal(number) => Ok(Some(number.clone())),
            _ => Ok(None),
        },
        Value::Big(big) => {
            if big.bits() > INT_BITS {
                return Err(Raise::overflow("an int of more than 4300 digits is too large for a Decimal"));
            }
            memory::reserve(4096)?;
            Ok(Some(Decimal::of_int(big)))
        }
        other => Ok(other.as_index().map(|number| Decimal::of_int(&BigInt::from(number)))),
    }
}
