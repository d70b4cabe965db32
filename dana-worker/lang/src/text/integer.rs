//! Integers to text and back.
//!
//! Decimal conversion is quadratic, so both directions stop at the digit limit CPython has for the same reason.

use std::fmt::Write as _;

use num_bigint::{BigInt, Sign};

use super::{Fault, unicode};
use crate::value::bigint::MAX_BITS;

/// CPython's default for `sys.set_int_max_str_digits`.
pub const MAX_TEXT_DIGITS: usize = 4300;

/// An integer in base 10, refused above the digit limit.
pub fn format_bigint(value: &BigInt) -> Result<String, Fault> {
    // log10(2) < 0.30103, so this never refuses a number that is within the limit.
    let at_least = value.bits().saturating_mul(30102) / 100_000;
    if at_least > MAX_TEXT_DIGITS as u64 {
        return Err(too_long_to_print());
    }
    let text = value.to_string();
    if text.trim_start_matches('-').len() > MAX_TEXT_DIGITS { Err(too_long_to_print()) } else { Ok(text) }
}

fn too_long_to_print() -> Fault {
    Fault::Value(format!("Exceeds the limit ({MAX_TEXT_DIGITS} digits) for integer string conversion"))
}

/// Python's `int(text)` in base 10, without allocating for anything that fits an `i64`.
pub fn parse_decimal(text: &str) -> Option<i64> {
    let trimmed = text.trim_matches(unicode::around_number);
    let plain =
        !trimmed.is_empty() && trimmed.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-'));
    if plain { trimmed.parse().ok() } else { None }
}

/// Python's `int(text, base)`: blanks around, a sign, `0x` and its kin where the base allows them, underscores
/// between digits, digits of any script. `quoted` is the text as the error message shows it.
pub fn parse_bigint(text: &str, base: u32, quoted: &str) -> Result<BigInt, Fault> {
    if base != 0 && !(2..=36).contains(&base) {
        return Err(Fault::Value("int() base must be >= 2 and <= 36, or 0".to_owned()));
    }
    let mut rest = text.trim_matches(unicode::around_number);
    let negative = rest.starts_with('-');
    rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    let guessing = base == 0;
    let shown_base = base;
    let (base, body, prefixed) = radix(rest, base);
    let quoted = quoted.char_indices().nth(200).and_then(|(end, _)| quoted.get(..end)).unwrap_or(quoted);
    let invalid = || Fault::Value(format!("invalid literal for int() with base {shown_base}: {quoted}"));
    // Beyond the limit digits are only counted.
    let most = most_digits(base);
    let mut count = 0_usize;
    let mut digits = Vec::with_capacity(body.len().min(most));
    let mut gap_allowed = prefixed;
    for c in body.chars() {
        if c == '_' {
            if !gap_allowed {
                return Err(invalid());
            }
            gap_allowed = false;
            continue;
        }
        let value = if c.is_ascii() { c.to_digit(36) } else { unicode::decimal(c).map(u32::from) };
        match value.filter(|&value| value < base).and_then(|value| u8::try_from(value).ok()) {
            Some(digit) => {
                count += 1;
                if count <= most {
                    digits.push(digit);
                }
            }
            None => return Err(invalid()),
        }
        gap_allowed = true;
    }
    let old_octal = guessing && !prefixed && digits.first() == Some(&0) && digits.iter().any(|&d| d != 0);
    if digits.is_empty() || !gap_allowed || old_octal {
        return Err(invalid());
    }
    if count > most {
        return Err(if base.is_power_of_two() {
            Fault::Overflow(format!("integer too large: more than {MAX_BITS} bits"))
        } else {
            Fault::Value(format!(
                "Exceeds the limit ({MAX_TEXT_DIGITS} digits) for integer string conversion: value has {count} digits"
            ))
        });
    }
    let sign = if negative { Sign::Minus } else { Sign::Plus };
    BigInt::from_radix_be(sign, &digits, base).ok_or_else(invalid)
}

/// Digits that are read in a base: the decimal limit, or as many as the largest integer has.
fn most_digits(base: u32) -> usize {
    if base.is_power_of_two() {
        usize::try_from(MAX_BITS / u64::from(base.trailing_zeros().max(1))).unwrap_or(usize::MAX)
    } else {
        MAX_TEXT_DIGITS
    }
}

/// The base a literal asks for, the text after its prefix, and whether an underscore may come first.
fn radix(text: &str, base: u32) -> (u32, &str, bool) {
    let after = |marks: [char; 2]| text.strip_prefix('0').and_then(|rest| rest.strip_prefix(marks));
    for (value, marks) in [(16, ['x', 'X']), (8, ['o', 'O']), (2, ['b', 'B'])] {
        if (base == 0 || base == value)
            && let Some(rest) = after(marks)
        {
            return (value, rest, true);
        }
    }
    if base == 0 { (10, text, false) } else { (base, text, false) }
}

/// Digits of a magnitude in base 2, 8, 10 or 16, lower case.
pub(super) fn magnitude(value: &BigInt, base: u32) -> String {
    value.magnitude().to_str_radix(base)
}

/// The same for a machine integer, without a big one.
pub(super) fn small_magnitude(value: i64, base: u32) -> String {
    let magnitude = value.unsigned_abs();
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = match base {
        2 => write!(out, "{magnitude:b}"),
        8 => write!(out, "{magnitude:o}"),
        16 => write!(out, "{magnitude:x}"),
        _ => write!(out, "{magnitude}"),
    };
    out
}
