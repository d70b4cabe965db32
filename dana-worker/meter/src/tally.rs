//! The count itself: two numbers a thread, in a thread-local that needs neither initialisation
//! nor a destructor, so that the allocator may touch it at any time of a thread's life.

use std::cell::Cell;

/// Bytes held and the most ever held. Signed: a session may free on one thread what it took
/// on another, and a thread may free what it held before it was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) held: isize,
    pub(crate) peak: isize,
}

impl Tally {
    pub(crate) const ZERO: Tally = Tally { held: 0, peak: 0 };
}

thread_local! {
    static CURRENT: Cell<Tally> = const { Cell::new(Tally::ZERO) };
}

/// Bytes the session (or, outside a turn, this thread) holds now. Never fails; 0 if more was
/// freed than taken.
#[inline]
pub fn held() -> usize {
    usize::try_from(current().held).unwrap_or(0)
}

/// The most bytes the session (or, outside a turn, this thread) has held at once.
#[inline]
pub fn peak() -> usize {
    usize::try_from(current().peak).unwrap_or(0)
}

/// Begins anew with the peak: from now on it is the most since now.
pub fn forget_peak() {
    let tally = CURRENT.get();
    CURRENT.set(Tally { peak: tally.held, ..tally });
}

/// Charges the session for a block of so many bytes that was taken outside of it and is now its own: it is the session
/// that will give it back.
pub fn adopt(bytes: usize) {
    took(bytes);
}

#[inline]
pub(crate) fn current() -> Tally {
    CURRENT.get()
}

/// Makes `tally` the one that counts on this thread and returns the one that did.
#[inline]
pub(crate) fn replace(tally: Tally) -> Tally {
    CURRENT.replace(tally)
}

/// What an allocator sets aside for a request: it hands out multiples of this.
const GRAIN: usize = 16;

#[inline(always)]
fn set_aside(bytes: usize) -> usize {
    bytes.wrapping_add(GRAIN - 1) & !(GRAIN - 1)
}

#[inline]
pub(crate) fn took(bytes: usize) {
    let bytes = set_aside(bytes);
    let mut tally = CURRENT.get();
    tally.held = tally.held.wrapping_add_unsigned(bytes);
    tally.peak = tally.peak.max(tally.held);
    CURRENT.set(tally);
}

#[inline]
pub(crate) fn gave_back(bytes: usize) {
    let bytes = set_aside(bytes);
    let mut tally = CURRENT.get();
    tally.held = tally.held.wrapping_sub_unsigned(bytes);
    CURRENT.set(tally);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_up_down_and_remembers_the_most() {
        let outer = replace(Tally::ZERO);
        took(160);
        took(80);
        gave_back(192);
        let seen = (held(), peak());
        replace(outer);
        assert_eq!(seen, (48, 240));
    }

    #[test]
    fn what_is_adopted_is_held_until_it_is_given_back() {
        let outer = replace(Tally::ZERO);
        adopt(160);
        let seen = (held(), peak());
        gave_back(160);
        let after = held();
        replace(outer);
        assert_eq!((seen, after), ((160, 160), 0));
    }

    #[test]
    fn the_peak_can_be_forgotten() {
        let outer = replace(Tally::ZERO);
        took(160);
        gave_back(144);
        forget_peak();
        let seen = (held(), peak());
        took(5);
        let more = peak();
        replace(outer);
        assert_eq!((seen, more), ((16, 16), 32));
    }

    #[test]
    fn freeing_more_than_was_taken_reads_as_nothing() {
        let outer = replace(Tally::ZERO);
        gave_back(1);
        let seen = (held(), peak());
        replace(outer);
        assert_eq!(seen, (0, 0));
    }
}
