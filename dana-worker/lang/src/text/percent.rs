//! `%` formatting: the conversions of a template, and the texts they make.
//!
//! The caller takes the arguments apart and says what each value is; layout is here.

use super::{
    Align, Fault, Sign, Spec, fault::fits, number_format, number_format::Integer, pad::around,
    search::char_len,
};

/// One part of a template, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<'a> {
    Literal(&'a str),
    Conversion(Conversion<'a>),
}

/// `%(key)flags width .precision kind`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion<'a> {
    pub key: Option<&'a str>,
    pub left: bool,
    pub sign: Option<Sign>,
    pub alternate: bool,
    pub zero: bool,
    pub width: Amount,
    pub precision: Option<Amount>,
    pub kind: char,
    /// Where the kind stands, in code points: part of Python's message about an unknown one.
    pub at: usize,
}

/// A width or precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    Given(usize),
    /// `*`: the next argument.
    Argument,
}

/// Cuts `template` into its parts. A template is read up to its first mistake: the parts before it come first.
pub fn parts(template: &str) -> impl Iterator<Item = Result<Part<'_>, Fault>> {
    let mut rest = template;
    let mut failed = false;
    std::iter::from_fn(move || {
        if rest.is_empty() || failed {
            return None;
        }
        let Some(after) = rest.strip_prefix('%') else {
            let (literal, next) = rest.split_at(rest.find('%').unwrap_or(rest.len()));
            rest = next;
            return Some(Ok(Part::Literal(literal)));
        };
        // Only these two characters: `%5%` is a conversion of an unknown kind.
        if let Some(next) = after.strip_prefix('%') {
            rest = next;
            return Some(Ok(Part::Literal("%")));
        }
        let found = conversion(template, after);
        match found {
            Ok((part, next)) => {
                rest = next;
                Some(Ok(part))
            }
            Err(fault) => {
                failed = true;
                Some(Err(fault))
            }
        }
    })
}

fn conversion<'a>(template: &str, text: &'a str) -> Result<(Part<'a>, &'a str), Fault> {
    let mut rest = text;
    let key = key(&mut rest)?;
    let mut found = Conversion {
        key,
        left: false,
        sign: None,
        alternate: false,
        zero: false,
        width: Amount::Given(0),
        precision: None,
        kind: '%',
        at: 0,
    };
    loop {
        match rest.bytes().next() {
            Some(b'-') => found.left = true,
            Some(b'+') => found.sign = Some(Sign::Plus),
            Some(b' ') if found.sign.is_none() => found.sign = Some(Sign::Space),
            Some(b' ') => {}
            Some(b'#') => found.alternate = true,
            Some(b'0') => found.zero = true,
            _ => break,
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    found.width = amount(&mut rest, "width too big")?;
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        found.precision = Some(amount(&mut rest, "precision too big")?);
    }
    rest = rest.strip_prefix(['h', 'l', 'L']).unwrap_or(rest);
    let Some(kind) = rest.chars().next() else { return Err(Fault::Value("incomplete format".to_owned())) };
    found.kind = kind;
    found.at = char_len(template) - char_len(rest);
    Ok((Part::Conversion(found), rest.get(kind.len_utf8()..).unwrap_or_default()))
}

/// `(key)`, with balanced parentheses inside.
fn key<'a>(rest: &mut &'a str) -> Result<Option<&'a str>, Fault> {
    let Some(inside) = rest.strip_prefix('(') else { return Ok(None) };
    let mut depth = 1usize;
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            *rest = inside.get(at + 1..).unwrap_or_default();
            return Ok(inside.get(..at));
        }
    }
    Err(Fault::Value("incomplete format key".to_owned()))
}

fn amount(rest: &mut &str, too_big: &str) -> Result<Amount, Fault> {
    if let Some(after) = rest.strip_prefix('*') {
        *rest = after;
        return Ok(Amount::Argument);
    }
    let end = rest.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    if digits.is_empty() {
        return Ok(Amount::Given(0));
    }
    match digits.parse::<usize>().ok().filter(|&amount| i32::try_from(amount).is_ok()) {
        Some(amount) => Ok(Amount::Given(amount)),
        None => Err(Fault::Value(too_big.to_owned())),
    }
}

/// A conversion whose `*` have been replaced by numbers.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub left: bool,
    pub sign: Option<Sign>,
    pub alternate: bool,
    pub zero: bool,
    pub width: usize,
    pub precision: Option<usize>,
    pub kind: char,
}

/// `%s`, `%r`, `%a` and `%c`.
pub fn text(text: &str, layout: Layout, room: usize) -> Result<String, Fault> {
    let cut = layout.precision.filter(|_| layout.kind != 'c');
    let shown = match cut {
        Some(count) => text.char_indices().nth(count).and_then(|(end, _)| text.get(..end)).unwrap_or(text),
        None => text,
    };
    let missing = layout.width.saturating_sub(char_len(shown));
    let (before, after) = if layout.left { (0, missing) } else { (missing, 0) };
    around(shown, before, after, ' ', room)
}

/// `%d %i %u %o %x %X`. A precision is a least number of digits.
pub fn integer(value: Integer<'_>, layout: Layout, room: usize) -> Result<String, Fault> {
    fits(layout.width.max(layout.precision.unwrap_or(0)), room)?;
    let kind = match layout.kind {
        'o' | 'x' | 'X' => layout.kind,
        _ => 'd',
    };
    let plain =
        Spec { alternate: layout.alternate && kind != 'd', kind: Some(kind), ..plain_spec(layout.sign) };
    let text = number_format::format_int(value, &plain, "int", room)?;
    let digits_at = text.bytes().position(|byte| byte.is_ascii_hexdigit()).unwrap_or(0);
    let digits_at = if plain.alternate { digits_at + 2 } else { digits_at };
    let (lead, digits) = text.split_at(digits_at.min(text.len()));
    let zeros = layout.precision.unwrap_or(0).saturating_sub(digits.len());
    let digits = around(digits, zeros, 0, '0', room)?;
    padded(lead, &digits, layout, room)
}

/// `%e %E %f %F %g %G`.
pub fn float(value: f64, layout: Layout, room: usize) -> Result<String, Fault> {
    let spec = Spec {
        alternate: layout.alternate,
        precision: Some(layout.precision.unwrap_or(6)),
        kind: Some(layout.kind),
        ..plain_spec(layout.sign)
    };
    let text = number_format::format_float(value, &spec, room)?;
    let lead = usize::from(text.starts_with(['-', '+', ' ']));
    let (lead, digits) = text.split_at(lead);
    padded(lead, digits, layout, room)
}

fn plain_spec(sign: Option<Sign>) -> Spec {
    Spec {
        fill: None,
        align: Some(Align::Right),
        sign,
        no_negative_zero: false,
        alternate: false,
        zero: false,
        width: 0,
        grouping: None,
        precision: None,
        kind: None,
    }
}

fn padded(lead: &str, digits: &str, layout: Layout, room: usize) -> Result<String, Fault> {
    let missing = layout.width.saturating_sub(lead.len() + digits.len());
    if layout.left {
        return around(&format!("{lead}{digits}"), 0, missing, ' ', room);
    }
    if layout.zero {
        return Ok(format!("{lead}{}", around(digits, missing, 0, '0', room)?));
    }
    around(&format!("{lead}{digits}"), missing, 0, ' ', room)
}
