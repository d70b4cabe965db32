//! The memory limit of the session whose turn is open on this thread.
//!
//! The allocator counts; this compares, before anything large is asked for.

use std::cell::Cell;

use super::{Raise, Value, cycles, work};

/// Bytes that a program may hold before anybody looks for cycles.
const QUIET: usize = 4 << 20;

thread_local! {
    static LIMIT: Cell<usize> = const { Cell::new(usize::MAX) };
    /// Bytes at which cycles are looked for next. Not above the limit.
    static MARK: Cell<usize> = const { Cell::new(QUIET) };
}

/// Sets the limit for this thread and returns the one before.
pub fn set_limit(bytes: usize) -> usize {
    LIMIT.replace(bytes)
}

/// Sets the bytes at which cycles are looked for and returns those before. A session begins at 0.
pub fn set_mark(bytes: usize) -> usize {
    MARK.replace(bytes)
}

pub fn limit() -> usize {
    LIMIT.get()
}

/// Passes when `bytes` more may be taken. Call before growing anything by an amount a program controls.
#[inline]
pub fn reserve(bytes: usize) -> Result<(), Raise> {
    if dana_meter::held().saturating_add(bytes) > MARK.get() { reserve_slow(bytes) } else { Ok(()) }
}

/// Looks for cycles when there is much more than there was the last time, or when there would be too much.
#[inline(never)]
fn reserve_slow(bytes: usize) -> Result<(), Raise> {
    let limit = LIMIT.get();
    let over = |held: usize| held.saturating_add(bytes) > limit;
    let held = dana_meter::held();
    if !cycles::is_idle() && (held > MARK.get() || over(held)) {
        cycles::collect()?;
    }
    let held = dana_meter::held();
    if over(held) {
        return Err(Raise::memory(limit));
    }
    if held > MARK.get() {
        MARK.set(next_mark(held, limit));
    }
    Ok(())
}

/// Twice as much; near the limit half of what is left, so that there is room to look, but not by ever smaller steps.
fn next_mark(held: usize, limit: usize) -> usize {
    let left = (limit.saturating_sub(held) / 2).max(held / 16);
    held.max(QUIET).saturating_mul(2).min(held.saturating_add(left)).min(limit)
}

/// Whether the interpreter may take so much for a moment: up to the limit and a thirty-second.
pub fn has_room(bytes: usize) -> bool {
    bytes <= room().saturating_add(LIMIT.get() / 32)
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
    reserve(count.saturating_mul(size_of::<Value>()))
}

/// Elements copied between looks at the clock.
const PIECE: usize = 16 << 10;

/// A copy of values, within the limit and charged as work.
pub fn copied(items: &[Value]) -> Result<Vec<Value>, Raise> {
    reserve_values(items.len())?;
    let mut copy = Vec::with_capacity(items.len());
    copy_onto(&mut copy, items)?;
    Ok(copy)
}

/// Appends a copy of values to a vector that has room for them.
pub fn copy_onto(copy: &mut Vec<Value>, items: &[Value]) -> Result<(), Raise> {
    for piece in items.chunks(PIECE) {
        work::elements(piece.len())?;
        copy.extend(piece.iter().cloned());
    }
    Ok(())
}

/// Makes room for `more` elements, as a vector would by itself, within the limit.
pub fn grow<T>(items: &mut Vec<T>, more: usize) -> Result<(), Raise> {
    let (len, capacity) = (items.len(), items.capacity());
    if capacity - len >= more {
        return Ok(());
    }
    // A vector that must move exists twice for a moment.
    let wanted = capacity.saturating_mul(2).max(len.saturating_add(more)).max(4);
    let wanted = match reserve(wanted.saturating_mul(size_of::<T>())) {
        Ok(()) => wanted,
        // Near the limit it grows by little.
        Err(_) => {
            let wanted = len.saturating_add(more).saturating_add(len / 8);
            reserve(wanted.saturating_mul(size_of::<T>()))?;
            wanted
        }
    };
    items.reserve_exact(wanted - len);
    Ok(())
}

/// Appends one element, within the limit.
#[inline]
pub fn push<T>(items: &mut Vec<T>, item: T) -> Result<(), Raise> {
    if items.len() == items.capacity() {
        grow(items, 1)?;
    }
    items.push(item);
    Ok(())
}
