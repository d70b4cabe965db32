//! Dropping deep structures without deep recursion.
//!
//! A container gives its contents to [`release`], which drops them at once near the surface and queues them
//! below a fixed depth; the outermost release empties the queue.

use std::cell::{Cell, RefCell};

use super::Value;

const DEEP: u32 = 64;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static QUEUE: RefCell<Vec<Vec<Value>>> = const { RefCell::new(Vec::new()) };
}

/// Drops the values, however deep they nest.
pub fn release(values: Vec<Value>) {
    if values.iter().all(Value::is_scalar) {
        return;
    }
    let depth = DEPTH.get();
    if depth >= DEEP {
        QUEUE.with_borrow_mut(|queue| queue.push(values));
        return;
    }
    DEPTH.set(depth + 1);
    drop(values);
    if depth == 0 {
        while let Some(more) = QUEUE.with_borrow_mut(Vec::pop) {
            drop(more);
        }
    }
    DEPTH.set(depth);
}

/// Drops one value the same way.
pub fn release_one(value: Value) {
    if !value.is_scalar() {
        release(vec![value]);
    }
}
