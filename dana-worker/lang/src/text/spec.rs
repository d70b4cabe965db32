//! The format mini-language: `[[fill]align][sign][z][#][0][width][grouping][.precision][type]`.
//!
//! Reading only; what a spec means for a number or a text is in `number_format`.

use super::{Fault, unicode};

/// Where the padding goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
    Center,
    /// Between sign and digits.
    AfterSign,
}

/// What stands before a number that is not negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Minus,
    Plus,
    Space,
}

/// The separator between groups of digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    Comma,
    Underscore,
}

/// A spec as read; `None` where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    pub fill: Option<char>,
    pub align: Option<Align>,
    pub sign: Option<Sign>,
    pub no_negative_zero: bool,
    pub alternate: bool,
    /// A `0` before the width, not taken by an explicit fill.
    pub zero: bool,
    pub width: usize,
    pub grouping: Option<Grouping>,
    pub precision: Option<usize>,
    pub kind: Option<char>,
}

impl Spec {
    /// Reads `text` for a value of the type named `type_name`.
    pub fn parse(text: &str, type_name: &str) -> Result<Self, Fault> {
        let mut rest = text;
        let (fill, align) = fill_and_align(&mut rest);
        let sign = match rest.chars().next() {
            Some('+') => Some(Sign::Plus),
            Some('-') => Some(Sign::Minus),
            Some(' ') => Some(Sign::Space),
            _ => None,
        };
        if sign.is_some() {
            rest = rest.get(1..).unwrap_or_default();
        }
        let no_negative_zero = take(&mut rest, 'z');
        let alternate = take(&mut rest, '#');
        let zero = fill.is_none() && take(&mut rest, '0');
        let width = number(&mut rest)?.unwrap_or(0);
        let grouping = grouping(&mut rest)?;
        let precision = if take(&mut rest, '.') {
            Some(
                number(&mut rest)?
                    .ok_or_else(|| Fault::Value("Format specifier missing precision".to_owned()))?,
            )
        } else {
            None
        };
        let mut tail = rest.chars();
        let kind = tail.next();
        if tail.next().is_some() {
            return Err(Fault::Value(format!(
                "Invalid format specifier '{text}' for object of type '{type_name}'"
            )));
        }
        let spec =
            Self { fill, align, sign, no_negative_zero, alternate, zero, width, grouping, precision, kind };
        spec.check_grouping(type_name == "str")?;
        Ok(spec)
    }

    fn check_grouping(&self, for_text: bool) -> Result<(), Fault> {
        let mark = match self.grouping {
            None => return Ok(()),
            Some(Grouping::Comma) => ',',
            Some(Grouping::Underscore) => '_',
        };
        match self.kind.or(for_text.then_some('s')) {
            None | Some('d' | 'e' | 'f' | 'g' | 'E' | 'G' | '%' | 'F') => Ok(()),
            Some('b' | 'o' | 'x' | 'X') if mark == '_' => Ok(()),
            Some(kind) => Err(Fault::Value(format!("Cannot specify '{mark}' with '{}'.", shown(kind)))),
        }
    }
}

/// The complaint about a type letter that the value does not have.
pub(super) fn unknown_code(kind: char, type_name: &str) -> Fault {
    Fault::Value(format!("Unknown format code '{}' for object of type '{type_name}'", shown(kind)))
}

fn shown(kind: char) -> String {
    if kind > ' ' && kind < '\u{80}' { kind.to_string() } else { format!("\\x{:x}", u32::from(kind)) }
}

fn fill_and_align(rest: &mut &str) -> (Option<char>, Option<Align>) {
    let mut chars = rest.chars();
    let first = chars.next();
    let after_first = chars.as_str();
    if let (Some(fill), Some(align)) = (first, chars.next().and_then(alignment)) {
        *rest = chars.as_str();
        return (Some(fill), Some(align));
    }
    if let Some(align) = first.and_then(alignment) {
        *rest = after_first;
        return (None, Some(align));
    }
    (None, None)
}

fn alignment(c: char) -> Option<Align> {
    match c {
        '<' => Some(Align::Left),
        '>' => Some(Align::Right),
        '^' => Some(Align::Center),
        '=' => Some(Align::AfterSign),
        _ => None,
    }
}

fn grouping(rest: &mut &str) -> Result<Option<Grouping>, Fault> {
    let comma = take(rest, ',');
    let underscore = take(rest, '_');
    if underscore && (comma || rest.starts_with(',')) {
        return Err(Fault::Value("Cannot specify both ',' and '_'.".to_owned()));
    }
    Ok(if comma {
        Some(Grouping::Comma)
    } else if underscore {
        Some(Grouping::Underscore)
    } else {
        None
    })
}

fn take(rest: &mut &str, mark: char) -> bool {
    match rest.strip_prefix(mark) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

/// A run of decimal digits.
fn number(rest: &mut &str) -> Result<Option<usize>, Fault> {
    let mut value: Option<usize> = None;
    while let Some(digit) = rest.chars().next().filter(|c| !c.is_whitespace()).and_then(unicode::decimal) {
        let sum = value.unwrap_or(0).checked_mul(10).and_then(|ten| ten.checked_add(usize::from(digit)));
        value = match sum.filter(|&sum| isize::try_from(sum).is_ok()) {
            Some(sum) => Some(sum),
            None => return Err(Fault::Value("Too many decimal digits in format string".to_owned())),
        };
        let mut chars = rest.chars();
        chars.next();
        *rest = chars.as_str();
    }
    Ok(value)
}
