//! The allocator: passes every request on and counts what was granted. The only unsafe code of
//! the crate. It adds nothing to the memory it hands out and never looks into it.

use std::alloc::{GlobalAlloc, Layout, System};

use crate::tally::{gave_back, took};

/// Wraps an allocator and counts, per thread, the layout sizes of the blocks it has out.
///
/// ```
/// # use std::alloc::System;
/// #[global_allocator]
/// static ALLOCATOR: dana_meter::Counting<System> = dana_meter::Counting::new(System);
/// # fn main() { let v = vec![0u8; 4096]; assert!(dana_meter::held() >= v.len()); }
/// ```
#[derive(Debug, Default)]
pub struct Counting<A = System> {
    inner: A,
}

impl<A> Counting<A> {
    /// Counts what `inner` grants.
    pub const fn new(inner: A) -> Self {
        Counting { inner }
    }
}

// SAFETY: every method hands its arguments unchanged to `inner`, which upholds the contract of
// `GlobalAlloc`, and returns its answer unchanged. Counting touches only a thread-local `Cell` of
// plain numbers (const-initialised, without destructor): it neither allocates nor unwinds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise (layout of non-zero size) is the one `inner` asks for.
        let block = unsafe { self.inner.alloc(layout) };
        if !block.is_null() {
            took(layout.size());
        }
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let block = unsafe { self.inner.alloc_zeroed(layout) };
        if !block.is_null() {
            took(layout.size());
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller got `block` from this allocator with `layout`; this allocator got it
        // from `inner` with the same layout.
        unsafe { self.inner.dealloc(block, layout) };
        gave_back(layout.size());
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: `block` and `layout` as in `dealloc`; the caller vouches for `new_size`.
        let moved = unsafe { self.inner.realloc(block, layout, new_size) };
        if !moved.is_null() {
            gave_back(layout.size());
            took(new_size);
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::{Tally, current, replace};

    /// An allocator that has nothing to give.
    struct Empty;

    // SAFETY: null is always a legal answer, and no block exists that could be given back.
    unsafe impl GlobalAlloc for Empty {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            std::ptr::null_mut()
        }
        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
    }

    #[test]
    fn counts_what_is_set_aside_through_every_call() {
        let counting = Counting::new(System);
        let layout = Layout::from_size_align(100, 8).unwrap();
        let grown = Layout::from_size_align(300, 8).unwrap();
        let outer = replace(Tally::ZERO);
        // SAFETY: the size is not zero; each block is given back with the layout it has by then.
        let seen = unsafe {
            let a = counting.alloc(layout);
            let after_alloc = current();
            let a = counting.realloc(a, layout, 300);
            let after_realloc = current();
            let b = counting.alloc_zeroed(layout);
            let zeroed = std::slice::from_raw_parts(b, 100).iter().all(|&byte| byte == 0);
            counting.dealloc(a, grown);
            let after_dealloc = current();
            counting.dealloc(b, layout);
            (after_alloc, after_realloc, zeroed, after_dealloc, current())
        };
        replace(outer);
        assert_eq!(seen.0, Tally { held: 112, peak: 112 });
        assert_eq!(seen.1, Tally { held: 304, peak: 304 });
        assert!(seen.2);
        assert_eq!(seen.3, Tally { held: 112, peak: 416 });
        assert_eq!(seen.4, Tally { held: 0, peak: 416 });
    }

    #[test]
    fn a_refused_request_counts_nothing() {
        let counting = Counting::new(Empty);
        let layout = Layout::from_size_align(64, 8).unwrap();
        let outer = replace(Tally::ZERO);
        // SAFETY: the size is not zero, and null blocks are never used.
        let refused = unsafe { counting.alloc(layout).is_null() && counting.alloc_zeroed(layout).is_null() };
        let seen = current();
        replace(outer);
        assert!(refused);
        assert_eq!(seen, Tally::ZERO);
    }
}
