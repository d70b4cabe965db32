//! Coercion by the annotation of an assignment.
//!
//! Only the eight basic types convert, their arguments ignored; unions, structs, interfaces and unknown names neither
//! check nor convert. `None` fits every type.

use crate::library::{to_float, to_int};
use crate::text;
use crate::value::structure::Annotation;
use crate::value::{Iter, Literal, Raise, Text, Value, repr, truth};

use super::json::{Unreadable, value_of};

/// The name of the basic type an annotation converts to, if it does.
pub fn basic(annotation: &Annotation) -> Option<&str> {
    annotation
        .single()
        .filter(|name| matches!(*name, "int" | "float" | "str" | "bool" | "list" | "dict" | "tuple" | "set"))
}

/// The value that `target: annotation = value` stores. A pending promise is waited for.
pub fn assign(value: Value, annotation: &Annotation, target: &str) -> Result<Value, Raise> {
    let Some(name) = basic(annotation) else { return Ok(value) };
    let value = match value {
        Value::Promise(promise) => promise.observe()?,
        other => other,
    };
    match converted(&value, name)? {
        Some(converted) => Ok(converted),
        None => Err(Raise::sandbox(format!(
            "assignment to '{target}' failed: cannot coerce value '{}' to type '{name}'",
            excerpt(&value)?
        ))),
    }
}

/// The printed form, cut after 200 characters.
pub(crate) fn excerpt(value: &Value) -> Result<String, Raise> {
    let mut shown = repr::display(value)?;
    if let Some((end, _)) = shown.char_indices().nth(200) {
        shown.truncate(end);
        shown.push_str("...");
    }
    Ok(shown)
}

/// `None` when the value cannot become the type.
fn converted(value: &Value, name: &str) -> Result<Option<Value>, Raise> {
    let frozen = name == "set" && matches!(value, Value::Set(_));
    if value.is_none() || value.type_name() == name || frozen {
        return Ok(Some(value.clone()));
    }
    let reduced;
    let value = match value.as_text() {
        Some(source) => {
            let answer = text::final_answer(&source);
            reduced = if answer.len() == source.len() { value.clone() } else { Value::str(answer) };
            &reduced
        }
        None => value,
    };
    match name {
        "int" => int(value),
        "float" => float(value),
        "str" => str(value),
        "bool" => match value {
            Value::List(_) | Value::Dict(_) => Ok(None),
            Value::Int(_) | Value::Big(_) | Value::Float(_) | Value::Small(_) | Value::Str(_) => {
                truth::fuzzy(value).map(|truth| Some(Value::bool(truth)))
            }
            Value::Literal(literal) if matches!(&**literal, Literal::Decimal(_)) => {
                Ok(Some(Value::bool(literal.is_true())))
            }
            _ => Ok(None),
        },
        "list" if matches!(value, Value::Column(_)) => Iter::of(value)?.collect().map(Value::list).map(Some),
        "list" => json(value, |found| matches!(found, Value::List(_))),
        "dict" => json(value, |found| matches!(found, Value::Dict(_))),
        _ => Ok(None),
    }
}

/// Drops the complaint of a conversion that does not work; keeps limits.
fn lenient(result: Result<Value, Raise>) -> Result<Option<Value>, Raise> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(raise) if raise.as_error().is_some_and(|error| error.limit.is_none()) => Ok(None),
        Err(raise) => Err(raise),
    }
}

fn int(value: &Value) -> Result<Option<Value>, Raise> {
    match value {
        Value::True | Value::False => Ok(Some(value.clone())),
        Value::Float(_) | Value::Small(_) | Value::Str(_) | Value::Literal(_) => lenient(to_int(value)),
        _ => Ok(None),
    }
}

fn float(value: &Value) -> Result<Option<Value>, Raise> {
    match value {
        Value::Int(_)
        | Value::Big(_)
        | Value::True
        | Value::False
        | Value::Small(_)
        | Value::Str(_)
        | Value::Literal(_) => lenient(to_float(value)),
        _ => Ok(None),
    }
}

fn str(value: &Value) -> Result<Option<Value>, Raise> {
    match value {
        Value::True => Ok(Some(Value::str("true"))),
        Value::False => Ok(Some(Value::str("false"))),
        Value::Int(_)
        | Value::Big(_)
        | Value::Float(_)
        | Value::List(_)
        | Value::Dict(_)
        | Value::Literal(_)
        | Value::Type(_) => repr::display(value).map(|text| Some(Value::string(text))),
        _ => Ok(None),
    }
}

fn json(value: &Value, wanted: fn(&Value) -> bool) -> Result<Option<Value>, Raise> {
    if !value.is_text() {
        return Ok(None);
    }
    let source = value.as_text().unwrap_or(Text::Heap(""));
    match value_of(text::unfenced(&source)) {
        Ok(found) => Ok(Some(found).filter(wanted)),
        Err(Unreadable::Mistake(_)) => Ok(None),
        Err(Unreadable::Raise(raise)) => Err(raise),
    }
}
