//! Compiled code.

use std::rc::Rc;

/// One function's code.
pub struct Code {
    pub name: Rc<str>,
}
