//! Instructions that raise errors or look at them.

use std::rc::Rc;

use crate::compile::code::Code;
use crate::compile::op::Failure;
use crate::value::{ErrorObj, Raise, Value, cycles, eq, repr};

/// What `raise value` raises.
#[inline(never)]
pub(super) fn raised(value: &Value, cause: Option<&Value>) -> Raise {
    let value = match value.observe() {
        Ok(value) => value,
        Err(raise) => return raise,
    };
    let error = match &value {
        Value::Error(error) => Rc::clone(error),
        // `raise ValueError` constructs it without arguments.
        Value::Native(native) if crate::library::constructs(native) => {
            Rc::new(ErrorObj::new(native.name, ""))
        }
        other => match repr::display(other) {
            Ok(text) => Rc::new(ErrorObj::new("RuntimeError", text)),
            Err(raise) => return raise,
        },
    };
    if let Some(Value::Error(cause)) = cause
        && !eq::same(&Value::Error(Rc::clone(cause)), &Value::Error(Rc::clone(&error)))
        && error.cause.borrow().is_none()
    {
        cycles::stored(&error, &Value::Error(Rc::clone(cause)));
        *error.cause.borrow_mut() = Some(Rc::clone(cause));
    }
    Raise::error(error)
}

/// The error being handled, raised once more.
#[inline(never)]
pub(super) fn again(value: &Value) -> Raise {
    match value {
        Value::Error(error) => Raise::error(Rc::clone(error)),
        other => raised(other, None),
    }
}

/// Whether an `except` with these kinds takes the error.
pub(super) fn matches(code: &Code, error: &Value, kinds: u16) -> bool {
    match (error, code.kinds.get(usize::from(kinds))) {
        (Value::Error(error), Some(kinds)) => kinds.iter().any(|kind| error.matches(kind)),
        _ => false,
    }
}

pub(super) fn kind(error: &Value) -> Value {
    match error {
        Value::Error(error) => Value::str(error.kind()),
        _ => Value::None,
    }
}

/// A failure that the compiler foresaw.
#[inline(never)]
pub(super) fn foreseen(code: &Code, kind: Failure, k: u32) -> Raise {
    let message = code.consts.get(k as usize).and_then(Value::as_text);
    let message = message.map(|text| text.to_string()).unwrap_or_default();
    match kind {
        Failure::Value => Raise::value_error(message),
        Failure::Sandbox => Raise::sandbox(message),
    }
}
