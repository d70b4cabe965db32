//! Forks of the host: the child gives back its copies of the parent's pipes.
//!
//! The rule: a session stays with the process that began it, and a child's copy of its pipes must
//! not keep a worker alive after its host. The child only closes; it never signals, waits or locks: the one lock it
//! needs, that of the spares, is taken by the thread that forks.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::pool;
use crate::session::Session;

/// Every living session, by weak reference.
static SESSIONS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Remembers a session for the children of this process.
pub(crate) fn remember(session: &Bound<'_, Session>) -> PyResult<()> {
    let py = session.py();
    prepare(py)?;
    if let Some(sessions) = SESSIONS.get(py) {
        sessions.bind(py).call_method1("add", (session,))?;
    }
    Ok(())
}

/// Has forks looked after from now on.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    let sessions = SESSIONS.get_or_try_init(py, || {
        let arguments = PyDict::new(py);
        arguments.set_item("before", pyo3::wrap_pyfunction!(before_fork, py)?)?;
        arguments.set_item("after_in_parent", pyo3::wrap_pyfunction!(after_fork_in_parent, py)?)?;
        arguments.set_item("after_in_child", pyo3::wrap_pyfunction!(abandon_sessions, py)?)?;
        py.import("os")?.call_method("register_at_fork", (), Some(&arguments))?;
        py.import("weakref")?.call_method0("WeakSet").map(Bound::unbind)
    });
    sessions.map(drop)
}

#[pyo3::pyfunction]
fn before_fork() {
    pool::before_fork();
}

#[pyo3::pyfunction]
fn after_fork_in_parent() {
    pool::after_fork_in_parent();
}

/// Runs in the child of a fork, on its only thread.
#[pyo3::pyfunction]
fn abandon_sessions(py: Python<'_>) -> PyResult<()> {
    pool::after_fork_in_child();
    let Some(sessions) = SESSIONS.get(py) else { return Ok(()) };
    for session in sessions.bind(py).try_iter()? {
        session?.cast::<Session>().map_err(PyErr::from)?.get().core().abandon();
    }
    Ok(())
}
