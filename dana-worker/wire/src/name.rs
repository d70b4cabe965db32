//! Names of types, fields, functions and exceptions: they end up in messages and on terminals, so
//! they are short and without control characters. That they are identifiers is the language's rule.

/// The longest name, in bytes.
pub const NAME_BYTES: usize = 255;

/// True for 1 to [`NAME_BYTES`] bytes without a control character.
#[inline]
pub(crate) fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}
