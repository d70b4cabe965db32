//! Work: the steps of the turn that is under way on this thread, and the looks at the host's clock between them.
//!
//! A round of a loop and a call are a step. What one instruction does in bulk is charged here in proportion, before or
//! while it is done: one step for [`ELEMENTS`] elements or [`BYTES`] bytes. Less than that belongs to the instruction.
//! Charging is also where a host in the same process gets to look at its clock, so no operation may do much without.

use std::cell::Cell;
use std::ops::ControlFlow;

use super::Raise;

/// Elements that cost a step.
pub const ELEMENTS: usize = 16;
/// Bytes that cost a step.
pub const BYTES: usize = 64;
/// Steps between looks at the clock: well under ten milliseconds of work.
const LOOK: u64 = 1024;

/// How the host looks at its clock. Breaking ends the turn with that reason.
pub type Look = fn() -> ControlFlow<String>;

/// A session's count, kept while another session has the thread.
#[derive(Debug, Clone, Copy)]
pub struct Count {
    steps: u64,
    most: u64,
}

impl Count {
    pub const NONE: Count = Count { steps: 0, most: u64::MAX };
}

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
    static MOST: Cell<u64> = const { Cell::new(u64::MAX) };
    /// Steps at which the host looks next.
    static NEXT: Cell<u64> = const { Cell::new(0) };
    static CLOCK: Cell<Option<Look>> = const { Cell::new(None) };
}

/// Makes `count` the one that is charged on this thread and returns the one that was.
pub fn replace(count: Count) -> Count {
    NEXT.set(0);
    Count { steps: STEPS.replace(count.steps), most: MOST.replace(count.most) }
}

/// Sets how the host looks at its clock while it waits for this thread, and returns the way before.
pub fn set_clock(look: Option<Look>) -> Option<Look> {
    CLOCK.replace(look)
}

/// Begins a turn.
pub fn begin(most: Option<u64>) {
    STEPS.set(0);
    NEXT.set(0);
    MOST.set(most.unwrap_or(u64::MAX));
}

/// Steps of the turn so far.
pub fn steps() -> u64 {
    STEPS.get()
}

/// Charges so many steps, and lets the host look at its clock when it is time.
#[inline]
pub fn charge(steps: u64) -> Result<(), Raise> {
    let now = STEPS.get().saturating_add(steps);
    STEPS.set(now);
    if now >= NEXT.get() || now > MOST.get() { look(now) } else { Ok(()) }
}

/// Charges work on so many elements.
#[inline]
pub fn elements(count: usize) -> Result<(), Raise> {
    if count < ELEMENTS { Ok(()) } else { charge((count / ELEMENTS) as u64) }
}

/// Charges work on so many bytes.
#[inline]
pub fn bytes(count: usize) -> Result<(), Raise> {
    if count < BYTES { Ok(()) } else { charge((count / BYTES) as u64) }
}

/// Fails at once when a walk over so many elements cannot end within the limit of steps. Charges nothing.
pub fn foresee(elements: u64) -> Result<(), Raise> {
    let most = MOST.get();
    if elements / ELEMENTS as u64 > most.saturating_sub(STEPS.get()) {
        Err(Raise::steps(most))
    } else {
        Ok(())
    }
}

#[inline(never)]
fn look(now: u64) -> Result<(), Raise> {
    let most = MOST.get();
    if now > most {
        return Err(Raise::steps(most));
    }
    NEXT.set(now.saturating_add(LOOK));
    match CLOCK.get().map(|look| look()) {
        Some(ControlFlow::Break(reason)) => {
            // Whoever goes on regardless is told again.
            NEXT.set(0);
            Err(Raise::stopped(reason))
        }
        _ => Ok(()),
    }
}

/// Charges a walk over elements whose number is not known beforehand, as it goes on.
#[derive(Debug, Default)]
pub struct Walk(usize);

impl Walk {
    /// One more element.
    #[inline(always)]
    pub fn step(&mut self) -> Result<(), Raise> {
        self.0 += 1;
        if self.0 < ELEMENTS {
            return Ok(());
        }
        self.0 = 0;
        charge(1)
    }
}

/// Items between looks at the clock of a [`paced`] walk.
const STRIDE: usize = 4096;

/// A walk of a function that cannot fail: it ends early when the turn is to end. Whoever called that function drops
/// what came of it, since [`check`] fails then.
pub fn paced<I: Iterator>(items: I) -> impl Iterator<Item = I::Item> {
    let mut left = STRIDE;
    items.take_while(move |_| {
        left -= 1;
        if left > 0 {
            return true;
        }
        left = STRIDE;
        charge((STRIDE / BYTES) as u64).is_ok()
    })
}

/// Fails when the turn is to end.
pub fn check() -> Result<(), Raise> {
    charge(0)
}

/// A text in pieces of some ten thousand bytes, as a [`paced`] walk.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() || charge((PIECE / BYTES) as u64 * u64::from(rest.len() >= PIECE)).is_err() {
            return None;
        }
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE));
        rest = after;
        Some(piece)
    })
}

const PIECE: usize = 64 << 10;
