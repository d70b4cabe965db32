//! Forks of the host: the child gives back its copies of the parent's pipes.
//!
//! The rule: a session stays with the process that began it, and a child's copy of its pipes must
//! not keep a worker alive after its host, however the child was forked. The child only closes; it never signals or
//! waits, and the one lock it needs, that of the pool, is taken by the thread that forks. The pipes of a worker that is
//! being started are known to nobody yet, so a fork waits for that.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::pool;
use crate::session::Session;
use crate::sys;

/// Every living session, by weak reference.
static SESSIONS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Remembers a session for the children of this process.
pub(crate) fn remember(session: &Bound<'_, Session>) -> PyResult<()> {
    let py = session.py();
    let sessions = SESSIONS.get_or_try_init(py, || {
        let arguments = PyDict::new(py);
        arguments.set_item("after_in_child", pyo3::wrap_pyfunction!(abandon_sessions, py)?)?;
        py.import("os")?.call_method("register_at_fork", (), Some(&arguments))?;
        py.import("weakref")?.call_method0("WeakSet").map(Bound::unbind)
    })?;
    sessions.bind(py).call_method1("add", (session,)).map(drop)
}

/// How many workers are being started, and [`FORKING`] while somebody forks or waits to. An atomic, not a lock: in the
/// child of a fork nobody could let go of one.
static STARTING: AtomicU32 = AtomicU32::new(0);
const FORKING: u32 = 1 << 31;
/// What a start takes is a few times this.
const MOMENT: Duration = Duration::from_micros(100);

/// While it lives, no thread of this process forks: those that want to wait. Nothing that it lives through may wait for
/// Python, which the thread that forks may hold.
#[derive(Debug)]
pub(crate) struct Starting(());

impl Starting {
    pub(crate) fn begin() -> Self {
        sys::at_fork(hold, release, let_go);
        loop {
            let now = STARTING.load(Ordering::Acquire) & !FORKING;
            match STARTING.compare_exchange(now, now + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Starting(()),
                Err(other) if other & FORKING != 0 => thread::sleep(MOMENT),
                Err(_) => {}
            }
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        STARTING.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Before a fork: waits for the starts under way, lets none begin, and keeps the pool as it is.
extern "C" fn hold() {
    while STARTING.fetch_or(FORKING, Ordering::AcqRel) & FORKING != 0 {
        thread::sleep(MOMENT);
    }
    while STARTING.load(Ordering::Acquire) != FORKING {
        thread::sleep(MOMENT);
    }
    pool::hold();
}

/// After it, in the parent.
extern "C" fn release() {
    pool::release();
    STARTING.store(0, Ordering::Release);
}

/// After it, in the child: its copies of the pipes of all workers lead nowhere from now on.
extern "C" fn let_go() {
    pool::let_go();
    STARTING.store(0, Ordering::Release);
}

/// Runs in the child of a fork, on its only thread.
#[pyo3::pyfunction]
fn abandon_sessions(py: Python<'_>) -> PyResult<()> {
    pool::drop_copies();
    let Some(sessions) = SESSIONS.get(py) else { return Ok(()) };
    for session in sessions.bind(py).try_iter()? {
        session?.cast::<Session>().map_err(PyErr::from)?.get().core().abandon();
    }
    Ok(())
}
