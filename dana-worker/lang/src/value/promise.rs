//! The answer to an ask, before and after it arrives.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::error::Spot;
use super::structure::Annotation;
use super::{Raise, Value, cycles};
use crate::coerce;

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
    /// Promises of the same value for typed targets.
    typed: RefCell<Vec<Typed>>,
}

/// A promise of another one's value, coerced.
struct Typed {
    promise: Rc<PromiseObj>,
    annotation: Rc<Annotation>,
    target: Rc<str>,
}

impl PromiseObj {
    pub fn new(ask: u32) -> PromiseObj {
        PromiseObj {
            ask: Cell::new(ask),
            state: RefCell::new(PromiseState::Pending),
            observed: Cell::new(false),
            origin: RefCell::new(None),
            typed: RefCell::default(),
        }
    }

    pub fn is_pending(&self) -> bool {
        matches!(*self.state.borrow(), PromiseState::Pending)
    }

    /// A promise of what `target: annotation = value` will store. It answers for a failure from now on.
    pub fn typed(&self, annotation: &Rc<Annotation>, target: &Rc<str>) -> Rc<PromiseObj> {
        let promise = Rc::new(PromiseObj::new(self.ask.get()));
        self.observed.set(true);
        self.typed.borrow_mut().push(Typed {
            promise: Rc::clone(&promise),
            annotation: Rc::clone(annotation),
            target: Rc::clone(target),
        });
        promise
    }

    /// Settles it, and those of its value; a second answer is ignored.
    pub fn settle(self: &Rc<Self>, outcome: Result<Value, Raise>) {
        // Typed promises of typed promises can be many: no recursion.
        let mut due = self.keep(outcome);
        while let Some((typed, outcome)) = due.pop() {
            let fitting = outcome.and_then(|value| coerce::assign(value, &typed.annotation, &typed.target));
            due.extend(typed.promise.keep(fitting));
        }
    }

    /// Settles it alone; gives the promises of its value that are now due.
    fn keep(self: &Rc<Self>, outcome: Result<Value, Raise>) -> Vec<(Typed, Result<Value, Raise>)> {
        if let Ok(value) = &outcome {
            cycles::stored(self, value);
        }
        if !self.is_pending() {
            return Vec::new();
        }
        let typed = self.typed.take();
        let due = typed.into_iter().map(|typed| (typed, outcome.clone())).collect();
        *self.state.borrow_mut() = match outcome {
            Ok(value) => PromiseState::Kept(value),
            Err(raise) => PromiseState::Broken(raise),
        };
        due
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
