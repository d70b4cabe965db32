//! The worker's allocator: size classes for the small blocks an interpreter lives on, pages of its own for a huge one,
//! `dlmalloc` for what is between.
//!
//! The worker has one thread, so nothing is locked; musl's own allocator, which locks and asks the kernel often, is an
//! order of magnitude slower here. Pages come by `mmap`, grow by `mremap` and go by `munmap`, the calls the filter
//! allows.
//!
//! Small blocks of one size share a chunk, found from a block's address by masking. A chunk without a live block goes
//! back to the pool, where any size can have it, and beyond a few to the kernel: memory once used for many small
//! blocks can become one huge one. A huge block grows in place or moves by page tables, without a copy.

mod sys;

pub use sys::Heap;

/// Blocks of at most this many bytes have a class; in steps of [`STEP`].
const LARGEST: usize = 512;
/// Every block is a multiple of this many bytes, and aligned to it.
const STEP: usize = 16;
/// Number of classes.
const CLASSES: usize = LARGEST / STEP;
/// Bytes of a chunk, and its alignment.
const CHUNK: usize = 64 << 10;
/// Chunks taken from the kernel at once.
const SLAB: usize = 16;
/// Empty chunks kept for later: 2 MiB, since a page given back and taken again costs a fault, and what is kept counts
/// against no limit but the machine's.
const KEPT: usize = 32;
/// Blocks of at least this many bytes have pages of their own.
const HUGE: usize = 4 << 20;
/// Bytes that `dlmalloc` may hold before any are given back to the kernel.
const MIDDLE_KEPT: usize = 4 << 20;
/// Bytes of a page.
const PAGE: usize = 4096;

/// Where a block of some layout lives. Every method asks this of the same layout, so a block always goes back where it
/// came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    /// In a chunk of this class.
    Class(usize),
    /// With `dlmalloc`.
    Middle,
    /// In a mapping of this many bytes.
    Pages(usize),
}

#[inline]
const fn home(size: usize, align: usize) -> Home {
    if size <= LARGEST && align <= STEP && size > 0 {
        Home::Class((size - 1) / STEP)
    } else if size < HUGE || align > PAGE {
        Home::Middle
    } else {
        // A layout is at most `isize::MAX` bytes, so this does not overflow.
        Home::Pages((size + PAGE - 1) & !(PAGE - 1))
    }
}
