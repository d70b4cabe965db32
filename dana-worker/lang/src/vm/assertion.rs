//! What a failed assertion tells the host: the values of parts of its condition, as text.
//!
//! The rule: it is bounded in bytes whatever the values are, waits for nothing, and never makes another error of the
//! failure. The error's message has none of it: values may be secret, and the host decides who sees them.

use dana_wire::{ASSERTION_BYTES, Assertion, Compared, LINE_BYTES, Operand, PARTS, Part, Shape};

use crate::compile::code::{AssertionSite, Code};
use crate::syntax::span::Span;
use crate::value::{Raise, Value, repr, work};

/// Bytes of a value as text; what is compared may take more, in parts.
const VALUE: usize = 1 << 10;
/// Bytes of a part of a value.
const PART: usize = 400;
/// Values inside one another that are shown.
const DEPTH: usize = 6;

/// The error of the assertion that the code's register names, whose message is a value or none.
#[cold]
#[inline(never)]
pub(super) fn failed(code: &Code, message: &Value, which: &Value, registers: &[Value]) -> Raise {
    let raise = if message.is_unset() {
        Raise::assertion("assertion failed")
    } else {
        match repr::display(message) {
            Ok(text) => Raise::assertion(text),
            Err(raise) => return raise,
        }
    };
    let site = match which {
        Value::Int(at) => usize::try_from(*at).ok().and_then(|at| code.assertions.get(at)),
        _ => None,
    };
    let told = site.and_then(|site| found(code, site, registers));
    // A limit that this reaches shows at the next look at it.
    let _ = work::bytes(told.as_ref().map_or(0, |told| told.operands.iter().map(size).sum()));
    raise.found(told.map(Box::new))
}

fn found(code: &Code, site: &AssertionSite, registers: &[Value]) -> Option<Assertion> {
    let source = code.file.source.text();
    let text = source.get(site.condition.start as usize..site.condition.end as usize)?;
    if text.len() > LINE_BYTES {
        return None;
    }
    let mut told = Assertion { text: text.to_owned(), ..Assertion::default() };
    let mut left = ASSERTION_BYTES;
    // Where each operand of the site is among those that are told.
    let mut places = Vec::new();
    for (at, (span, register)) in site.operands.iter().enumerate() {
        let compared = site.compared.is_some_and(|(a, b, _)| usize::from(a) == at || usize::from(b) == at);
        let operand = registers
            .get(usize::from(*register))
            .and_then(|value| operand(value, text, site.condition, *span, compared));
        let bytes = operand.as_ref().map_or(0, size);
        match (operand, left.checked_sub(bytes)) {
            (Some(operand), Some(rest)) => {
                left = rest;
                places.push(Some(told.operands.len() as u32));
                told.operands.push(operand);
            }
            _ => places.push(None),
        }
    }
    told.compared = site.compared.and_then(|(a, b, operator)| {
        let left = places.get(usize::from(a)).copied().flatten()?;
        let right = places.get(usize::from(b)).copied().flatten()?;
        Some(Compared { left, right, operator: operator.to_owned() })
    });
    Some(told)
}

/// Bytes of an operand's texts.
fn size(operand: &Operand) -> usize {
    operand.parts.iter().fold(operand.text.len(), |sum, part| sum + part.key.len() + part.text.len())
}

/// `None` for what is no value yet, for functions and the like, and for what is not in the condition.
fn operand(value: &Value, text: &str, condition: Span, span: Span, compared: bool) -> Option<Operand> {
    let value = value.observe().ok()?;
    if matches!(
        value,
        Value::Unset
            | Value::Cell(_)
            | Value::Func(_)
            | Value::Native(_)
            | Value::Bound(_)
            | Value::StructType(_)
            | Value::Module(_)
    ) {
        return None;
    }
    let from = span.start.checked_sub(condition.start)? as usize;
    let to = span.end.checked_sub(condition.start)? as usize;
    let before = text.get(..from)?.chars().count();
    let length = text.get(from..to)?.chars().count();
    let mut shown = Operand {
        start: u32::try_from(before).ok()?,
        end: u32::try_from(before + length).ok()?,
        text: brief(&value, VALUE),
        ..Operand::default()
    };
    if compared {
        parts(&value, &mut shown);
    }
    Some(shown)
}

fn parts(value: &Value, shown: &mut Operand) {
    let item = |value: &Value| Part { key: String::new(), text: brief(value, PART) };
    let count = match value {
        Value::Str(it) => {
            let text = it.as_str();
            let mut text = text.get(..text.floor_char_boundary(LINE_BYTES + 4)).unwrap_or("").to_owned();
            dana_wire::clip(&mut text, LINE_BYTES);
            shown.shape = Shape::Text;
            shown.parts.push(Part { key: String::new(), text });
            1
        }
        Value::Small(small) => {
            shown.shape = Shape::Text;
            shown.parts.push(Part { key: String::new(), text: small.text().to_string() });
            1
        }
        Value::List(list) => {
            let items = list.items.borrow();
            shown.shape = Shape::Items;
            shown.parts.extend(items.iter().take(PARTS).map(item));
            items.len()
        }
        Value::Tuple(tuple) => {
            shown.shape = Shape::Items;
            shown.parts.extend(tuple.items().iter().take(PARTS).map(item));
            tuple.items().len()
        }
        Value::Set(set) => {
            shown.shape = Shape::Members;
            shown.parts.extend(set.table.borrow().keys().take(PARTS).map(item));
            set.len()
        }
        Value::Dict(dict) => {
            let table = dict.table.borrow();
            shown.shape = Shape::Pairs;
            let pair = |key: &Value, value: &Value| Part { key: brief(key, PART), text: brief(value, PART) };
            shown.parts.extend(table.iter().take(PARTS).map(|entry| pair(&entry.key, &entry.value)));
            dict.len()
        }
        Value::Struct(it) => {
            let fields = it.fields.borrow();
            shown.shape = Shape::Fields;
            let named = it.kind.fields.iter().zip(fields.iter()).take(PARTS);
            shown.parts.extend(named.map(|(def, value)| {
                let mut key = def.name.to_string();
                dana_wire::clip(&mut key, PART);
                Part { key, text: brief(value, PART) }
            }));
            fields.len()
        }
        _ => 0,
    };
    shown.count = u32::try_from(count).unwrap_or(u32::MAX);
    // The half of what an assertion may take, so that there is room for the other side.
    let mut left = ASSERTION_BYTES / 2 - VALUE - 16;
    let fit = shown.parts.iter().take_while(|part| {
        let bytes = part.key.len() + part.text.len();
        let fits = bytes <= left;
        left = left.saturating_sub(bytes);
        fits
    });
    let fit = fit.count();
    shown.parts.truncate(fit);
}

/// The beginning of a value as Dana prints it, at most about so many bytes.
fn brief(value: &Value, most: usize) -> String {
    let mut out = String::new();
    push(&mut out, value, most, DEPTH);
    dana_wire::clip(&mut out, most);
    out
}

/// Appends a value, and stops soon after `most` bytes.
fn push(out: &mut String, value: &Value, most: usize, depth: usize) {
    let Some(inner) = depth.checked_sub(1) else {
        out.push_str("...");
        return;
    };
    let each = |out: &mut String, at: usize, value: &Value| {
        if at > 0 {
            out.push_str(", ");
        }
        push(out, value, most, inner);
        out.len() < most
    };
    match value {
        Value::List(list) => {
            out.push('[');
            let _ = list.items.borrow().iter().enumerate().all(|(at, item)| each(out, at, item));
            out.push(']');
        }
        Value::Tuple(tuple) => {
            out.push('(');
            let _ = tuple.items().iter().enumerate().all(|(at, item)| each(out, at, item));
            out.push_str(if tuple.items().len() == 1 { ",)" } else { ")" });
        }
        Value::Set(set) if !set.is_empty() => {
            out.push_str(if set.frozen { "frozenset({" } else { "{" });
            let _ = set.table.borrow().keys().enumerate().all(|(at, item)| each(out, at, item));
            out.push_str(if set.frozen { "})" } else { "}" });
        }
        Value::Dict(dict) => {
            out.push('{');
            let _ = dict.table.borrow().iter().enumerate().all(|(at, entry)| {
                each(out, at, &entry.key) && {
                    out.push_str(": ");
                    each(out, 0, &entry.value)
                }
            });
            out.push('}');
        }
        Value::Struct(it) => {
            out.push_str(&it.kind.name);
            out.push('(');
            let fields = it.fields.borrow();
            let _ = it.kind.fields.iter().zip(fields.iter()).enumerate().all(|(at, (def, value))| {
                out.push_str(if at > 0 { ", " } else { "" });
                out.push_str(&def.name);
                out.push('=');
                each(out, 0, value)
            });
            out.push(')');
        }
        Value::Str(text) => {
            // Only the beginning is looked at.
            let text = text.as_str();
            let shown = text.get(..text.floor_char_boundary(most)).unwrap_or("");
            crate::text::quote(out, shown);
        }
        Value::Bytes(bytes) => {
            crate::text::quote_bytes(out, bytes.0.get(..most).unwrap_or(&bytes.0));
        }
        Value::Promise(promise) => match promise.observe() {
            Ok(value) => push(out, &value, most, inner),
            Err(_) => out.push_str("..."),
        },
        Value::View(_) | Value::Column(_) | Value::Error(_) => {
            out.push('<');
            out.push_str(value.type_name());
            out.push('>');
        }
        other => match repr::repr(other) {
            Ok(text) => out.push_str(&text),
            Err(_) => out.push_str("..."),
        },
    }
}
