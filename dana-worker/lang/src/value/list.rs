//! Lists, tuples and byte strings.
//!
//! A list is borrowed only while no Dana code can run, so a borrow never conflicts.

use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::ops::Deref;

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
pub struct BytesObj(pub Tail);

/// The bytes at the end of a buffer: a large value stays in the frame that it came in.
pub struct Tail {
    buffer: Vec<u8>,
    start: usize,
}

impl Tail {
    /// The last `length` bytes of `buffer`, or all if it has fewer.
    pub fn of(buffer: Vec<u8>, length: usize) -> Tail {
        Tail { start: buffer.len().saturating_sub(length), buffer }
    }
}

impl From<Vec<u8>> for Tail {
    fn from(buffer: Vec<u8>) -> Self {
        Tail { buffer, start: 0 }
    }
}

impl Deref for Tail {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }
}

impl PartialEq for Tail {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Tail {}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
