//! The answer to an ask, before and after it arrives.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::error::Spot;
use super::structure::Annotation;
use super::{Raise, Value, cycles};

/// Where a promise stands.
pub enum PromiseState {
    Pending,
    Kept(Value),
    Broken(Raise),
}

pub struct PromiseObj {
    /// The ask that settles it.
    pub ask: Cell<u32>,
    pub state: RefCell<PromiseState>,
    /// Somebody has looked at the outcome, so a failure is known.
    pub observed: Cell<bool>,
    /// Where the program asked.
    pub origin: RefCell<Option<Spot>>,
    /// The annotation its value will have been made to fit.
    pub expected: RefCell<Option<Rc<Annotation>>>,
}

impl PromiseObj {
    pub fn new(ask: u32) -> PromiseObj {
        PromiseObj {
            ask: Cell::new(ask),
            state: RefCell::new(PromiseState::Pending),
            observed: Cell::new(false),
            origin: RefCell::new(None),
            expected: RefCell::new(None),
        }
    }

    pub fn is_pending(&self) -> bool {
        matches!(*self.state.borrow(), PromiseState::Pending)
    }

    /// Settles it; a second answer is ignored.
    pub fn settle(self: &Rc<Self>, outcome: Result<Value, Raise>) {
        if let Ok(value) = &outcome {
            cycles::stored(self, value);
        }
        let mut state = self.state.borrow_mut();
        if matches!(*state, PromiseState::Pending) {
            *state = match outcome {
                Ok(value) => PromiseState::Kept(value),
                Err(raise) => PromiseState::Broken(raise),
            };
        }
    }

    pub fn observe(self: &Rc<Self>) -> Result<Value, Raise> {
        match &*self.state.borrow() {
            PromiseState::Pending => Err(Raise::pending(self)),
            PromiseState::Kept(value) => {
                self.observed.set(true);
                value.observe()
            }
            PromiseState::Broken(raise) => {
                self.observed.set(true);
                Err(raise.clone())
            }
        }
    }
}
