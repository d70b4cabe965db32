//! Dropping deep structures without deep recursion.
//!
//! A container gives its contents to [`release`], which drops them at once near the surface and queues them
//! below a fixed depth; the outermost release empties the queue.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;

use super::Value;

const DEEP: u32 = 64;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    // Never dropped (it is empty between releases): a destructor would be registered on first use, which makes the
    // standard library allocate behind the worker's own heap, by a system call its filter forbids.
    static QUEUE: ManuallyDrop<RefCell<Vec<Vec<Value>>>> = const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

/// Drops the values, however deep they nest.
pub fn release(values: Vec<Value>) {
    if !values.iter().all(Value::is_scalar) {
        release_with(values, |values| values);
    }
}

/// Drops what holds values, however deep they nest. Below the fixed depth the values are taken out and queued.
pub fn release_with<T>(held: T, values: impl FnOnce(T) -> Vec<Value>) {
    let depth = DEPTH.get();
    if depth >= DEEP {
        let values = values(held);
        QUEUE.with(|queue| queue.borrow_mut().push(values));
        return;
    }
    DEPTH.set(depth + 1);
    drop(held);
    if depth == 0 {
        while let Some(more) = QUEUE.with(|queue| queue.borrow_mut().pop()) {
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
