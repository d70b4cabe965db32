//! Objects that only Python can tell apart: dataclasses, models, members of an Enum, registered types.
//!
//! The rule: an object is asked for only when nothing else fits, and `opendxa.dana.crossing` says what goes in its
//! place. Structs become objects only of classes that the host bound.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::session::Session;

/// Types were registered for the whole process that structs come back as.
static EVERYWHERE: AtomicBool = AtomicBool::new(false);

/// From now on structs of all sessions are looked at.
#[pyo3::pyfunction]
pub(crate) fn restore_structs() {
    EVERYWHERE.store(true, Ordering::Relaxed);
}

fn call<'py>(
    py: Python<'py>,
    cell: &'static PyOnceLock<Py<PyAny>>,
    name: &str,
    arguments: impl pyo3::call::PyCallArgs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let found =
        cell.get_or_try_init(py, || py.import("opendxa.dana.crossing")?.getattr(name).map(Bound::unbind))?;
    found.bind(py).call1(arguments)
}

/// What goes in place of an object; `NotImplemented` if nothing does.
pub(crate) fn outgoing<'py>(
    session: &Bound<'py, Session>,
    value: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    static OUTGOING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    call(py, &OUTGOING, "outgoing", (value, session.get().types(py)))
}

/// The value with objects in place of structs whose types are bound.
pub(crate) fn restored<'py>(
    session: &Bound<'py, Session>,
    value: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    static RESTORED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = value.py();
    match session.get().types(py) {
        None if !EVERYWHERE.load(Ordering::Relaxed) => Ok(value),
        types => call(py, &RESTORED, "restored", (value, types)),
    }
}

/// The same for the arguments of a call of a host's function.
pub(crate) fn restore_arguments<'py>(
    session: &Bound<'py, Session>,
    payload: &Bound<'py, PyDict>,
) -> PyResult<()> {
    static RESTORED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = payload.py();
    match session.get().types(py) {
        None if !EVERYWHERE.load(Ordering::Relaxed) => Ok(()),
        types => call(py, &RESTORED, "restore_arguments", (payload, types)).map(drop),
    }
}
