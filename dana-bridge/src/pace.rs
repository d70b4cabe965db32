//! Turns for other Python threads while much is done with the GIL held.
//!
//! CPython gives the lock to a thread that has waited for five milliseconds, but only when its holder lets go; so the
//! holder has to, now and then. Left out: what a single operation of Python takes, such as a whole collection of its
//! garbage collector.

use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// Steps between two looks at the clock. Even where keys all collide, so many are soon done.
const STRETCH: u32 = 64;
/// How long others wait for their turn.
const HOLD: Duration = Duration::from_millis(2);

/// Counts steps, and lets go of the GIL when it was held long enough.
pub(crate) struct Pace<'py> {
    py: Python<'py>,
    steps: u32,
    since: Option<Instant>,
}

impl<'py> Pace<'py> {
    pub(crate) fn new(py: Python<'py>) -> Self {
        Pace { py, steps: 0, since: None }
    }

    /// One step, which is a few hundred nanoseconds at most.
    #[inline]
    pub(crate) fn step(&mut self) {
        if self.is_long() && self.is_due() {
            self.rest();
        }
    }

    /// One step; true when it is time to look at the clock.
    #[inline]
    pub(crate) fn is_long(&mut self) -> bool {
        self.steps += 1;
        self.steps >= STRETCH
    }

    /// Looks at it; true when it is time to rest.
    #[cold]
    pub(crate) fn is_due(&mut self) -> bool {
        self.steps = 0;
        // A short value never comes here, so that it does not pay for a clock.
        self.since.get_or_insert_with(Instant::now).elapsed() >= HOLD
    }

    /// Lets other threads run.
    #[cold]
    pub(crate) fn rest(&mut self) {
        self.py.detach(|| ());
        self.since = None;
    }
}
