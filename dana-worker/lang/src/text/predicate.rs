//! The `is…` methods of `str`. All but `is_ascii` and `is_printable` are false for the empty text.

use super::unicode;
use crate::value::work;

pub fn is_alpha(text: &str) -> bool {
    all(text, unicode::alpha)
}

pub fn is_alnum(text: &str) -> bool {
    all(text, |c| unicode::alpha(c) || unicode::numeric(c) || unicode::digit(c))
}

pub fn is_decimal(text: &str) -> bool {
    all(text, |c| unicode::decimal(c).is_some())
}

pub fn is_digit(text: &str) -> bool {
    all(text, unicode::digit)
}

pub fn is_numeric(text: &str) -> bool {
    all(text, unicode::numeric)
}

pub fn is_space(text: &str) -> bool {
    all(text, unicode::space)
}

pub fn is_ascii(text: &str) -> bool {
    text.is_ascii()
}

pub fn is_printable(text: &str) -> bool {
    work::paced(text.chars()).all(unicode::printable)
}

pub fn is_identifier(text: &str) -> bool {
    let mut chars = work::paced(text.chars());
    chars.next().is_some_and(unicode::name_start) && chars.all(unicode::name_part)
}

/// At least one cased letter, and none that is lower or title case.
pub fn is_upper(text: &str) -> bool {
    !work::paced(text.chars()).any(|c| unicode::lower(c) || unicode::title(c))
        && work::paced(text.chars()).any(unicode::upper)
}

/// At least one cased letter, and none that is upper or title case.
pub fn is_lower(text: &str) -> bool {
    !work::paced(text.chars()).any(|c| unicode::upper(c) || unicode::title(c))
        && work::paced(text.chars()).any(unicode::lower)
}

/// Upper case only after uncased characters, lower case only after cased ones, and at least one cased.
pub fn is_title(text: &str) -> bool {
    let (mut cased, mut previous) = (false, false);
    for c in work::paced(text.chars()) {
        if unicode::upper(c) || unicode::title(c) {
            if previous {
                return false;
            }
            (previous, cased) = (true, true);
        } else if unicode::lower(c) {
            if !previous {
                return false;
            }
            cased = true;
        } else {
            previous = false;
        }
    }
    cased
}

fn all(text: &str, test: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && work::paced(text.chars()).all(test)
}
