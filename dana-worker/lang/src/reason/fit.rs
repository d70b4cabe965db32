//! Making a value fit an annotation, all the way down: lists of structs, unions, dicts of lists.
//!
//! The value comes from JSON, or from a host that answered with more than text. A misfit says where and why, in words
//! that go back to the model.

use std::rc::Rc;

use crate::coerce;
use crate::library::to_float;
use crate::session::Services;
use crate::text;
use crate::value::structure::{Annotation, AnnotationTerm};
use crate::value::{Raise, StructType, Table, Value, bigint, memory, repr};

/// Why a value is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Misfit {
    #[error("{0}")]
    Because(String),
    #[error("{0:?}")]
    Raise(Raise),
}

impl From<Raise> for Misfit {
    fn from(raise: Raise) -> Self {
        Misfit::Raise(raise)
    }
}

/// Fits `value` to `annotation`; `path` is where it stands in the reply.
pub(super) fn fit(
    value: &Value,
    annotation: &Annotation,
    path: &str,
    services: &Services,
) -> Result<Value, Misfit> {
    let value = value.observe()?;
    match annotation.terms.as_slice() {
        [] => Ok(value),
        [term] => one(&value, term, path, services),
        terms => {
            // A member that takes the value as it is goes before one that must convert it.
            for term in terms {
                let alone = Annotation { terms: vec![term.clone()] };
                if term.arguments.is_empty() && coerce::fits(&value, &alone, services)? {
                    return one(&value, term, path, services);
                }
            }
            let mut reasons = Vec::new();
            for term in terms {
                match one(&value, term, path, services) {
                    Err(Misfit::Because(reason)) => reasons.push(reason),
                    other => return other,
                }
            }
            Err(Misfit::Because(reasons.join("; or ")))
        }
    }
}

fn one(value: &Value, term: &AnnotationTerm, path: &str, services: &Services) -> Result<Value, Misfit> {
    let wrong = |wanted: &str| -> Misfit {
        let shown = repr::repr(value).map(|shown| shown.chars().take(80).collect::<String>());
        let shown = shown.unwrap_or_else(|_| value.type_name().to_owned());
        Misfit::Because(format!("{path}: expected {wanted}, got {shown}"))
    };
    match &*term.name {
        "any" => Ok(value.clone()),
        "None" => {
            if value.is_none() {
                Ok(Value::None)
            } else {
                Err(wrong("null"))
            }
        }
        "bool" => match value {
            Value::True | Value::False => Ok(value.clone()),
            Value::Int(number @ (0 | 1)) => Ok(Value::bool(*number == 1)),
            other => other
                .as_text()
                .and_then(|source| yes_or_no(&source))
                .map(Value::bool)
                .ok_or_else(|| wrong("true or false")),
        },
        "int" => integer(value).ok_or_else(|| wrong("an integer")),
        "float" => match value {
            Value::Float(_) => Ok(value.clone()),
            Value::Int(_) | Value::Big(_) => Ok(to_float(value)?),
            other => {
                let number = other.as_text().and_then(|source| text::parse_float(&source));
                number.map(Value::float).ok_or_else(|| wrong("a number"))
            }
        },
        "str" => match value {
            Value::Small(_) | Value::Str(_) => Ok(value.clone()),
            Value::Int(_) | Value::Big(_) | Value::Float(_) => Ok(Value::string(repr::display(value)?)),
            _ => Err(wrong("a string")),
        },
        "list" => match value {
            Value::List(list) => {
                elements(&list.to_vec(), term.arguments.first(), path, services).map(Value::list)
            }
            Value::Tuple(tuple) => {
                elements(tuple.items(), term.arguments.first(), path, services).map(Value::list)
            }
            _ => Err(wrong("a list")),
        },
        "tuple" => {
            let items = match value {
                Value::List(list) => list.to_vec(),
                Value::Tuple(tuple) => tuple.items().to_vec(),
                _ => return Err(wrong("a list")),
            };
            match term.arguments.as_slice() {
                [] | [_] => elements(&items, term.arguments.first(), path, services).map(Value::tuple),
                several if several.len() != items.len() => {
                    Err(wrong(&format!("a list of {} elements", several.len())))
                }
                several => {
                    let parts = items.iter().zip(several).enumerate();
                    let parts =
                        parts.map(|(at, (item, kind))| fit(item, kind, &format!("{path}[{at}]"), services));
                    parts.collect::<Result<Vec<_>, _>>().map(Value::tuple)
                }
            }
        }
        "set" => match value {
            Value::Set(_) => Ok(value.clone()),
            Value::List(list) => {
                let mut members = Table::new();
                for item in elements(&list.to_vec(), term.arguments.first(), path, services)? {
                    members.add(item)?;
                }
                Ok(Value::set(members))
            }
            _ => Err(wrong("a list")),
        },
        "dict" => match value {
            Value::Dict(dict) => {
                let entries: Vec<(Value, Value)> = dict
                    .table
                    .borrow()
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.clone()))
                    .collect();
                let [key_kind, kind] = term.arguments.as_slice() else { return Ok(value.clone()) };
                memory::reserve_values(entries.len().saturating_mul(4))?;
                let mut table = Table::with_capacity(entries.len());
                for (key, value) in entries {
                    let place = format!("{path}[{}]", repr::repr(&key)?);
                    let key = fit(&key, key_kind, &place, services)?;
                    table.insert(key, fit(&value, kind, &place, services)?)?;
                }
                Ok(Value::dict(table))
            }
            _ => Err(wrong("an object")),
        },
        name => match services.struct_type(name) {
            Some(kind) => structure(value, &kind, path, services),
            None => Ok(value.clone()),
        },
    }
}

fn elements(
    items: &[Value],
    kind: Option<&Annotation>,
    path: &str,
    services: &Services,
) -> Result<Vec<Value>, Misfit> {
    memory::reserve_values(items.len())?;
    let Some(kind) = kind else { return Ok(items.to_vec()) };
    items.iter().enumerate().map(|(at, item)| fit(item, kind, &format!("{path}[{at}]"), services)).collect()
}

/// An integer, a float without a fraction, or a text that is an integer.
fn integer(value: &Value) -> Option<Value> {
    match value {
        Value::Int(_) | Value::Big(_) => Some(value.clone()),
        Value::Float(number) if number.get().fract() == 0.0 => {
            bigint::from_float(number.get()).map(Value::big)
        }
        other => other.as_text().and_then(|source| text::parse_bigint(&source, 10, "").ok()).map(Value::big),
    }
}

/// What a text says, when it says yes or no and nothing else.
fn yes_or_no(source: &str) -> Option<bool> {
    match source.trim().trim_end_matches(['.', '!']).to_lowercase().as_str() {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// An object becomes a struct by its keys; keys that are no fields are dropped.
fn structure(value: &Value, kind: &Rc<StructType>, path: &str, services: &Services) -> Result<Value, Misfit> {
    let dict = match value {
        Value::Struct(object) if object.kind.name == kind.name => return Ok(value.clone()),
        Value::Dict(dict) => dict,
        other => {
            let kind_name = other.type_name();
            return Err(Misfit::Because(format!(
                "{path}: expected an object for {}, got {kind_name}",
                kind.name
            )));
        }
    };
    // `{"Point": {"x": 1}}`: the object itself, named.
    if dict.len() == 1
        && kind.field(&kind.name).is_none()
        && let Some(inner @ Value::Dict(_)) = dict.get_str(&kind.name)
    {
        return structure(&inner, kind, path, services);
    }
    let mut keywords = Vec::with_capacity(kind.fields.len());
    let mut missing = Vec::new();
    for field in &kind.fields {
        match dict.get_str(&field.name) {
            Some(value) => {
                let place = format!("{path}.{}", field.name);
                // Null stands for "not given" where the field has a default and does not take None.
                if value.is_none()
                    && field.default.is_some()
                    && !coerce::fits(&value, &field.annotation, services)?
                {
                    continue;
                }
                keywords.push((Rc::clone(&field.name), fit(&value, &field.annotation, &place, services)?));
            }
            None if field.default.is_none() => missing.push(&*field.name),
            None => {}
        }
    }
    if !missing.is_empty() {
        return Err(Misfit::Because(format!("{path}: missing {} of {}", missing.join(", "), kind.name)));
    }
    match coerce::construct(kind, &[], &keywords, services) {
        Ok(made) => Ok(made),
        Err(raise) => match raise.as_error() {
            Some(error) if error.limit.is_none() => {
                Err(Misfit::Because(format!("{path}: {}", error.message)))
            }
            _ => Err(Misfit::Raise(raise)),
        },
    }
}
