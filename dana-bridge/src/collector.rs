//! Python's garbage collector while a large value is built.
//!
//! It starts by itself after every 700 new containers, and each time their number has grown by a quarter it goes through
//! all there are in the process, in one piece, with the GIL held: of 1.9 million small lists, nine tenths of the time was
//! that, and other threads waited for up to 0.2 s. What is being built is no garbage. So it does not start while a
//! value is being built; now and then what is new is looked through once, and counts as old from then on, so that no great
//! number of new objects is left to whoever makes the next one.
//!
//! The rule: nobody can see it stopped. It is on again whenever the GIL is let go of, and no Python code runs until then.
//! Left out: a whole collection that is due afterwards, as it would be however the value had come into being.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::sys;

/// The collector, stopped until this is dropped; or as it was, if somebody has switched it off.
pub(crate) struct Stopped<'py> {
    /// `gc.collect` and its argument, made before: no container is made between its start and the call.
    collect: (Bound<'py, PyAny>, Bound<'py, PyTuple>),
    was_on: bool,
}

impl<'py> Stopped<'py> {
    pub(crate) fn new(py: Python<'py>) -> PyResult<Self> {
        let young = PyTuple::new(py, [1])?;
        let collect = (py.import(intern!(py, "gc"))?.getattr(intern!(py, "collect"))?, young);
        Ok(Stopped { collect, was_on: sys::stop_collector(py) })
    }

    /// Starts it, and makes old what is new.
    pub(crate) fn age(self) -> PyResult<()> {
        let (collect, young) = self.collect.clone();
        let was_on = self.was_on;
        // What it finds may have finalisers, which are Python code.
        drop(self);
        if was_on {
            collect.call1(young)?;
        }
        Ok(())
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        if self.was_on {
            sys::start_collector(self.collect.1.py());
        }
    }
}
