//! Functions written in Dana, methods bound to their receiver, and captured variables.

use std::cell::RefCell;
use std::mem;
use std::rc::Rc;

use super::release::{release, release_one};
use super::{ModuleObj, Value, take};
use crate::compile::code::Code;

/// A function value: its code and what it closed over.
pub struct FuncObj {
    pub code: Rc<Code>,
    pub module: Rc<ModuleObj>,
    /// Values of the last parameters' defaults, evaluated at definition.
    pub defaults: Box<[Value]>,
    pub captures: Box<[Rc<CellObj>]>,
}

impl Drop for FuncObj {
    fn drop(&mut self) {
        if !self.defaults.is_empty() {
            release(mem::take(&mut self.defaults).into_vec());
        }
    }
}

/// `receiver.function`, not yet called.
pub struct BoundObj {
    pub receiver: Value,
    pub function: Value,
}

/// A variable that a nested function can see.
pub struct CellObj(pub RefCell<Value>);

impl Drop for CellObj {
    fn drop(&mut self) {
        release_one(take(self.0.get_mut()));
    }
}
