//! Struct fields: making instances, and what a field accepts.
//!
//! Generic types, tuples, sets, interfaces and unknown names accept everything; a number in a `float` field becomes a
//! float when the instance is made, and only then.

use std::rc::Rc;

use crate::library::preloaded::default_for;
use crate::library::to_float;
use crate::session::Services;
use crate::value::structure::{Annotation, AnnotationTerm, FieldDef, StructKind};
use crate::value::{Raise, StructObj, StructType, Value, memory};

/// Makes an instance from arguments in order and by name.
pub fn construct(
    kind: &Rc<StructType>,
    positional: &[Value],
    keywords: &[(Rc<str>, Value)],
    services: &Services,
) -> Result<Value, Raise> {
    let failed = |why: String| {
        Raise::sandbox(format!("{} instantiation failed for '{}': {why}", kind.kind.word(), kind.name))
    };
    // Their first fields are given ones such as the state: no place for a value without a name.
    if let (StructKind::Agent | StructKind::Resource, [_, ..]) = (kind.kind, positional) {
        return Err(failed("its fields are given by name".to_owned()));
    }
    let mut fields: Vec<Value> = vec![Value::Unset; kind.fields.len()];
    if positional.len() > fields.len() {
        let (most, given) = (fields.len(), positional.len());
        return Err(failed(format!("takes at most {most} values but {given} were given")));
    }
    for (place, value) in fields.iter_mut().zip(positional) {
        *place = value.clone();
    }
    let mut unknown: Vec<&str> = Vec::new();
    for (name, value) in keywords {
        match kind.field(name).and_then(|at| fields.get_mut(at)) {
            Some(place) if place.is_unset() => *place = value.clone(),
            Some(_) => return Err(failed(format!("got multiple values for field '{name}'"))),
            None => unknown.push(name),
        }
    }
    if !unknown.is_empty() {
        let raise = failed(format!("unknown fields {}; it has {}", listed(unknown), listed(names(kind))));
        return Err(raise);
    }
    let mut missing: Vec<&str> = Vec::new();
    for (place, field) in fields.iter_mut().zip(&kind.fields) {
        match (place.is_unset(), &field.default) {
            (true, Some(default)) => *place = default_for(kind, field, default)?,
            (true, None) => missing.push(&field.name),
            (false, _) => {}
        }
    }
    if !missing.is_empty() {
        return Err(failed(format!("missing required fields {}", listed(missing))));
    }
    let mut wrong = Vec::new();
    for (place, field) in fields.iter_mut().zip(&kind.fields) {
        // Where nothing has to be known about the value, nobody waits for it.
        if takes_anything(&field.annotation) {
            continue;
        }
        let value = place.observe()?;
        if !fits(&value, &field.annotation, services)? {
            wrong.push(complaint(field, &value));
            continue;
        }
        if field.annotation.single() == Some("float") && !matches!(value, Value::Float(_) | Value::None) {
            *place = to_float(&value)?;
        } else {
            *place = value;
        }
    }
    if !wrong.is_empty() {
        return Err(failed(wrong.join("; ")));
    }
    memory::reserve(fields.len().saturating_mul(size_of::<Value>()).saturating_add(64))?;
    Ok(Value::Struct(Rc::new(StructObj::new(Rc::clone(kind), fields))))
}

/// Checks the value of `object.field = value`.
pub fn assign_field(kind: &StructType, at: usize, value: &Value, services: &Services) -> Result<(), Raise> {
    let Some(field) = kind.fields.get(at) else { return Ok(()) };
    if takes_anything(&field.annotation) {
        return Ok(());
    }
    let value = value.observe()?;
    if fits(&value, &field.annotation, services)? {
        return Ok(());
    }
    Err(Raise::sandbox(format!(
        "assignment to field '{}' of '{}' failed: {}",
        field.name,
        kind.name,
        complaint(field, &value)
    )))
}

fn takes_anything(annotation: &Annotation) -> bool {
    annotation.single() == Some("any")
}

/// Whether a field of this type accepts the value: any member of a union will do.
pub fn fits(value: &Value, annotation: &Annotation, services: &Services) -> Result<bool, Raise> {
    let value = value.observe()?;
    Ok(annotation.terms.is_empty() || annotation.terms.iter().any(|term| accepts(term, &value, services)))
}

fn accepts(term: &AnnotationTerm, value: &Value, services: &Services) -> bool {
    if !term.arguments.is_empty() {
        return !value.is_none();
    }
    let name: &str = &term.name;
    match (name, value) {
        ("any", _) | ("None", Value::None) => true,
        (_, Value::None) | ("None", _) => false,
        ("int", _) => matches!(value, Value::Int(_) | Value::Big(_) | Value::True | Value::False),
        ("float", _) => {
            matches!(value, Value::Float(_) | Value::Int(_) | Value::Big(_) | Value::True | Value::False)
        }
        ("str", _) => value.is_text(),
        ("bool", _) => matches!(value, Value::True | Value::False),
        ("list", _) => matches!(value, Value::List(_)),
        ("dict", _) => matches!(value, Value::Dict(_)),
        ("tuple" | "set", _) => true,
        (name, value) => match services.struct_type(name) {
            Some(_) => matches!(value, Value::Struct(object) if object.kind.name.as_str() == name),
            None => true,
        },
    }
}

fn complaint(field: &FieldDef, value: &Value) -> String {
    format!("field '{}' expects {}, got {}", field.name, field.annotation, value.type_name())
}

fn names(kind: &StructType) -> Vec<&str> {
    kind.fields.iter().map(|field| &*field.name).collect()
}

/// Names in order, as a list of texts is printed.
fn listed(mut names: Vec<&str>) -> String {
    names.sort_unstable();
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    format!("[{}]", quoted.join(", "))
}
