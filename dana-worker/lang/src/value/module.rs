//! Variables of modules and scopes.
//!
//! A variable has a number for as long as its namespace lives; compiled code refers to it by that.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::{Value, put};

/// A growing set of numbered variables. An `Unset` slot is a name without a value.
#[derive(Default)]
pub struct Namespace {
    names: RefCell<HashMap<Rc<str>, u32>>,
    order: RefCell<Vec<Rc<str>>>,
    pub slots: RefCell<Vec<Value>>,
    /// Variables that functions refer to; the others may live in registers while top-level code runs.
    shared: RefCell<Vec<bool>>,
}

impl Namespace {
    /// The number of a name, given one if it has none.
    pub fn slot(&self, name: &str) -> u32 {
        if let Some(slot) = self.names.borrow().get(name) {
            return *slot;
        }
        let slot = self.slots.borrow().len() as u32;
        let name: Rc<str> = name.into();
        self.names.borrow_mut().insert(Rc::clone(&name), slot);
        self.order.borrow_mut().push(name);
        self.slots.borrow_mut().push(Value::Unset);
        self.shared.borrow_mut().push(false);
        slot
    }

    pub fn find(&self, name: &str) -> Option<u32> {
        self.names.borrow().get(name).copied()
    }

    pub fn name(&self, slot: u32) -> Option<Rc<str>> {
        self.order.borrow().get(slot as usize).cloned()
    }

    /// The value of a name that has one.
    pub fn get(&self, name: &str) -> Option<Value> {
        let slot = self.find(name)?;
        let value = self.slots.borrow().get(slot as usize).cloned()?;
        (!value.is_unset()).then_some(value)
    }

    pub fn set(&self, name: &str, value: Value) {
        let slot = self.slot(name);
        self.set_slot(slot, value);
    }

    #[inline]
    pub fn set_slot(&self, slot: u32, value: Value) {
        let old = match self.slots.borrow_mut().get_mut(slot as usize) {
            Some(place) => std::mem::replace(place, value),
            None => return,
        };
        let mut old = old;
        put(&mut old, Value::Unset);
    }

    #[inline]
    pub fn get_slot(&self, slot: u32) -> Value {
        self.slots.borrow().get(slot as usize).cloned().unwrap_or(Value::Unset)
    }

    pub fn share(&self, slot: u32) {
        if let Some(shared) = self.shared.borrow_mut().get_mut(slot as usize) {
            *shared = true;
        }
    }

    pub fn is_shared(&self, slot: u32) -> bool {
        self.shared.borrow().get(slot as usize).copied().unwrap_or(false)
    }

    /// Names with a value, in order of first appearance.
    pub fn entries(&self) -> Vec<(Rc<str>, Value)> {
        let slots = self.slots.borrow();
        let order = self.order.borrow();
        order
            .iter()
            .zip(slots.iter())
            .filter(|(_, value)| !value.is_unset())
            .map(|(name, value)| (Rc::clone(name), value.clone()))
            .collect()
    }

    /// Names, at most so many, for suggestions.
    pub fn names(&self, most: usize) -> Vec<Rc<str>> {
        let (slots, order) = (self.slots.borrow(), self.order.borrow());
        let named = order.iter().zip(slots.iter()).filter(|(_, value)| !value.is_unset());
        named.map(|(name, _)| Rc::clone(name)).take(most).collect()
    }
}

/// A module: its variables and its private scope. The main program is one.
pub struct ModuleObj {
    pub name: Rc<str>,
    pub file: RefCell<Option<Rc<str>>>,
    /// Relative imports start here: the module itself for a package, else its parent.
    pub package: RefCell<Rc<str>>,
    pub locals: Namespace,
    pub private: Namespace,
    /// Its top level has run to the end.
    pub complete: Cell<bool>,
}

impl ModuleObj {
    pub fn new(name: &str) -> ModuleObj {
        ModuleObj {
            name: name.into(),
            file: RefCell::new(None),
            package: RefCell::new("".into()),
            locals: Namespace::default(),
            private: Namespace::default(),
            complete: Cell::new(false),
        }
    }
}
