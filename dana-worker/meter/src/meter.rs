//! A session's meter: carries the count from turn to turn, over other sessions on the same
//! thread and over changes of thread.

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::tally::{Tally, current, replace};

/// What one session holds between its turns. Clones share one count.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    tally: Rc<Cell<Tally>>,
}

impl Meter {
    /// A meter at zero.
    pub fn new() -> Self {
        Meter::default()
    }

    /// Counts this thread's allocations to this session until the [`Turn`] is dropped.
    ///
    /// Turns nest (a session may run another inside an ask). They must be dropped in the reverse
    /// order of entering, and entering a meter that is already entered counts from its last
    /// resting state, so a session has one turn at a time.
    #[must_use = "the turn ends when this is dropped"]
    pub fn enter(&self) -> Turn {
        Turn { meter: self.clone(), outer: replace(self.tally.get()), here: PhantomData }
    }

    /// Bytes held when the last turn ended.
    pub fn held(&self) -> usize {
        usize::try_from(self.tally.get().held).unwrap_or(0)
    }

    /// The most bytes held at once, up to the end of the last turn.
    pub fn peak(&self) -> usize {
        usize::try_from(self.tally.get().peak).unwrap_or(0)
    }
}

/// While it lives, its session is the one charged on this thread.
#[derive(Debug)]
pub struct Turn {
    meter: Meter,
    outer: Tally,
    here: PhantomData<*const ()>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.meter.tally.set(replace(self.outer));
    }
}

/// While it lives, nobody is charged on this thread: for the host's own work in the middle of a
/// turn, such as answering an ask in-process.
#[derive(Debug)]
pub struct Outside {
    inside: Tally,
    here: PhantomData<*const ()>,
}

/// Stops charging the session until the returned guard is dropped. Free there only what was
/// taken there: giving back the session's memory outside leaves it charged.
#[must_use = "charging resumes when this is dropped"]
pub fn outside() -> Outside {
    Outside { inside: current(), here: PhantomData }
}

impl Drop for Outside {
    fn drop(&mut self) {
        replace(self.inside);
    }
}
