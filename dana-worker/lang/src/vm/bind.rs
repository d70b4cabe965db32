//! Arguments to parameters, for functions written in Dana and for natives, with Python's errors.

use std::fmt::Write as _;
use std::rc::Rc;

use super::arguments::Complaint;
use crate::library::native::{Native, Take};
use crate::value::{FuncObj, Raise, Value};

/// Arguments of one call by name.
pub(super) type Named = Vec<(Rc<str>, Value)>;

/// The values of a Dana function's parameters, in order.
pub(super) fn function(func: &FuncObj, positional: Vec<Value>, named: Named) -> Result<Vec<Value>, Raise> {
    let code = &func.code;
    let params = &code.params;
    let count = positional.len();
    if count > params.len() {
        let least = params.iter().filter(|p| !p.optional).count();
        return Err(Raise::type_error(format!(
            "{}() takes {} positional argument{} but {count} {} given",
            code.name,
            span(least, params.len()),
            if least == 1 && params.len() == 1 { "" } else { "s" },
            if count == 1 { "was" } else { "were" },
        )));
    }
    let mut values = positional;
    values.resize_with(params.len(), || Value::Unset);
    for (name, value) in named {
        let at = params.iter().position(|param| param.name == name);
        match at.and_then(|at| values.get_mut(at)) {
            None => return Err(unexpected(&code.name, &name)),
            Some(place) if place.is_unset() => *place = value,
            Some(_) => return Err(repeated(&code.name, &name)),
        }
    }
    let mut defaults = func.defaults.iter();
    let mut missing = Vec::new();
    for (param, value) in params.iter().zip(&mut values) {
        let default = if param.optional { defaults.next() } else { None };
        if value.is_unset() {
            match default {
                Some(default) => *value = default.clone(),
                None => missing.push(&*param.name),
            }
        }
    }
    if missing.is_empty() { Ok(values) } else { Err(absent(&code.name, &missing)) }
}

pub(super) fn span(least: usize, most: usize) -> String {
    if least == most { most.to_string() } else { format!("from {least} to {most}") }
}

pub(super) fn unexpected(function: &str, name: &str) -> Raise {
    Raise::type_error(format!("{function}() got an unexpected keyword argument '{name}'"))
}

fn repeated(function: &str, name: &str) -> Raise {
    Raise::type_error(format!("{function}() got multiple values for argument '{name}'"))
}

pub(super) fn absent(function: &str, names: &[&str]) -> Raise {
    let mut list = String::new();
    for (at, name) in names.iter().enumerate() {
        let joint = match (at, names.len() - at) {
            (0, _) => "",
            (_, 1) if names.len() == 2 => " and ",
            (_, 1) => ", and ",
            _ => ", ",
        };
        let _ = write!(list, "{joint}'{name}'");
    }
    let plural = if names.len() == 1 { "" } else { "s" };
    Raise::type_error(format!(
        "{function}() missing {} required positional argument{plural}: {list}",
        names.len()
    ))
}

/// What a native gets.
pub(super) struct Bound {
    pub args: Vec<Value>,
    pub rest: Vec<Value>,
    pub keywords: Named,
}

pub(super) fn native(native: &Native, positional: Vec<Value>, named: Named) -> Result<Bound, Raise> {
    let params = native.params;
    let slots = params.iter().filter(|p| !matches!(p.take, Take::Rest | Take::Keywords));
    let by_position = slots.clone().filter(|p| !matches!(p.take, Take::Named)).count();
    let takes_rest = params.iter().any(|p| p.take == Take::Rest);
    let takes_keywords = params.iter().any(|p| p.take == Take::Keywords);
    let count = positional.len();
    if !named.is_empty() {
        Complaint::new(native, &positional).names(named.len())?;
    }
    let mut args = positional;
    let mut rest = Vec::new();
    if count > by_position {
        if !takes_rest {
            return Err(Complaint::new(native, &args).count(count, named.len()));
        }
        rest = args.split_off(by_position);
    }
    args.resize_with(slots.clone().count(), || Value::Unset);
    let mut keywords = Vec::new();
    for (name, value) in named {
        let at = slots
            .clone()
            .position(|p| p.name == &*name && matches!(p.take, Take::Either | Take::Optional | Take::Named));
        match at.and_then(|at| args.get_mut(at)) {
            Some(place) if place.is_unset() => *place = value,
            Some(_) => return Err(repeated(native.name, &name)),
            None if takes_keywords => keywords.push((name, value)),
            None => return Err(Complaint::new(native, &args).unexpected(&name)),
        }
    }
    let missing: Vec<&str> = slots
        .zip(&args)
        .filter(|(p, value)| matches!(p.take, Take::Position | Take::Either) && value.is_unset())
        .map(|(p, _)| p.name)
        .collect();
    if missing.is_empty() {
        return Ok(Bound { args, rest, keywords });
    }
    Err(Complaint::new(native, &args).missing(&missing, count))
}
