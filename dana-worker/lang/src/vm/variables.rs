//! Variables that are not registers: captured ones, those of namespaces, and those beyond the registers.

use std::cell::RefCell;
use std::rc::Rc;

use super::slow::Window;
use crate::value::{CellObj, FuncObj, ModuleObj, Namespace, Value, cycles, put, take};

/// The namespace that an instruction names by number.
#[inline(always)]
pub(super) fn space<'a>(
    scope: u8,
    module: &'a ModuleObj,
    public: &'a Namespace,
    system: &'a Namespace,
) -> &'a Namespace {
    match scope {
        0 => &module.locals,
        1 => &module.private,
        2 => public,
        _ => system,
    }
}

/// Adds numbers in place; false when it is more than that.
#[inline(always)]
pub(super) fn add_number(space: &Namespace, slot: u32, more: &Value) -> bool {
    match (space.slots.borrow_mut().get_mut(slot as usize), more) {
        (Some(Value::Int(x)), Value::Int(y)) => match x.checked_add(*y) {
            Some(sum) => {
                *x = sum;
                true
            }
            None => false,
        },
        (Some(place @ Value::Float(_)), Value::Float(y)) => {
            if let Value::Float(x) = place {
                *place = Value::float(x.get() + y.get());
            }
            true
        }
        _ => false,
    }
}

#[inline(never)]
pub(super) fn new_cell(slot: &mut Value) {
    let value = take(slot);
    put(slot, Value::Cell(Rc::new(CellObj(RefCell::new(value)))));
}

#[inline(always)]
pub(super) fn cell(cell: &Value) -> Value {
    match cell {
        Value::Cell(cell) => cell.0.borrow().clone(),
        _ => Value::Unset,
    }
}

#[inline(always)]
pub(super) fn set_cell(cell: &Value, value: &Value) {
    if let Value::Cell(cell) = cell {
        cycles::stored(cell, value);
        let mut old = cell.0.replace(value.clone());
        put(&mut old, Value::Unset);
    }
}

#[inline(always)]
pub(super) fn captured(func: &FuncObj, at: u32) -> Value {
    match func.captures.get(at as usize) {
        Some(cell) => cell.0.borrow().clone(),
        None => Value::Unset,
    }
}

/// A variable beyond the registers lives in a list.
#[inline(never)]
pub(super) fn far(list: &Value, at: u32) -> Value {
    match list {
        Value::List(list) => list.get(at as usize).unwrap_or(Value::Unset),
        _ => Value::Unset,
    }
}

#[inline(never)]
pub(super) fn set_far(win: &Window, a: u8, b: u8, at: u32) {
    let value = win[usize::from(a)].clone();
    if let Value::List(list) = &win[usize::from(b)] {
        let old = list.items.borrow_mut().get_mut(at as usize).map(|slot| std::mem::replace(slot, value));
        drop(old);
    }
}
