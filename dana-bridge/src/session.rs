//! The Python face of a session: what can be asked of it, and how it is opened.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dana_wire::{FUNCTIONS, HostFunction, NAME_BYTES, Start, Target};
use pyo3::PyTraverseError;
use pyo3::exceptions::{PyException, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::core::Core;
use crate::leaving::Inside;
use crate::limits::{Limits, seconds};
use crate::literal::Zones;
use crate::recruit::Recipe;
use crate::report::{Level, Report};
use crate::turn::{self, Task, usage_dict};
use crate::watch::{Position, Watch};
use crate::wish::Wish;
use crate::{forks, leaving, opening, raise, supervise, sys};

/// One session of one Dana interpreter: in a worker process (`spawn`, `launch`) or here (`in_process`).
#[pyclass(module = "opendxa.dana._bridge", frozen, weakref)]
pub(crate) struct Session {
    core: Core,
    /// Answers asks, takes output and log lines, and makes an object for a turn that has any of them.
    ask: Py<PyAny>,
    output: Py<PyAny>,
    log: Py<PyAny>,
    turn: Py<PyAny>,
    /// Completes the error of a turn that failed.
    failed: Option<Py<PyAny>>,
    /// Python's object for the types that this session knows beyond the usual ones.
    types: Mutex<Option<Py<PyAny>>>,
    zones: Zones,
    /// How its worker is made; `None` in-process.
    recipe: Option<Arc<Recipe>>,
}

/// A function of the host: its name, and whether calls of it are answered later.
#[derive(FromPyObject)]
enum Registered {
    Named(String),
    Told(String, bool),
}

/// Python's side of a session, by keyword.
struct Face {
    ask: Py<PyAny>,
    output: Py<PyAny>,
    log: Py<PyAny>,
    turn: Py<PyAny>,
    failed: Option<Py<PyAny>>,
}

impl Session {
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    pub(crate) fn ask(&self) -> &Py<PyAny> {
        &self.ask
    }

    pub(crate) fn output(&self) -> &Py<PyAny> {
        &self.output
    }

    pub(crate) fn log(&self) -> &Py<PyAny> {
        &self.log
    }

    pub(crate) fn types<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        types.as_ref().map(|types| types.bind(py).clone())
    }

    pub(crate) fn zones(&self) -> &Zones {
        &self.zones
    }

    /// Has Python make its object for a turn that may take so many seconds more.
    pub(crate) fn begin_turn(&self, py: Python<'_>, left: Option<f64>) -> PyResult<Py<PyAny>> {
        self.turn.call1(py, (left,))
    }

    /// Has Python complete the error of a turn that failed; an exception there changes nothing.
    pub(crate) fn complete(&self, py: Python<'_>, error: PyErr) -> PyErr {
        let Some(failed) = &self.failed else { return error };
        let value = error.into_value(py).into_bound(py).into_any();
        match failed.call1(py, (&value,)) {
            Err(mishap) if mishap.is_instance_of::<PyException>(py) => {
                mishap.write_unraisable(py, Some(failed.bind(py)));
            }
            // Ctrl-C, for example.
            Err(stop) => return stop,
            Ok(_) => {}
        }
        // Anew: an error remembers the traceback that its value had.
        PyErr::from_value(value)
    }

    fn build(
        py: Python<'_>,
        limits: Limits,
        functions: &[HostFunction],
        face: Face,
        recipe: Option<Arc<Recipe>>,
    ) -> PyResult<Py<Session>> {
        let Face { ask, output, log, turn, failed } = face;
        let core = Core::new(limits, functions);
        let session = Py::new(
            py,
            Session {
                core,
                ask,
                output,
                log,
                turn,
                failed,
                types: Mutex::default(),
                zones: Zones::default(),
                recipe,
            },
        )?;
        forks::remember(session.bind(py))?;
        Ok(session)
    }

    fn recipe(&self) -> PyResult<&Arc<Recipe>> {
        self.recipe.as_ref().ok_or_else(|| PyRuntimeError::new_err("the session has no worker"))
    }
}

/// Functions as the interpreter is told of them.
fn checked(functions: Vec<Registered>) -> PyResult<Vec<HostFunction>> {
    let told = functions.into_iter().map(|function| match function {
        Registered::Named(name) => HostFunction { name, background: false },
        Registered::Told(name, background) => HostFunction { name, background },
    });
    let functions: Vec<HostFunction> = told
        .map(|function| match function.name.len() {
            1..=NAME_BYTES => Ok(function),
            length => Err(PyValueError::new_err(format!(
                "a function's name has 1 to {NAME_BYTES} bytes, this one {length}"
            ))),
        })
        .collect::<PyResult<_>>()?;
    if functions.len() > FUNCTIONS {
        return Err(too_many_functions());
    }
    Ok(functions)
}

fn too_many_functions() -> PyErr {
    PyValueError::new_err(format!("a session takes at most {FUNCTIONS} functions"))
}

#[pyo3::pyfunction]
fn finish_workers(py: Python<'_>) {
    leaving::begin();
    py.detach(|| {
        supervise::finish();
        leaving::wait();
    });
}

/// Sees to it that no worker outlives the interpreter that started it.
pub(crate) fn finish_at_exit(py: Python<'_>) -> PyResult<()> {
    static REGISTERED: PyOnceLock<()> = PyOnceLock::new();
    REGISTERED.get_or_try_init(py, || {
        let finish = pyo3::wrap_pyfunction!(finish_workers, py)?;
        py.import("atexit")?.call_method1("register", (finish,)).map(drop)
    })?;
    Ok(())
}

fn level_of(name: &str) -> PyResult<Level> {
    Level::named(name).ok_or_else(|| PyValueError::new_err(format!("there is no isolation level '{name}'")))
}

fn timeout_of(timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Duration>> {
    timeout.map(seconds).transpose()
}

/// What workers of these settings are made by.
pub(crate) fn recipe_of(
    worker: &str,
    limits: &Limits,
    startup: Duration,
    [level, least]: [&str; 2],
    harden_speculation: bool,
) -> PyResult<Arc<Recipe>> {
    Ok(Arc::new(Recipe {
        path: PathBuf::from(worker),
        wish: Wish::new(level_of(level)?, level_of(least)?, harden_speculation),
        of_kernel: limits.of_kernel(),
        of_group: limits.of_group(),
        of_interpreter: limits.of_interpreter(),
        startup,
    }))
}

/// A value by a name, as the tuple Python unpacks.
type Answer<'py> = (Bound<'py, PyAny>, Bound<'py, PyDict>);

#[pymethods]
impl Session {
    /// Begins a session in a worker, a spare one or a new one. Every layer up to `level` is tried; raises unless at
    /// least `min_level` is in force. With `wait=False` it is not open yet: see `open`. With `busy_wait` a turn looks for
    /// its answer for so many seconds before it lets other Python threads run.
    #[staticmethod]
    #[pyo3(signature = (worker, *, limits, functions, ask, output, log, turn, startup_timeout, level = "landlocked",
                        min_level = "filtered", harden_speculation = false, wait = true, busy_wait = None,
                        failed = None))]
    #[expect(clippy::too_many_arguments, reason = "by keyword in Python")]
    fn spawn(
        py: Python<'_>,
        worker: &str,
        limits: &Bound<'_, PyDict>,
        functions: Vec<Registered>,
        ask: Py<PyAny>,
        output: Py<PyAny>,
        log: Py<PyAny>,
        turn: Py<PyAny>,
        startup_timeout: &Bound<'_, PyAny>,
        level: &str,
        min_level: &str,
        harden_speculation: bool,
        wait: bool,
        busy_wait: Option<&Bound<'_, PyAny>>,
        failed: Option<Py<PyAny>>,
    ) -> PyResult<Py<Session>> {
        let limits = Limits::from_dict(limits)?;
        let recipe =
            recipe_of(worker, &limits, seconds(startup_timeout)?, [level, min_level], harden_speculation)?;
        finish_at_exit(py)?;
        let _inside = Inside::enter();
        let functions = checked(functions)?;
        let face = Face { ask, output, log, turn, failed };
        let session = Session::build(py, limits, &functions, face, Some(recipe.clone()))?;
        let core = session.get().core();
        core.tell(functions);
        if let Some(time) = timeout_of(busy_wait)? {
            core.set_busy_wait(time);
        }
        let opened = if wait {
            py.detach(|| opening::open(core, &recipe)).map(|()| None)
        } else {
            opening::begin(core, &recipe)
        };
        match opened {
            Ok(None) => core.start_clock(),
            Ok(opening) => *core.opening() = opening,
            Err(unready) => {
                py.detach(|| core.close());
                return Err(opening::raise_unready(py, &recipe, unready));
            }
        }
        Ok(session)
    }

    /// Goes on with opening a session that was spawned with `wait=False`, without waiting. Returns None once it is
    /// open, else a descriptor that becomes readable when there is something to go on with, and the seconds that are
    /// left.
    fn open(&self, py: Python<'_>) -> PyResult<Option<(i32, f64)>> {
        let recipe = self.recipe()?;
        if !self.core.is_ours() {
            return Err(raise::closed(py, &self.core.foreign()));
        }
        let Some(opening) = self.core.opening().take() else {
            return if self.core.is_closed() { Err(raise::closed(py, &self.core.over())) } else { Ok(None) };
        };
        match opening.go_on(&self.core) {
            Ok(None) => {
                self.core.start_clock();
                Ok(None)
            }
            Ok(Some(opening)) => {
                let sign = opening.sign();
                *self.core.opening() = Some(opening);
                Ok(Some(sign))
            }
            Err(unready) => {
                py.detach(|| self.core.close());
                Err(opening::raise_unready(py, recipe, unready))
            }
        }
    }

    /// Begins a session in this process. It is limited, but not isolated.
    #[staticmethod]
    #[pyo3(signature = (*, limits, functions, ask, output, log, turn, failed = None))]
    #[expect(clippy::too_many_arguments, reason = "by keyword in Python")]
    fn in_process(
        py: Python<'_>,
        limits: &Bound<'_, PyDict>,
        functions: Vec<Registered>,
        ask: Py<PyAny>,
        output: Py<PyAny>,
        log: Py<PyAny>,
        turn: Py<PyAny>,
        failed: Option<Py<PyAny>>,
    ) -> PyResult<Py<Session>> {
        finish_at_exit(py)?;
        let limits = Limits::from_dict(limits)?;
        let functions = checked(functions)?;
        let seed = sys::random().map_err(std::io::Error::from)?;
        let interpreter = limits.of_interpreter();
        let face = Face { ask, output, log, turn, failed };
        let session = Session::build(py, limits, &functions, face, None)?;
        let start = Start { limits: interpreter, seed, functions };
        let core = session.get().core();
        let mut watch = Watch::new(&session, None, Instant::now());
        let begun = py.detach(|| opening::open_here(core, start, &mut watch));
        match begun {
            Ok(()) => core.start_clock(),
            Err(stop) => return Err(raise::ending(py, &core.end(&stop, Position::default()))),
        }
        Ok(session)
    }

    /// Runs a program in the session's scope. Returns its value and what it used. `turn` is Python's object for the
    /// turn, if it has made one.
    #[pyo3(signature = (source, filename = None, timeout = None, turn = None))]
    fn run<'py>(
        slf: &Bound<'py, Self>,
        source: &Bound<'py, PyString>,
        filename: Option<&str>,
        timeout: Option<&Bound<'py, PyAny>>,
        turn: Option<Py<PyAny>>,
    ) -> PyResult<Answer<'py>> {
        let source = text(source)?;
        let answered = turn::take(slf, &Task::Run { source, filename }, timeout_of(timeout)?, turn)?;
        Ok((answered.value, usage_dict(slf.py(), answered.usage)?))
    }

    /// Calls a function by its name or its handle, and returns its value.
    #[pyo3(signature = (target, args, kwargs = None, timeout = None))]
    fn call<'py>(
        slf: &Bound<'py, Self>,
        target: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let task = Task::Call { target: target_of(target)?, positional: args, keywords: kwargs };
        Ok(turn::take(slf, &task, timeout_of(timeout)?, None)?.value)
    }

    /// Begins what `run` does, without waiting for it: see `advance`. False if the request is not all sent yet.
    #[pyo3(signature = (source, filename = None, timeout = None, turn = None))]
    fn begin_run<'py>(
        slf: &Bound<'py, Self>,
        source: &Bound<'py, PyString>,
        filename: Option<&str>,
        timeout: Option<&Bound<'py, PyAny>>,
        turn: Option<Py<PyAny>>,
    ) -> PyResult<bool> {
        turn::begin(slf, &Task::Run { source: text(source)?, filename }, timeout_of(timeout)?, turn)
    }

    /// Begins what `call` does.
    #[pyo3(signature = (target, args, kwargs = None, timeout = None, turn = None))]
    fn begin_call<'py>(
        slf: &Bound<'py, Self>,
        target: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
        timeout: Option<&Bound<'py, PyAny>>,
        turn: Option<Py<PyAny>>,
    ) -> PyResult<bool> {
        let task = Task::Call { target: target_of(target)?, positional: args, keywords: kwargs };
        turn::begin(slf, &task, timeout_of(timeout)?, turn)
    }

    /// Begins what `get` does.
    #[pyo3(signature = (name, timeout = None))]
    fn begin_get<'py>(
        slf: &Bound<'py, Self>,
        name: &str,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<bool> {
        turn::begin(slf, &Task::Get { name }, timeout_of(timeout)?, None)
    }

    /// Begins what `set` does.
    #[pyo3(signature = (name, value, timeout = None))]
    fn begin_set<'py>(
        slf: &Bound<'py, Self>,
        name: &str,
        value: &Bound<'py, PyAny>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<bool> {
        turn::begin(slf, &Task::Set { name, value }, timeout_of(timeout)?, None)
    }

    /// Begins what `snapshot` does.
    #[pyo3(signature = (timeout = None))]
    fn begin_snapshot<'py>(slf: &Bound<'py, Self>, timeout: Option<&Bound<'py, PyAny>>) -> PyResult<bool> {
        turn::begin(slf, &Task::Snapshot, timeout_of(timeout)?, None)
    }

    /// Begins what `describe` does.
    #[pyo3(signature = (module = None, again = false, timeout = None, turn = None))]
    fn begin_describe<'py>(
        slf: &Bound<'py, Self>,
        module: Option<&str>,
        again: bool,
        timeout: Option<&Bound<'py, PyAny>>,
        turn: Option<Py<PyAny>>,
    ) -> PyResult<bool> {
        turn::begin(slf, &Task::Describe { module, again }, timeout_of(timeout)?, turn)
    }

    /// Goes on with the turn that was begun, as far as it goes without waiting. Returns None if it is not over, else
    /// its value and what it used.
    fn advance<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Answer<'py>>> {
        let answered = turn::go_on(slf)?;
        answered.map(|answered| Ok((answered.value, usage_dict(slf.py(), answered.usage)?))).transpose()
    }

    /// What `advance` waits for: a descriptor to become readable, one to become writable, and one more to become
    /// readable; -1 is none.
    fn signs(slf: &Bound<'_, Self>) -> (i32, i32, i32) {
        turn::signs(slf).map_or((-1, -1, -1), |signs| (signs.replies, signs.requests, signs.bell))
    }

    /// Ends the turn that was begun, if any, and the session with it, without waiting until the worker is gone: `close`
    /// does. Returns a descriptor that becomes readable then; -1 if there is nothing to wait for.
    fn abort(slf: &Bound<'_, Self>) -> i32 {
        turn::abort(slf)
    }

    /// Reads a variable.
    #[pyo3(signature = (name, timeout = None))]
    fn get<'py>(
        slf: &Bound<'py, Self>,
        name: &str,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(turn::take(slf, &Task::Get { name }, timeout_of(timeout)?, None)?.value)
    }

    /// Writes a variable.
    #[pyo3(signature = (name, value, timeout = None))]
    fn set<'py>(
        slf: &Bound<'py, Self>,
        name: &str,
        value: &Bound<'py, PyAny>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        turn::take(slf, &Task::Set { name, value }, timeout_of(timeout)?, None).map(drop)
    }

    /// Reads all variables that can be sent: a dict by scope of dicts by name.
    #[pyo3(signature = (timeout = None))]
    fn snapshot<'py>(
        slf: &Bound<'py, Self>,
        timeout: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(turn::take(slf, &Task::Snapshot, timeout_of(timeout)?, None)?.value)
    }

    /// Tells what can be called: in the session, or in a module, which is imported first, `again` if it was before. See
    /// the protocol's `Describe`.
    #[pyo3(signature = (module = None, again = false, timeout = None, turn = None))]
    fn describe<'py>(
        slf: &Bound<'py, Self>,
        module: Option<&str>,
        again: bool,
        timeout: Option<&Bound<'py, PyAny>>,
        turn: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Ok(turn::take(slf, &Task::Describe { module, again }, timeout_of(timeout)?, turn)?.value)
    }

    /// Lets programs call more functions, from the next turn on; allowed at any time.
    fn register(&self, functions: Vec<Registered>) -> PyResult<()> {
        if self.core.register(checked(functions)?) { Ok(()) } else { Err(too_many_functions()) }
    }

    /// Sets the object that says which types the session knows beyond the usual ones; see `opendxa.dana.crossing`.
    fn set_types(&self, types: Py<PyAny>) {
        let before = self.types.lock().unwrap_or_else(PoisonError::into_inner).replace(types);
        // Not under the lock: dropping may run Python code.
        drop(before);
    }

    /// Ends the session and its worker. Idempotent; allowed from any thread at any time.
    fn close(&self, py: Python<'_>) {
        let _inside = Inside::enter();
        py.detach(|| self.core.close());
    }

    /// True while a live worker of this process, verified at `filtered` or better, serves it.
    #[getter]
    fn isolated(&self) -> bool {
        self.core.is_isolated()
    }

    /// The live worker's process id; None if there is none.
    #[getter]
    fn pid(&self) -> Option<i32> {
        self.core.worker().map(|worker| worker.pid)
    }

    /// True while the session can be used.
    #[getter]
    fn alive(&self) -> bool {
        let in_process = self.core.report().is_some_and(|report| report.level == Level::None);
        self.core.is_ours() && !self.core.is_closed() && (in_process || self.core.worker().is_some())
    }

    /// What all turns so far used.
    #[getter]
    fn used<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        usage_dict(py, self.core.used())
    }

    /// The isolation report: `level`, and `layers` with what is in force and by what evidence.
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        match self.core.report() {
            Some(report) => report.to_dict(py),
            None => Report::of_this_process().to_dict(py),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.ask)?;
        visit.call(&self.output)?;
        visit.call(&self.log)?;
        visit.call(&self.turn)?;
        visit.call(&self.failed)?;
        // What cannot be looked at now is not collected now.
        match self.types.try_lock() {
            Ok(types) => visit.call(&*types),
            Err(_) => Ok(()),
        }
    }
}

fn text<'a>(source: &'a Bound<'_, PyString>) -> PyResult<&'a str> {
    source
        .to_str()
        .map_err(|_| raise::conversion(source.py(), "a program with a lone surrogate cannot be run", None))
}

fn target_of(target: &Bound<'_, PyAny>) -> PyResult<Target> {
    if let Ok(name) = target.extract::<String>() {
        Ok(Target::Name(name))
    } else if let Ok(handle) = target.extract::<u64>() {
        Ok(Target::Handle(handle))
    } else {
        let kind = target.get_type().name()?;
        Err(PyTypeError::new_err(format!("Expected str, got {kind} at argument 'target'")))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // No waiting with the GIL held, unless the interpreter is at its end and there is none.
        if Python::try_attach(|py| py.detach(|| self.core.close())).is_none() {
            self.core.close();
        }
    }
}
