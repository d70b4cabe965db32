//! Conversions between big integers and floats, and the size limit of big integers.

use num_bigint::{BigInt, Sign};

use super::{Raise, memory, work};

/// Largest integer in bits: one operation on it still takes about a tenth of a second.
pub const MAX_BITS: u64 = 1 << 22;

/// The exact integer value of a finite float without a fraction; none for infinities and NaN.
pub fn from_float(number: f64) -> Option<BigInt> {
    if !number.is_finite() {
        return None;
    }
    let number = number.trunc();
    let bits = number.to_bits();
    let exponent = ((bits >> 52) & 0x7FF) as i64;
    if exponent == 0 {
        return Some(BigInt::ZERO);
    }
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    let shift = exponent - 1075;
    let magnitude = if shift >= 0 {
        BigInt::from(mantissa) << shift as u64
    } else {
        BigInt::from(mantissa) >> (-shift) as u64
    };
    Some(if number < 0.0 { -magnitude } else { magnitude })
}

/// The nearest float, ties to even; `OverflowError` beyond the range.
pub fn to_float(number: &BigInt) -> Result<f64, Raise> {
    let bits = number.bits();
    if bits > 1024 {
        return Err(Raise::overflow("int too large to convert to float"));
    }
    let magnitude = number.magnitude();
    let float = if bits <= 64 {
        magnitude.iter_u64_digits().next().unwrap_or(0) as f64
    } else {
        // Keep 64 bits and let a sticky last bit stand for what is cut off.
        let shift = bits - 64;
        let mut top = (magnitude >> shift).iter_u64_digits().next().unwrap_or(0);
        if magnitude.trailing_zeros().unwrap_or(0) < shift {
            top |= 1;
        }
        top as f64 * 2_f64.powi(shift as i32)
    };
    if float.is_infinite() {
        return Err(Raise::overflow("int too large to convert to float"));
    }
    Ok(if number.sign() == Sign::Minus { -float } else { float })
}

/// Passes when a result of about `bits` may be computed.
pub fn check_bits(bits: u64) -> Result<(), Raise> {
    if bits > MAX_BITS {
        return Err(Raise::overflow(format!("integer too large: more than {MAX_BITS} bits")));
    }
    let bytes = (bits / 8) as usize;
    work::bytes(bytes)?;
    memory::reserve(bytes.saturating_mul(2))
}

/// Charges multiplying, or dividing by, a number of `small` bits where the larger one has `large`. At the largest
/// integer this takes a tenth of a second, the longest that anything goes without a look at the clock.
pub fn charge_product(large: u64, small: u64) -> Result<(), Raise> {
    let (large, small) = (large.max(small) / 64, large.min(small) / 64);
    work::charge(large.saturating_mul(small.isqrt()))
}
