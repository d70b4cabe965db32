//! The memory limit of the session whose turn is open on this thread.
//!
//! The allocator counts; this compares, before anything large is asked for.

use std::cell::Cell;

use super::Raise;

thread_local! {
    static LIMIT: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Sets the limit for this thread and returns the one before.
pub fn set_limit(bytes: usize) -> usize {
    LIMIT.replace(bytes)
}

pub fn limit() -> usize {
    LIMIT.get()
}

/// Passes when `bytes` more may be taken. Call before growing anything by an amount a program controls.
#[inline]
pub fn reserve(bytes: usize) -> Result<(), Raise> {
    let limit = LIMIT.get();
    if dana_meter::held().saturating_add(bytes) > limit { Err(Raise::memory(limit)) } else { Ok(()) }
}

/// Bytes that may still be taken.
pub fn room() -> usize {
    LIMIT.get().saturating_sub(dana_meter::held())
}

/// Bytes that a program's code and its result may take: a session that is full must still be able to run the
/// program that makes room. A sixteenth beyond the limit.
pub fn room_and_reserve() -> usize {
    room().saturating_add(LIMIT.get() / 16)
}

/// Passes when `count` more values may be stored.
#[inline]
pub fn reserve_values(count: usize) -> Result<(), Raise> {
    reserve(count.saturating_mul(size_of::<super::Value>()))
}
