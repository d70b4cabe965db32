//! The mechanism of the heap, and all its `unsafe`.

#![expect(unsafe_code, reason = "an allocator hands out raw memory; every block says why it is sound")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};
use std::ptr::{NonNull, null_mut};

use dlmalloc::Dlmalloc;

use super::{CHUNK, CLASSES, Home, KEPT, MIDDLE_KEPT, PAGE, SLAB, STEP, home};

/// A free block: its first word points to the next one of its chunk.
struct Block {
    next: *mut Block,
}

/// What stands at the start of every chunk. All blocks of a chunk have the same size.
#[repr(C, align(64))]
struct Chunk {
    /// Blocks that were given back.
    free: *mut Block,
    /// Blocks that are out.
    live: u32,
    /// Offset of the first byte that was never handed out.
    fresh: u32,
    /// Bytes of a block.
    size: u32,
    /// Whether the chunk is out of its class's list because it has no block to give.
    full: bool,
    /// Neighbours in the list of the class; `next` also links the pool.
    next: *mut Chunk,
    previous: *mut Chunk,
}

/// A single-threaded heap.
pub struct Heap {
    /// For each class, the chunks that still have room. The first one serves.
    classes: [Cell<*mut Chunk>; CLASSES],
    /// Empty chunks, and how many.
    pool: Cell<*mut Chunk>,
    pooled: Cell<usize>,
    /// Blocks that are neither small nor huge.
    middle: UnsafeCell<Dlmalloc<Pages>>,
}

// SAFETY: `Heap::single_threaded` makes its caller promise that only one thread ever uses the heap.
unsafe impl Sync for Heap {}

impl Heap {
    /// An empty heap.
    ///
    /// # Safety
    ///
    /// Only one thread of the process may ever allocate or free through it.
    pub const unsafe fn single_threaded() -> Heap {
        Heap {
            classes: [const { Cell::new(null_mut()) }; CLASSES],
            pool: Cell::new(null_mut()),
            pooled: Cell::new(0),
            middle: UnsafeCell::new(Dlmalloc::new_with_allocator(Pages { held: Cell::new(0) })),
        }
    }

    /// # Safety
    ///
    /// No other reference from this function is in use: call it for one operation at a time.
    #[expect(clippy::mut_from_ref, reason = "one thread, and one operation at a time")]
    unsafe fn middle(&self) -> &mut Dlmalloc<Pages> {
        // SAFETY: the caller's promise, and there is one thread.
        unsafe { &mut *self.middle.get() }
    }

    #[inline]
    fn take(&self, class: usize) -> *mut u8 {
        let chunk = self.classes[class].get();
        if chunk.is_null() {
            return self.take_slowly(class);
        }
        // SAFETY: chunks in a class's list are live chunks of this heap, whose free lists hold free blocks of theirs.
        unsafe {
            let block = (*chunk).free;
            if block.is_null() {
                return self.take_slowly(class);
            }
            (*chunk).free = (*block).next;
            (*chunk).live += 1;
            block.cast()
        }
    }

    /// The first chunk of the class has no block that was given back, or there is no chunk.
    #[cold]
    #[inline(never)]
    fn take_slowly(&self, class: usize) -> *mut u8 {
        loop {
            let chunk = self.classes[class].get();
            if chunk.is_null() {
                let Some(chunk) = self.empty_chunk() else { return null_mut() };
                self.open(chunk, class);
                continue;
            }
            // SAFETY: as in `take`. Bytes from `fresh` to the chunk's end belong to no block yet.
            unsafe {
                let block = (*chunk).free;
                if !block.is_null() {
                    (*chunk).free = (*block).next;
                    (*chunk).live += 1;
                    return block.cast();
                }
                let (at, size) = ((*chunk).fresh as usize, (*chunk).size as usize);
                if at + size <= CHUNK {
                    (*chunk).fresh = (at + size) as u32;
                    (*chunk).live += 1;
                    return chunk.cast::<u8>().add(at);
                }
                (*chunk).full = true;
                self.unlink(chunk);
            }
        }
    }

    /// # Safety
    ///
    /// `block` came from `take` of this heap, and was not given back since.
    #[inline]
    unsafe fn give_back(&self, block: *mut u8) {
        let chunk = block.map_addr(|address| address & !(CHUNK - 1)).cast::<Chunk>();
        // SAFETY: blocks lie within their chunk, which is aligned to its size and starts with its header; the block is
        // free now, so its first word is the list's.
        unsafe {
            let block = block.cast::<Block>();
            (*block).next = (*chunk).free;
            (*chunk).free = block;
            (*chunk).live -= 1;
            if (*chunk).full || (*chunk).live == 0 {
                self.settle(chunk);
            }
        }
    }

    /// A chunk has room again, or is empty.
    #[cold]
    #[inline(never)]
    fn settle(&self, chunk: *mut Chunk) {
        // SAFETY: called with a live chunk of this heap; `full` says whether it is in its class's list.
        unsafe {
            let class = (*chunk).size as usize / STEP - 1;
            if (*chunk).full {
                (*chunk).full = false;
                self.link(chunk, class);
            }
            // The chunk that serves stays, so that one block going to and fro is cheap.
            if (*chunk).live == 0 && self.classes[class].get() != chunk {
                self.unlink(chunk);
                self.retire(chunk);
            }
        }
    }

    /// Makes `chunk`, which holds nothing, the one that serves `class`, which has none.
    fn open(&self, chunk: NonNull<Chunk>, class: usize) {
        let fresh = size_of::<Chunk>() as u32;
        let size = ((class + 1) * STEP) as u32;
        // SAFETY: an empty chunk is `CHUNK` bytes that nothing else refers to.
        unsafe {
            chunk.write(Chunk {
                free: null_mut(),
                live: 0,
                fresh,
                size,
                full: false,
                next: null_mut(),
                previous: null_mut(),
            });
        }
        self.link(chunk.as_ptr(), class);
    }

    /// Puts a chunk behind the one that serves, so that at most that one stays while it is empty.
    fn link(&self, chunk: *mut Chunk, class: usize) {
        let first = self.classes[class].get();
        // SAFETY: all are live chunks of this heap, or null.
        unsafe {
            (*chunk).next = null_mut();
            (*chunk).previous = first;
            if first.is_null() {
                self.classes[class].set(chunk);
                return;
            }
            let second = (*first).next;
            (*chunk).next = second;
            (*first).next = chunk;
            if !second.is_null() {
                (*second).previous = chunk;
            }
        }
    }

    fn unlink(&self, chunk: *mut Chunk) {
        // SAFETY: `chunk` is in the list of its class, and so are its neighbours.
        unsafe {
            let (next, previous) = ((*chunk).next, (*chunk).previous);
            if !next.is_null() {
                (*next).previous = previous;
            }
            if previous.is_null() {
                self.classes[(*chunk).size as usize / STEP - 1].set(next);
            } else {
                (*previous).next = next;
            }
        }
    }

    /// Puts an empty chunk into the pool, or gives it back to the kernel.
    fn retire(&self, chunk: *mut Chunk) {
        // SAFETY: the chunk came from `map`, is in no list, and holds no live block.
        if self.pooled.get() >= KEPT && unsafe { libc::munmap(chunk.cast(), CHUNK) } == 0 {
            return;
        }
        // SAFETY: as above; the header's `next` links the pool.
        unsafe { (*chunk).next = self.pool.get() };
        self.pool.set(chunk);
        self.pooled.set(self.pooled.get() + 1);
    }

    fn empty_chunk(&self) -> Option<NonNull<Chunk>> {
        if self.pool.get().is_null() {
            self.fill_pool()?;
        }
        let chunk = NonNull::new(self.pool.get())?;
        // SAFETY: chunks in the pool are empty, and linked by `next`.
        self.pool.set(unsafe { chunk.as_ref().next });
        self.pooled.set(self.pooled.get() - 1);
        Some(chunk)
    }

    /// Maps a slab and puts its chunks into the pool, lowest address first to be used.
    #[cold]
    fn fill_pool(&self) -> Option<()> {
        let slab = map(SLAB).or_else(|| map(1))?;
        for chunk in slab {
            // SAFETY: fresh pages, zeroed, aligned to `CHUNK`, of which nothing else knows.
            unsafe { (*chunk).next = self.pool.get() };
            self.pool.set(chunk);
            self.pooled.set(self.pooled.get() + 1);
        }
        Some(())
    }
}

/// Pages for `count` chunks, aligned to the chunk size; highest first.
fn map(count: usize) -> Option<impl Iterator<Item = *mut Chunk>> {
    let wanted = count * CHUNK;
    let length = wanted + CHUNK;
    let start = new_pages(length);
    if start.is_null() {
        return None;
    }
    let before = start.align_offset(CHUNK);
    let first = start.wrapping_add(before);
    // SAFETY: both ranges are parts of the new mapping that are not used. Failing to unmap wastes them, no more.
    unsafe {
        if before > 0 {
            libc::munmap(start.cast(), before);
        }
        if length - before > wanted {
            libc::munmap(first.wrapping_add(wanted).cast(), length - before - wanted);
        }
    }
    Some((0..count).rev().map(move |index| first.wrapping_add(index * CHUNK).cast()))
}

/// Where `dlmalloc` gets its pages. It gives back eagerly, and would fault them in again for every list that a program
/// makes and drops; so nothing is taken back before it holds a good deal.
struct Pages {
    held: Cell<usize>,
}

// SAFETY: regions are fresh mappings, and what is given back is unmapped, or else refused.
unsafe impl dlmalloc::Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let start = new_pages(size);
        if start.is_null() {
            return (start, 0, 0);
        }
        self.held.set(self.held.get() + size);
        (start, size, 0)
    }

    fn remap(&self, _start: *mut u8, _before: usize, _after: usize, _can_move: bool) -> *mut u8 {
        null_mut()
    }

    fn free_part(&self, start: *mut u8, before: usize, after: usize) -> bool {
        self.free(start.wrapping_add(after), before - after)
    }

    fn free(&self, start: *mut u8, size: usize) -> bool {
        // SAFETY: `dlmalloc` gives back what it got from `alloc` and no longer uses.
        let unmapped = unsafe { libc::munmap(start.cast(), size) } == 0;
        if unmapped {
            self.held.set(self.held.get() - size);
        }
        unmapped
    }

    fn can_release_part(&self, _flags: u32) -> bool {
        self.held.get() > MIDDLE_KEPT
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE
    }
}

/// Zeroed pages, anywhere; null when there are none.
fn new_pages(length: usize) -> *mut u8 {
    const READ_WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: asks for new pages, and changes no others.
    let start =
        unsafe { libc::mmap(null_mut(), length, READ_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    if start == libc::MAP_FAILED { null_mut() } else { start.cast() }
}

// SAFETY: blocks are distinct, as large and aligned as asked, and live until they are given back: a class's blocks are
// `STEP` multiples at `STEP` multiples, pages are pages, and `dlmalloc` keeps its own promise. Where a block lives is
// decided by its layout alone, so it goes back to where it came from. Nothing here unwinds or calls out.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match home(layout.size(), layout.align()) {
            Home::Class(class) => self.take(class),
            // SAFETY: one operation; the size is not zero.
            Home::Middle => unsafe { self.middle().malloc(layout.size(), layout.align()) },
            Home::Pages(length) => new_pages(length),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise: `block` came from here with this layout.
        unsafe {
            match home(layout.size(), layout.align()) {
                Home::Class(_) => self.give_back(block),
                Home::Middle => self.middle().free(block, layout.size(), layout.align()),
                Home::Pages(length) => {
                    libc::munmap(block.cast(), length);
                }
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match home(layout.size(), layout.align()) {
            Home::Class(class) => {
                let block = self.take(class);
                if !block.is_null() {
                    // SAFETY: the block has at least `size` bytes.
                    unsafe { block.write_bytes(0, layout.size()) };
                }
                block
            }
            // SAFETY: one operation; the size is not zero.
            Home::Middle => unsafe { self.middle().calloc(layout.size(), layout.align()) },
            Home::Pages(length) => new_pages(length),
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: `block` came from here with this layout, and `size` makes a valid one.
        unsafe {
            match (home(layout.size(), layout.align()), home(size, layout.align())) {
                (before @ (Home::Class(_) | Home::Pages(_)), after) if before == after => block,
                (Home::Middle, Home::Middle) => {
                    self.middle().realloc(block, layout.size(), layout.align(), size)
                }
                (Home::Pages(before), Home::Pages(after)) => {
                    let moved = libc::mremap(block.cast(), before, after, libc::MREMAP_MAYMOVE);
                    if moved == libc::MAP_FAILED { null_mut() } else { moved.cast() }
                }
                _ => {
                    // The blocks are distinct, and each has at least the copied number of bytes.
                    let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                    if !moved.is_null() {
                        moved.copy_from_nonoverlapping(block, layout.size().min(size));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::HUGE;
    use super::*;

    fn heap() -> Heap {
        // SAFETY: each test uses a heap of its own on its own thread.
        unsafe { Heap::single_threaded() }
    }

    /// A block filled with a pattern of its own, so that an overlap shows.
    struct Held {
        at: *mut u8,
        layout: Layout,
        mark: u8,
    }

    impl Held {
        fn new(heap: &Heap, size: usize, align: usize, mark: u8) -> Held {
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: the size is not zero; the block has `size` bytes.
            let at = unsafe {
                let at = heap.alloc(layout);
                assert!(!at.is_null() && at.addr().is_multiple_of(align));
                at.write_bytes(mark, size);
                at
            };
            Held { at, layout, mark }
        }

        fn check(&self) {
            // SAFETY: the block is live.
            let bytes = unsafe { std::slice::from_raw_parts(self.at, self.layout.size()) };
            assert!(ends(bytes).all(|byte| *byte == self.mark));
        }

        fn resize(&mut self, heap: &Heap, size: usize) {
            // SAFETY: the block came from this heap with this layout; its first bytes are kept.
            unsafe {
                let at = heap.realloc(self.at, self.layout, size);
                assert!(!at.is_null());
                let kept = self.layout.size().min(size);
                assert!(ends(std::slice::from_raw_parts(at, kept)).all(|byte| *byte == self.mark));
                at.write_bytes(self.mark, size);
                self.at = at;
            }
            self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
        }

        fn drop(self, heap: &Heap) {
            self.check();
            // SAFETY: the block came from this heap with this layout.
            unsafe { heap.dealloc(self.at, self.layout) };
        }
    }

    /// The first and last pages of a block; the whole of most.
    fn ends(bytes: &[u8]) -> impl Iterator<Item = &u8> {
        bytes.iter().take(PAGE).chain(bytes.iter().rev().take(PAGE))
    }

    #[test]
    fn blocks_do_not_overlap_whatever_the_order() {
        let heap = heap();
        let mut held: Vec<Held> = Vec::new();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut draw = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        for round in 0..60_000_usize {
            match draw(5) {
                0 | 1 => held.push(Held::new(&heap, 1 + draw(700), 1 << draw(7), round as u8)),
                2 if !held.is_empty() => {
                    let at = draw(held.len());
                    held[at].check();
                    held[at].resize(&heap, 1 + draw(700));
                }
                _ if !held.is_empty() => held.swap_remove(draw(held.len())).drop(&heap),
                _ => {}
            }
        }
        for (index, size) in [HUGE - 1, HUGE + 1, 4000].into_iter().enumerate() {
            let mut one = Held::new(&heap, size, 8, index as u8);
            for other in [HUGE, 2 * HUGE, HUGE + 7, 100, HUGE] {
                one.resize(&heap, other);
            }
            held.push(one);
        }
        held.into_iter().for_each(|one| one.drop(&heap));
    }

    #[test]
    fn zeroed_blocks_are_zero_even_when_used_before() {
        let heap = heap();
        for size in [1, 16, 17, 512, 513, 70_000] {
            Held::new(&heap, size, 8, 0xff).drop(&heap);
            let layout = Layout::from_size_align(size, 8).unwrap();
            // SAFETY: the size is not zero; the block has `size` bytes.
            unsafe {
                let at = heap.alloc_zeroed(layout);
                assert!(std::slice::from_raw_parts(at, size).iter().all(|byte| *byte == 0));
                heap.dealloc(at, layout);
            }
        }
    }

    /// What one size used, another can have; and beyond a few chunks, the kernel.
    #[test]
    fn empty_chunks_are_used_again() {
        let heap = heap();
        for size in [96, 160, 512] {
            let many: Vec<Held> = (0..(20 << 20) / size).map(|_| Held::new(&heap, size, 8, 1)).collect();
            assert!(heap.pooled.get() < SLAB);
            many.into_iter().for_each(|one| one.drop(&heap));
            assert_eq!(heap.pooled.get(), KEPT);
        }
    }
}
