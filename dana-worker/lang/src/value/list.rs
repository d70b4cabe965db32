//! Lists, tuples and byte strings.
//!
//! A list is borrowed only while no Dana code can run, so a borrow never conflicts.

use std::cell::RefCell;
use std::mem;

use super::Value;
use super::release::release;

#[derive(Default)]
pub struct ListObj {
    pub items: RefCell<Vec<Value>>,
}

impl ListObj {
    pub fn new(items: Vec<Value>) -> ListObj {
        ListObj { items: RefCell::new(items) }
    }

    pub fn len(&self) -> usize {
        self.items.borrow().len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.borrow().is_empty()
    }

    pub fn get(&self, at: usize) -> Option<Value> {
        self.items.borrow().get(at).cloned()
    }

    /// A copy of the elements.
    pub fn to_vec(&self) -> Vec<Value> {
        self.items.borrow().clone()
    }
}

impl Drop for ListObj {
    fn drop(&mut self) {
        release(mem::take(self.items.get_mut()));
    }
}

pub struct TupleObj {
    items: Vec<Value>,
}

impl TupleObj {
    pub fn new(items: Vec<Value>) -> TupleObj {
        TupleObj { items }
    }

    pub fn items(&self) -> &[Value] {
        &self.items
    }
}

impl Drop for TupleObj {
    fn drop(&mut self) {
        release(mem::take(&mut self.items));
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct BytesObj(pub Vec<u8>);
