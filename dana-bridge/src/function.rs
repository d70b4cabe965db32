//! A Dana function in Python: stays in its session, called from here.

use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use dana_wire::Target;

use crate::session::Session;
use crate::stderr::one_line;
use crate::stop::Stop;
use crate::turn::{self, Task};

/// A function of a Dana session. Calling it is a turn of that session, under its limits.
#[pyclass(module = "opendxa.dana", frozen, weakref)]
#[derive(Debug)]
pub(crate) struct Function {
    session: Py<Session>,
    handle: u64,
    name: String,
}

impl Function {
    /// The Python object for a handle the session's interpreter sent.
    pub(crate) fn hold(session: &Bound<'_, Session>, handle: u64, name: &str) -> Result<Self, Stop> {
        if !session.get().core().handles().hold(handle) {
            return Err(Stop::Violation("more functions than a session may hand out".to_owned()));
        }
        Ok(Function { session: session.clone().unbind(), handle, name: name.to_owned() })
    }

    pub(crate) fn session(&self) -> &Py<Session> {
        &self.session
    }

    pub(crate) fn handle(&self) -> u64 {
        self.handle
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.session.get().core().handles().let_go(self.handle);
    }
}

#[pymethods]
impl Function {
    /// The function's name in Dana.
    #[getter(name)]
    fn py_name(&self) -> &str {
        &self.name
    }

    #[getter]
    fn __name__(&self) -> &str {
        &self.name
    }

    /// Calls the function in its session and returns its value; raises `DanaCallError` when it fails.
    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let task = Task::Call { target: Target::Handle(self.handle), positional: args, keywords: kwargs };
        Ok(turn::take(self.session.bind(py), &task, None, None)?.value)
    }

    fn __repr__(&self) -> String {
        format!("<Dana function {}>", one_line(&self.name))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Function>().is_ok_and(|other| {
            let inner = other.get();
            inner.handle == self.handle && inner.session.is(&self.session)
        })
    }

    fn __hash__(&self) -> u64 {
        self.handle
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.session)
    }
}
