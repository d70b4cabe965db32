//! A reply that no annotation asks to be anything: exactly a number or a yes-or-no word becomes that value.

use crate::text;
use crate::value::Value;

/// The value of an untyped reply.
pub(super) fn value_of(reply: &str) -> Value {
    let trimmed = reply.trim();
    if trimmed.len() > 64 {
        return Value::str(reply);
    }
    match trimmed.to_lowercase().as_str() {
        "yes" | "true" | "correct" | "right" | "valid" | "ok" | "okay" | "1" => return Value::True,
        "no" | "false" | "wrong" | "0" => return Value::False,
        _ => {}
    }
    let numeric = trimmed.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if !numeric || !trimmed.bytes().any(|byte| byte.is_ascii_digit()) {
        return Value::str(reply);
    }
    if let Ok(number) = text::parse_bigint(trimmed, 10, "") {
        return Value::big(number);
    }
    text::parse_float(trimmed).map_or_else(|| Value::str(reply), Value::float)
}
