//! Functions written in Dana, methods bound to their receiver, and captured variables.

use std::cell::RefCell;
use std::rc::Rc;

use super::{ModuleObj, Value};
use crate::compile::code::Code;

/// A function value: its code and what it closed over.
pub struct FuncObj {
    pub code: Rc<Code>,
    pub module: Rc<ModuleObj>,
    /// Values of the last parameters' defaults, evaluated at definition.
    pub defaults: Box<[Value]>,
    pub captures: Box<[Rc<CellObj>]>,
}

/// `receiver.function`, not yet called.
pub struct BoundObj {
    pub receiver: Value,
    pub function: Value,
}

/// A variable that a nested function can see.
pub struct CellObj(pub RefCell<Value>);
