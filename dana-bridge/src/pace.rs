//! Turns for other Python threads while much is done with the GIL held.
//!
//! A thread that waits for the GIL asks for it when its switch interval (five milliseconds, if nobody changed it) has
//! passed, and only when it has asked does CPython see to it that whoever lets go does not get it back at once. Each
//! letting go wakes the thread, and the interval begins anew. So to let go more often than that helps nobody: the others
//! wake, come too late each time, and never ask. Left out: what a single operation of Python takes, such as a whole
//! collection of its garbage collector.

use std::time::{Duration, Instant};

use pyo3::intern;
use pyo3::prelude::*;

/// Steps between two looks at the clock: of keys, which can be chosen so that they all collide, fewer the more there are.
const STRETCH: u32 = 64;
/// So many keys that have to be passed by take as long as a step.
const PASSED: usize = 4096;
/// How much longer than the switch interval the GIL is held: long enough for a thread to have asked.
const MARGIN: Duration = Duration::from_millis(1);
/// The interval if it cannot be had.
const USUAL: Duration = Duration::from_millis(5);

/// Counts steps, and lets go of the GIL when it was held long enough.
pub(crate) struct Pace<'py> {
    py: Python<'py>,
    steps: u32,
    since: Option<Instant>,
    hold: Duration,
}

impl<'py> Pace<'py> {
    pub(crate) fn new(py: Python<'py>) -> Self {
        Pace { py, steps: 0, since: None, hold: Duration::ZERO }
    }

    /// One step, which is a few hundred nanoseconds at most.
    #[inline]
    pub(crate) fn step(&mut self) {
        if self.is_long() && self.is_due() {
            self.rest();
        }
    }

    /// Counts what a step may take longer among so many keys, all of which it may have to pass by.
    #[inline]
    pub(crate) fn among(&mut self, keys: usize) {
        self.steps = self.steps.saturating_add(u32::try_from(keys / PASSED).unwrap_or(u32::MAX));
    }

    /// One step; true when it is time to look at the clock.
    #[inline]
    pub(crate) fn is_long(&mut self) -> bool {
        self.steps = self.steps.saturating_add(1);
        self.steps >= STRETCH
    }

    /// Looks at it; true when it is time to rest.
    #[cold]
    pub(crate) fn is_due(&mut self) -> bool {
        self.steps = 0;
        // A short value never comes here, so that it does not pay for a clock.
        let Some(since) = self.since else {
            self.since = Some(Instant::now());
            if self.hold.is_zero() {
                self.hold = interval(self.py).unwrap_or(USUAL) + MARGIN;
            }
            return false;
        };
        since.elapsed() >= self.hold
    }

    /// Lets other threads run.
    #[cold]
    pub(crate) fn rest(&mut self) {
        self.py.detach(|| ());
        self.since = None;
    }
}

/// After how long a thread asks for the GIL.
fn interval(py: Python<'_>) -> Option<Duration> {
    let seconds =
        py.import(intern!(py, "sys")).and_then(|sys| sys.call_method0(intern!(py, "getswitchinterval")));
    Duration::try_from_secs_f64(seconds.ok()?.extract().ok()?).ok()
}
