//! `object.name`, read and written.

use std::rc::Rc;

use super::Vm;
use super::modules::Below;
use super::suggest::{no_attribute, no_field};
use crate::coerce;
use crate::library;
use crate::session::Services;
use crate::value::error::Spot;
use crate::value::{BoundObj, ErrorObj, Raise, StructObj, Value, cycles};

impl Vm {
    /// `object.name`; none after entering a submodule that must run first.
    pub(super) fn attribute(&mut self, object: &Value, name: &str) -> Result<Option<Value>, Raise> {
        let object = object.observe()?;
        let found = match &object {
            Value::Struct(it) => self.struct_attribute(it, name)?,
            Value::Dict(dict) => match library::method(&object, name) {
                Some(native) => Some(bound(&object, Value::Native(native))),
                None => dict.get_str(name),
            },
            Value::Module(module) => match self.module_value(module, name) {
                Some(value) => Some(value),
                None => match self.import_below(module, name)? {
                    Below::Here(found) => Some(found),
                    Below::Running => return Ok(None),
                    Below::Nothing => None,
                },
            },
            Value::Error(error) => error_attribute(error, name),
            Value::Native(kind) => library::unbound(kind, name).map(|(native, alone)| match alone {
                true => bound(&object, Value::Native(native)),
                false => Value::Native(native),
            }),
            Value::Range(range) => match name {
                "start" => Some(Value::Int(range.start)),
                "stop" => Some(Value::Int(range.stop)),
                "step" => Some(Value::Int(range.step)),
                _ => library::method(&object, name).map(|native| bound(&object, Value::Native(native))),
            },
            Value::Grid(grid) => match name {
                "columns" => Some(Value::list(grid.shown().map(|(_, column)| column.name.clone()).collect())),
                "shape" => {
                    let sides = [grid.rows, grid.shown().count()];
                    Some(Value::tuple(sides.map(|side| Value::Int(side as i64)).to_vec()))
                }
                _ => library::method(&object, name).map(|native| bound(&object, Value::Native(native))),
            },
            Value::Column(column) if name == "name" => column.column().map(|column| column.name.clone()),
            Value::Literal(literal) if let Some(value) = library::property(literal, name) => Some(value),
            other if name.starts_with('_') => {
                return Err(no_attribute(other, name));
            }
            other => library::method(other, name).map(|native| bound(other, Value::Native(native))),
        };
        match found {
            Some(value) => Ok(Some(value)),
            None => Err(no_attribute(&object, name)),
        }
    }

    fn struct_attribute(&self, it: &Rc<StructObj>, name: &str) -> Result<Option<Value>, Raise> {
        if let Some((owner, at)) = it.owner(name)? {
            return Ok(owner.fields.borrow().get(at).cloned());
        }
        if let Some((owner, method)) = it.method(name)? {
            return Ok(Some(bound(&Value::Struct(owner), method)));
        }
        let native = library::agents::method(it.kind.kind, name);
        Ok(native.map(|native| bound(&Value::Struct(Rc::clone(it)), Value::Native(native))))
    }
}

fn bound(receiver: &Value, function: Value) -> Value {
    Value::Bound(Rc::new(BoundObj { receiver: receiver.clone(), function }))
}

fn error_attribute(error: &ErrorObj, name: &str) -> Option<Value> {
    let place = error.place.borrow();
    let at = place.at.as_ref();
    let text = |text: Option<&str>| text.map_or(Value::None, Value::str);
    let number = |number: Option<u32>| number.map_or(Value::None, |number| Value::Int(i64::from(number)));
    Some(match name {
        "type" => Value::str(error.kind()),
        "message" => Value::str(&error.message),
        "filename" => text(at.and_then(|spot| spot.file.name.as_deref())),
        "line" => number(at.map(|spot| spot.position().line)),
        "column" => number(at.map(|spot| spot.position().column)),
        "source_line" => text(at.map(Spot::excerpt)),
        "traceback" => Value::list(
            place
                .trace
                .iter()
                .rev()
                .map(|frame| {
                    let file = frame.at.file.name.as_deref().unwrap_or("<dana>");
                    let line = frame.at.position().line;
                    Value::string(format!("File \"{file}\", line {line}, in {}", frame.function))
                })
                .collect(),
        ),
        _ => return None,
    })
}

/// `object.name = value`.
pub(super) fn set_attribute(
    object: &Value,
    name: &str,
    value: &Value,
    services: &Services,
) -> Result<(), Raise> {
    let object = object.observe()?;
    match &object {
        Value::Struct(it) => {
            let Some((owner, at)) = it.owner(name)? else {
                return Err(no_field(it, name));
            };
            coerce::assign_field(&owner.kind, at, value, services)?;
            cycles::stored(&owner, value);
            let old =
                owner.fields.borrow_mut().get_mut(at).map(|slot| std::mem::replace(slot, value.clone()));
            drop(old);
            Ok(())
        }
        Value::Module(module) => {
            module.locals.set(name, value.clone());
            Ok(())
        }
        other => Err(Raise::attribute_error(format!(
            "cannot set attribute '{name}' of '{}' object",
            other.type_name()
        ))),
    }
}
