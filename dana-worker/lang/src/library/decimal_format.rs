//! What a format spec makes of a decimal, as Python's `Decimal.__format__`.

use crate::text::{Fault, Spec, assemble};
use crate::value::literal::{Decimal, Size};

/// `format(number, spec)`. The digits asked for are checked against the room before there are any.
pub(super) fn format(number: &Decimal, spec: &Spec, room: usize) -> Result<String, Fault> {
    let kind = spec.kind.unwrap_or('G');
    if !matches!(kind, 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'n' | '%')
        || spec.no_negative_zero && spec.kind == Some('n')
    {
        return Err(Fault::Value("invalid format string".to_owned()));
    }
    let kind = if kind == 'n' { 'g' } else { kind };
    let percent = if kind == '%' { "%" } else { "" };
    let number = match &number.size {
        Size::Finite { digits, exponent } => {
            Decimal::finite(number.negative, digits.clone(), exponent + if kind == '%' { 2 } else { 0 })
        }
        _ => {
            let text = number.absolute().text();
            // Zeros stand before digits only.
            let spec = Spec { zero: false, ..spec.clone() };
            return assemble(number.negative, "", &format!("{text}{percent}"), &spec, room);
        }
    };
    let precision = spec.precision.map(|precision| i64::try_from(precision).unwrap_or(i64::MAX / 4));
    check(&number, kind, precision, room)?;
    let number = match (precision, kind) {
        (Some(precision), 'e' | 'E') => number.significant(precision + 1),
        (Some(precision), 'f' | 'F' | '%') => number.places(-precision),
        (Some(precision), _) if length(&number) > precision.max(1) => number.significant(precision),
        _ => number,
    };
    let fixed = matches!(kind, 'f' | 'F' | '%');
    let number = if fixed && number.is_zero() && exponent(&number) > 0 { number.places(0) } else { number };
    let digits = digits(&number);
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let left = exponent(&number) + length;
    let point = match kind {
        'e' | 'E' if number.is_zero() => precision.map_or(1, |precision| 1 - precision),
        'e' | 'E' => 1,
        _ if fixed => left,
        _ if exponent(&number) <= 0 && left > -6 => left,
        _ => 1,
    };
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    let (whole, fraction) = if point <= 0 {
        ("0".to_owned(), format!("{}{digits}", zeros(-point)))
    } else if point > length {
        (format!("{digits}{}", zeros(point - length)), String::new())
    } else {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        (whole.to_owned(), fraction.to_owned())
    };
    let mut rest =
        if fraction.is_empty() && !spec.alternate { String::new() } else { format!(".{fraction}") };
    if left != point || matches!(kind, 'e' | 'E') {
        let mark = if kind.is_ascii_uppercase() { 'E' } else { 'e' };
        rest.push_str(&format!("{mark}{:+}", left - point));
    }
    rest.push_str(percent);
    let negative = number.negative && !(number.is_zero() && spec.no_negative_zero);
    assemble(negative, &whole, &rest, spec, room)
}

/// Refuses more digits than there is room for.
fn check(number: &Decimal, kind: char, precision: Option<i64>, room: usize) -> Result<(), Fault> {
    let digits = length(number);
    let (whole, behind) = match kind {
        'f' | 'F' | '%' => {
            let behind = precision.unwrap_or((-exponent(number)).max(0));
            (exponent(number).saturating_add(digits).max(0), behind)
        }
        'e' | 'E' => (0, precision.unwrap_or(0)),
        _ => (0, 0),
    };
    let wanted = whole.saturating_add(behind).saturating_add(digits).saturating_mul(3);
    match usize::try_from(wanted) {
        Ok(wanted) if wanted <= room && wanted < 1 << 24 => Ok(()),
        _ => Err(Fault::Value("a Decimal with so many digits cannot be formatted".to_owned())),
    }
}

fn digits(number: &Decimal) -> String {
    if let Size::Finite { digits, .. } = &number.size { digits.to_string() } else { String::new() }
}

fn length(number: &Decimal) -> i64 {
    i64::try_from(digits(number).len()).unwrap_or(i64::MAX)
}

fn exponent(number: &Decimal) -> i64 {
    if let Size::Finite { exponent, .. } = number.size { exponent } else { 0 }
}
