//! Floats to text and back.
//!
//! The standard library supplies correct digits; the layout is Python's.

use super::unicode;

/// More digits than any f64 has on either side of the point: what is asked beyond is zeros.
const EXACT: usize = 1100;

/// `repr` of a float: the shortest digits that read back as the same number.
pub fn repr_float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let (digits, point) = shortest_digits(value.abs());
    let mut out = String::with_capacity(digits.len() + 8);
    if value.is_sign_negative() {
        out.push('-');
    }
    if -4 < point && point <= 16 {
        push_plain(&mut out, &digits, point, 1);
    } else {
        push_exponent(&mut out, &digits, point, false);
    }
    out
}

/// Shortest digits of a finite, non-negative float, and where the decimal point stands among them.
pub(super) fn shortest_digits(value: f64) -> (String, i32) {
    let (mut digits, point) = split_exponent(&format!("{value:e}"));
    if let Some(even) = even_neighbour(value, &digits, point) {
        digits.pop();
        digits.push(even);
    }
    (digits, point)
}

/// The last digit that Python prefers, when a value lies in the middle between two shortest texts: the standard library
/// takes the upper one, Python the even one.
fn even_neighbour(value: f64, digits: &str, point: i32) -> Option<char> {
    const FRACTION: u32 = 52;
    let (bits, one) = (value.to_bits(), 1_u64 << FRACTION);
    let mantissa = bits & (one - 1) | one;
    let exponent = i64::from(u32::try_from(bits >> FRACTION & 0x7ff).unwrap_or(0));
    // So many bits, and so many decimals, has the fraction of the value when it is written out.
    let decimals = 1075 - exponent - i64::from(mantissa.trailing_zeros());
    let wanted = i64::try_from(digits.len()).unwrap_or(i64::MAX) + 1 - i64::from(point);
    let last = digits.bytes().last()?;
    if last % 2 == 0 || decimals > 0 && decimals != wanted || decimals <= 0 && wanted > 0 {
        return None;
    }
    let (exact, _) = split_exponent(&format!("{value:.EXACT$e}"));
    let (shown, rest) = exact.split_at_checked(digits.len())?;
    let middle = rest.strip_prefix('5').is_some_and(|rest| rest.bytes().all(|digit| digit == b'0'));
    let below = shown.bytes().last()?;
    // Below a power of two the floats lie closer together: there the even one may be another's text.
    let lower = || format!("{shown}e{}", 1 - wanted);
    (middle && below + 1 == last && lower().parse() == Ok(value)).then(|| char::from(below))
}

/// `count` significant digits (at least one), correctly rounded, and where the decimal point stands.
pub(super) fn exact_digits(value: f64, count: usize) -> (String, i32) {
    let asked = count.clamp(1, EXACT);
    let (mut digits, point) = split_exponent(&format!("{:.*e}", asked - 1, value));
    digits.extend(std::iter::repeat_n('0', count.saturating_sub(asked)));
    (digits, point)
}

/// `value` in positional notation with `places` decimals, correctly rounded.
pub(super) fn fixed(value: f64, places: usize) -> String {
    let mut out = format!("{:.*}", places.min(EXACT), value);
    out.extend(std::iter::repeat_n('0', places.saturating_sub(EXACT)));
    out
}

/// Digits with a point at `point` and at least `decimals` digits after it (no point when there are none).
pub(super) fn push_plain(out: &mut String, digits: &str, point: i32, decimals: usize) {
    let zeros = |out: &mut String, count: usize| out.extend(std::iter::repeat_n('0', count));
    let before = usize::try_from(point).unwrap_or(0);
    let leading = usize::try_from(point.saturating_neg()).unwrap_or(0);
    let whole = digits.get(..before.min(digits.len())).unwrap_or_default();
    let part = digits.get(whole.len()..).unwrap_or_default();
    if before == 0 {
        out.push('0');
    }
    out.push_str(whole);
    zeros(out, before.saturating_sub(whole.len()));
    if part.is_empty() && decimals == 0 {
        return;
    }
    out.push('.');
    zeros(out, if part.is_empty() { 0 } else { leading });
    out.push_str(part);
    zeros(out, decimals.saturating_sub(part.len() + if part.is_empty() { 0 } else { leading }));
}

/// Digits as `d.ddde±XX`.
pub(super) fn push_exponent(out: &mut String, digits: &str, point: i32, keep_point: bool) {
    let (first, rest) = digits.split_at(digits.len().min(1));
    out.push_str(first);
    if !rest.is_empty() || keep_point {
        out.push('.');
    }
    out.push_str(rest);
    let exponent = point - 1;
    out.push_str(&format!("e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs()));
}

/// Longer texts are read only if they need no rewriting.
const REWRITTEN: usize = 1 << 16;

/// Python's `float(text)`: blanks around, underscores between digits, digits of any script, `inf` and `nan`.
pub fn parse_float(text: &str) -> Option<f64> {
    let trimmed = text.trim_matches(unicode::around_number);
    if trimmed.is_ascii() {
        return parse_ascii(trimmed);
    }
    if trimmed.len() > REWRITTEN {
        return None;
    }
    let plain: String =
        trimmed.chars().map(|c| unicode::decimal(c).map_or(c, |digit| char::from(b'0' + digit))).collect();
    parse_ascii(&plain)
}

fn parse_ascii(plain: &str) -> Option<f64> {
    let word = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    let sign = if plain.starts_with('-') { -1.0 } else { 1.0 };
    if word.eq_ignore_ascii_case("nan") {
        return Some(f64::NAN.copysign(sign));
    }
    if word.eq_ignore_ascii_case("inf") || word.eq_ignore_ascii_case("infinity") {
        return Some(f64::INFINITY * sign);
    }
    let bytes = plain.as_bytes();
    let mut gaps = false;
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'_' => {
                let digit =
                    |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
                if !digit(at.checked_sub(1)) || !digit(at.checked_add(1)) {
                    return None;
                }
                gaps = true;
            }
            b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E' => {}
            _ => return None,
        }
    }
    match gaps {
        false => plain.parse().ok(),
        true if plain.len() > REWRITTEN => None,
        true => plain.replace('_', "").parse().ok(),
    }
}

fn split_exponent(text: &str) -> (String, i32) {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let digits = mantissa.chars().filter(char::is_ascii_digit).collect();
    (digits, exponent.parse::<i32>().unwrap_or(0) + 1)
}

#[cfg(test)]
mod tests {
    use super::repr_float;

    #[test]
    fn the_even_one_of_two_shortest() {
        for (value, shown) in [
            (70_000_976.0 * 1_234_567.891, "86420957308261.62"),
            (2_f64.powi(50) + 0.25, "1125899906842624.2"),
            (2_f64.powi(50) + 0.75, "1125899906842624.8"),
            (2_f64.powi(49) + 0.125, "562949953421312.1"),
            (2_f64.powi(49) + 0.375, "562949953421312.4"),
            (9_007_199_254_740_993.0, "9007199254740992.0"),
            (2_f64.powi(-24), "5.960464477539063e-08"),
            (5e-324, "5e-324"),
            (1e23, "1e+23"),
        ] {
            assert_eq!(repr_float(value), shown);
        }
    }
}
