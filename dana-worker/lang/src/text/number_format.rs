//! What a format spec makes of an integer, a float or a text.
//!
//! Width and precision are checked against the room before any text is built.

use num_bigint::{BigInt, Sign as BigSign};
use num_traits::ToPrimitive as _;

use super::{
    Align, Fault, Grouping, Sign, Spec,
    fault::fits,
    float, format_bigint,
    integer::{magnitude, small_magnitude},
    pad::around,
    search::char_len,
    spec::unknown_code,
};

/// An integer argument: small ones need no big number.
#[derive(Debug, Clone, Copy)]
pub enum Integer<'a> {
    Small(i64),
    Big(&'a BigInt),
}

impl Integer<'_> {
    fn is_negative(self) -> bool {
        match self {
            Integer::Small(value) => value < 0,
            Integer::Big(value) => value.sign() == BigSign::Minus,
        }
    }

    fn digits(self, base: u32) -> Result<String, Fault> {
        match self {
            Integer::Small(value) => Ok(small_magnitude(value, base)),
            Integer::Big(value) if base == 10 => Ok(format_bigint(value)?.trim_start_matches('-').to_owned()),
            Integer::Big(value) => Ok(magnitude(value, base)),
        }
    }

    fn to_float(self) -> Result<f64, Fault> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "rounding to nearest is what Python does")]
            Integer::Small(value) => Ok(value as f64),
            Integer::Big(value) => big_to_float(value),
        }
    }
}

/// The nearest float to a big integer, or Python's overflow error.
pub fn big_to_float(value: &BigInt) -> Result<f64, Fault> {
    value
        .to_f64()
        .filter(|float| float.is_finite())
        .ok_or_else(|| Fault::Overflow("int too large to convert to float".to_owned()))
}

/// `format(text, spec)`.
pub fn format_str(text: &str, spec: &Spec, room: usize) -> Result<String, Fault> {
    let refuse = |message: &str| Err(Fault::Value(message.to_owned()));
    if let Some(kind) = spec.kind.filter(|&kind| kind != 's') {
        return Err(unknown_code(kind, "str"));
    }
    match spec.sign {
        Some(Sign::Space) => return refuse("Space not allowed in string format specifier"),
        Some(_) => return refuse("Sign not allowed in string format specifier"),
        None => {}
    }
    if spec.no_negative_zero {
        return refuse("Negative zero coercion (z) not allowed in string format specifier");
    }
    if spec.alternate {
        return refuse("Alternate form (#) not allowed in string format specifier");
    }
    if spec.align == Some(Align::AfterSign) {
        return refuse("'=' alignment not allowed in string format specifier");
    }
    let shown = match spec.precision {
        Some(count) => text.char_indices().nth(count).and_then(|(end, _)| text.get(..end)).unwrap_or(text),
        None => text,
    };
    padded("", shown, spec, Align::Left, room)
}

/// `format(integer, spec)`; `type_name` is `int` or `bool`, for the message.
pub fn format_int(value: Integer<'_>, spec: &Spec, type_name: &str, room: usize) -> Result<String, Fault> {
    let base = match spec.kind {
        None | Some('d' | 'n') => 10,
        Some('b') => 2,
        Some('o') => 8,
        Some('x' | 'X') => 16,
        Some('c') => return format_char(value, spec, room),
        Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%') => return format_float(value.to_float()?, spec, room),
        Some(kind) => return Err(unknown_code(kind, type_name)),
    };
    refuse_fractions(spec)?;
    let mut digits = value.digits(base)?;
    let mut lead = sign_text(value.is_negative(), spec).to_owned();
    if spec.alternate {
        lead.push_str(match spec.kind {
            Some('b') => "0b",
            Some('o') => "0o",
            Some('x') => "0x",
            Some('X') => "0X",
            _ => "",
        });
    }
    if spec.kind == Some('X') {
        digits.make_ascii_uppercase();
    }
    assembled(&lead, &digits, "", if base == 10 { 3 } else { 4 }, spec, room)
}

/// `format(float, spec)`.
pub fn format_float(value: f64, spec: &Spec, room: usize) -> Result<String, Fault> {
    const CODES: [char; 8] = ['e', 'E', 'f', 'F', 'g', 'G', 'n', '%'];
    if let Some(kind) = spec.kind.filter(|kind| !CODES.contains(kind)) {
        return Err(unknown_code(kind, "float"));
    }
    if spec.precision.is_some_and(|precision| i32::try_from(precision).is_err()) {
        return Err(Fault::Value("precision too big".to_owned()));
    }
    fits(spec.precision.unwrap_or(0).saturating_add(400), room)?;
    let scaled = if spec.kind == Some('%') { value * 100.0 } else { value };
    let mut digits = float_digits(scaled.abs(), spec);
    if matches!(spec.kind, Some('E' | 'F' | 'G')) {
        digits.make_ascii_uppercase();
    }
    if spec.kind == Some('%') {
        digits.push('%');
    }
    let is_zero = digits
        .bytes()
        .take_while(|byte| !matches!(byte, b'e' | b'E'))
        .all(|b| matches!(b, b'0' | b'.' | b'%'));
    let negative = value.is_sign_negative() && !value.is_nan() && !(spec.no_negative_zero && is_zero);
    let whole = digits.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = digits.split_at(whole);
    assembled(sign_text(negative, spec), whole, rest, 3, spec, room)
}

/// Digits, point and exponent of a non-negative float.
fn float_digits(value: f64, spec: &Spec) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return "inf".to_owned();
    }
    let mut out = String::new();
    match spec.kind {
        Some('f' | 'F' | '%') => {
            out = float::fixed(value, spec.precision.unwrap_or(6));
            if spec.alternate && spec.precision == Some(0) {
                out.push('.');
            }
        }
        Some('e' | 'E') => {
            let (digits, point) = float::exact_digits(value, spec.precision.unwrap_or(6) + 1);
            // Zero has its point before the digit; the exponent shown is zero all the same.
            float::push_exponent(&mut out, &digits, point, spec.alternate);
        }
        None if spec.precision.is_none() => {
            let (digits, point) = float::shortest_digits(value);
            if -4 < point && point <= 16 {
                float::push_plain(&mut out, &digits, point, 1);
            } else {
                float::push_exponent(&mut out, &digits, point, spec.alternate);
            }
        }
        kind => general(&mut out, value, spec, kind.is_none()),
    }
    out
}

/// The `g` rules; with `keeps_decimal` at least one digit follows the point.
fn general(out: &mut String, value: f64, spec: &Spec, keeps_decimal: bool) {
    let precision = spec.precision.unwrap_or(6).max(1);
    let (mut digits, point) = float::exact_digits(value, precision);
    if !spec.alternate {
        digits.truncate(digits.trim_end_matches('0').len().max(1));
    }
    let widest = i32::try_from(precision).unwrap_or(i32::MAX) - i32::from(keeps_decimal);
    if point <= -4 || point > widest {
        return float::push_exponent(out, &digits, point, spec.alternate);
    }
    let decimals = usize::from(keeps_decimal);
    float::push_plain(out, &digits, point, decimals);
    if spec.alternate && !out.contains('.') {
        out.push('.');
    }
}

fn format_char(value: Integer<'_>, spec: &Spec, room: usize) -> Result<String, Fault> {
    refuse_fractions(spec)?;
    if spec.sign.is_some() {
        return Err(Fault::Value("Sign not allowed with integer format specifier 'c'".to_owned()));
    }
    if spec.alternate {
        return Err(Fault::Value(
            "Alternate form (#) not allowed with integer format specifier 'c'".to_owned(),
        ));
    }
    let code = match value {
        Integer::Small(value) => u32::try_from(value).ok().and_then(char::from_u32),
        Integer::Big(_) => {
            return Err(Fault::Overflow("Python int too large to convert to C long".to_owned()));
        }
    };
    match code {
        Some(c) => padded("", c.encode_utf8(&mut [0; 4]), spec, Align::Right, room),
        None => Err(Fault::Overflow("%c arg not in range(0x110000)".to_owned())),
    }
}

fn refuse_fractions(spec: &Spec) -> Result<(), Fault> {
    if spec.precision.is_some() {
        return Err(Fault::Value("Precision not allowed in integer format specifier".to_owned()));
    }
    if spec.no_negative_zero {
        let message = "Negative zero coercion (z) not allowed in integer format specifier";
        return Err(Fault::Value(message.to_owned()));
    }
    Ok(())
}

fn sign_text(negative: bool, spec: &Spec) -> &'static str {
    match (negative, spec.sign) {
        (true, _) => "-",
        (false, Some(Sign::Plus)) => "+",
        (false, Some(Sign::Space)) => " ",
        (false, _) => "",
    }
}

/// A number in parts, with sign, grouping and padding as the spec has them.
pub fn assemble(negative: bool, whole: &str, rest: &str, spec: &Spec, room: usize) -> Result<String, Fault> {
    assembled(sign_text(negative, spec), whole, rest, 3, spec, room)
}

/// Sign and prefix, grouped digits and the rest, padded. Zeros that pad are grouped too.
fn assembled(
    lead: &str,
    whole: &str,
    rest: &str,
    size: usize,
    spec: &Spec,
    room: usize,
) -> Result<String, Fault> {
    fits(spec.width.saturating_mul(2).saturating_add(whole.len() * 2), room)?;
    let mark = match spec.grouping {
        None => return padded(lead, &format!("{whole}{rest}"), spec, Align::Right, room),
        Some(Grouping::Comma) => ',',
        Some(Grouping::Underscore) => '_',
    };
    let zero_padded = pad_fill(spec) == '0' && pad_align(spec, Align::Right) == Align::AfterSign;
    let wanted = if zero_padded { spec.width.saturating_sub(lead.len() + char_len(rest)) } else { 0 };
    let grouped = if whole.is_empty() { String::new() } else { grouped(whole, mark, size, wanted) };
    padded(lead, &format!("{grouped}{rest}"), spec, Align::Right, room)
}

/// Digits with `mark` between groups, led by zeros until they are at least `wanted` characters long.
fn grouped(digits: &str, mark: char, size: usize, wanted: usize) -> String {
    let mut reversed = Vec::with_capacity(digits.len() * 2);
    let mut source = digits.bytes().rev();
    let mut placed = 0;
    loop {
        let next = match source.next() {
            Some(digit) => digit,
            None if reversed.len() < wanted => b'0',
            None => break,
        };
        if placed > 0 && placed % size == 0 {
            reversed.push(mark as u8);
        }
        reversed.push(next);
        placed += 1;
    }
    reversed.iter().rev().map(|&byte| char::from(byte)).collect()
}

fn pad_fill(spec: &Spec) -> char {
    spec.fill.unwrap_or(if spec.zero { '0' } else { ' ' })
}

fn pad_align(spec: &Spec, default: Align) -> Align {
    let zero_default = if spec.zero && default == Align::Right { Align::AfterSign } else { default };
    spec.align.unwrap_or(zero_default)
}

fn padded(lead: &str, body: &str, spec: &Spec, default: Align, room: usize) -> Result<String, Fault> {
    let missing = spec.width.saturating_sub(char_len(lead) + char_len(body));
    let fill = pad_fill(spec);
    let (left, middle, right) = match pad_align(spec, default) {
        Align::Left => (0, 0, missing),
        Align::Right => (missing, 0, 0),
        Align::Center => (missing / 2, 0, missing - missing / 2),
        Align::AfterSign => (0, missing, 0),
    };
    if middle > 0 {
        return Ok(format!("{lead}{}", around(body, middle, 0, fill, room)?));
    }
    around(&format!("{lead}{body}"), left, right, fill, room)
}
